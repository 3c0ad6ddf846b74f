// SPDX-License-Identifier: Apache-2.0
//
// One test in a process and a sandbox of its own, seen from the test program:
// started and watched to its end. What that end means is worked out in
// verdict.h.
//
//   TestRun test(info, asked, settings, started, &channels);
//   if (*test.Start(TestRun::Where::kHeld, &pool, 0) ==
//   TestRun::Side::kTest) {
//     test.Become();  // inside
//     return;
//   }
//   while (!test.ended()) {
//     std::vector<struct pollfd> polls;
//     test.AppendPolls(&polls);
//     poll(polls.data(), polls.size(), Milliseconds(test.UntilTimer()));
//     test.Handle(polls);
//     while (auto event = test.Next()) Show(*event);
//     if (test.waits()) test.GoOn(Answer::kGoOn);
//   }
//
// It knows nothing of other tests, and records nothing in GoogleTest itself:
// what comes of the test are Events, in the order in which they are to be
// shown. Until then they are held here.
#ifndef GTEST_PLUGIN_PROGRAM_TEST_RUN_H_
#define GTEST_PLUGIN_PROGRAM_TEST_RUN_H_

#include <poll.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "encapsulate/result.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/sandbox_pool.h"
#include "gtest/gtest.h"
#include "gtest_plugin/program/events.h"
#include "gtest_plugin/program/expectations.h"
#include "gtest_plugin/program/inputs_file.h"
#include "gtest_plugin/program/kept_scratch.h"
#include "gtest_plugin/program/missed.h"
#include "gtest_plugin/program/report.h"
#include "gtest_plugin/program/stopwatch.h"
#include "gtest_plugin/program/streams.h"
#include "gtest_plugin/program/trace.h"
#include "gtest_plugin/program/verdict.h"
#include "gtest_plugin/program/violation_files.h"
#include "gtest_plugin/shared/channel.h"
#include "gtest_plugin/shared/settings.h"
#include "gtest_plugin/shared/view.h"
#include "gtest_plugin/test_options.h"

namespace encapsulate {

// "Suite.Test".
std::string FullName(const testing::TestInfo& test);

class TestRun {
 public:
  struct EffectiveOptions {
    TestOptions options;
    // Who set them, for people: "the program".
    std::string by;
  };

  // `started` is when the program was. `files` get what the test attempts,
  // `inputs_file` what it reads, `trace` when it ran; there may be no trace.
  TestRun(const testing::TestInfo& test,
          std::shared_ptr<const EffectiveOptions> asked,
          const Settings& settings, absl::Time started, ViewCache* views,
          ChannelPool* channels, ViolationFiles* files, InputsFile* inputs_file,
          Trace* trace);
  // Kills what still runs.
  ~TestRun();
  TestRun(const TestRun&) = delete;
  TestRun& operator=(const TestRun&) = delete;

  const testing::TestInfo& info() const { return test_; }

  // What is written to stdout and stderr becomes Events, but for a terminal.
  using Where = OutputStreams::Where;
  enum class Side { kProgram, kTest };
  // Forks, into a sandbox of `pool`, who is told that `more` tests are to
  // come. An error is returned in the program only, and the test then hasn't
  // run.
  absl::StatusOr<Side> Start(Where where, SandboxPool* pool, int more);

  // On the test's side, to be called when every other TestRun is disowned.
  void Become();
  // On the side of another test: lets go of what belongs to the program.
  void Disown();

  // Ends a test that couldn't be started.
  void Refuse(const absl::Status& status);

  // Adds a line of the program's own.
  void Note(std::string line);

  // --- Watching -------------------------------------------------------------

  // Appends what to wait for, at most as long as UntilTimer() says; then call
  // Handle() with what poll(2) said of it.
  void AppendPolls(std::vector<struct pollfd>* polls) const;
  absl::Duration UntilTimer() const;
  void Handle(absl::Span<const struct pollfd> polls);

  absl::optional<Event> Next() { return events_.Next(); }
  size_t held_bytes() const { return events_.bytes(); }

  // Whether the test waits until its program has dealt with the events so far.
  bool waits() const { return waits_; }
  // Whether one of them, held or not, is a fatal failure.
  bool failed_fatally() const { return evidence_.failed_fatally; }
  void GoOn(Answer answer);

  // A paused test isn't listened to, so that it comes to a stop where it has
  // something to tell, and its clock stands still.
  void Pause() { clock_.Pause(); }
  void Resume() { clock_.Resume(); }
  bool paused() const { return clock_.paused(); }

  // Whether the test itself may write to the program's terminal.
  bool has_terminal() const { return streams_.has_terminal(); }
  // Whether the sandbox around this program reports what the test attempts.
  bool is_watched_outside() const { return watched_outside_; }
  // As of Process; of a test that was started.
  const std::string& exposed_executable() const {
    return process_->exposed_executable();
  }

  bool ended() const { return ended_; }
  // Since its start.
  absl::Duration Passed() const { return clock_.Passed(); }

  // --- At the end -----------------------------------------------------------

  absl::Duration elapsed() const { return elapsed_; }

  // When GoogleTest knows the result: says where the scratch directory is, or
  // removes it.
  void KeepOrRemoveScratch();

 private:
  const TestOptions& options() const { return asked_->options; }
  const View& view() const { return made_->view; }
  absl::Status PrepareView();
  absl::StatusOr<std::shared_ptr<const MadeView>> ViewWithKeptScratch();
  absl::Status MakeKeptScratch(const std::vector<std::string>& environment);
  void HandleBell();
  void TakeOutput();
  void HandleTimer();
  void StopHanging();
  void TakeRecords();
  void Take(Record record);
  void End();
  // The sandbox, to the pool.
  void GiveBack();
  void Conclude(Result result);
  std::string AccountFor(Finding::Account account) const;
  void Add(const Finding& finding);
  void AddFailure(testing::TestPartResult::Type type, const std::string& text,
                  const absl::optional<Evidence::Position>& position);
  void Fail(const std::string& text);
  // What a failure speaks of.
  void NoteNamed(const std::string& message);
  void TellWhatItMissed();

  const testing::TestInfo& test_;
  const std::shared_ptr<const EffectiveOptions> asked_;
  const Settings& settings_;
  const absl::Time program_started_;
  ViewCache& views_;
  std::shared_ptr<const MadeView> made_;  // null until it is started
  absl::optional<KeptScratch> scratch_;   // if it may be kept
  ChannelPool& channels_;
  ViolationFiles& files_;
  InputsFile& inputs_file_;
  Trace* const trace_;
  int job_ = 0;  // of the trace
  TestTimes times_;
  std::unique_ptr<Channel> channel_;
  absl::optional<Process> process_;
  SandboxPool* pool_ = nullptr;  // that the process's sandbox came from
  OutputStreams streams_;
  EventQueue events_;
  bool waits_ = false;
  Answer answer_ = Answer::kGoOn;  // to what it asked, while it waits
  bool ended_ = false;

  Stopwatch clock_;
  absl::Duration slow_;      // when to name the test
  absl::Duration patience_;  // with what it says when it is stopped
  absl::Duration limit_;     // when to do something about it
  bool stopped_ = false;
  // Then, its processes, but for the one whose threads have told themselves.
  std::vector<SandboxedProcess> others_;

  Evidence evidence_;  // of what comes of it
  absl::Duration elapsed_;
  bool watched_outside_ = false;
  Expectations expectations_;
  std::string last_result_;  // "file:line" of the last one
  OutputTail tail_;
  absl::optional<NamedFiles> named_;  // by its failures
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_TEST_RUN_H_
