// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/runner.h"

#include <fnmatch.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "encapsulate/base/error.h"
#include "encapsulate/executable.h"
#include "gtest_plugin/child/sanitizers.h"
#include "gtest_plugin/child/signals.h"
#include "gtest_plugin/child/test_process.h"
#include "gtest_plugin/googletest/internals.h"
#include "gtest_plugin/googletest/stdio.h"
#include "gtest_plugin/program/own_process.h"
#include "gtest_plugin/program/progress.h"
#include "gtest_plugin/shared/cores.h"
#include "gtest_plugin/shared/isolation_level.h"
#include "gtest_plugin/shared/output.h"

namespace encapsulate {
namespace {

// How long GoogleTest waits for a test before a line says so, and before that
// is brought up to date.
constexpr absl::Duration kProgressInterval = absl::Seconds(1);

bool IsUnderBazel() {
  return getenv("TEST_TARGET") != nullptr || getenv("BAZEL_TEST") != nullptr;
}

const testing::TestInfo& CurrentTest() {
  return *testing::UnitTest::GetInstance()->current_test_info();
}

// An exception that leaves the test ends the process: what is above this
// function is another test's.
[[noreturn]] void RunToTheEnd(const testing::TestInfo& test) noexcept {
  gtest_internals::Run(test);
  abort();  // TestProcess::End() comes first
}

class InertTest : public testing::Test {
 private:
  void TestBody() override {}

  // GoogleTest checks the test's fixture before it runs it; the child has
  // reported what there is to say.
  gtest_internals::ResultsIgnored ignored_;
};

}  // namespace

// --- Listening to GoogleTest ------------------------------------------------

// Ahead of the listeners that the program appends.
class Runner::ProgramListener : public testing::EmptyTestEventListener {
  void OnTestProgramStart(const testing::UnitTest& program) override {
    Get().OnProgramStart(program);
  }
  void OnTestIterationStart(const testing::UnitTest&, int) override {
    Get().started_tests_ = 0;
  }
  void OnTestProgramEnd(const testing::UnitTest&) override {
    Get().OnProgramEnd();
  }
};

// Behind them all, so that it is the first to hear of an end.
class Runner::EndListener : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo& test) override {
    TestProcess* const inside = TestProcess::Get();
    if (inside != nullptr) inside->End();
    Runner& runner = Get();
    if (!runner.elapsed_.has_value()) return;
    gtest_internals::SetElapsedTime(
        test, absl::ToInt64Milliseconds(*runner.elapsed_));
    if (runner.durations_.has_value()) {
      runner.durations_->Set(FullName(test), *runner.elapsed_);
    }
    runner.elapsed_ = absl::nullopt;
  }
  void OnTestSuiteEnd(const testing::TestSuite&) override { Get().EndSuite(); }
  // Reached inside only if something jumps over the test's end, an exception
  // for one that a main() of the program's own catches.
  void OnTestIterationEnd(const testing::UnitTest&, int) override {
    TestProcess* const inside = TestProcess::Get();
    if (inside != nullptr) inside->EndStray("RUN_ALL_TESTS()");
  }
};

Runner& Runner::Get() {
  static Runner* const runner = new Runner;
  return *runner;
}

bool Runner::Register() {
  testing::UnitTest::GetInstance()->listeners().Append(new ProgramListener);
  return true;
}

namespace {
[[maybe_unused]] const bool registered = Runner::Register();
}  // namespace

std::string Runner::WhyInProcess() const {
  if (settings_.mode == Mode::kOff) return "the mode is off";
  if (gtest_internals::BreaksOnFailure()) {
    return "--gtest_break_on_failure is given";
  }
  if (IsTraced()) return "a debugger is attached";
  return "";
}

