#include "gtest_plugin/runner.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "encapsulate/environment.h"
#include "encapsulate/result.h"
#include "gtest_plugin/coverage.h"
#include "gtest_plugin/descriptors.h"
#include "gtest_plugin/gtest_internals.h"
#include "gtest_plugin/mocks.h"
#include "gtest_plugin/sanitizers.h"
#include "gtest_plugin/signals.h"

namespace encapsulate {
namespace {

using Clock = std::chrono::steady_clock;
using testing::TestPartResult;

constexpr absl::Duration kDefaultTimeout = absl::Minutes(15);
// For the report of a test that hangs.
constexpr absl::Duration kReportPatience = absl::Seconds(10);

void FlushOutput() {
  std::cout.flush();
  std::cerr.flush();
  std::clog.flush();
  fflush(nullptr);
}

void Say(const std::string& line) {
  FlushOutput();
  absl::FPrintF(stderr, "encapsulate: %s\n", line);
  fflush(stderr);
}

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string SignalText(int signal) {
  const char* const meaning = strsignal(signal);
  return meaning != nullptr
             ? absl::StrCat(SignalName(signal), " (", meaning, ")")
             : SignalName(signal);
}

bool HasAddress(int signal, int64_t code) {
  return code > 0 && (signal == SIGSEGV || signal == SIGBUS ||
                      signal == SIGFPE || signal == SIGILL);
}

// What a child of ours is asked to show, with the trace ahead of the stack.
// The heading keeps the stack out of the summary of the failure.
std::string FormatReport(const std::string& report) {
  const size_t trace = report.find("Google Test trace:\n");
  const std::string stack = report.substr(0, trace);
  std::string text;
  if (trace != std::string::npos) {
    absl::StrAppend(&text, "\n", absl::StripSuffix(report.substr(trace), "\n"));
  }
  if (!stack.empty()) {
    absl::StrAppend(&text, "\nStack trace:\n", absl::StripSuffix(stack, "\n"));
  }
  return text;
}

class InertTest : public testing::Test {
 private:
  void TestBody() override {}

  // GoogleTest checks the test's fixture before it runs it; the child has
  // reported what there is to say.
  gtest_internals::ResultsIgnored ignored_;
};

class Factory : public testing::internal::TestFactoryBase {
 public:
  // Takes the ownership of `original`.
  void Wrap(testing::internal::TestFactoryBase* original) {
    original_.reset(original);
  }
  testing::Test* CreateTest() override {
    return Runner::Get().Create(original_.get());
  }

 private:
  std::unique_ptr<testing::internal::TestFactoryBase> original_;
};

// The names of this process's threads but the calling one.
std::vector<std::string> OtherThreads() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/task", error)) {
    if (entry.path().filename() == std::to_string(gettid())) continue;
    names.push_back(FirstLine((entry.path() / "comm").string()));
  }
  return names;
}

bool IsTraced() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    absl::string_view text = line;
    if (absl::ConsumePrefix(&text, "TracerPid:")) {
      return absl::StripAsciiWhitespace(text) != "0";
    }
  }
  return false;
}

}  // namespace

// --- Listening to GoogleTest ------------------------------------------------

// Ahead of the listeners that the program appends.
class Runner::ProgramListener : public testing::EmptyTestEventListener {
  void OnTestProgramStart(const testing::UnitTest& program) override {
    Get().OnProgramStart(program);
  }
};

// Behind them all, so that it is the first to hear of an end.
class Runner::EndListener : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo& test) override {
    Runner& runner = Get();
    if (runner.inside_) runner.EndTest(test);
    if (!runner.elapsed_.has_value()) return;
    gtest_internals::SetElapsedTime(
        test, absl::ToInt64Milliseconds(*runner.elapsed_));
    runner.elapsed_ = absl::nullopt;
  }
  void OnTestSuiteEnd(const testing::TestSuite&) override {
    Get().suite_options_ = absl::nullopt;
  }
  // Reached inside only if something jumps over the test's end, an exception
  // for one that a main() of the program's own catches.
  void OnTestIterationEnd(const testing::UnitTest&, int) override {
    if (Get().inside_) Get().EndStray("RUN_ALL_TESTS()");
  }
};

