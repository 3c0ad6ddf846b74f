// SPDX-License-Identifier: Apache-2.0
//
// Runs the program's tests in sandboxes: forks where a test's object would be
// created (TestRun; the child goes on as a TestProcess), and replays what
// comes of the test into GoogleTest.
//
// While one test runs, the next ones of its suite may be started as well, in
// the order of Schedule. Each waits as a TestRun until GoogleTest comes to
// it, and what it holds is replayed then. So GoogleTest, and whoever listens to
// it, sees one test at a time.
#ifndef GTEST_PLUGIN_PROGRAM_RUNNER_H_
#define GTEST_PLUGIN_PROGRAM_RUNNER_H_

#include <poll.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/sandbox_pool.h"
#include "gtest/gtest.h"
#include "gtest_plugin/child/test_process.h"
#include "gtest_plugin/googletest/internals.h"
#include "gtest_plugin/program/ahead.h"
#include "gtest_plugin/program/durations.h"
#include "gtest_plugin/program/inputs_file.h"
#include "gtest_plugin/program/output_file.h"
#include "gtest_plugin/program/replay.h"
#include "gtest_plugin/program/schedule.h"
#include "gtest_plugin/program/test_run.h"
#include "gtest_plugin/program/trace.h"
#include "gtest_plugin/program/violation_files.h"
#include "gtest_plugin/shared/channel.h"
#include "gtest_plugin/shared/settings.h"
#include "gtest_plugin/shared/view.h"
#include "gtest_plugin/test_options.h"

namespace encapsulate {

class Runner {
 public:
  // The program's one, which lives as long as the program.
  static Runner& Get();

  // Starts listening to GoogleTest. At static initialisation, because the
  // listener must be there before RUN_ALL_TESTS().
  static bool Register();

  // --- What the program says ------------------------------------------------

  void set_settings(Settings settings) {
    settings_ = std::move(settings);
    settings_read_ = true;
    asked_for_ = nullptr;
  }
  void set_program_options(TestOptions options) {
    program_options_ = std::move(options);
    asked_for_ = nullptr;
  }
  const TestOptions& program_options() const { return program_options_; }
  void set_suite_options(TestOptions options) {
    suite_options_ = std::move(options);
    asked_for_ = nullptr;
  }
  // Every test of the program is to be encapsulated, not only those of our
  // fixture.
  void EncapsulateEveryTest() { every_test_ = true; }

  // --- Where tests are created ----------------------------------------------

  // In place of `factory`: in the child it makes the test, in the parent an
  // inert one, after the child's end.
  testing::Test* Create(gtest_internals::Factory* factory);

  // Called by our fixture's operator new. False: the caller is to make the
  // object here. True: the test has run elsewhere.
  bool RunElsewhere();

  // Whether a test that should be in a sandbox isn't.
  bool IsOutside() const { return creating_ && TestProcess::Get() == nullptr; }

 private:
  class ProgramListener;
  class EndListener;

  Runner() = default;

  void OnProgramStart(const testing::UnitTest& program);
  // Those of tests that haven't had it done.
  void WrapFactories(const testing::UnitTest& program);
  void ReadDurations();
  void WriteDurations() const;
  void CreateReports();
  void WriteReports();
  void CreateTrace();
  void WriteTrace() const;
  void OnProgramEnd();
  // Why tests can't or mustn't be encapsulated, to be shown; "" if they can.
  std::string WhyInProcess() const;

  // Forks and, in the parent, sees the test through. False in the child.
  bool RunTest();
  // Made once for all tests of a suite, or of the program.
  std::shared_ptr<const TestRun::EffectiveOptions> AskedFor(
      const testing::TestInfo& test);
  std::unique_ptr<TestRun> Prepare(const testing::TestInfo& test);
  absl::StatusOr<TestRun::Side> Start(TestRun* test, TestRun::Where where);
  // Tests that are likely to be started after this one.
  int MoreTests() const;
  void WarnOfThreads(TestRun* test);
  absl::Status WhyNotFork() const;
  void Become(TestRun* test);
  void SeeThrough();

  // --- Tests that run ahead -------------------------------------------------
  int Jobs() const;
  void Reach(const testing::TestInfo& test);
  // Starts what there is room for.
  void RunAhead();
  void StartAhead(const testing::TestInfo& info);
  bool IsAlone(const testing::TestInfo& test);
  // Those that use a processor.
  int BusyTests() const;
  void EndSuite();

  // Waits until something comes of a test that runs, and takes it in.
  void Await();
  // How long to wait before a line of progress, or the next one, is due.
  absl::Duration UntilProgress() const;
  std::string ProgressLine() const;

  Settings settings_;
  bool settings_read_ = false;
  TestOptions program_options_;
  absl::optional<TestOptions> suite_options_;
  bool every_test_ = false;
  bool active_ = false;
  std::set<const testing::TestInfo*> wrapped_;
  testing::TestEventListener* end_listener_ = nullptr;
  const absl::Time started_ = absl::Now();
  std::set<std::string> known_threads_;
  std::shared_ptr<const TestRun::EffectiveOptions> asked_for_;
  ViewCache views_;
  ChannelPool channels_;
  int jobs_ = 1;
  absl::optional<Durations> durations_;
  ViolationFiles violation_files_;
  InputsFile inputs_file_;
  absl::optional<OutputFile> trace_file_;
  Trace trace_;
  bool shows_progress_ = false;
  absl::optional<SandboxPool> pool_;  // while tests run
  int started_tests_ = 0;             // in this iteration
  bool told_in_line_ = false;
  bool told_exposed_ = false;
  bool told_watched_outside_ = false;

  bool creating_ = false;  // the object of a test
  bool ran_elsewhere_ = false;
  std::unique_ptr<TestRun> current_;
  absl::Time reached_;  // when GoogleTest came to it
  Replay replay_;
  absl::optional<Schedule> schedule_;  // of the suite that GoogleTest is at
  TestsAhead ahead_;
  std::vector<struct pollfd> polls_;        // Await()'s
  absl::optional<absl::Duration> elapsed_;  // of the test that has just ended
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_RUNNER_H_
