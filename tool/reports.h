// SPDX-License-Identifier: Apache-2.0
//
// The files of --report, --baseline and --inputs.
#ifndef TOOL_REPORTS_H_
#define TOOL_REPORTS_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/result.h"
#include "encapsulate/violation_baseline.h"
#include "encapsulate/violation_report.h"

namespace encapsulate::tool {

class Reports {
 public:
  // Opens what the flags name, before the command runs, which a wrong name must
  // not. InvalidOptions, and nothing was written but empty reports.
  absl::Status Open();

  // Whether there is a report to write.
  bool wanted() const { return !files_.empty(); }

  // Takes the violations that the baseline knows out of `result`, and says how
  // many and which are gone; with --update-baseline writes the file.
  void ApplyBaseline(Result* result) const;

  void Write(const Result& result) const;
  void WriteInputs(const Result& result) const;

 private:
  struct File {
    const char* what;  // for messages: "the report"
    std::string path;
    UniqueFd fd;
  };

  static absl::Status Create(File* file);
  static void Fill(const File& file, const std::string& text);
  absl::Status OpenBaseline();
  // False, with errno.
  bool FindPlace(const std::string& path);
  void UpdateBaseline(const Result& result) const;

  std::vector<std::pair<ReportFormat, File>> files_;
  absl::optional<File> inputs_;
  absl::optional<Baseline> baseline_;
  // Where it is written.
  struct {
    UniqueFd directory;
    std::string name;
    mode_t mode = 0;
  } place_;
};

}  // namespace encapsulate::tool

#endif  // TOOL_REPORTS_H_
