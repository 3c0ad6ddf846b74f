// A string as JSON has it, with its quotes. Bytes that aren't valid UTF-8
// become U+FFFD each.
#ifndef TOOL_JSON_H_
#define TOOL_JSON_H_

#include <string>

#include "absl/strings/string_view.h"

namespace encapsulate::tool {

std::string JsonString(absl::string_view text);

}  // namespace encapsulate::tool

#endif  // TOOL_JSON_H_
