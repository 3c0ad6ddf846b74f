#include "gtest_plugin/program/test_run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/printable.h"
#include "encapsulate/base/write_all.h"
#include "encapsulate/violation_text.h"
#include "encapsulate/violations.h"
#include "gtest_plugin/child/signals.h"
#include "gtest_plugin/child/test_process.h"
#include "gtest_plugin/googletest/internals.h"
#include "gtest_plugin/googletest/stdio.h"
#include "gtest_plugin/shared/output.h"

namespace encapsulate {
namespace {

using testing::TestPartResult;

constexpr absl::Duration kDefaultTimeout = absl::Minutes(15);
// Violations of one test that are shown.
constexpr size_t kMostShown = 20;
// For the report of a test that hangs.
constexpr absl::Duration kMostPatience = absl::Seconds(10);
constexpr absl::Duration kLeastPatience = absl::Seconds(1);
constexpr size_t kStepsShown = 4;
// Of a test's ExpectBlocked that haven't ended: each attempt is compared with
// all of them.
constexpr size_t kMostExpectedBytes = size_t{64} << 10;
constexpr size_t kMostStrays = 64;

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

// "3.21": of milliseconds.
std::string InMilliseconds(absl::Duration time) {
  return absl::StrFormat("%.2f", absl::ToDoubleMilliseconds(time));
}

// Not to where a link leads that a test may have put there.
void WriteInfrastructureFailure(const std::string& path,
                                const std::string& message) {
  const UniqueFd file(
      open(path.c_str(),
           O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
           0666));
  struct stat info;
  if (fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode)) {
    WriteAll(file.get(), absl::StrCat("encapsulate\n", message, "\n"));
  }
}

bool HasInput(int fd) {
  struct pollfd event = {fd, POLLIN, 0};
  return poll(&event, 1, 0) > 0;
}

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

bool AreOneFile(int a, int b) {
  struct stat of_a;
  struct stat of_b;
  return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 &&
         of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

}  // namespace

std::string FullName(const testing::TestInfo& test) {
  return absl::StrCat(test.test_suite_name(), ".", test.name());
}

TestRun::TestRun(const testing::TestInfo& test, EffectiveOptions asked,
                 const Settings& settings, absl::Time started,
                 ChannelPool* channels)
    : test_(test),
      asked_(std::move(asked)),
      settings_(settings),
      program_started_(started),
      channels_(*channels),
      channel_(channels->Take()) {}

TestRun::~TestRun() {
  process_.reset();
  if (channel_ != nullptr) channels_.Give(std::move(channel_));
  if (scratch_.has_value()) scratch_->Remove().IgnoreError();
}

// --- Starting ---------------------------------------------------------------

absl::StatusOr<TestRun::Side> TestRun::Start(Where where, SandboxPool* pool,
                                             int more) {
  absl::Status status = PrepareView();
  if (status.ok()) status = channel_->Open();
  if (status.ok()) status = OpenStreams(where);
  if (!status.ok()) return status;

  FlushOutput();
  absl::StatusOr<absl::optional<Process>> entered = absl::optional<Process>();
  {
    const gtest_internals::ResultsLock lock;
    // A scratch directory of the test's own makes its sandbox one of a kind.
    const int alike = scratch_.has_value() ? 0 : more;
    entered = pool->Enter(view_.options, alike);
  }
  if (entered.ok() && !entered->has_value()) return Side::kTest;
  channel_->EnterParent();
  for (Stream& stream : streams_) stream.write_end.Reset();
  if (!entered.ok()) return entered.status();
  process_ = *std::move(entered);
  started_ = Clock::now();
  timeout_ = Timeout();
  limit_ = timeout_;
  slow_ = settings_.slow.value_or(timeout_ / 4);
  if (settings_.verbose.value_or(false)) NoteSteps();
  return Side::kProgram;
}

void TestRun::Become() {
  for (const Stream& stream : streams_) {
    for (int fd : stream.fds) dup2(stream.write_end.get(), fd);
  }
  streams_.clear();
  if (scratch_.has_value()) {
    // Tests that run at the same time may write where it lies.
    if (!scratch_->IsAt(view_.scratch)) {
      PrintNotice(
          absl::StrCat("cannot use '", view_.scratch,
                       "': a test has put something else in its place"));
      _exit(1);
    }
    scratch_->Close();
  }
  TestProcess::Become(test_, asked_.options, view_, channel_.get());
}

void TestRun::Disown() {
  if (process_.has_value()) process_->Disown();
  if (channel_ != nullptr) channel_->Disown();
  if (scratch_.has_value()) scratch_->Close();
  streams_.clear();
}

absl::Status TestRun::OpenStreams(Where where) {
  std::vector<std::vector<int>> files;
  for (int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    if (!IsOpen(fd)) continue;
    if (where == Where::kShown && isatty(fd) != 0) {
      has_terminal_ = true;
      continue;
    }
    if (!files.empty() && AreOneFile(STDOUT_FILENO, STDERR_FILENO)) {
      files.front().push_back(fd);
    } else {
      files.push_back({fd});
    }
  }
  for (std::vector<int>& fds : files) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      return absl::ErrnoToStatus(errno, "cannot make a pipe");
    }
    streams_.push_back({std::move(fds), UniqueFd(ends[0]), UniqueFd(ends[1])});
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
  return absl::OkStatus();
}

