// SPDX-License-Identifier: Apache-2.0
//
// For tests that run the tool as a user would, beside environment.h.
#ifndef TESTS_SUPPORT_TOOL_H_
#define TESTS_SUPPORT_TOOL_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/support/environment.h"

namespace encapsulate::tool {

struct Finished {
  int exit_code = 0;  // as a shell shows it
  std::string output;
  std::string errors;
};

// Runs the tool to its end. `prepare` runs in the child before the tool is
// executed. Fails the test if a process or a mount is left behind.
Finished RunTool(const std::vector<std::string>& arguments,
                 const std::function<void()>& prepare = nullptr);
Finished RunProgram(const std::vector<std::string>& command,
                    const std::function<void()>& prepare = nullptr);

// --- To be called in `prepare` ----------------------------------------------

// Ends the child, so that the test fails, unless `result` is at least 0.
void MustWork(long result, const char* what);

// Makes a system call fail with `error` from now on, in this process and all
// that it starts. With `argument_mask`, only if the first argument has one of
// these bits.
void FailCall(long number, int error, unsigned long argument_mask = 0);

// Goes into a user and mount namespace of its own in which ids are as before
// and every capability is held, to change what the host looks like.
void BecomeHost();

void WriteFile(const std::string& path, absl::string_view text);

// Gives up what BecomeHost() gave.
void DropCapabilities();

}  // namespace encapsulate::tool

#endif  // TESTS_SUPPORT_TOOL_H_
