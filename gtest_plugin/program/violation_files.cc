// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/violation_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/base/write_all.h"
#include "encapsulate/failure.h"
#include "encapsulate/result.h"
#include "encapsulate/violation_report.h"
#include "encapsulate/violations.h"

namespace encapsulate {
namespace {

absl::Status CannotWrite(const std::string& path, const std::string& reason,
                         int error) {
  return MakeFailure(
      {FailureKind::kInvalidOptions, "write the report", path, reason, error});
}

}  // namespace

absl::Status ViolationFiles::Create(std::vector<ReportTarget> targets) {
  targets_.clear();
  report_ = ViolationReport();
  report_.language = Language::kCode;
  char directory[PATH_MAX];
  if (getcwd(directory, sizeof(directory)) != nullptr) {
    report_.directory = directory;
  }
  for (ReportTarget& target : targets) {
    const UniqueFd file(open(target.path.c_str(),
                             O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    struct stat info;
    if (!file.valid() || fstat(file.get(), &info) != 0) {
      return CannotWrite(target.path, "", errno);
    }
    targets_.push_back(
        {std::move(target), info.st_dev, info.st_ino, info.st_mode & S_IFMT});
  }
  return absl::OkStatus();
}

// Nothing is opened that it wasn't from the start, not even to be looked at.
absl::Status ViolationFiles::Write(const Target& target,
                                   const std::string& text) {
  const std::string& path = target.report.path;
  const UniqueFd place(open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat info;
  if (!place.valid() || fstat(place.get(), &info) != 0) {
    return CannotWrite(path, "", errno);
  }
  if (info.st_dev != target.device || info.st_ino != target.inode ||
      (info.st_mode & S_IFMT) != target.type) {
    return CannotWrite(path, "a test has put something else in its place", 0);
  }
  const UniqueFd file(open(
      absl::StrCat("/proc/self/fd/", place.get()).c_str(),
      O_WRONLY | O_NOCTTY | O_CLOEXEC | (S_ISREG(info.st_mode) ? O_TRUNC : 0)));
  if (!file.valid() || !WriteAll(file.get(), text)) {
    return CannotWrite(path, "", errno);
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
  for (const Target& target : targets_) {
    status.Update(Write(target, WriteReport(target.report.format, report_)));
  }
  return status;
}

}  // namespace encapsulate
