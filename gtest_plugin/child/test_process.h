// SPDX-License-Identifier: Apache-2.0
//
// The process of a test, inside its sandbox, from the fork to its end.
//
// It detaches the program's listeners, streams the test's results to the
// program, and leaves when the test has ended, never through RUN_ALL_TESTS().
#ifndef GTEST_PLUGIN_CHILD_TEST_PROCESS_H_
#define GTEST_PLUGIN_CHILD_TEST_PROCESS_H_

#include <sys/types.h>

#include <chrono>

#include "encapsulate/violations.h"
#include "gtest/gtest.h"
#include "gtest_plugin/shared/channel.h"
#include "gtest_plugin/shared/view.h"
#include "gtest_plugin/test_options.h"

namespace encapsulate {

class TestProcess {
 public:
  // The calling process; null if it is that of the program.
  static TestProcess* Get();

  // Makes the calling process, just forked, that of `test`. What is given has
  // to live as long as the process. `watched_outside`: see
  // encapsulate/watched_outside.h.
  static TestProcess& Become(const testing::TestInfo& test,
                             const TestOptions& options, const View& view,
                             Channel* channel, bool watched_outside);

  // To be called where the test's object is about to be created.
  void Begin();

  const TestOptions& options() const { return options_; }
  const View& view() const { return view_; }

  // For ExpectBlocked: the number that stands for it, and whether anything was
  // blocked. 0 if nobody watches.
  int BeginExpected(Rule rule, const char* target, const char* file, int line);
  Answer EndExpected(int number);

  // Where GoogleTest says that the test has ended.
  [[noreturn]] void End();
  // Where only a process comes that should have ended before.
  [[noreturn]] void EndStray(const char* where);

 private:
  class Listener;

  TestProcess(const testing::TestInfo& test, const TestOptions& options,
              const View& view, Channel* channel, bool watched_outside);

  void CopyWorkingDirectory();
  void StreamResult(const testing::TestPartResult& result);
  void TellClearing(int results);
  void AppendProperties();
  void AppendDeath();
  // Whether this is a process that the test has forked.
  bool IsStray() const;
  static void OnExit(int status, void* process);
  static void OnQuickExit();

  const testing::TestInfo& test_;
  const TestOptions& options_;
  const View& view_;
  Channel* const channel_;
  const bool watched_outside_;
  const pid_t pid_;
  int last_expected_ = 0;
  int streamed_ = 0;  // results, since the test last dropped any
  std::chrono::steady_clock::time_point started_;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_CHILD_TEST_PROCESS_H_
