// SPDX-License-Identifier: Apache-2.0
//
// The order in which the tests of one suite are started.
//
// GoogleTest comes to them one after the other; meanwhile others may run ahead:
//
//   Schedule schedule(suite, is_alone, duration);
//   schedule.Reach(test);  // where GoogleTest is
//   while (there is room && (next = schedule.Next()) != nullptr) ...
#ifndef GTEST_PLUGIN_PROGRAM_SCHEDULE_H_
#define GTEST_PLUGIN_PROGRAM_SCHEDULE_H_

#include <cstddef>
#include <functional>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace encapsulate {

class Schedule {
 public:
  // Tests that run alone are never started ahead, nor is one behind them
  // before they have run. Of the others the longest is first, and those that
  // `duration` says the same of keep their order.
  Schedule(
      const testing::TestSuite& suite,
      const std::function<bool(const testing::TestInfo&)>& is_alone,
      const std::function<absl::Duration(const testing::TestInfo&)>& duration);

  // GoogleTest has come to `test`, which is started if it wasn't yet.
  void Reach(const testing::TestInfo& test);

  // Takes the next test to be started; null if there is none for now.
  const testing::TestInfo* Next();

  // From now on each test starts in its turn.
  void Stop();

 private:
  struct Entry {
    const testing::TestInfo* test;
    bool alone;
    absl::Duration duration;
  };

  void Plan();

  std::vector<Entry> tests_;  // in GoogleTest's order
  size_t reached_ = 0;
  size_t planned_ = 0;        // the first that isn't in next_ or before it
  std::vector<size_t> next_;  // of tests_, the last one first
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_SCHEDULE_H_
