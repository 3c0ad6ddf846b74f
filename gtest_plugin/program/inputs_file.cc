// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/inputs_file.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/input_report.h"
#include "encapsulate/inputs.h"

namespace encapsulate {

absl::Status InputsFile::Create(const std::string& path) {
  lines_.clear();
  file_ = absl::nullopt;
  if (path.empty()) return absl::OkStatus();
  OutputFile file("the inputs", path);
  absl::Status status = file.Create();
  if (status.ok()) file_ = std::move(file);
  return status;
}

void InputsFile::Add(const std::string& test, const InputRecord& inputs) {
  if (file_.has_value()) lines_.emplace_back(test, WriteInputs(test, inputs));
}

absl::Status InputsFile::Write() {
  if (!file_.has_value()) return absl::OkStatus();
  // Tests end in another order if several run at a time.
  std::stable_sort(
      lines_.begin(), lines_.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text;
  for (const auto& line : lines_) absl::StrAppend(&text, line.second);
  return file_->Write(text);
}

}  // namespace encapsulate
