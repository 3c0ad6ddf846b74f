// SPDX-License-Identifier: Apache-2.0
//
// Tests that were started before GoogleTest came to them. They run, or have
// ended and wait for their turn; some are paused meanwhile.
#ifndef GTEST_PLUGIN_PROGRAM_AHEAD_H_
#define GTEST_PLUGIN_PROGRAM_AHEAD_H_

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "gtest_plugin/program/test_run.h"

namespace encapsulate {

class TestsAhead {
 public:
  // Whether another one may be started, for what they hold and how many they
  // are. How many may run is not known here.
  bool HasRoom() const;

  void Add(std::unique_ptr<TestRun> test);
  bool Has(const testing::TestInfo& test) const;
  // The one that GoogleTest has come to, and which isn't paused any more; null
  // if it isn't there.
  std::unique_ptr<TestRun> Take(const testing::TestInfo& test);

  const std::vector<TestRun*>& running() const { return running_; }
  // Of them, those that aren't paused.
  int busy() const;
  // How many have ended.
  size_t ended() const { return tests_.size() - running_.size(); }

  // When something has come of them: lets those go on that may, and pauses the
  // others.
  void Settle();

  // In the process of `test`: lets go of the others.
  void DisownAllBut(const TestRun* test);

  // Ends them all.
  void Clear();

 private:
  size_t HeldBytes() const;

  std::map<const testing::TestInfo*, std::unique_ptr<TestRun>> tests_;
  std::vector<TestRun*> running_;  // of them, those that haven't ended
  size_t held_by_ended_ = 0;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_AHEAD_H_
