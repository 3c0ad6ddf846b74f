// SPDX-License-Identifier: Apache-2.0
//
// Where the tool meets Bazel: `bazel run` starts it in a folder of its own, and
// `bazel test --run_under` puts it before a test.
#ifndef TOOL_BAZEL_H_
#define TOOL_BAZEL_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace encapsulate::tool {

// Goes to the directory in which the user typed `bazel run` or `bazelw run`.
// Elsewhere, also below a command that `bazel run` started, it does nothing.
absl::Status EnterCallersDirectory();

// Whether this process was put before a Bazel test by --run_under, judged by
// its command line: `arguments` are those that aren't flags. Bazel names the
// test's program in TEST_BINARY and passes that as an argument.
bool IsRunUnderTest(const std::vector<std::string>& arguments);

// Whether `argument` is a program, and so the start of the command, when a
// test is run under the tool.
bool IsProgram(const std::string& argument);

// Where a test leaves what Bazel collects: the directories, of those that
// Bazel's variables name, that exist.
std::vector<std::string> TestOutputs();

}  // namespace encapsulate::tool

#endif  // TOOL_BAZEL_H_
