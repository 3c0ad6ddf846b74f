// SPDX-License-Identifier: Apache-2.0
//
// The files of --encapsulate_report: what the tests of this program attempted.
#ifndef GTEST_PLUGIN_PROGRAM_VIOLATION_FILES_H_
#define GTEST_PLUGIN_PROGRAM_VIOLATION_FILES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "encapsulate/result.h"
#include "encapsulate/violation_report.h"
#include "gtest_plugin/program/output_file.h"

namespace encapsulate {

class ViolationFiles {
 public:
  // Makes empty files. Fails for those that can't be written.
  absl::Status Create(std::vector<ReportTarget> targets);

  // Keeps what `result` says of the test's violations.
  void Add(const std::string& test, const Result& result);

  // Writes what was added since Create(). Fails for those that aren't there any
  // more.
  absl::Status Write();

 private:
  struct Target {
    ReportFormat format;
    OutputFile file;
  };

  std::vector<Target> targets_;
  ViolationReport report_;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_VIOLATION_FILES_H_