// The only one in a test's process. GoogleTest's loops go on with the
// listeners that they know, and so come to EndListener's functions.
class Runner::ChildListener : public testing::EmptyTestEventListener {
  void OnTestPartResult(const TestPartResult& result) override {
    Get().StreamResult(result);
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
  if (active_ || gtest_internals::IsDeathTestChild()) return;
  if (!settings_read_) InitEncapsulate(nullptr, nullptr);
  const std::string why = WhyInProcess();
  if (!why.empty()) {
    Say(absl::StrCat("tests run in this process and are not encapsulated: ",
                     why));
    return;
  }
  active_ = true;
  PrepareStacks(program_invocation_name);
  for (int i = 0; i < program.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *program.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      const testing::TestInfo& test = *suite.GetTestInfo(j);
      auto* const factory = new Factory;
      factory->Wrap(gtest_internals::ReplaceFactory(test, factory));
    }
  }
  end_listener_ = new EndListener;
  testing::UnitTest::GetInstance()->listeners().Append(end_listener_);
}

// --- Creating a test --------------------------------------------------------

testing::Test* Runner::Create(testing::internal::TestFactoryBase* factory) {
  if (inside_) return factory->CreateTest();
  if (every_test_ && RunTest()) return new InertTest;
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
    test = factory->CreateTest();
  }
  if (ran_elsewhere_ && test == nullptr) return new InertTest;
  return test;
}

bool Runner::RunElsewhere() {
  if (inside_ || !creating_ || ran_elsewhere_) return false;
  ran_elsewhere_ = RunTest();
  return ran_elsewhere_;
}

// --- Parent -----------------------------------------------------------------

std::string Runner::TestName() const {
  return absl::StrCat(test_->test_suite_name(), ".", test_->name());
}

absl::Duration Runner::Timeout() const {
  if (options_.timeout.has_value()) return *options_.timeout;
  int seconds;
  if (!absl::SimpleAtoi(Variable(inputs_.environment, "TEST_TIMEOUT"),
                        &seconds) ||
      seconds <= 0) {
    return kDefaultTimeout;
  }
  const absl::Duration left =
      0.9 * absl::Seconds(seconds) - (absl::Now() - started_);
  return std::max(absl::Trunc(left, absl::Seconds(1)), absl::Seconds(1));
}

void Runner::Record(TestPartResult::Type type, const char* file, int line,
                    const std::string& message) {
  const TestPartResult result(type, file, line, message.c_str());
#if GTEST_HAS_EXCEPTIONS
  // A listener may throw to end the test (testing::AssertionException).
  try {
    gtest_internals::AddResult(result);
  } catch (...) {
    listener_threw_ = true;
  }
#else
  gtest_internals::AddResult(result);
#endif
}

void Runner::Fail(const std::string& text) {
  Record(TestPartResult::kFatalFailure, test_->file(), test_->line(), text);
}

void Runner::WarnOfThreads() {
  std::vector<std::string> names = OtherThreads();
  std::set<std::string> fresh;
  for (const std::string& name : names) {
    if (known_threads_.insert(name).second) fresh.insert(name);
  }
  if (fresh.empty()) return;
  Say(absl::StrCat(
      "warning: ", names.size(),
      names.size() == 1 ? " more thread runs" : " more threads run",
      " in the test program (", absl::StrJoin(names, ", "), ") when ",
      TestName(),
      " is forked; it has none of them, and a lock that one holds stays "
      "locked; hint: start threads in the test itself"));
}

absl::Status Runner::PrepareView() {
  options_ = Apply(settings_, suite_options_.has_value() ? *suite_options_
                                                         : program_options_);
  inputs_ = CurrentViewInputs();
  if (settings_.keep_scratch == KeepScratch::kFailed) {
    absl::Status status = MakeKeptScratch();
    if (!status.ok()) return status;
  }
  absl::StatusOr<View> view = MakeView(options_, inputs_);
  if (!view.ok()) return view.status();
  view_ = *std::move(view);
  return absl::OkStatus();
}

absl::Status Runner::MakeKeptScratch() {
  std::string base;
  for (const char* name :
       {"TEST_UNDECLARED_OUTPUTS_DIR", "TEST_TMPDIR", "TMPDIR"}) {
    if (base.empty()) base = Variable(inputs_.environment, name);
  }
  if (base.empty()) base = "/tmp";
  std::string path =
      absl::StrCat(base, "/scratch-",
                   absl::StrReplaceAll(TestName(), {{"/", "_"}}), "-XXXXXX");
  if (mkdtemp(&path[0]) == nullptr) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("cannot make a scratch directory in '", base, "'"));
  }
  inputs_.kept_scratch = path;
  return absl::OkStatus();
}