absl::Status TestRun::PrepareView() {
  inputs_ = CurrentViewInputs();
  if (settings_.keep_scratch == KeepScratch::kFailed) {
    absl::Status status = MakeKeptScratch();
    if (!status.ok()) return status;
  }
  absl::StatusOr<View> view = MakeView(asked_.options, inputs_);
  if (!view.ok()) return view.status();
  view_ = *std::move(view);
  if (settings_.exposed_executable.has_value()) {
    view_.options.exposed_executable = *settings_.exposed_executable;
  }
  std::vector<std::string> own = {"/dev/shm"};
  for (const Tmpfs& tmpfs : view_.options.tmpfs) own.push_back(tmpfs.path);
  named_.emplace(std::move(own));
  return absl::OkStatus();
}

absl::Status TestRun::MakeKeptScratch() {
  std::string base;
  for (const char* name :
       {"TEST_UNDECLARED_OUTPUTS_DIR", "TEST_TMPDIR", "TMPDIR"}) {
    if (base.empty()) base = Variable(inputs_.environment, name);
  }
  if (base.empty()) base = "/tmp";
  absl::StatusOr<KeptScratch> made = KeptScratch::Make(base, FullName(test_));
  if (!made.ok()) return made.status();
  scratch_ = *std::move(made);
  inputs_.kept_scratch = scratch_->path();
  return absl::OkStatus();
}

absl::Duration TestRun::Timeout() {
  patience_ = kMostPatience;
  if (asked_.options.timeout.has_value()) return *asked_.options.timeout;
  timeout_hint_ =
      "\nThat is the default; hint: TestOptions::timeout or "
      "--encapsulate_timeout gives it more.";
  int seconds;
  if (!absl::SimpleAtoi(Variable(inputs_.environment, "TEST_TIMEOUT"),
                        &seconds) ||
      seconds <= 0) {
    return kDefaultTimeout;
  }
  timeout_hint_ =
      "\nThat is what was left of Bazel's TEST_TIMEOUT, less a tenth for this "
      "report; hint: a larger `timeout` or `size` of the target gives it more.";
  // Half of the tenth is for a test that doesn't answer.
  patience_ = std::min(std::max(absl::Seconds(seconds) / 20, kLeastPatience),
                       kMostPatience);
  const absl::Duration left =
      0.9 * absl::Seconds(seconds) - (absl::Now() - program_started_);
  return std::max(absl::Trunc(left, absl::Seconds(1)), absl::Seconds(1));
}

