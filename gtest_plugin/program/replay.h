// SPDX-License-Identifier: Apache-2.0
//
// Gives what comes of a test to GoogleTest, which tells its listeners, and
// prints what the test and the plugin print.
#ifndef GTEST_PLUGIN_PROGRAM_REPLAY_H_
#define GTEST_PLUGIN_PROGRAM_REPLAY_H_

#include <set>
#include <string>

#include "gtest/gtest.h"
#include "gtest_plugin/program/test_run.h"
#include "gtest_plugin/shared/records.h"

namespace encapsulate {

class Replay {
 public:
  // GoogleTest has come to another test.
  void Begin() { is_at_line_start_ = true; }

  // Shows what has come so far of `test`, which GoogleTest is at, and lets it
  // go on if it waits for that.
  void Show(TestRun* test);

  // Where the output of the test that GoogleTest is at stands.
  bool is_at_line_start() const { return is_at_line_start_; }

 private:
  void GiveToGoogleTest(const Record& record, const testing::TestInfo& test);

  std::set<std::string> printed_;  // of what is printed once
  bool is_at_line_start_ = true;
  bool listener_threw_ = false;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_REPLAY_H_