void Runner::KeepOrRemoveScratch() {
  if (inputs_.kept_scratch.empty()) return;
  const std::string path = std::exchange(inputs_.kept_scratch, "");
  if (test_->result()->Failed()) {
    Say(absl::StrCat("scratch directory of ", TestName(), ": ", path));
    return;
  }
  std::error_code error;
  // A test may have left directories that it may not enter itself.
  for (auto entry = std::filesystem::recursive_directory_iterator(path, error);
       entry != std::filesystem::recursive_directory_iterator();
       entry.increment(error)) {
    if (!entry->is_symlink(error) && entry->is_directory(error)) {
      std::filesystem::permissions(entry->path(),
                                   std::filesystem::perms::owner_all,
                                   std::filesystem::perm_options::add, error);
    }
  }
  std::filesystem::remove_all(path, error);
  if (error) {
    Say(absl::StrCat("cannot remove '", path, "': ", error.message()));
  }
}

void Runner::ReportRefusal(const absl::Status& status) {
  const std::string message(status.message());
  if (status.code() == absl::StatusCode::kInvalidArgument ||
      FailureKindOf(status) == FailureKind::kInvalidOptions) {
    Fail(absl::StrCat(
        "cannot encapsulate ", TestName(), ": in the options of ",
        suite_options_.has_value()
            ? absl::StrCat("the test suite ", test_->test_suite_name())
            : "the program",
        ": ", message));
    return;
  }
  // The test didn't run and so says nothing about the code.
  const std::string file =
      Variable(inputs_.environment, "TEST_INFRASTRUCTURE_FAILURE_FILE");
  if (!file.empty()) {
    std::ofstream(file) << "encapsulate\n" << message << "\n";
  }
  Fail(absl::StrCat("cannot encapsulate ", TestName(), ": ", message));
}

bool Runner::RunTest() {
  test_ = testing::UnitTest::GetInstance()->current_test_info();
  results_before_ = test_->result()->total_part_count();
  done_ = false;
  end_ = absl::nullopt;
  strays_.clear();
  last_result_.clear();
  timed_out_ = false;
  elapsed_ = absl::ZeroDuration();

  // The program may have appended others since.
  testing::TestEventListeners& listeners =
      testing::UnitTest::GetInstance()->listeners();
  listeners.Append(listeners.Release(end_listener_));

  WarnOfThreads();
  absl::Status status = PrepareView();
  if (status.ok()) status = channel_.Open();
  if (status.ok()) status = WhyNotFork();
  if (!status.ok()) {
    ReportRefusal(status);
    KeepOrRemoveScratch();
    return true;
  }

  FlushOutput();
  absl::StatusOr<absl::optional<Process>> entered = absl::optional<Process>();
  {
    const gtest_internals::ResultsLock lock;
    entered = Enter(view_.options);
  }
  if (!entered.ok()) {
    ReportRefusal(entered.status());
  } else if (entered->has_value()) {
    Supervise(*std::move(*entered));
  } else {
    BecomeTest();
    return false;
  }
  KeepOrRemoveScratch();
  return true;
}

absl::Status Runner::WhyNotFork() const {
  // Its runtime starts one thread of its own, and stops a child of a process
  // with more at the next thread.
  if (!sanitizers::IsThreadSanitizer() || OtherThreads().size() <= 1) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      "ThreadSanitizer can't follow a fork of a program with several threads; "
      "hint: start threads in the test itself");
}

