// SPDX-License-Identifier: Apache-2.0
//
// What is told of a test that didn't come to its end: where it stood, and what
// it printed last. In the test program, for what takes more than a process
// that crashed can do.
#ifndef GTEST_PLUGIN_PROGRAM_REPORT_H_
#define GTEST_PLUGIN_PROGRAM_REPORT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "encapsulate/sandbox.h"

namespace encapsulate {

// What a test's process has written into its report (signals.h), and where
// other processes inside stand, for the message of a failure; "" if that is
// nothing. Functions get their file and
// line where the program has debug information and llvm-symbolizer or
// addr2line is installed; that takes tens of milliseconds, for a large program
// more.
std::string FormatReport(const std::string& report,
                         const std::vector<SandboxedProcess>& others = {});

// How long a sandbox took to make, in one line: the steps that took longest by
// name, the others as one.
std::string FormatSteps(const std::vector<StepTime>& steps);

// The end of what a test prints: at most 40 lines of 4 KiB together.
class OutputTail {
 public:
  void Add(absl::string_view bytes);

  // For the message of a failure, under a heading; "" if nothing was printed.
  // Bytes that would spoil a report, control characters and what isn't UTF-8,
  // are question marks.
  std::string Format() const;

 private:
  std::string bytes_;
  bool cut_ = false;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_REPORT_H_