// One line: the steps that take longest by name, the others as one.
void TestRun::NoteSteps() {
  std::map<std::string, absl::Duration> times;
  absl::Duration sum;
  for (const StepTime& step : process_->steps()) {
    times[step.step] += step.time;
    sum += step.time;
  }
  std::vector<std::pair<absl::Duration, std::string>> steps;
  steps.reserve(times.size());
  for (const auto& time : times) steps.emplace_back(time.second, time.first);
  std::sort(steps.rbegin(), steps.rend());
  std::vector<std::string> shown;
  absl::Duration rest = sum;
  for (size_t i = 0; i < std::min(steps.size(), kStepsShown); ++i) {
    shown.push_back(
        absl::StrCat(steps[i].second, " ", InMilliseconds(steps[i].first)));
    rest -= steps[i].first;
  }
  if (steps.size() > kStepsShown) {
    shown.push_back(absl::StrCat(steps.size() - kStepsShown, " more steps ",
                                 InMilliseconds(rest)));
  }
  Note(absl::StrCat(FullName(test_), ": sandbox made in ", InMilliseconds(sum),
                    " ms: ", absl::StrJoin(shown, ", ")));
}

void TestRun::Refuse(const absl::Status& status) {
  ended_ = true;
  const std::string message(status.message());
  if (status.code() == absl::StatusCode::kInvalidArgument ||
      FailureKindOf(status) == FailureKind::kInvalidOptions) {
    Fail(absl::StrCat("cannot encapsulate ", FullName(test_),
                      ": in the options of ", asked_.by, ": ", message));
    return;
  }
  // The test didn't run and so says nothing about the code.
  const std::string file =
      Variable(inputs_.environment, "TEST_INFRASTRUCTURE_FAILURE_FILE");
  if (!file.empty()) {
    WriteInfrastructureFailure(file, message);
  }
  Fail(absl::StrCat("cannot encapsulate ", FullName(test_), ": ", message));
}

void TestRun::Note(std::string line) { Push(Notice{std::move(line), ""}); }

// --- Watching ---------------------------------------------------------------

TestRun::PollSet TestRun::Polls() const {
  // The bell, the process, the streams. poll(2) leaves out what is negative.
  // The process has no timer: a test's limit is kept here.
  const auto process = process_->event_descriptors();
  // While the test waits for an answer, it has no reason to ring.
  PollSet polls = {{{waits_ ? -1 : channel_->bell(), POLLIN, 0},
                    {process[0], POLLIN, 0},
                    {process[1], POLLIN, 0},
                    {process[2], POLLIN, 0},
                    {process[3], POLLIN, 0},
                    {-1, POLLIN, 0},
                    {-1, POLLIN, 0}}};
  for (size_t i = 0; i < streams_.size() && !paused(); ++i) {
    polls[5 + i].fd = streams_[i].read_end.get();
  }
  return polls;
}

absl::Duration TestRun::Passed() const {
  return absl::FromChrono(paused_since_.value_or(Clock::now()) - started_) -
         paused_;
}

absl::Duration TestRun::UntilTimer() const {
  if (paused()) return absl::InfiniteDuration();
  return std::max(std::min(limit_, slow_) - Passed(), absl::ZeroDuration());
}

void TestRun::Handle(const struct pollfd* polls) {
  // A bell that rings without end mustn't hide the rest.
  if (polls[0].revents != 0) HandleBell();
  if (polls[5].revents != 0 || polls[6].revents != 0) TakeOutput();
  const bool process_has = polls[1].revents != 0 || polls[2].revents != 0 ||
                           polls[3].revents != 0 || polls[4].revents != 0;
  if (process_has && !process_->Handle()) {
    End();
    return;
  }
  if (!paused()) HandleTimer();
}

void TestRun::HandleBell() {
  const Channel::Received heard = channel_->Receive();
  if (heard.ring) {
    TakeOutput();
    TakeRecords();
    waits_ = true;
  }
  // One that nobody has asked for means nothing.
  if (heard.report && timed_out_) StopHanging();
}

void TestRun::Pause() {
  if (!paused()) paused_since_ = Clock::now();
}

void TestRun::Resume() {
  if (!paused()) return;
  paused_ += absl::FromChrono(Clock::now() - *paused_since_);
  paused_since_ = absl::nullopt;
}

void TestRun::TakeOutput() {
  for (Stream& stream : streams_) TakeOutput(&stream);
}