void Runner::Supervise(Process process) {
  channel_.EnterParent();
  const Clock::time_point start = Clock::now();
  if (settings_.verbose.value_or(false)) {
    std::vector<std::string> steps;
    absl::Duration sum;
    for (const StepTime& step : process.steps()) {
      steps.push_back(
          absl::StrCat(step.step, " ", absl::FormatDuration(step.time)));
      sum += step.time;
    }
    Say(absl::StrCat("sandbox of ", TestName(), " made in ",
                     absl::FormatDuration(sum), ": ",
                     absl::StrJoin(steps, ", ")));
  }

  timeout_ = Timeout();
  absl::Duration slow = settings_.slow.value_or(timeout_ / 4);
  absl::Duration limit = timeout_;
  for (;;) {
    const absl::Duration passed = absl::FromChrono(Clock::now() - start);
    const absl::Duration left = std::min(limit, slow) - passed;
    int wait = -1;
    if (left < absl::Hours(24)) {
      wait = static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(
          std::max(left, absl::ZeroDuration()), absl::Milliseconds(1))));
    }
    struct pollfd events[2] = {{channel_.bell(), POLLIN, 0},
                               {process.end_descriptor(), POLLIN, 0}};
    const int ready = poll(events, 2, wait);
    if (ready < 0) continue;  // EINTR
    if (events[0].revents != 0) {
      switch (channel_.Hear()) {
        case Channel::Heard::kRing:
          ReplayAll();
          channel_.Reply(TakeAnswer());
          break;
        case Channel::Heard::kReport:
          process.Kill();
          limit = absl::InfiniteDuration();
          break;
        case Channel::Heard::kNothing:
          break;
      }
      continue;
    }
    if (events[1].revents != 0) break;
    if (ready != 0) continue;
    if (passed >= limit) {
      if (!timed_out_) {
        timed_out_ = true;
        limit += kReportPatience;
        slow = absl::InfiniteDuration();
        process.Signal(HangSignal()).IgnoreError();
      } else {
        process.Kill();
        limit = absl::InfiniteDuration();
      }
    } else if (passed >= slow) {
      Say(absl::StrCat(TestName(), " still runs after ",
                       absl::FormatDuration(slow), "; it is stopped after ",
                       absl::FormatDuration(timeout_)));
      slow = absl::InfiniteDuration();
    }
  }
  const absl::StatusOr<Result> result = process.Wait();
  ReplayAll();
  if (!done_) elapsed_ = absl::FromChrono(Clock::now() - start);
  Judge(result);
}

void Runner::ReplayAll() {
  while (absl::optional<encapsulate::Record> record = channel_.Next()) {
    Replay(*record);
  }
}

void Runner::Replay(const encapsulate::Record& record) {
  switch (record.kind) {
    case RecordKind::kResult: {
      const char* const file =
          record.has_text[0] ? record.texts[0].c_str() : nullptr;
      const int line = static_cast<int>(record.numbers[1]);
      if (file != nullptr) last_result_ = absl::StrCat(file, ":", line);
      Record(static_cast<TestPartResult::Type>(record.numbers[0]), file, line,
             record.texts[1]);
      break;
    }
    case RecordKind::kProperty:
      testing::Test::RecordProperty(record.texts[0], record.texts[1]);
      break;
    case RecordKind::kDone:
      done_ = true;
      elapsed_ = absl::Milliseconds(record.numbers[0]);
      break;
    case RecordKind::kSignal:
    case RecordKind::kExit:
    case RecordKind::kDeath:
      if (!end_.has_value()) end_ = record;
      break;
    case RecordKind::kStray:
      strays_.push_back(record);
      break;
  }
}

Answer Runner::TakeAnswer() {
  return std::exchange(listener_threw_, false) ? Answer::kThrow : Answer::kGoOn;
}

std::string Runner::ExplainEnd(const Result& result) const {
  std::string text;
  if (end_.has_value() && end_->kind == RecordKind::kSignal) {
    const int signal = static_cast<int>(end_->numbers[0]);
    absl::StrAppend(&text, "The test's process was ended by ",
                    SignalText(signal));
    if (HasAddress(signal, end_->numbers[1])) {
      absl::StrAppend(&text, " at address 0x",
                      absl::Hex(static_cast<uint64_t>(end_->numbers[2])));
    }
  } else if (result.signal != 0) {
    absl::StrAppend(&text, "The test's process was ended by ",
                    SignalText(result.signal));
  } else if (end_.has_value() && end_->kind == RecordKind::kExit) {
    absl::StrAppend(&text, "The test called exit(", end_->numbers[0], ")");
  } else if (end_.has_value() && end_->kind == RecordKind::kDeath) {
    absl::StrAppend(&text, "A sanitizer ended the test's process");
  } else {
    absl::StrAppend(&text, "The test's process ended itself by _exit(",
                    result.exit_code, ")");
  }
  absl::StrAppend(&text, " before the test was done.");
  if (!result.limits_hit.empty()) {
    std::vector<std::string> limits;
    for (LimitHit limit : result.limits_hit) {
      limits.emplace_back(LimitName(limit));
    }
    absl::StrAppend(
        &text, "\nIt ran into its limit: ", absl::StrJoin(limits, ", "), ".");
  }
  if (!last_result_.empty()) {
    absl::StrAppend(&text, "\nThe last result was recorded at ", last_result_,
                    ".");
  }
  return absl::StrCat(text, FormatReport(channel_.Report()));
}

