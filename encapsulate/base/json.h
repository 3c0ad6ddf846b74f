// SPDX-License-Identifier: Apache-2.0
//
// A string as JSON has it, with its quotes. Bytes that aren't valid UTF-8
// become U+FFFD each.
#ifndef ENCAPSULATE_BASE_JSON_H_
#define ENCAPSULATE_BASE_JSON_H_

#include <string>

#include "absl/strings/string_view.h"

namespace encapsulate {

std::string JsonString(absl::string_view text);

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_JSON_H_
