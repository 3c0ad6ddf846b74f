// One test in a process and a sandbox of its own, seen from the test program:
// started, watched to its end, and judged.
//
//   TestRun test(info, asked, settings, started, &channels);
//   if (*test.Start(TestRun::Where::kHeld, &pool, 0) ==
//   TestRun::Side::kTest) {
//     test.Become();  // inside
//     return;
//   }
//   while (!test.ended()) {
//     auto polls = test.Polls();
//     poll(polls.data(), polls.size(), Milliseconds(test.UntilTimer()));
//     test.Handle(polls.data());
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

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/result.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/sandbox_pool.h"
#include "gtest/gtest.h"
#include "gtest_plugin/program/kept_scratch.h"
#include "gtest_plugin/program/missed.h"
#include "gtest_plugin/program/report.h"
#include "gtest_plugin/shared/channel.h"
#include "gtest_plugin/shared/settings.h"
#include "gtest_plugin/shared/view.h"
#include "gtest_plugin/test_options.h"

namespace encapsulate {

// "Suite.Test".
std::string FullName(const testing::TestInfo& test);

class TestRun {
 public:
  // A line that the plugin prints.
  struct Notice {
    std::string text;
    // If it isn't empty: to be printed for the first of those that have it.
    std::string once;
  };
  // What the test wrote to a standard descriptor.
  struct Output {
    int fd;
    std::string bytes;
  };
  // A Record is a result, a property, or kCleared.
  using Event = std::variant<Record, Notice, Output>;

  struct EffectiveOptions {
    TestOptions options;
    // Who set them, for people: "the program".
    std::string by;
  };

  // `started` is when the program was.
  TestRun(const testing::TestInfo& test, EffectiveOptions asked,
          const Settings& settings, absl::Time started, ChannelPool* channels);
  // Kills what still runs.
  ~TestRun();
  TestRun(const TestRun&) = delete;
  TestRun& operator=(const TestRun&) = delete;

  const testing::TestInfo& info() const { return test_; }

  // Where the test's stdout and stderr lead: into Events, or, for a test whose
  // Events are shown as they come, to the program's terminal if it has one. A
  // pseudo-terminal in between would hand on what is written at some later
  // time, and lose the order of output and results. If both descriptors are
  // one file, its order is kept.
  enum class Where { kShown, kHeld };
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

  using PollSet = std::array<struct pollfd, 7>;
  // What to wait for, at most as long as UntilTimer() says; then call Handle()
  // with what poll(2) said.
  PollSet Polls() const;
  absl::Duration UntilTimer() const;
  void Handle(const struct pollfd* polls);

  absl::optional<Event> Next();
  size_t held_bytes() const { return held_bytes_; }

  // Whether the test waits until its program has dealt with the events so far.
  bool waits() const { return waits_; }
  // Whether one of them, held or not, is a fatal failure.
  bool failed_fatally() const { return failed_fatally_; }
  void GoOn(Answer answer);

  // A paused test isn't listened to, so that it comes to a stop where it has
  // something to tell, and its clock stands still.
  void Pause();
  void Resume();
  bool paused() const { return paused_since_.has_value(); }

  // Whether the test itself may write to the program's terminal.
  bool has_terminal() const { return has_terminal_; }
  // As of Process; of a test that was started.
  const std::string& exposed_executable() const {
    return process_->exposed_executable();
  }

  bool ended() const { return ended_; }
  // Since its start.
  absl::Duration Passed() const;

  // --- At the end -----------------------------------------------------------

  absl::Duration elapsed() const { return elapsed_; }

  // When GoogleTest knows the result: says where the scratch directory is, or
  // removes it.
  void KeepOrRemoveScratch();

 private:
  using Clock = std::chrono::steady_clock;

  // An ExpectBlocked that hasn't ended.
  struct Expected {
    int number;  // the process's
    std::string file;
    int line;
    size_t size;  // in expected_bytes_
  };

  struct Stream {
    std::vector<int> fds;  // which of the test's it stands for
    UniqueFd read_end;
    UniqueFd write_end;
  };

  absl::Status PrepareView();
  absl::Status MakeKeptScratch();
  absl::Duration Timeout();
  void NoteSteps();
  absl::Status OpenStreams(Where where);
  void HandleBell();
  void TakeOutput();
  void TakeOutput(Stream* stream);
  void HandleTimer();
  void StopHanging();
  void TakeRecords();
  void Take(Record record);
  static size_t SizeOf(const Event& event);
  void Push(Event event);
  void End();
  void Classify(const Result& result);
  std::string ExplainEnd(const Result& result) const;
  std::string ExplainDamage() const;
  std::string WhatItDid() const;
  void ClassifyLeftovers(const Result& result);
  void ClassifyViolations(const Result& result);
  void NoteAllowed(const Result& result);
  void OfferWorkingDirectory();
  void TellWhatItMissed();
  void Add(testing::TestPartResult::Type type, const std::string& text);
  void AddAt(absl::string_view file, int line,
             testing::TestPartResult::Type type, const std::string& text);
  void Fail(const std::string& text);

  const testing::TestInfo& test_;
  const EffectiveOptions asked_;
  const Settings& settings_;
  const absl::Time program_started_;
  View view_;
  ViewInputs inputs_;
  absl::optional<KeptScratch> scratch_;  // if it may be kept
  ChannelPool& channels_;
  std::unique_ptr<Channel> channel_;
  absl::optional<Process> process_;
  std::vector<Stream> streams_;  // at most two
  bool has_terminal_ = false;
  std::deque<Event> events_;
  size_t held_bytes_ = 0;
  bool waits_ = false;
  Answer answer_ = Answer::kGoOn;  // to what it asked, while it waits
  bool ended_ = false;

  Clock::time_point started_;
  absl::optional<Clock::time_point> paused_since_;
  absl::Duration paused_;
  absl::Duration timeout_;
  std::string timeout_hint_;  // what it comes from, if nobody asked for it
  absl::Duration slow_;       // when to name the test
  absl::Duration patience_;   // with what it says when it is stopped
  absl::Duration limit_;      // when to do something about it
  bool timed_out_ = false;
  bool stopped_ = false;
  // Then, its processes, but for the one whose threads have told themselves.
  std::vector<SandboxedProcess> others_;

  absl::optional<Record> end_;  // kSignal, kExit, kQuickExit or kDeath
  bool done_ = false;
  absl::Duration elapsed_;
  std::vector<Record> strays_;
  std::map<int64_t, Expected> expected_;  // by their own numbers
  size_t expected_bytes_ = 0;
  std::string damage_;       // of its records; "" if there is none
  std::string last_result_;  // "file:line" of the last one
  OutputTail tail_;
  bool failed_ = false;
  bool failed_fatally_ = false;
  bool tells_read_only_ = false;
  absl::optional<NamedFiles> named_;  // by its failures
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_TEST_RUN_H_
