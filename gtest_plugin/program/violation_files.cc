#include "gtest_plugin/program/violation_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/base/write_all.h"
#include "encapsulate/failure.h"
#include "encapsulate/result.h"
#include "encapsulate/violation_report.h"
#include "encapsulate/violations.h"

namespace encapsulate {
namespace {

absl::Status WriteFile(const std::string& path, const std::string& text) {
  const UniqueFd file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.valid() && WriteAll(file.get(), text)) return absl::OkStatus();
  return MakeFailure(
      {FailureKind::kInvalidOptions, "write the report", path, "", errno});
}

}  // namespace

absl::Status ViolationFiles::Create(std::vector<ReportTarget> targets) {
  targets_ = std::move(targets);
  report_ = ViolationReport();
  report_.language = Language::kCode;
  char directory[PATH_MAX];
  if (getcwd(directory, sizeof(directory)) != nullptr) {
    report_.directory = directory;
  }
  for (const ReportTarget& target : targets_) {
    absl::Status status = WriteFile(target.path, "");
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void ViolationFiles::Add(const std::string& test, const Result& result) {
  if (targets_.empty()) return;
  for (const Violation& violation : result.violations) {
    report_.violations.push_back(violation);
    report_.violations.back().test = test;
  }
  for (const AllowedUse& use : result.allowed) {
    const auto known =
        absl::c_find_if(report_.allowed, [&](const AllowedUse& one) {
          return one.allowed.rule == use.allowed.rule &&
                 one.allowed.target == use.allowed.target &&
                 one.allowed.reason == use.allowed.reason;
        });
    if (known == report_.allowed.end()) {
      report_.allowed.push_back(use);
    } else {
      known->count += use.count;
    }
  }
  report_.beyond += result.violations_beyond;
  report_.unseen += result.violations_unseen;
  report_.watched_outside = report_.watched_outside || result.watched_outside;
}

absl::Status ViolationFiles::Write() {
  if (targets_.empty()) return absl::OkStatus();
  // Tests end in another order if several run at a time.
  std::stable_sort(
      report_.violations.begin(), report_.violations.end(),
      [](const Violation& a, const Violation& b) { return a.first < b.first; });
  Symbolize(&report_.violations);
  absl::Status status;
  for (const ReportTarget& target : targets_) {
    status.Update(WriteFile(target.path, WriteReport(target.format, report_)));
  }
  return status;
}

}  // namespace encapsulate
