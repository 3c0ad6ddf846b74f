// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/child/test_process.h"

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "encapsulate/base/error.h"
#include "encapsulate/watched_outside.h"
#include "gtest_plugin/child/coverage.h"
#include "gtest_plugin/child/descriptors.h"
#include "gtest_plugin/child/sanitizers.h"
#include "gtest_plugin/child/signals.h"
#include "gtest_plugin/googletest/internals.h"
#include "gtest_plugin/googletest/mocks.h"
#include "gtest_plugin/googletest/stdio.h"

namespace encapsulate {
namespace {

using Clock = std::chrono::steady_clock;
using testing::TestPartResult;

TestProcess* this_process = nullptr;

}  // namespace

// The only one in a test's process. Of GoogleTest's loops, those that run
// already go on with the listeners that they know, and come to Runner's at the
// test's end.
class TestProcess::Listener : public testing::EmptyTestEventListener {
  void OnTestPartResult(const TestPartResult& result) override {
    this_process->StreamResult(result);
  }
  void OnTestEnd(const testing::TestInfo&) override { this_process->End(); }
};

TestProcess* TestProcess::Get() { return this_process; }

TestProcess::TestProcess(const testing::TestInfo& test,
                         const TestOptions& options, const View& view,
                         Channel* channel, bool watched_outside)
    : test_(test),
      options_(options),
      view_(view),
      channel_(channel),
      watched_outside_(watched_outside),
      pid_(getpid()) {}

TestProcess& TestProcess::Become(const testing::TestInfo& test,
                                 const TestOptions& options, const View& view,
                                 Channel* channel, bool watched_outside) {
  // Not on the heap: each page of that which is written to has to be copied.
  alignas(TestProcess) static char place[sizeof(TestProcess)];
  this_process =
      new (place) TestProcess(test, options, view, channel, watched_outside);
  channel->EnterChild();
  coverage::Reset();
  mocks::Watch();
  ShowDescriptorsThroughView();
  gtest_internals::ReplaceListeners(new Listener);  // GoogleTest's to delete
  ReportSignals(channel, [] { this_process->AppendProperties(); });
  sanitizers::OnDeath([] { this_process->AppendDeath(); });
  on_exit(&TestProcess::OnExit, this_process);
  at_quick_exit(&TestProcess::OnQuickExit);
  return *this_process;
}

void TestProcess::Begin() {
  started_ = Clock::now();
  if (watched_outside_) {
    NameTestOutside(absl::StrCat(test_.test_suite_name(), ".", test_.name()));
  }
  if (!view_.copy.empty()) CopyWorkingDirectory();
}

void TestProcess::CopyWorkingDirectory() {
  std::error_code error;
  std::filesystem::copy(".", view_.copy,
                        std::filesystem::copy_options::recursive, error);
  if (!error) std::filesystem::current_path(view_.copy, error);
  if (!error) return;
  gtest_internals::AddResultAt(
      test_.file(), test_.line(), TestPartResult::kFatalFailure,
      Words({FailureKind::kHostRefused, "copy the working directory", "", "",
             error.value()}));
}

bool TestProcess::IsStray() const { return getpid() != pid_; }

void TestProcess::StreamResult(const TestPartResult& result) {
  if (IsStray()) {
    // As in an ordinary run: shown, and otherwise known to that process only.
    auto* const printer =
        testing::UnitTest::GetInstance()->listeners().default_result_printer();
    if (printer != nullptr) printer->OnTestPartResult(result);
    return;
  }
  FlushOutput();
  // GoogleTest counts this one already.
  TellClearing(test_.result()->total_part_count() - 1);
  ++streamed_;
  channel_->Append(RecordKind::kResult, {result.type(), result.line_number()},
                   result.file_name(), result.message());
  if (channel_->Ring() == Answer::kThrow) {
#if GTEST_HAS_EXCEPTIONS
    throw testing::AssertionException(result);
#endif
  }
}

// Says so if GoogleTest knows of fewer results than the program: the test has
// dropped those up to some point, as GoogleTest's own tests do.
void TestProcess::TellClearing(int results) {
  if (results >= streamed_) return;
  channel_->Append(RecordKind::kCleared, {});
  streamed_ = 0;
}

int TestProcess::BeginExpected(Rule rule, const char* target, const char* file,
                               int line) {
  if (IsStray() || options_.violations == Violations::kOff) return 0;
  // Others may have results to tell.
  const gtest_internals::ResultsLock lock;
  ++last_expected_;
  channel_->Append(RecordKind::kBeginExpected,
                   {last_expected_, static_cast<int64_t>(rule), line}, target,
                   file);
  channel_->Ring();
  if (watched_outside_) BeginExpectedOutside(last_expected_, rule, target);
  return last_expected_;
}

Answer TestProcess::EndExpected(int number) {
  if (IsStray()) return Answer::kBlocked;  // it is the other process's to say
  const gtest_internals::ResultsLock lock;
  channel_->Append(RecordKind::kEndExpected, {number});
  const Answer answer = channel_->Ring();
  // The program has only seen questions for names.
  const bool outside = watched_outside_ && EndExpectedOutside(number) > 0;
  return outside && answer == Answer::kNothing ? Answer::kBlocked : answer;
}

// Also called in signal handlers: no heap, no lock.
void TestProcess::AppendProperties() {
  const testing::TestResult& result = *test_.result();
  for (int i = 0; i < result.test_property_count(); ++i) {
    const testing::TestProperty& property = result.GetTestProperty(i);
    channel_->Append(RecordKind::kProperty, {}, property.key(),
                     property.value());
  }
}

void TestProcess::AppendDeath() {
  if (IsStray()) return;
  SaveOutput();
  AppendProperties();
  channel_->Append(RecordKind::kDeath, {});
}

void TestProcess::EndStray(const char* where) {
  channel_->Append(RecordKind::kStray, {getpid()}, where);
  FlushOutput();
  _exit(1);
}

void TestProcess::End() {
  if (IsStray()) EndStray("the test");
  const int64_t elapsed = std::chrono::duration_cast<std::chrono::microseconds>(
                              Clock::now() - started_)
                              .count();
  for (void* mock : mocks::Leaked()) {
    mocks::Verify(mock);
    gtest_internals::AddResultAt(
        test_.file(), test_.line(), TestPartResult::kNonFatalFailure,
        absl::StrFormat("The test never deletes the mock object at %p; hint: "
                        "testing::Mock::AllowLeak() if it means to",
                        mock));
  }
  if (sanitizers::FindsLeaks()) {
    gtest_internals::AddResultAt(
        test_.file(), test_.line(), TestPartResult::kNonFatalFailure,
        "LeakSanitizer found memory that the test leaked; its report is on "
        "stderr");
  }
  FlushOutput();
  // Of threads that go on, one may be about to tell a result.
  const gtest_internals::ResultsLock lock;
  TellClearing(test_.result()->total_part_count());
  AppendProperties();
  coverage::Save();
  channel_->Append(RecordKind::kDone, {elapsed});
  _exit(0);
}

// After the handlers that the test itself registered, in place of those of the
// program, which are the parent's to run.
void TestProcess::OnExit(int status, void* process) {
  auto* const self = static_cast<TestProcess*>(process);
  if (self->IsStray()) return;
  FlushOutput();
  self->AppendProperties();
  self->channel_->Append(RecordKind::kExit, {status});
  coverage::Save();
  _exit(status);
}

// Isn't told the status, so it can't end the process here.
void TestProcess::OnQuickExit() {
  if (this_process->IsStray()) return;
  SaveOutput();
  this_process->AppendProperties();
  this_process->channel_->Append(RecordKind::kQuickExit, {});
  coverage::Save();
}

}  // namespace encapsulate
