// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/base/json.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/printable.h"

namespace encapsulate {

std::string JsonString(absl::string_view text) {
  std::string json = "\"";
  while (!text.empty()) {
    const Character character = FirstCharacter(text);
    const absl::string_view bytes = text.substr(0, character.size);
    if (!character.valid) {
      absl::StrAppend(&json, "\\ufffd");
    } else if (bytes == "\"" || bytes == "\\") {
      absl::StrAppend(&json, "\\", bytes);
    } else if (!character.printable) {
      absl::StrAppendFormat(&json, "\\u%04x",
                            static_cast<uint32_t>(character.value));
    } else {
      absl::StrAppend(&json, bytes);
    }
    text.remove_prefix(character.size);
  }
  return absl::StrCat(json, "\"");
}

}  // namespace encapsulate
