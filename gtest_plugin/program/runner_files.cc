// SPDX-License-Identifier: Apache-2.0
//
// The files that a run reads and writes: how long tests took, reports and
// the trace.
#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest_plugin/program/durations.h"
#include "gtest_plugin/program/runner.h"
#include "gtest_plugin/shared/output.h"

namespace encapsulate {
namespace {

void NoticeUnlessOk(const absl::Status& status) {
  if (!status.ok()) PrintNotice(std::string(status.message()));
}

}  // namespace

void Runner::ReadDurations() {
  if (settings_.durations.empty()) return;
  absl::StatusOr<Durations> durations = Durations::Read(settings_.durations);
  if (!durations.ok()) {
    PrintNotice(std::string(durations.status().message()));
    exit(2);
  }
  durations_ = *std::move(durations);
}

void Runner::WriteDurations() const {
  if (durations_.has_value()) NoticeUnlessOk(durations_->Write());
}

void Runner::CreateReports() {
  absl::Status status = violation_files_.Create(settings_.reports);
  if (status.ok()) status = inputs_file_.Create(settings_.inputs);
  if (status.ok()) return;
  PrintNotice(std::string(status.message()));
  exit(2);
}

void Runner::WriteReports() {
  NoticeUnlessOk(violation_files_.Write());
  NoticeUnlessOk(inputs_file_.Write());
}

void Runner::CreateTrace() {
  if (settings_.trace.empty()) return;
  OutputFile file("the trace", settings_.trace);
  const absl::Status status = file.Create();
  if (!status.ok()) {
    PrintNotice(std::string(status.message()));
    exit(2);
  }
  trace_file_ = std::move(file);
}

void Runner::WriteTrace() const {
  if (!trace_file_.has_value()) return;
  NoticeUnlessOk(trace_file_->Write(trace_.Json(program_invocation_name)));
}

}  // namespace encapsulate