void Runner::Judge(const absl::StatusOr<Result>& result) {
  if (!result.ok()) {
    Fail(std::string(result.status().message()));
    return;
  }
  if (timed_out_ && !done_) {
    std::string text =
        absl::StrCat("The test still ran after ",
                     absl::FormatDuration(timeout_), " and was stopped.");
    if (!last_result_.empty()) {
      absl::StrAppend(&text, "\nThe last result was recorded at ", last_result_,
                      ".");
    }
    Fail(absl::StrCat(text, FormatReport(channel_.Report())));
  } else if (!done_) {
    Fail(ExplainEnd(*result));
  } else if (result->signal != 0) {
    Fail(absl::StrCat("The test was done, but then its process was ended by ",
                      SignalText(result->signal), "."));
  } else if (result->exit_code != 0) {
    Fail(
        absl::StrCat("The test was done, but then its process ended with the "
                     "exit code ",
                     result->exit_code, "."));
  }
  for (const encapsulate::Record& stray : strays_) {
    Fail(absl::StrCat("Process ", stray.numbers[0],
                      ", forked by the test, returned from ", stray.texts[0],
                      "; it has to end by _exit() or exec()."));
  }
  if (channel_.overflowed()) {
    Fail(absl::StrCat("The test's results are larger than ",
                      Channel::kRecordsSize >> 20, " MiB; the rest is lost."));
  }
  JudgeLeftovers(*result);
  OfferWorkingDirectory();
}

void Runner::JudgeLeftovers(const Result& result) {
  // A test that was stopped or crashed had no chance to put things right.
  if (result.leftover_count == 0 || !done_) return;
  std::string text = absl::StrCat(
      "The test left ", result.leftover_count,
      result.leftover_count == 1 ? " process" : " processes", " behind:");
  for (const Leftover& leftover : result.leftovers) {
    absl::StrAppend(&text, "\n  ", leftover.pid, " ", leftover.name);
    if (!leftover.command.empty()) {
      absl::StrAppend(&text, ": ", leftover.command);
    }
  }
  if (options_.leftovers == Leftovers::kFail) {
    Record(TestPartResult::kNonFatalFailure, test_->file(), test_->line(),
           text);
  } else {
    Say(absl::StrCat(TestName(), ": ", text));
  }
}

// Nothing tells for sure that a write was refused there, but its error text
// in a failure does.
void Runner::OfferWorkingDirectory() const {
  const testing::TestResult& result = *test_->result();
  if (!result.Failed() ||
      options_.working_directory != WorkingDirectory::kReadOnly) {
    return;
  }
  for (int i = results_before_; i < result.total_part_count(); ++i) {
    if (!absl::StrContains(result.GetTestPartResult(i).message(),
                           strerror(EROFS))) {
      continue;
    }
    Say(absl::StrCat(
        TestName(), " wrote to something that is read-only for a test; hint: ",
        "--encapsulate_working_directory=overlay (or ",
        "TestOptions::working_directory) lets it write to its working "
        "directory, and throws that away"));
    return;
  }
}

// --- Child ------------------------------------------------------------------

void Runner::BecomeTest() {
  inside_ = true;
  pid_ = getpid();
  channel_.EnterChild();
  coverage::Reset();
  mocks::Watch();
  ShowDescriptorsThroughView();
  static ChildListener* const listener = new ChildListener;
  gtest_internals::ReplaceListeners(listener);
  ReportSignals(&channel_, [] { Get().AppendProperties(); });
  sanitizers::OnDeath([] { Get().AppendDeath(); });
  on_exit(&Runner::OnExit, this);
  test_started_ = Clock::now();
  if (!view_.copy.empty()) CopyWorkingDirectory();
}

