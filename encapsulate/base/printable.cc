// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/base/printable.h"

#include <cstdint>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/error.h"

namespace encapsulate {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

constexpr Range kUnprintable[] = {
    {0x00, 0x1f},                        // C0
    {0x7f, 0x9f},                        // DEL and C1
    {0x61c, 0x61c},   {0x200e, 0x200f},  // marks of direction
    {0x2028, 0x2029},                    // separators of lines and paragraphs
    {0x202a, 0x202e}, {0x2066, 0x2069},  // embeddings, overrides and isolates
    {0xfeff, 0xfeff},                    // the mark of byte order
};

char32_t Decode(absl::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first;
  char32_t value = first & (0x7fU >> character.size());
  for (char byte : character.substr(1)) {
    value = value << 6 | (static_cast<unsigned char>(byte) & 0x3fU);
  }
  return value;
}

std::string Escape(const Character& character, absl::string_view bytes) {
  if (!character.valid) return absl::CHexEscape(bytes);
  if (character.value < 0x80) return absl::CEscape(bytes);
  return absl::StrFormat("\\u%04x", static_cast<uint32_t>(character.value));
}

}  // namespace

Character FirstCharacter(absl::string_view text) {
  Character character;
  const size_t size = Utf8Size(text);
  if (size == 0) return character;
  character.size = size;
  character.valid = true;
  character.value = Decode(text.substr(0, size));
  character.printable = true;
  for (const Range& range : kUnprintable) {
    if (range.first <= character.value && character.value <= range.last) {
      character.printable = false;
    }
  }
  return character;
}

std::string Printable(absl::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    size_t plain = 0;
    while (plain < text.size() && ' ' <= text[plain] && text[plain] <= '~') {
      ++plain;
    }
    absl::StrAppend(&shown, text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const Character character = FirstCharacter(text);
    const absl::string_view bytes = text.substr(0, character.size);
    absl::StrAppend(&shown, character.printable ? std::string(bytes)
                                                : Escape(character, bytes));
    text.remove_prefix(character.size);
  }
  return shown;
}

std::string PrintableLines(absl::string_view text) {
  return absl::StrJoin(
      absl::StrSplit(text, '\n'), "\n",
      [](std::string* out, absl::string_view line) {
        absl::StrAppend(
            out, absl::StrJoin(absl::StrSplit(line, '\t'), "\t",
                               [](std::string* cell, absl::string_view part) {
                                 absl::StrAppend(cell, Printable(part));
                               }));
      });
}

std::string EscapeForCode(absl::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const Character character = FirstCharacter(text);
    const absl::string_view bytes = text.substr(0, character.size);
    if (character.printable && character.size > 1) {
      absl::StrAppend(&escaped, bytes);
    } else {
      // Byte by byte.
      absl::StrAppend(&escaped, absl::CEscape(bytes));
    }
    text.remove_prefix(character.size);
  }
  return escaped;
}

}  // namespace encapsulate
