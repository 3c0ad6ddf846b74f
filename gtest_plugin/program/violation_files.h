// SPDX-License-Identifier: Apache-2.0
//
// The files of --encapsulate_report: what the tests of this program attempted.
#ifndef GTEST_PLUGIN_PROGRAM_VIOLATION_FILES_H_
#define GTEST_PLUGIN_PROGRAM_VIOLATION_FILES_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "encapsulate/result.h"
#include "encapsulate/violation_report.h"

namespace encapsulate {

// They are opened to be written, and not before: a descriptor of theirs would
// be every test's. A test may write where they lie; what it has put in the
// place of one stays as it is.
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
  // A file and what it was when it was made.
  struct Target {
    ReportTarget report;
    dev_t device;
    ino_t inode;
    mode_t type;  // the number of a file that is gone is given out again
  };

  static absl::Status Write(const Target& target, const std::string& text);

  std::vector<Target> targets_;
  ViolationReport report_;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_VIOLATION_FILES_H_
