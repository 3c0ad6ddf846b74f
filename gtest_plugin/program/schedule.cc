// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/schedule.h"

#include <algorithm>
#include <cstddef>
#include <functional>

#include "absl/time/time.h"

namespace encapsulate {

Schedule::Schedule(
    const testing::TestSuite& suite,
    const std::function<bool(const testing::TestInfo&)>& is_alone,
    const std::function<absl::Duration(const testing::TestInfo&)>& duration) {
  for (int i = 0; i < suite.total_test_count(); ++i) {
    const testing::TestInfo* const test = suite.GetTestInfo(i);
    if (!test->should_run()) continue;
    tests_.push_back({test, is_alone(*test), duration(*test)});
  }
}

void Schedule::Reach(const testing::TestInfo& test) {
  while (reached_ < tests_.size() && tests_[reached_].test != &test) {
    ++reached_;
  }
  if (reached_ >= planned_) Plan();
}

// Up to the next one that runs alone.
void Schedule::Plan() {
  next_.clear();
  planned_ = reached_ + 1;
  if (reached_ >= tests_.size() || tests_[reached_].alone) return;
  while (planned_ < tests_.size() && !tests_[planned_].alone) {
    next_.push_back(planned_++);
  }
  std::stable_sort(next_.begin(), next_.end(), [this](size_t a, size_t b) {
    return tests_[a].duration > tests_[b].duration;
  });
  std::reverse(next_.begin(), next_.end());
}

const testing::TestInfo* Schedule::Next() {
  while (!next_.empty()) {
    const size_t next = next_.back();
    next_.pop_back();
    if (next > reached_) return tests_[next].test;
  }
  return nullptr;
}

void Schedule::Stop() {
  tests_.clear();
  next_.clear();
}

}  // namespace encapsulate
