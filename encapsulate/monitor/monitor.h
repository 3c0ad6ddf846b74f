// SPDX-License-Identifier: Apache-2.0
//
// Answers the system calls that a sandbox's filter hands over, and records
// those that reached out.
//
// The thread that made a call waits in the kernel. The monitor reads what it is
// about; in most cases it aims at nothing outside, and the call goes on
// (SECCOMP_USER_NOTIF_FLAG_CONTINUE). Where it may be a violation that wasn't
// seen before, the monitor attaches to the thread (PTRACE_SEIZE,
// PTRACE_INTERRUPT), lets the call go on, and finds the thread stopped behind
// it: there the register holds what the kernel really said, and the stack still
// is as it was. Then the thread is let go. What the filter refuses, the monitor
// refuses with the same errno, and so it does with what no namespace stops.
//
// That a call is let go on after it was read leaves its memory time to change:
// the monitor can be fooled, the namespaces can't. Where there are none, a
// supervisor (supervisor.h) performs what Landlock doesn't keep.
#ifndef ENCAPSULATE_MONITOR_MONITOR_H_
#define ENCAPSULATE_MONITOR_MONITOR_H_

#include <linux/seccomp.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/inputs.h"
#include "encapsulate/inspect/thread_view.h"
#include "encapsulate/inspect/unwind.h"
#include "encapsulate/monitor/classify.h"
#include "encapsulate/monitor/decode.h"
#include "encapsulate/monitor/input_recorder.h"
#include "encapsulate/monitor/name_server.h"
#include "encapsulate/options.h"
#include "encapsulate/plan/outer_monitor.h"
#include "encapsulate/supervisor/supervisor.h"
#include "encapsulate/violations.h"

namespace encapsulate {

// The trees of a sandbox that are mounted anew before somebody else runs in it,
// if they may have been changed.
struct RenewedTrees {
  // The device numbers of their filesystems; without any, nothing is renewed.
  std::vector<dev_t> devices;
  // Who runs inside owns /proc, and may set modes and times there.
  bool owns_proc = false;
  // Set before a call goes on that may change something in them.
  bool changed = false;
};

// What is told, besides the calls themselves.
struct MonitorSetup {
  // Only SIGKILL interrupts a call that was received (Linux 5.19), so that
  // its thread can be stopped behind it.
  bool killable = false;
  Network network = Network::kLoopback;
  std::vector<Allowed> allowed;
  // Who performs calls, and knows what is inside, where no namespace does;
  // outlives the monitor.
  Supervisor* supervisor = nullptr;
  // Without it, calls are answered and no violation is recorded.
  bool record = true;
  // Of Options::inputs; absent, none are recorded.
  absl::optional<InputScope> inputs;
  // The latest pid that was given away inside; 0 if unknown.
  std::function<pid_t()> last_pid;
  // The directory /proc/PID/net of a process in the sandbox's network
  // namespace. Not its path: where the host's /proc hides processes (proc(5),
  // "hidepid"), init, whom nobody may look at, isn't there.
  int network_tables = -1;
  // Outlives the monitor; null: there are none.
  RenewedTrees* renewed = nullptr;
};

class Monitor {
 public:
  Monitor(UniqueFd listener, MonitorSetup setup);

  // Polls readable while calls wait, and POLLHUP when nobody is left.
  int descriptor() const { return listener_.get(); }

  // For a child that has nobody to watch: closes the listener.
  void Disown() const { listener_.CloseInChild(); }

  // Whether it was told of any call.
  bool has_seen_calls() const { return has_seen_calls_; }
  // Whether one of them may have changed something that isn't renewed.
  bool may_have_left() const { return may_have_left_; }

  // Whether it can watch whoever is next: it knows of nothing yet, and of the
  // same exceptions.
  bool IsFresh(const std::vector<Allowed>& allowed) const;

  // For the monitor of whoever is watched next.
  UniqueFd TakeListener() { return std::move(listener_); }

  // Answers the calls that wait, some at a time. False once nobody is left that
  // could make one.
  bool Handle();

  // From now on, what `rule` says of `target` (as in Allowed) is expected, and
  // kept for EndExpected(); of two that fit, the later one gets it. The number
  // stands for it.
  int BeginExpected(Rule rule, std::string target);
  std::vector<Violation> EndExpected(int number);

  // Records that the sandbox's name server was asked for a name, from a port of
  // loopback, unless that is allowed. What one process asks of a name, its
  // IPv4 and its IPv6 address for example, is one look-up until it repeats
  // itself.
  void RecordName(const Question& asked, bool tcp, int port);

  // In the order of the first attempt.
  const std::vector<Violation>& violations() const {
    return record_.violations;
  }
  // At the end: what was expected by notes counts as such from here on.
  ViolationRecord TakeRecord();
  InputRecord TakeInputs();

 private:
  // What a thread that was stopped behind its call tells.
  struct Stop {
    absl::optional<int64_t> result;  // none if the call will start again
    std::vector<Frame> stack;
    bool sorts_addresses = false;
  };

  struct Expected {
    int number;
    Rule rule;
    std::string target;
    std::vector<Violation> seen;
    // Of a note: SpaceOf() the sender, and its number. Attempts of others don't
    // fit.
    std::string space;
    int64_t note = 0;
  };