void Runner::OnProgramStart(const testing::UnitTest& program) {
  // The process that a death test started is inside already, and must do what
  // an ordinary one does.
  if (gtest_internals::IsDeathTestChild()) return;
  if (active_) {
    // RUN_ALL_TESTS() once more; the program may have registered others since.
    WrapFactories(program);
    return;
  }
  if (!settings_read_) set_settings(ReadSettings(nullptr, nullptr));
  if (const std::string why = WhyInProcess(); !why.empty()) {
    PrintNotice(absl::StrCat(
        "tests run in this process and are not encapsulated: ", why));
    return;
  }
  active_ = true;
  jobs_ = settings_.jobs.value_or(IsUnderBazel() ? 1 : 0);
  if (jobs_ == 0) jobs_ = AvailableCores();
  shows_progress_ = settings_.progress.value_or(true) && CanShowProgress();
  const TestOptions options = WithLevel(Apply(settings_, program_options_));
  SayLevel(options);
  ReadDurations();
  CreateReports();
  CreateTrace();
  PrepareStacks(program_invocation_name);
  // Once for all tests while there is one thread; else in each of them. It
  // takes namespaces.
  if (options.isolation == Isolation::kNamespaces) ProtectExecutable();
  WrapFactories(program);
  end_listener_ = new EndListener;
  testing::UnitTest::GetInstance()->listeners().Append(end_listener_);
}

void Runner::WrapFactories(const testing::UnitTest& program) {
  for (int i = 0; i < program.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *program.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      const testing::TestInfo& test = *suite.GetTestInfo(j);
      if (!wrapped_.insert(&test).second) continue;
      gtest_internals::WrapFactory(test,
                                   [](gtest_internals::Factory* original) {
                                     return Runner::Get().Create(original);
                                   });
    }
  }
}

// What was made ahead ends with the tests, not a little after the program.
void Runner::OnProgramEnd() {
  pool_ = absl::nullopt;
  WriteDurations();
  WriteReports();
  WriteTrace();
}

// --- Creating a test --------------------------------------------------------

testing::Test* Runner::Create(gtest_internals::Factory* factory) {
  if (TestProcess::Get() != nullptr) {
    // That of a test ahead: RunTest() didn't return.
    TestProcess::Get()->Begin();
    return factory->Create();
  }
  if ((every_test_ || ahead_.Has(CurrentTest())) && RunTest()) {
    return new InertTest;
  }
  // The exception of a constructor must not leave the mark behind.
  struct Mark {
    explicit Mark(bool* mark) : mark(mark) { *mark = true; }
    ~Mark() { *mark = false; }
    bool* const mark;
  };
  ran_elsewhere_ = false;
  testing::Test* test;
  {
    const Mark creating(&creating_);
    test = factory->Create();
  }
  if (ran_elsewhere_ && test == nullptr) return new InertTest;
  return test;
}

bool Runner::RunElsewhere() {
  if (TestProcess::Get() != nullptr || !creating_ || ran_elsewhere_) {
    return false;
  }
  ran_elsewhere_ = RunTest();
  return ran_elsewhere_;
}

// --- Running a test ---------------------------------------------------------

void Runner::WarnOfThreads(TestRun* test) {
  std::vector<std::string> names = OtherThreads();
  std::set<std::string> fresh;
  for (const std::string& name : names) {
    if (known_threads_.insert(name).second) fresh.insert(name);
  }
  if (fresh.empty()) return;
  const bool is_one = names.size() == 1;
  test->Note(absl::StrCat(
      "warning: the test program has ", names.size(),
      is_one ? " more thread (" : " more threads (", absl::StrJoin(names, ", "),
      ") when ", FullName(test->info()),
      " is forked from it; the test doesn't ", is_one ? "have it" : "have them",
      ", and a lock held by ", is_one ? "it" : "one of them",
      " stays locked in the test; hint: start threads in the test's SetUp()"));
}

absl::Status Runner::WhyNotFork() const {
  // Its runtime starts one thread of its own, and stops a child of a process
  // with more at the next thread.
  if (!sanitizers::IsThreadSanitizer() || OtherThreads().size() <= 1) {
    return absl::OkStatus();
  }
  return MakeFailure({FailureKind::kHostRefused, "", "",
                      "ThreadSanitizer can't follow a fork of a program with "
                      "several threads",
                      0, "start threads in the test itself"});
}

