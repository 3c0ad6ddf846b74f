// SPDX-License-Identifier: Apache-2.0
//
// Takes the tool's arguments apart. The first argument that is no flag ends
// the flags, so that the command's own flags are left alone:
//
//   encapsulate [flags] 'tree|tree2' command args...
//   encapsulate [flags] 'tree|tree2' -- command args...
//   encapsulate [flags] -- command args...
//
// A flag is also a line of a file that --flagfile names. And, where Bazel runs
// a test under the tool (see bazel.h) and with --learn,
//
//   encapsulate [flags] program args...
#ifndef TOOL_COMMAND_LINE_H_
#define TOOL_COMMAND_LINE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace encapsulate::tool {

struct CommandLine {
  enum class Action { kRun, kVary, kVaryHelp, kCheck, kHelp, kVersion };
  Action action = Action::kRun;
  std::vector<std::string> trees;  // of the first argument
  std::vector<std::string> command;
  bool runs_bazel_test = false;
};

// Sets the flags and returns the rest. `arguments` are without the program's
// name. Flags that came before a mistake are set even so.
absl::StatusOr<CommandLine> ParseCommandLine(
    const std::vector<std::string>& arguments);

}  // namespace encapsulate::tool

#endif  // TOOL_COMMAND_LINE_H_
