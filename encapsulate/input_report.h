// SPDX-License-Identifier: Apache-2.0
//
// Inputs of a run for programs: one JSON object a line.
//
//   std::string line = WriteInputs("Suite.Test", result.inputs);
//
// docs/inputs.md says what it holds.
#ifndef ENCAPSULATE_INPUT_REPORT_H_
#define ENCAPSULATE_INPUT_REPORT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "encapsulate/inputs.h"

namespace encapsulate {

// With its line feed. `test` may be empty. What lies in the record's directory
// is named relative to it. Bytes that aren't valid UTF-8 become U+FFFD each.
std::string WriteInputs(absl::string_view test, const InputRecord& inputs);

}  // namespace encapsulate

#endif  // ENCAPSULATE_INPUT_REPORT_H_
