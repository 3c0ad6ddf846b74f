// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/violation_files.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/result.h"
#include "encapsulate/violation_report.h"
#include "encapsulate/violations.h"
#include "gtest_plugin/googletest/frames.h"

namespace encapsulate {

absl::Status ViolationFiles::Create(std::vector<ReportTarget> targets) {
  targets_.clear();
  report_ = ViolationReport();
  report_.language = Language::kCode;
  report_.left_out = gtest_internals::GoogleTestFrames();
  report_.directory = CurrentDirectory();
  for (ReportTarget& target : targets) {
    OutputFile file("the report", std::move(target.path));
    absl::Status status = file.Create();
    if (!status.ok()) return status;
    targets_.push_back({target.format, std::move(file)});
  }
  return absl::OkStatus();
}

void ViolationFiles::Add(const std::string& test, const Result& result) {
  if (targets_.empty()) return;
  // From the strongest to the weakest, as they are listed.
  report_.isolation = std::max(report_.isolation, result.isolation);
  for (const Violation& violation : result.record.violations) {
    report_.record.violations.push_back(violation);
    report_.record.violations.back().test = test;
  }
  for (const AllowedUse& use : result.record.allowed) {
    const auto known =
        absl::c_find_if(report_.record.allowed, [&](const AllowedUse& one) {
          return one.allowed.rule == use.allowed.rule &&
                 one.allowed.target == use.allowed.target &&
                 one.allowed.reason == use.allowed.reason;
        });
    if (known == report_.record.allowed.end()) {
      report_.record.allowed.push_back(use);
    } else {
      known->count += use.count;
    }
  }
  report_.record.beyond += result.record.beyond;
  report_.record.unseen += result.record.unseen;
  report_.record.watched_outside =
      report_.record.watched_outside || result.record.watched_outside;
}

absl::Status ViolationFiles::Write() {
  if (targets_.empty()) return absl::OkStatus();
  // Tests end in another order if several run at a time.
  std::stable_sort(
      report_.record.violations.begin(), report_.record.violations.end(),
      [](const Violation& a, const Violation& b) { return a.first < b.first; });
  Symbolize(&report_.record.violations);
  absl::Status status;
  for (const Target& target : targets_) {
    status.Update(target.file.Write(WriteReport(target.format, report_)));
  }
  return status;
}

}  // namespace encapsulate
