// Runs tests in sandboxes: forks where a test's object would be created, and
// is on both sides of that fork.
//
// Parent: supervises the child, replays what it reports into GoogleTest as it
// comes, and judges its end. Child: detaches the program's listeners, streams
// the test's results, and leaves when the test has ended, never through
// RUN_ALL_TESTS().
#ifndef GTEST_PLUGIN_RUNNER_H_
#define GTEST_PLUGIN_RUNNER_H_

#include <sys/types.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "gtest_plugin/channel.h"
#include "gtest_plugin/encapsulation.h"
#include "gtest_plugin/settings.h"
#include "gtest_plugin/view.h"

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
  }
  void set_program_options(TestOptions options) {
    program_options_ = std::move(options);
  }
  const TestOptions& program_options() const { return program_options_; }
  void set_suite_options(TestOptions options) {
    suite_options_ = std::move(options);
  }
  // Every test of the program is to be encapsulated, not only those of our
  // fixture.
  void EncapsulateEveryTest() { every_test_ = true; }

  // --- Where tests are created ----------------------------------------------

  // In place of `factory`: in the child it makes the test, in the parent an
  // inert one, after the child's end.
  testing::Test* Create(testing::internal::TestFactoryBase* factory);

  // Called by our fixture's operator new. False: the caller is to make the
  // object here. True: the test has run elsewhere.
  bool RunElsewhere();

  // Whether a test that should be in a sandbox isn't.
  bool IsOutside() const { return creating_ && !inside_; }

  // --- Inside ---------------------------------------------------------------

  bool inside() const { return inside_; }
  const View& view() const { return view_; }
  const TestOptions& options_in_force() const { return options_; }

 private:
  class ProgramListener;
  class EndListener;
  class ChildListener;

  Runner() = default;

  // --- The program ----------------------------------------------------------
  void OnProgramStart(const testing::UnitTest& program);
  // Why tests can't or mustn't be encapsulated, to be shown; "" if they can.
  std::string WhyInProcess() const;

  // --- Parent ---------------------------------------------------------------
  // Forks and, in the parent, sees the test through. False in the child.
  bool RunTest();
  void WarnOfThreads();
  absl::Status PrepareView();
  absl::Status MakeKeptScratch();
  void KeepOrRemoveScratch();
  absl::Status WhyNotFork() const;
  void Supervise(Process process);
  void ReplayAll();
  void Replay(const encapsulate::Record& record);
  Answer TakeAnswer();
  void Judge(const absl::StatusOr<Result>& result);
  std::string ExplainEnd(const Result& result) const;
  void JudgeLeftovers(const Result& result);
  void ReportRefusal(const absl::Status& status);
  void OfferWorkingDirectory() const;
  // Adds a result to the current test.
  void Record(testing::TestPartResult::Type type, const char* file, int line,
              const std::string& message);
  void Fail(const std::string& text);
  std::string TestName() const;
  absl::Duration Timeout() const;

  // --- Child ----------------------------------------------------------------
  void BecomeTest();
  void CopyWorkingDirectory();
  void StreamResult(const testing::TestPartResult& result);
  void AppendProperties();
  void AppendDeath();
  [[noreturn]] void EndTest(const testing::TestInfo& test);
  [[noreturn]] void EndStray(const char* where);
  bool IsStray() const;
  static void OnExit(int status, void* runner);

  Settings settings_;
  bool settings_read_ = false;
  TestOptions program_options_;
  absl::optional<TestOptions> suite_options_;
  bool every_test_ = false;
  bool active_ = false;
  testing::TestEventListener* end_listener_ = nullptr;
  const absl::Time started_ = absl::Now();

  // Of the test that is being created.
  bool creating_ = false;
  bool ran_elsewhere_ = false;
  bool inside_ = false;
  TestOptions options_;
  View view_;
  ViewInputs inputs_;

  // Parent.
  Channel channel_;
  const testing::TestInfo* test_ = nullptr;
  bool listener_threw_ = false;
  bool done_ = false;
  absl::optional<encapsulate::Record> end_;  // kSignal, kExit or kDeath
  std::vector<encapsulate::Record> strays_;
  std::string last_result_;  // "file:line" of the last one
  absl::optional<absl::Duration> elapsed_;
  absl::Duration timeout_;
  bool timed_out_ = false;
  std::set<std::string> known_threads_;

  // Child.
  pid_t pid_ = -1;
  int results_before_ = 0;
  std::chrono::steady_clock::time_point test_started_;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_RUNNER_H_
