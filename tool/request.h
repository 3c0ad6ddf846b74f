// SPDX-License-Identifier: Apache-2.0
//
// Turns flags and arguments into what the library is asked for.
#ifndef TOOL_REQUEST_H_
#define TOOL_REQUEST_H_

#include "absl/status/statusor.h"
#include "encapsulate/options.h"
#include "tool/command_line.h"

namespace encapsulate::tool {

absl::StatusOr<Options> MakeOptions(const CommandLine& line);

// Whether --status-fd is given, and what it names can be written to.
bool HasStatusDescriptor();

}  // namespace encapsulate::tool

#endif  // TOOL_REQUEST_H_
