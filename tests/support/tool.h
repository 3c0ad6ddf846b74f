// SPDX-License-Identifier: Apache-2.0
//
// For tests that run the tool as a user would, beside environment.h.
#ifndef TESTS_SUPPORT_TOOL_H_
#define TESTS_SUPPORT_TOOL_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/places/prepare.h"
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

using places::BecomeHost;
using places::DropCapabilities;
using places::FailCall;
using places::MustWork;
using places::WriteFile;

}  // namespace encapsulate::tool

#endif  // TESTS_SUPPORT_TOOL_H_
