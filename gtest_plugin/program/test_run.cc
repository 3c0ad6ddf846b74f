// SPDX-License-Identifier: Apache-2.0
//
// Over 500 lines, because a test reads from its fork to its result here; what
// stands alone is in other files.

#include "gtest_plugin/program/test_run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/printable.h"
#include "encapsulate/base/write_all.h"
#include "encapsulate/host_check.h"
#include "encapsulate/violations.h"
#include "encapsulate/watched_outside.h"
#include "gtest_plugin/child/signals.h"
#include "gtest_plugin/child/test_process.h"
#include "gtest_plugin/googletest/internals.h"
#include "gtest_plugin/googletest/stdio.h"
#include "gtest_plugin/program/time_limit.h"
#include "gtest_plugin/shared/isolation_level.h"
#include "gtest_plugin/shared/output.h"

namespace encapsulate {
namespace {

using testing::TestPartResult;

constexpr size_t kMostStrays = 64;

// What a scratch directory may have come to.
constexpr char kReplaced[] = "a test has put something else in its place";

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

// The first ones, which are shown.
void SymbolizeShown(std::vector<Violation>* violations) {
  if (violations->empty()) return;
  const auto end =
      violations->begin() + static_cast<ptrdiff_t>(std::min(
                                violations->size(), kMostShownViolations));
  std::vector<Violation> shown(std::make_move_iterator(violations->begin()),
                               std::make_move_iterator(end));
  Symbolize(&shown);
  std::move(shown.begin(), shown.end(), violations->begin());
}

// By a sandbox around this program. A filter stays, so it is asked once, beside
// each sandbox that asks for itself.
bool ProgramIsWatched() {
  static const bool watched = IsWatchedOutside();
  return watched;
}

}  // namespace

std::string FullName(const testing::TestInfo& test) {
  return absl::StrCat(test.test_suite_name(), ".", test.name());
}

TestRun::TestRun(const testing::TestInfo& test,
                 std::shared_ptr<const EffectiveOptions> asked,
                 const Settings& settings, absl::Time started, ViewCache* views,
                 ChannelPool* channels, ViolationFiles* files,
                 InputsFile* inputs_file, Trace* trace)
    : test_(test),
      asked_(std::move(asked)),
      settings_(settings),
      program_started_(started),
      views_(*views),
      channels_(*channels),
      files_(*files),
      inputs_file_(*inputs_file),
      trace_(trace),
      channel_(channels->Take()) {
  evidence_.test = FullName(test);
  evidence_.violations = options().violations;
  evidence_.leftovers = options().leftovers;
  evidence_.working_directory = options().working_directory;
  evidence_.verbose = settings.verbose.value_or(false);
}

TestRun::~TestRun() {
  process_.reset();
  if (channel_ != nullptr) channels_.Give(std::move(channel_));
  if (scratch_.has_value()) scratch_->Remove().IgnoreError();
}

// --- Starting ---------------------------------------------------------------

absl::StatusOr<TestRun::Side> TestRun::Start(Where where, SandboxPool* pool,
                                             int more) {
  times_.start = Trace::Now();
  absl::Status status = PrepareView();
  if (status.ok()) status = channel_->Open();
  if (status.ok()) status = streams_.Open(where);
  if (!status.ok()) return status;

  FlushOutput();
  pool_ = pool;
  absl::StatusOr<absl::optional<Process>> entered = absl::optional<Process>();
  {
    const gtest_internals::ResultsLock lock;
    // A scratch directory of the test's own makes its sandbox one of a kind.
    watched_outside_ =
        options().violations != Violations::kOff && ProgramIsWatched();
    const int alike = scratch_.has_value() ? 0 : more;
    entered = pool->Enter(view().options, alike);
  }
  if (entered.ok() && !entered->has_value()) return Side::kTest;
  channel_->EnterParent();
  if (!entered.ok()) return entered.status();
  process_ = *std::move(entered);
  if (trace_ != nullptr) job_ = trace_->Begin();
  times_.entered = Trace::Now();
  clock_.Start();
  const char* const test_timeout = getenv("TEST_TIMEOUT");
  const TimeLimit limit = TimeLimitOf(
      options().timeout, test_timeout != nullptr ? test_timeout : "",
      absl::Now() - program_started_);
  evidence_.timeout = limit_ = limit.timeout;
  evidence_.timeout_hint = limit.hint;
  patience_ = limit.patience;
  slow_ = settings_.slow.value_or(limit_ / 4);
  if (evidence_.verbose) {
    Note(absl::StrCat(FullName(test_), ": ",
                      process_->steps().empty()
                          ? "sandbox used again"
                          : FormatSteps(process_->steps())));
  }
  return Side::kProgram;
}

void TestRun::Become() {
  if (view().options.isolation != Isolation::kNamespaces) {
    auto own = std::make_shared<MadeView>(*made_);
    UseOwnScratch(&own->view);
    made_ = std::move(own);
  }
  streams_.EnterChild();
  if (scratch_.has_value()) {
    // Tests that run at the same time may write where it lies.
    if (!scratch_->IsAt(view().scratch)) {
      PrintNotice(
          Words({FailureKind::kHostRefused, "use", view().scratch, kReplaced}));
      _exit(1);
    }
    scratch_->Close();
  }
  TestProcess::Become(test_, options(), view(), channel_.get(),
                      watched_outside_);
}

void TestRun::Disown() {
  if (process_.has_value()) process_->Disown();
  if (channel_ != nullptr) channel_->Disown();
  if (scratch_.has_value()) scratch_->Close();
  streams_.Close();
}

absl::Status TestRun::PrepareView() {
  // The options live as long as what they are a part of.
  absl::StatusOr<std::shared_ptr<const MadeView>> made =
      settings_.keep_scratch == KeepScratch::kFailed
          ? ViewWithKeptScratch()
          : views_.Get({asked_, &options()}, settings_.exposed_executable,
                       !settings_.inputs.empty());
  if (!made.ok()) return made.status();
  made_ = *std::move(made);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const MadeView>> TestRun::ViewWithKeptScratch() {
  auto made = std::make_shared<MadeView>();
  made->inputs = CurrentViewInputs();
  absl::Status status = MakeKeptScratch(made->inputs.environment);
  if (!status.ok()) return status;
  made->inputs.kept_scratch = scratch_->path();
  made->inputs.exposed_executable = settings_.exposed_executable;
  made->inputs.records_inputs = !settings_.inputs.empty();
  absl::StatusOr<View> view = MakeView(options(), made->inputs);
  if (!view.ok()) return view.status();
  made->view = *std::move(view);
  return made;
}

absl::Status TestRun::MakeKeptScratch(
    const std::vector<std::string>& environment) {
  std::string base;
  for (const char* name :
       {"TEST_UNDECLARED_OUTPUTS_DIR", "TEST_TMPDIR", "TMPDIR"}) {
    if (base.empty()) base = Variable(environment, name);
  }
  if (base.empty()) base = "/tmp";
  absl::StatusOr<KeptScratch> made = KeptScratch::Make(base, FullName(test_));
  if (!made.ok()) return made.status();
  scratch_ = *std::move(made);
  return absl::OkStatus();
}

void TestRun::Refuse(const absl::Status& status) {
  ended_ = true;
  const FailureKind kind = FailureKindOf(status);
  std::string why(status.message());
  if (kind == FailureKind::kInvalidOptions) {
    why = absl::StrCat("in the options of ", asked_->by, ": ", why);
  } else {
    // The test didn't run and so says nothing about the code.
    const char* const file = getenv("TEST_INFRASTRUCTURE_FAILURE_FILE");
    if (file != nullptr && file[0] != '\0') {
      WriteInfrastructureFailure(file, why);
    }
  }
  static bool told = false;
  if (kind == FailureKind::kHostRefused && !std::exchange(told, true)) {
    const std::string weaker =
        DescribeWeakerLevel(options().isolation, "--encapsulate_isolation");
    if (!weaker.empty()) Note(weaker);
  }
  Fail(Words({kind, absl::StrCat("encapsulate ", FullName(test_)), "", why}));
}

void TestRun::Note(std::string line) {
  events_.Push(Notice{std::move(line), ""});
}

// --- Watching ---------------------------------------------------------------

// The bell, the streams, and what the Process has, however much that is. What
// isn't waited for is -1, which poll(2) leaves out.
void TestRun::AppendPolls(std::vector<struct pollfd>* polls) const {
  // While the test waits for an answer, it has no reason to ring.
  polls->push_back({waits_ ? -1 : channel_->bell(), POLLIN, 0});
  for (int descriptor : streams_.descriptors()) {
    polls->push_back({paused() ? -1 : descriptor, POLLIN, 0});
  }
  process_->AppendEvents(polls);
}

absl::Duration TestRun::UntilTimer() const {
  if (paused()) return absl::InfiniteDuration();
  return std::max(std::min(limit_, slow_) - Passed(), absl::ZeroDuration());
}

void TestRun::Handle(absl::Span<const struct pollfd> polls) {
  const auto has_any = [](absl::Span<const struct pollfd> some) {
    return absl::c_any_of(
        some, [](const struct pollfd& one) { return one.revents != 0; });
  };
  // A bell that rings without end mustn't hide the rest.
  if (has_any(polls.subspan(0, 1))) HandleBell();
  if (has_any(polls.subspan(1, OutputStreams::kMost))) TakeOutput();
  if (has_any(polls.subspan(1 + OutputStreams::kMost)) && !process_->Handle()) {
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
  if (heard.report && evidence_.timed_out) StopHanging();
}

void TestRun::TakeOutput() {
  streams_.Read([this](int fd, std::string bytes) {
    tail_.Add(bytes);
    evidence_.tells_read_only |= absl::StrContains(bytes, strerror(EROFS));
    events_.Push(Output{fd, std::move(bytes)});
  });
}

void TestRun::HandleTimer() {
  const absl::Duration passed = Passed();
  if (slow_ < limit_ && passed >= slow_) {
    Note(absl::StrCat(FullName(test_), " still runs after ",
                      absl::FormatDuration(slow_), "; it is stopped after ",
                      absl::FormatDuration(evidence_.timeout)));
    slow_ = absl::InfiniteDuration();
  }
  if (passed >= limit_) {
    if (!evidence_.timed_out) {
      evidence_.timed_out = true;
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

void TestRun::GoOn(Answer answer) {
  waits_ = false;
  const Answer asked_for = std::exchange(answer_, Answer::kGoOn);
  channel_->Reply(answer == Answer::kGoOn ? asked_for : answer);
}

void TestRun::TakeRecords() {
  while (evidence_.damage.empty()) {
    absl::optional<Record> record = channel_->Next();
    if (!record.has_value()) break;
    Take(*std::move(record));
  }
  if (evidence_.damage.empty()) evidence_.damage = channel_->damage();
}

void TestRun::Take(Record record) {
  switch (record.kind) {
    case RecordKind::kResult: {
      if (!record.texts[0].empty()) {
        last_result_ = absl::StrCat(record.texts[0], ":", record.numbers[1]);
      }
      const auto type = static_cast<TestPartResult::Type>(record.numbers[0]);
      evidence_.failed |= type == TestPartResult::kNonFatalFailure ||
                          type == TestPartResult::kFatalFailure;
      evidence_.failed_fatally |= type == TestPartResult::kFatalFailure;
      if (evidence_.failed && made_ != nullptr) NoteNamed(record.texts[1]);
      evidence_.tells_read_only |=
          absl::StrContains(record.texts[1], strerror(EROFS));
      events_.Push(std::move(record));
      break;
    }
    case RecordKind::kCleared:
      evidence_.failed = evidence_.failed_fatally = false;
      last_result_.clear();
      events_.Push(std::move(record));
      break;
    case RecordKind::kProperty:
      events_.Push(std::move(record));
      break;
    case RecordKind::kDone:
      evidence_.done = true;
      elapsed_ =
          std::max(absl::Microseconds(record.numbers[0]) - clock_.stood_still(),
                   absl::ZeroDuration());
      elapsed_ = std::min(elapsed_, Passed());
      break;
    case RecordKind::kSignal:
    case RecordKind::kExit:
    case RecordKind::kQuickExit:
    case RecordKind::kDeath:
      if (!evidence_.end.has_value()) evidence_.end = std::move(record);
      break;
    case RecordKind::kStray:
      if (evidence_.strays.size() < kMostStrays) {
        evidence_.strays.push_back(std::move(record));
      }
      break;
    case RecordKind::kBeginExpected:
      if (!expectations_.Begin(record, &*process_)) {
        evidence_.damage = "there are more ExpectBlocked than can be looked at";
      }
      break;
    case RecordKind::kEndExpected: {
      const absl::optional<Answer> answer =
          expectations_.End(record, &*process_);
      if (answer.has_value()) answer_ = *answer;
      break;
    }
  }
}

// --- The end ----------------------------------------------------------------

void TestRun::End() {
  Result result = process_->Wait();
  times_.gone = Trace::Now();
  Resume();
  // Nobody writes any more.
  while (streams_.HasInput()) TakeOutput();
  TakeRecords();
  if (!evidence_.done) elapsed_ = Passed();
  times_.done = times_.entered + clock_.stood_still() + elapsed_;
  Conclude(std::move(result));
  GiveBack();
  if (trace_ != nullptr) {
    times_.end = Trace::Now();
    trace_->End(job_, evidence_.test, evidence_.failed, times_);
  }
  streams_.Close();
  channels_.Give(std::move(channel_));
  waits_ = false;
  ended_ = true;
}

// What the report says of where the test stood when it ended or was stopped,
// and what came before.
std::string TestRun::AccountFor(Finding::Account account) const {
  std::string text;
  if (account == Finding::Account::kAll) {
    if (!last_result_.empty()) {
      absl::StrAppend(&text, "\nThe last result was recorded at ", last_result_,
                      ".");
    }
    absl::StrAppend(&text, FormatReport(channel_->Report(), others_));
  }
  if (account != Finding::Account::kNone) {
    absl::StrAppend(&text, tail_.Format());
  }
  return text;
}

void TestRun::GiveBack() {
  Process process = *std::move(process_);
  process_ = absl::nullopt;
  const std::string why_not = pool_->Give(std::move(process));
  if (!why_not.empty() && settings_.verbose.value_or(false)) {
    Note(absl::StrCat(FullName(test_),
                      ": its sandbox isn't used again: ", why_not));
  }
}

void TestRun::Conclude(Result result) {
  const bool is_lost = result.outcome == Outcome::kLost;
  evidence_.result = std::move(result);
  // Of which nothing is said otherwise.
  if (!evidence_.result.record.violations.empty()) {
    evidence_.program = made_->inputs.program;
    evidence_.directory = made_->inputs.directory;
    evidence_.writable = view().writable;
  }
  evidence_.overflowed = channel_->overflowed();
  evidence_.open_expectations = expectations_.Open();
  files_.Add(evidence_.test, evidence_.result);
  inputs_file_.Add(evidence_.test, evidence_.result.inputs);
  SymbolizeShown(&evidence_.result.record.violations);
  for (const Finding& finding : Classify(evidence_)) Add(finding);
  if (!is_lost && evidence_.failed) TellWhatItMissed();
  evidence_.result = Result();
}

void TestRun::Add(const Finding& finding) {
  const std::string text =
      absl::StrCat(finding.text, AccountFor(finding.account));
  switch (finding.kind) {
    case Finding::Kind::kFatalFailure:
      Fail(text);
      break;
    case Finding::Kind::kNonFatalFailure:
      AddFailure(TestPartResult::kNonFatalFailure, text, finding.position);
      break;
    case Finding::Kind::kNote:
      Note(text);
      break;
  }
}

void TestRun::AddFailure(TestPartResult::Type type, const std::string& text,
                         const absl::optional<Evidence::Position>& position) {
  Record record;
  record.kind = RecordKind::kResult;
  record.numbers[0] = type;
  if (position.has_value()) {
    record.numbers[1] = position->line;
    record.texts[0] = position->file;
  } else {
    record.numbers[1] = test_.line();
    record.texts[0] = test_.file() != nullptr ? test_.file() : "";
  }
  record.texts[1] = text;
  Take(std::move(record));
}

void TestRun::Fail(const std::string& text) {
  AddFailure(TestPartResult::kFatalFailure, PrintableLines(text),
             absl::nullopt);
}

void TestRun::NoteNamed(const std::string& message) {
  if (!named_.has_value()) {
    std::vector<std::string> own = {"/dev/shm"};
    for (const Tmpfs& tmpfs : view().options.tmpfs) own.push_back(tmpfs.path);
    named_.emplace(std::move(own));
  }
  named_->Add(message);
}

void TestRun::TellWhatItMissed() {
  Missed missed;
  if (!named_.has_value()) return;
  for (const std::string& path : named_->There()) {
    const auto holds = [&](const std::string& tree) {
      return IsWithin(tree, path);
    };
    if (!absl::c_any_of(view().options.overlay, holds) &&
        !absl::c_any_of(view().writable, holds)) {
      missed.paths.push_back(path);
    }
  }
  missed.processes = StartedProcesses();
  if (options().network != Network::kHost) {
    missed.ports = ListeningPorts();
  }
  for (const std::string& line : DescribeMissed(missed)) {
    events_.Push(Notice{
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
    PrintNotice(
        Words({FailureKind::kHostRefused, "keep", scratch.path(), kReplaced}));
  }
}

}  // namespace encapsulate