std::shared_ptr<const TestRun::EffectiveOptions> Runner::AskedFor(
    const testing::TestInfo& test) {
  if (asked_for_ != nullptr) return asked_for_;
  const std::string and_more =
      settings_.ChangeOptions() ? " or of the command line or environment" : "";
  auto asked_for = std::make_shared<TestRun::EffectiveOptions>();
  if (suite_options_.has_value()) {
    *asked_for = {
        WithLevel(Apply(settings_, *suite_options_)),
        absl::StrCat("the test suite ", test.test_suite_name(), and_more)};
  } else {
    *asked_for = {WithLevel(Apply(settings_, program_options_)),
                  absl::StrCat("the program", and_more)};
  }
  asked_for_ = std::move(asked_for);
  return asked_for_;
}

std::unique_ptr<TestRun> Runner::Prepare(const testing::TestInfo& test) {
  auto running = std::make_unique<TestRun>(
      test, AskedFor(test), settings_, started_, &views_, &channels_,
      &violation_files_, &inputs_file_,
      trace_file_.has_value() ? &trace_ : nullptr);
  WarnOfThreads(running.get());
  return running;
}

int Runner::MoreTests() const {
  // The last of the next iteration is as good a guess as any.
  const testing::UnitTest& program = *testing::UnitTest::GetInstance();
  const int more = program.test_to_run_count() - started_tests_;
  return gtest_internals::Repeats() ? std::max(more, jobs_) : more;
}

absl::StatusOr<TestRun::Side> Runner::Start(TestRun* test,
                                            TestRun::Where where) {
  absl::Status why_not = WhyNotFork();
  if (!why_not.ok()) return why_not;
  ++started_tests_;
  // One more than can run, so that there is one when one of them ends.
  if (!pool_.has_value()) {
    pool_.emplace(jobs_ + 1, settings_.reuse.value_or(Reuse::kOff));
  }
  absl::StatusOr<TestRun::Side> side = test->Start(where, &*pool_, MoreTests());
  if (side.ok() && *side == TestRun::Side::kTest) return side;
  if (side.ok() && !test->exposed_executable().empty() &&
      !std::exchange(told_exposed_, true)) {
    test->Note(test->exposed_executable());
  }
  if (side.ok() && test->is_watched_outside() &&
      !std::exchange(told_watched_outside_, true)) {
    test->Note(
        "attempts to reach out are reported by the sandbox around this "
        "program, "
        "and fail no test here");
  }
  const std::string& why = pool_->WhyInLine();
  if (!why.empty() && !std::exchange(told_in_line_, true)) {
    test->Note(absl::StrCat(
        "sandboxes are made when tests need them, which takes longer: ", why));
  }
  return side;
}

// The calling process is that of `test` from now on.
void Runner::Become(TestRun* test) {
  if (current_ != nullptr && current_.get() != test) current_->Disown();
  ahead_.DisownAllBut(test);
  durations_ = absl::nullopt;
  test->Become();
}

bool Runner::RunTest() {
  // The program may have appended others since.
  testing::TestEventListeners& listeners =
      testing::UnitTest::GetInstance()->listeners();
  listeners.Append(listeners.Release(end_listener_));

  const testing::TestInfo& info = CurrentTest();
  reached_ = absl::Now();
  replay_.Begin();
  Reach(info);
  current_ = ahead_.Take(info);
  if (current_ != nullptr) {
    SeeThrough();
    return true;
  }
  while (BusyTests() >= Jobs()) Await();
  current_ = Prepare(info);
  // Before the test can print.
  replay_.Show(current_.get());
  const absl::StatusOr<TestRun::Side> side =
      Start(current_.get(), TestRun::Where::kShown);
  if (!side.ok()) {
    current_->Refuse(side.status());
  } else if (*side == TestRun::Side::kTest) {
    Become(current_.get());
    TestProcess::Get()->Begin();
    return false;
  }
  SeeThrough();
  return true;
}

void Runner::SeeThrough() {
  for (;;) {
    replay_.Show(current_.get());
    if (current_->ended()) break;
    RunAhead();
    Await();
  }
  elapsed_ = current_->elapsed();
  current_->KeepOrRemoveScratch();
  current_ = nullptr;
}

