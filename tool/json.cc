#include "tool/json.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "encapsulate/error.h"

namespace encapsulate::tool {

std::string JsonString(absl::string_view text) {
  std::string json = "\"";
  while (!text.empty()) {
    const size_t size = Utf8Size(text);
    const unsigned char first = static_cast<unsigned char>(text[0]);
    if (size == 0) {
      absl::StrAppend(&json, "\\ufffd");
    } else if (first == '"' || first == '\\') {
      absl::StrAppend(&json, "\\", text.substr(0, 1));
    } else if (first < 0x20 || first == 0x7f) {
      absl::StrAppendFormat(&json, "\\u%04x", first);
    } else {
      absl::StrAppend(&json, text.substr(0, size));
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return absl::StrCat(json, "\"");
}

}  // namespace encapsulate::tool
