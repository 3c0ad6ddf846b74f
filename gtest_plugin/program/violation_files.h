// The files of --encapsulate_report: what the tests of this program attempted.
#ifndef GTEST_PLUGIN_PROGRAM_VIOLATION_FILES_H_
#define GTEST_PLUGIN_PROGRAM_VIOLATION_FILES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "encapsulate/result.h"
#include "encapsulate/violation_report.h"

namespace encapsulate {

// They are opened to be written, and not before: a descriptor of theirs would
// be every test's.
class ViolationFiles {
 public:
  // Makes empty files. Fails for those that can't be written.
  absl::Status Create(std::vector<ReportTarget> targets);

  // Keeps what `result` says of the test's violations.
  void Add(const std::string& test, const Result& result);

  // Writes what was added since Create().
  absl::Status Write();

 private:
  std::vector<ReportTarget> targets_;
  ViolationReport report_;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_VIOLATION_FILES_H_