void Runner::Await() {
  // As a rule on the stack, or where it was the last time: the kernel copies
  // each page of the heap that is written to after a fork.
  absl::InlinedVector<TestRun*, 8> tests(ahead_.running().begin(),
                                         ahead_.running().end());
  if (current_ != nullptr) tests.push_back(current_.get());
  polls_.clear();
  absl::InlinedVector<size_t, 8> ends;  // of each test's polls
  absl::Duration left = absl::InfiniteDuration();
  for (const TestRun* test : tests) {
    test->AppendPolls(&polls_);
    ends.push_back(polls_.size());
    left = std::min(left, test->UntilTimer());
  }
  const absl::Duration until_progress = UntilProgress();
  left = std::min(left, until_progress);
  int wait = -1;
  if (left < absl::Hours(24)) {
    wait = static_cast<int>(
        absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1))));
  }
  absl::optional<Progress> progress;
  if (until_progress == kProgressInterval) progress.emplace(ProgressLine());
  const int happened = poll(polls_.data(), polls_.size(), wait);
  progress.reset();
  if (happened < 0) return;  // EINTR
  for (size_t i = 0, begin = 0; i < tests.size(); begin = ends[i++]) {
    tests[i]->Handle({polls_.data() + begin, ends[i] - begin});
  }
  ahead_.Settle();
}

// Not over a terminal that the test itself may write to.
absl::Duration Runner::UntilProgress() const {
  if (!shows_progress_ || current_ == nullptr || current_->has_terminal() ||
      !replay_.is_at_line_start()) {
    return absl::InfiniteDuration();
  }
  const absl::Duration left = reached_ + kProgressInterval - absl::Now();
  return left > absl::ZeroDuration() ? left : kProgressInterval;
}

std::string Runner::ProgressLine() const {
  std::vector<std::string> names;
  const auto add = [&](const TestRun& test) {
    names.push_back(absl::StrCat(
        FullName(test.info()), " (",
        absl::FormatDuration(absl::Trunc(test.Passed(), absl::Seconds(1))),
        ")"));
  };
  add(*current_);
  for (const TestRun* test : ahead_.running()) {
    if (!test->paused()) add(*test);
  }
  return absl::StrCat("encapsulate: ", ahead_.ended(),
                      " more done, running: ", absl::StrJoin(names, ", "));
}

// --- Tests that run ahead ---------------------------------------------------

int Runner::Jobs() const {
  // What comes behind the first failure mustn't run at all.
  return gtest_internals::FailsFast() ? 1 : jobs_;
}

bool Runner::IsAlone(const testing::TestInfo& test) {
  const std::string name = FullName(test);
  for (const std::string& pattern : AskedFor(test)->options.alone) {
    if (fnmatch(pattern.c_str(), name.c_str(), FNM_NOESCAPE) == 0) return true;
  }
  return false;
}

void Runner::Reach(const testing::TestInfo& test) {
  if (Jobs() == 1) return;
  if (!schedule_.has_value()) {
    schedule_.emplace(
        *testing::UnitTest::GetInstance()->current_test_suite(),
        [this](const testing::TestInfo& one) { return IsAlone(one); },
        [this](const testing::TestInfo& one) {
          return durations_.has_value() ? durations_->Of(FullName(one))
                                        : absl::ZeroDuration();
        });
  }
  schedule_->Reach(test);
}

int Runner::BusyTests() const {
  return ahead_.busy() + (current_ != nullptr ? 1 : 0);
}

void Runner::RunAhead() {
  if (!schedule_.has_value()) return;
  while (ahead_.HasRoom() && BusyTests() < Jobs()) {
    const testing::TestInfo* const next = schedule_->Next();
    if (next == nullptr) return;
    StartAhead(*next);
  }
}

void Runner::StartAhead(const testing::TestInfo& info) {
  std::unique_ptr<TestRun> test = Prepare(info);
  const absl::StatusOr<TestRun::Side> side =
      Start(test.get(), TestRun::Where::kHeld);
  if (!side.ok()) {
    // The test is tried again, and the error shown, in its turn.
    schedule_->Stop();
    return;
  }
  TestRun* const started = test.get();
  ahead_.Add(std::move(test));
  if (*side == TestRun::Side::kProgram) return;
  Become(started);
  RunToTheEnd(info);
}

void Runner::EndSuite() {
  if (suite_options_.has_value()) asked_for_ = nullptr;
  suite_options_ = absl::nullopt;
  ahead_.Clear();
  schedule_.reset();
}

}  // namespace encapsulate