void TestRun::TakeOutput(Stream* stream) {
  char buffer[16384];
  // No more than a pipe holds: what writes without end mustn't keep the
  // program here.
  for (int i = 0; i < 8 && stream->read_end.valid(); ++i) {
    const ssize_t size = read(stream->read_end.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return;  // nothing for now
    if (size == 0) {
      stream->read_end.Reset();
      return;
    }
    std::string bytes(buffer, static_cast<size_t>(size));
    tail_.Add(bytes);
    tells_read_only_ |= absl::StrContains(bytes, strerror(EROFS));
    Push(Output{stream->fds.front(), std::move(bytes)});
  }
}

size_t TestRun::SizeOf(const Event& event) {
  size_t size = sizeof(Event);
  if (const auto* record = std::get_if<Record>(&event)) {
    size += record->texts[0].size() + record->texts[1].size();
  } else if (const auto* notice = std::get_if<Notice>(&event)) {
    size += notice->text.size();
  } else if (const auto* output = std::get_if<Output>(&event)) {
    size += output->bytes.size();
  }
  return size;
}

void TestRun::Push(Event event) {
  held_bytes_ += SizeOf(event);
  events_.push_back(std::move(event));
}

void TestRun::HandleTimer() {
  const absl::Duration passed = Passed();
  if (slow_ < limit_ && passed >= slow_) {
    Note(absl::StrCat(FullName(test_), " still runs after ",
                      absl::FormatDuration(slow_), "; it is stopped after ",
                      absl::FormatDuration(timeout_)));
    slow_ = absl::InfiniteDuration();
  }
  if (passed >= limit_) {
    if (!timed_out_) {
      timed_out_ = true;
      limit_ += patience_;
      slow_ = absl::InfiniteDuration();
      process_->Signal(HangSignal()).IgnoreError();
    } else {
      StopHanging();
    }
  }
}

void TestRun::StopHanging() {
  if (std::exchange(stopped_, true)) return;
  others_ = process_->Processes();
  if (!channel_->Report().empty()) {
    others_.erase(std::remove_if(others_.begin(), others_.end(),
                                 [](const SandboxedProcess& one) {
                                   return one.parent == 0;
                                 }),
                  others_.end());
  }
  process_->Kill();
  limit_ = absl::InfiniteDuration();
}

absl::optional<TestRun::Event> TestRun::Next() {
  if (events_.empty()) return absl::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  held_bytes_ -= SizeOf(event);
  return event;
}

void TestRun::GoOn(Answer answer) {
  waits_ = false;
  const Answer asked_for = std::exchange(answer_, Answer::kGoOn);
  channel_->Reply(answer == Answer::kGoOn ? asked_for : answer);
}

void TestRun::TakeRecords() {
  while (damage_.empty()) {
    absl::optional<Record> record = channel_->Next();
    if (!record.has_value()) break;
    Take(*std::move(record));
  }
  if (damage_.empty()) damage_ = channel_->damage();
}

void TestRun::Take(Record record) {
  switch (record.kind) {
    case RecordKind::kResult: {
      if (!record.texts[0].empty()) {
        last_result_ = absl::StrCat(record.texts[0], ":", record.numbers[1]);
      }
      const auto type = static_cast<TestPartResult::Type>(record.numbers[0]);
      failed_ |= type == TestPartResult::kNonFatalFailure ||
                 type == TestPartResult::kFatalFailure;
      failed_fatally_ |= type == TestPartResult::kFatalFailure;
      if (failed_ && named_.has_value()) named_->Add(record.texts[1]);
      tells_read_only_ |= absl::StrContains(record.texts[1], strerror(EROFS));
      Push(std::move(record));
      break;
    }
    case RecordKind::kCleared:
      failed_ = failed_fatally_ = false;
      last_result_.clear();
      Push(std::move(record));
      break;
    case RecordKind::kProperty:
      Push(std::move(record));
      break;
    case RecordKind::kDone:
      done_ = true;
      elapsed_ = std::max(absl::Microseconds(record.numbers[0]) - paused_,
                          absl::ZeroDuration());
      elapsed_ = std::min(elapsed_, Passed());
      break;
    case RecordKind::kSignal:
    case RecordKind::kExit:
    case RecordKind::kQuickExit:
    case RecordKind::kDeath:
      if (!end_.has_value()) end_ = std::move(record);
      break;
    case RecordKind::kStray:
      if (strays_.size() < kMostStrays) strays_.push_back(std::move(record));
      break;
    case RecordKind::kBeginExpected: {
      const size_t size = sizeof(Expected) + record.texts[0].size();
      if (expected_.count(record.numbers[0]) != 0 ||
          size > kMostExpectedBytes - expected_bytes_) {
        damage_ = "there are more ExpectBlocked than can be looked at";
        break;
      }
      expected_bytes_ += size;
      const auto rule = static_cast<Rule>(record.numbers[1]);
      expected_[record.numbers[0]] = {
          process_->BeginExpected(rule, record.texts[0]), record.texts[1],
          static_cast<int>(record.numbers[2]), size};
      break;
    }
    case RecordKind::kEndExpected: {
      const auto ended = expected_.find(record.numbers[0]);
      if (ended == expected_.end()) break;
      expected_bytes_ -= ended->second.size;
      answer_ = process_->EndExpected(ended->second.number).empty()
                    ? Answer::kNothing
                    : Answer::kBlocked;
      expected_.erase(ended);
      break;
    }
  }
}

// --- The end ----------------------------------------------------------------

void TestRun::End() {
  const Result result = process_->Wait();
  Resume();
  // Nobody writes any more.
  for (const Stream& stream : streams_) {
    while (stream.read_end.valid() && HasInput(stream.read_end.get())) {
      TakeOutput();
    }
  }
  TakeRecords();
  if (!done_) elapsed_ = Passed();
  Classify(result);
  process_.reset();
  streams_.clear();
  channels_.Give(std::move(channel_));
  waits_ = false;
  ended_ = true;
}

void TestRun::AddAt(absl::string_view file, int line, TestPartResult::Type type,
                    const std::string& text) {
  Record record;
  record.kind = RecordKind::kResult;
  record.numbers[0] = type;
  record.numbers[1] = line;
  record.texts[0] = std::string(file);
  record.texts[1] = text;
  Take(std::move(record));
}

void TestRun::Add(TestPartResult::Type type, const std::string& text) {
  AddAt(test_.file() != nullptr ? test_.file() : "", test_.line(), type, text);
}

void TestRun::Fail(const std::string& text) {
  Add(TestPartResult::kFatalFailure, PrintableLines(text));
}

// Where the test stood when it ended or was stopped, and what came before.
std::string TestRun::WhatItDid() const {
  std::string text;
  if (!last_result_.empty()) {
    absl::StrAppend(&text, "\nThe last result was recorded at ", last_result_,
                    ".");
  }
  return absl::StrCat(text, FormatReport(channel_->Report(), others_),
                      tail_.Format());
}

std::string TestRun::ExplainEnd(const Result& result) const {
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
  } else if (end_.has_value() && end_->kind == RecordKind::kQuickExit) {
    absl::StrAppend(&text, "The test called quick_exit(", result.exit_code,
                    ")");
  } else if (end_.has_value() && end_->kind == RecordKind::kDeath) {
    absl::StrAppend(&text, "A sanitizer ended the test's process");
  } else {
    absl::StrAppend(&text, "The test's process ended with the exit code ",
                    result.exit_code,
                    ", by _exit() or as another program that it executed,");
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
  return text;
}

std::string TestRun::ExplainDamage() const {
  return absl::StrCat(
      "The results of the test are damaged: ", damage_,
      ", which the plugin didn't write.\nWhat comes behind it is lost; hint: "
      "something in the test's process writes to memory that isn't its own, "
      "which AddressSanitizer (-fsanitize=address) may find");
}

void TestRun::Classify(const Result& result) {
  if (result.outcome == Outcome::kLost) {
    Fail(absl::StrCat("The test was lost with its sandbox: ", result.lost, ".",
                      WhatItDid()));
    ClassifyViolations(result);
    return;
  }
  if (timed_out_ && !done_) {
    Fail(absl::StrCat("The test still ran after ",
                      absl::FormatDuration(timeout_), " and was stopped.",
                      timeout_hint_, WhatItDid()));
  } else if (!done_) {
    // With damaged results nobody knows whether it was done.
    if (damage_.empty() || !result.ok()) {
      Fail(absl::StrCat(ExplainEnd(result), WhatItDid()));
    }
  } else if (result.signal != 0) {
    Fail(absl::StrCat("The test was done, but then its process was ended by ",
                      SignalText(result.signal), ".", tail_.Format()));
  } else if (result.exit_code != 0) {
    Fail(
        absl::StrCat("The test was done, but then its process ended with the "
                     "exit code ",
                     result.exit_code, ".", tail_.Format()));
  }
  if (!damage_.empty()) {
    Fail(absl::StrCat(ExplainDamage(), failed_fatally_ ? "" : WhatItDid()));
  }
  for (const Record& stray : strays_) {
    Fail(absl::StrCat("Process ", stray.numbers[0],
                      ", forked by the test, returned from ", stray.texts[0],
                      "; it has to end by _exit() or exec()."));
  }
  if (channel_->overflowed()) {
    Fail(absl::StrCat("The test's results are larger than ",
                      Channel::kRecordsSize >> 20, " MiB; the rest is lost."));
  }
  ClassifyViolations(result);
  ClassifyLeftovers(result);
  OfferWorkingDirectory();
  TellWhatItMissed();
}

void TestRun::ClassifyViolations(const Result& result) {
  std::vector<Violation> shown = result.violations;
  if (shown.size() > kMostShown) shown.resize(kMostShown);
  if (!shown.empty()) Symbolize(&shown);
  TextOptions text_options = {Language::kCode, view_.writable, inputs_.program,
                              ""};
  if (asked_.options.working_directory == WorkingDirectory::kReadOnly) {
    text_options.working_directory = inputs_.directory;
  }
  const bool fails = asked_.options.violations == Violations::kEnforce;
  const auto tell = [&](const std::string& text) {
    if (fails) {
      Add(TestPartResult::kNonFatalFailure, text);
    } else {
      Note(absl::StrCat(FullName(test_), ": ", text));
    }
  };
  for (const Violation& violation : shown) {
    const std::string text =
        absl::StrCat("The test ", DescribeViolation(violation, text_options));
    // The lines of other programs aren't the test's.
    const Frame* const frame =
        violation.program == inputs_.program ? OwnFrame(violation) : nullptr;
    if (fails && frame != nullptr) {
      AddAt(frame->file, frame->line, TestPartResult::kNonFatalFailure, text);
    } else {
      tell(text);
    }
  }
  const uint64_t more =
      result.violations.size() - shown.size() + result.violations_beyond;
  if (more > 0) {
    tell(absl::StrCat("The test reached out in ", more,
                      " more ways, which are not shown."));
  }
  // Any of them may have been a violation.
  if (result.violations_unseen > 0) {
    tell(absl::StrCat(
        "The test made ", result.violations_unseen,
        result.violations_unseen == 1 ? " system call" : " system calls",
        " that may have reached out and couldn't be looked at, because its "
        "process forbids it (PR_SET_DUMPABLE, memfd_secret).\n"
        "hint: make those calls in a program that the test executes, which is "
        "seen; or TestOptions::violations or --encapsulate_violations=report "
        "if the test may reach out unseen"));
  }
  // A test that was stopped or crashed had no chance to end them.
  for (const auto& open : expected_) {
    if (!done_) break;
    AddAt(open.second.file, open.second.line, TestPartResult::kNonFatalFailure,
          "The test ended within the scope of this ExpectBlocked.");
  }
  NoteAllowed(result);
}

void TestRun::NoteAllowed(const Result& result) {
  for (const AllowedUse& use : result.allowed) {
    const Allowed& allowed = use.allowed;
    const bool is_default =
        absl::c_any_of(DefaultAllowed(), [&](const Allowed& one) {
          return one.rule == allowed.rule && one.target == allowed.target &&
                 one.reason == allowed.reason;
        });
    if (is_default && !settings_.verbose.value_or(false)) continue;
    Note(absl::StrCat(FullName(test_), " was blocked, which is allowed: ",
                      RuleName(allowed.rule), " '", allowed.target, "', ",
                      use.count, use.count == 1 ? " time" : " times", ": ",
                      allowed.reason));
  }
}

void TestRun::ClassifyLeftovers(const Result& result) {
  // A test that was stopped or crashed had no chance to put things right.
  if (result.leftover_count == 0 || !done_) return;
  std::string text = absl::StrCat(
      "The test left ", result.leftover_count,
      result.leftover_count == 1 ? " process" : " processes", " behind:");
  for (const Leftover& leftover : result.leftovers) {
    absl::StrAppend(&text, "\n  ", leftover.pid, " ", Printable(leftover.name));
    if (!leftover.command.empty()) {
      absl::StrAppend(&text, ": ", Printable(leftover.command));
    }
  }
  if (asked_.options.leftovers == Leftovers::kFail) {
    absl::StrAppend(&text,
                    "\nhint: end them in the test; or, if they may stay, "
                    "TestOptions::leftovers or --encapsulate_leftovers=note");
    Add(TestPartResult::kNonFatalFailure, text);
  } else {
    Note(absl::StrCat(FullName(test_), ": ", text));
  }
}

// A violation says so itself. Where nobody watches, nothing tells for sure that
// a write was refused there, but its error text in a failure or in the output
// does.
void TestRun::OfferWorkingDirectory() {
  if (!failed_ || !tells_read_only_ ||
      asked_.options.violations != Violations::kOff ||
      asked_.options.working_directory != WorkingDirectory::kReadOnly) {
    return;
  }
  Note(absl::StrCat(
      FullName(test_),
      " wrote to something that is read-only for a test; hint: ",
      "--encapsulate_working_directory=overlay (or ",
      "TestOptions::working_directory) lets it write to its working ",
      "directory, and throws that away"));
}

void TestRun::TellWhatItMissed() {
  if (!failed_) return;
  std::vector<std::string> lines;
  for (const std::string& path : named_->There()) {
    const auto holds = [&](const std::string& tree) {
      return IsWithin(tree, path);
    };
    if (absl::c_any_of(view_.options.overlay, holds) ||
        absl::c_any_of(view_.writable, holds)) {
      continue;
    }
    lines.push_back(absl::StrCat(
        "'", path,
        "' is there for the test program, and a test's directory is "
        "its own; hint: make it in the test's SetUp(), or name it in "
        "TestOptions::writable"));
  }
  const std::vector<std::string> processes = StartedProcesses();
  if (!processes.empty()) {
    const bool is_one = processes.size() == 1;
    lines.push_back(absl::StrCat(
        "the test program has started ", processes.size(),
        is_one ? " process (" : " processes (", absl::StrJoin(processes, ", "),
        "), and a test's processes and network are its own; hint: start ",
        is_one ? "it" : "them", " in the test's SetUp()"));
  }
  if (asked_.options.network != Network::kHost) {
    const std::set<int> ports = ListeningPorts();
    if (!ports.empty()) {
      lines.push_back(absl::StrCat(
          "the test program listens at port ", absl::StrJoin(ports, ", "),
          ", and a test's network is its own; hint: start the server in the "
          "test's SetUp()"));
    }
  }
  for (const std::string& line : lines) {
    Push(Notice{
        absl::StrCat(FullName(test_), " may have missed something: ", line),
        line});
  }
}

void TestRun::KeepOrRemoveScratch() {
  if (!scratch_.has_value()) return;
  KeptScratch scratch = *std::move(scratch_);
  scratch_ = absl::nullopt;
  if (!test_.result()->Failed()) {
    const absl::Status status = scratch.Remove();
    if (!status.ok()) PrintNotice(std::string(status.message()));
  } else if (scratch.IsInPlace()) {
    PrintNotice(absl::StrCat("scratch directory of ", FullName(test_), ": ",
                             scratch.path()));
  } else {
    PrintNotice(absl::StrCat("cannot keep ", Quote(scratch.path()),
                             ": a test has put something else in its place"));
  }
}

}  // namespace encapsulate
