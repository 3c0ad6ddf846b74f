// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/expectations.h"

#include <cstddef>
#include <vector>

namespace encapsulate {
namespace {

// Each attempt is compared with all of them.
constexpr size_t kMostBytes = size_t{64} << 10;

}  // namespace

bool Expectations::Begin(const Record& record, Process* process) {
  const size_t size = sizeof(Expected) + record.texts[0].size();
  if (expected_.count(record.numbers[0]) != 0 || size > kMostBytes - bytes_) {
    return false;
  }
  bytes_ += size;
  const auto rule = static_cast<Rule>(record.numbers[1]);
  expected_[record.numbers[0]] = {process->BeginExpected(rule, record.texts[0]),
                                  record.texts[1],
                                  static_cast<int>(record.numbers[2]), size};
  return true;
}

absl::optional<Answer> Expectations::End(const Record& record,
                                         Process* process) {
  const auto ended = expected_.find(record.numbers[0]);
  if (ended == expected_.end()) return absl::nullopt;
  bytes_ -= ended->second.size;
  const bool blocked = !process->EndExpected(ended->second.number).empty();
  expected_.erase(ended);
  return blocked ? Answer::kBlocked : Answer::kNothing;
}

std::vector<Evidence::Position> Expectations::Open() const {
  std::vector<Evidence::Position> positions;
  positions.reserve(expected_.size());
  for (const auto& one : expected_) {
    positions.push_back({one.second.file, one.second.line});
  }
  return positions;
}

}  // namespace encapsulate