void Runner::CopyWorkingDirectory() {
  std::error_code error;
  std::filesystem::copy(".", view_.copy,
                        std::filesystem::copy_options::recursive, error);
  if (!error) std::filesystem::current_path(view_.copy, error);
  if (!error) return;
  GTEST_MESSAGE_AT_(
      test_->file(), test_->line(),
      absl::StrCat("cannot copy the working directory: ", error.message())
          .c_str(),
      TestPartResult::kFatalFailure);
}

bool Runner::IsStray() const { return getpid() != pid_; }

void Runner::StreamResult(const TestPartResult& result) {
  if (IsStray()) {
    // As in an ordinary run: shown, and otherwise known to that process only.
    auto* const printer =
        testing::UnitTest::GetInstance()->listeners().default_result_printer();
    if (printer != nullptr) printer->OnTestPartResult(result);
    return;
  }
  FlushOutput();
  channel_.Append(RecordKind::kResult, {result.type(), result.line_number()},
                  result.file_name(), result.message());
  if (channel_.Ring() == Answer::kThrow) {
#if GTEST_HAS_EXCEPTIONS
    throw testing::AssertionException(result);
#endif
  }
}

// Also called in signal handlers: no heap, no lock.
void Runner::AppendProperties() {
  const testing::TestResult& result = *test_->result();
  for (int i = 0; i < result.test_property_count(); ++i) {
    const testing::TestProperty& property = result.GetTestProperty(i);
    channel_.Append(RecordKind::kProperty, {}, property.key(),
                    property.value());
  }
}

void Runner::AppendDeath() {
  if (IsStray()) return;
  AppendProperties();
  channel_.Append(RecordKind::kDeath, {});
}

void Runner::EndStray(const char* where) {
  channel_.Append(RecordKind::kStray, {getpid()}, where);
  FlushOutput();
  _exit(1);
}

void Runner::EndTest(const testing::TestInfo& test) {
  if (IsStray()) EndStray("the test");
  const absl::Duration elapsed = absl::FromChrono(Clock::now() - test_started_);
  for (void* mock : mocks::Leaked()) {
    mocks::Verify(mock);
    GTEST_MESSAGE_AT_(
        test.file(), test.line(),
        absl::StrFormat("The test never deletes the mock object at %p; hint: "
                        "testing::Mock::AllowLeak() if it means to",
                        mock)
            .c_str(),
        TestPartResult::kNonFatalFailure);
  }
  if (sanitizers::FindsLeaks()) {
    GTEST_MESSAGE_AT_(
        test.file(), test.line(),
        "LeakSanitizer found memory that the test leaked; its report is on "
        "stderr",
        TestPartResult::kNonFatalFailure);
  }
  FlushOutput();
  AppendProperties();
  coverage::Save();
  channel_.Append(RecordKind::kDone, {absl::ToInt64Milliseconds(elapsed)});
  _exit(0);
}

// After the handlers that the test itself registered, in place of those of the
// program, which are the parent's to run.
void Runner::OnExit(int status, void* runner) {
  auto* const self = static_cast<Runner*>(runner);
  if (self->IsStray()) return;
  FlushOutput();
  self->AppendProperties();
  self->channel_.Append(RecordKind::kExit, {status});
  coverage::Save();
  _exit(status);
}

// --- The public functions ---------------------------------------------------

const TestOptions& ProgramOptions() { return Runner::Get().program_options(); }

void SetProgramOptions(TestOptions options) {
  Runner::Get().set_program_options(std::move(options));
}

void SetSuiteOptions(TestOptions options) {
  Runner::Get().set_suite_options(std::move(options));
}

bool IsEncapsulated() { return Runner::Get().inside(); }

std::string ScratchDirectory() {
  return IsEncapsulated() ? Runner::Get().view().scratch : "";
}

std::vector<std::string> WritableTrees() {
  return IsEncapsulated() ? Runner::Get().view().writable
                          : std::vector<std::string>();
}

const TestOptions& OptionsInForce() {
  return IsEncapsulated() ? Runner::Get().options_in_force() : ProgramOptions();
}

void InitEncapsulate(int* argc, char** argv) {
  Settings settings;
  absl::Status status = ReadEnvironment(CurrentEnvironment(), &settings);
  if (argc != nullptr) {
    // A mistake in a variable doesn't hide one on the command line.
    status.Update(TakeFlags(argc, argv, &settings));
  }
  if (!status.ok()) {
    Say(std::string(status.message()));
    exit(2);
  }
  Runner::Get().set_settings(std::move(settings));
}

}  // namespace encapsulate
