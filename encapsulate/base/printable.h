// SPDX-License-Identifier: Apache-2.0
//
// What others chose, such as the names of programs and files, as it may be
// shown to people. Printed as it is, it could move the cursor, forge lines or
// turn text around.
#ifndef ENCAPSULATE_BASE_PRINTABLE_H_
#define ENCAPSULATE_BASE_PRINTABLE_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace encapsulate {

// The character at the start of `text`, which isn't empty, in UTF-8 (RFC 3629).
struct Character {
  size_t size = 1;     // in bytes
  char32_t value = 0;  // if it is valid
  bool valid = false;
  // Neither a control character (C0, DEL, C1), nor one that separates lines or
  // sets the direction of text.
  bool printable = false;
};
Character FirstCharacter(absl::string_view text);

// Control characters and their kind, and what isn't UTF-8, as escape sequences:
// "\033[31m", "\n", "\u202e", "\xff". The rest stays.
std::string Printable(absl::string_view text);

// The same for each line of a text of several, in which tabs stay.
std::string PrintableLines(absl::string_view text);

// `text` as part of a string literal of C++, or of $'...' in a shell: each byte
// of what isn't printable in octal, quotes and backslashes escaped.
std::string EscapeForCode(absl::string_view text);

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_PRINTABLE_H_