  // A test that a sandbox inside has named, see plan/outer_monitor.h.
  struct NamedTest {
    std::string name;
    UniqueFd process;  // a pidfd
    // Of the process that stands for the test, if it has no PID namespace of
    // its own; else 0.
    pid_t pid = 0;

    bool IsAlive() const;
    bool Has(pid_t tid) const;
  };

  // Rule, call, target and program; the number of what expected it, or
  // kUnexpected; the test.
  using Key =
      std::tuple<Rule, std::string, std::string, std::string, int, std::string>;
  static constexpr int kUnexpected = 0;

  // Of the kernel's own structures, which grow (SECCOMP_GET_NOTIF_SIZES).
  static constexpr size_t kRoomToGrow = 256;

  // Whether the call, which is let go on, changes nothing but renewed trees.
  bool IsRenewed(const SyscallArgs& call, const Verdict& verdict) const;

  // Receives a call and answers it.
  void AnswerNext();
  void Answer(const seccomp_notif& notification);
  // Has the supervisor answer; true if the call needs no other answer.
  bool Perform(const seccomp_notif& notification, const ThreadView& thread,
               Supervisor::Answer* answer) const;
  static void Refuse(const Supervisor::Answer& answer, Verdict* verdict);
  void Reply(uint64_t id, const Verdict& verdict) const;
  void Respond(uint64_t id, int error, int64_t value, uint32_t flags) const;
  bool StillWaits(uint64_t id) const;

  // Notes what the call reads. True if that is all that it may do.
  bool NoteInput(const seccomp_notif& notification, const ThreadView& thread,
                 const SyscallArgs& call);

  static bool FailedLater(const Verdict& verdict, int64_t result);
  static Violation Describe(const ThreadView& thread, const SyscallArgs& call);
  void Record(const seccomp_notif& notification, const ThreadView& thread,
              const SyscallArgs& call, const Verdict& verdict, Key key);
  // `thread` may be null: nobody knows who asked.
  int WhoExpects(const Verdict& verdict, const ThreadView* thread) const;

  // Answers a note of a sandbox inside, see plan/outer_monitor.h.
  void AnswerNote(const seccomp_notif& notification, const ThreadView& thread,
                  const SyscallArgs& call);
  absl::optional<int> HandleNote(const ThreadView& thread, const Note& note,
                                 std::string space);
  int CountExpected(const std::string& space, int64_t note);
  // Ends what notes of that space expect, or of all if it is empty.
  void EndNotes(const std::string& space);
  // What tests that are gone have left.
  void DropEndedTests();
  // As "pid:[4026531836]".
  static std::string PidNamespaceOf(const ThreadView& thread);
  // The key of tests_ for what the thread belongs to, whether there is such a
  // test or not: its PID namespace, or "process 4711" in this sandbox's own.
  std::string SpaceOf(const ThreadView& thread) const;
  // The name of the test that the thread of `program` belongs to, or "".
  std::string TestOf(const ThreadView& thread,
                     const std::string& program) const;

  std::vector<Violation>& SeenBy(int number);
  // Counts what is known already, or too much; false if it is to be recorded.
  bool Count(const Key& key);
  // Notes who talks to the name server, and replies.
  void NoteAsker(const seccomp_notif& notification, const ThreadView& thread,
                 const SyscallArgs& call);
  // Whether the question belongs to a look-up that was counted already.
  bool IsCounted(pid_t asker, const Question& asked);
  // Whether the call names the name server's address.
  static bool AsksForNames(const ThreadView& thread, const SyscallArgs& call);
  bool IsAllowed(const Verdict& verdict);
  std::vector<AllowedUse> AllowedUses() const;
  // Replies; nothing if the thread can't be stopped or is gone.
  absl::optional<Stop> StopBehind(const seccomp_notif& notification,
                                  const ThreadView& thread,
                                  const Verdict& verdict);
  // False if the thread is gone.
  bool AwaitStop(pid_t tid, int* signal);

  UniqueFd listener_;
  const MonitorSetup setup_;
  const Classifier classifier_;
  absl::optional<InputRecorder> inputs_;
  bool has_seen_calls_ = false;
  bool may_have_left_ = false;
  // While a thread is being stopped, no other is.
  bool stopping_ = false;
  // Calls that the stop kept from running; they come once more.
  std::map<pid_t, Key> restarting_;

  // Those who talk to the name server, by the inode of their socket. A question
  // comes from nowhere but a port.
  std::map<std::string, Violation> askers_;
  // The types that a process asked for in its latest look-up of a name.
  std::map<std::pair<pid_t, std::string>, std::set<uint16_t>> look_ups_;

  std::map<Key, size_t> known_;  // places in what SeenBy() returns
  ViolationRecord record_;       // `allowed` at the end only
  std::vector<Expected> expected_;
  int last_number_ = kUnexpected;
  std::string own_space_;                   // the first call's PID namespace
  std::map<std::string, NamedTest> tests_;  // by SpaceOf()
  // What was expected by notes, for the report.
  std::map<std::tuple<Rule, std::string, std::string>, uint64_t> expected_uses_;
  std::vector<uint64_t> allowed_counts_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_MONITOR_MONITOR_H_
