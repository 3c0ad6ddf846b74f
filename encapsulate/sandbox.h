// SPDX-License-Identifier: Apache-2.0
//
// Runs a command, or goes on as a forked child, in an isolated view of this
// machine.
//
//   encapsulate::Options options;
//   options.writable = {"/tmp"};
//   absl::StatusOr<encapsulate::Result> result =
//       encapsulate::Run(options, {"make", "-j2"});
//   if (!result.ok()) return result.status();  // make never ran
//   if (!result->ok()) ...                     // make failed
//
// The sandbox has its own user, mount, PID, IPC, UTS, cgroup and (unless asked
// otherwise) network namespace. The filesystem is the host's, read-only but
// for what Options name; /proc, /dev, /dev/shm and /sys are its own. The
// command has no capability and can't gain any, not even as root. A small
// init, pid 1, reaps orphans and ends with the command; the kernel then kills
// whatever is left. Nothing is ever made on the host but, for some limits, a
// cgroup that is gone when the call returns.
//
// Needs Linux 5.10 and a host that grants user namespaces; see host_check.h.
//
// Threads: every function may be called from any thread. Each starts a child
// by clone(2) with all signals blocked, and that child makes system calls
// only; it never touches the heap or a lock. Fork: a Process belongs to the
// process that made it.
#ifndef ENCAPSULATE_SANDBOX_H_
#define ENCAPSULATE_SANDBOX_H_

#include <poll.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/options.h"
#include "encapsulate/result.h"
#include "encapsulate/sandboxed_process.h"

namespace encapsulate {

// A step of setting a sandbox up and how long it took.
struct StepTime {
  std::string step;     // "mounts"
  absl::Duration time;  // that it took
};

// A sandbox with a process in it. Move-only. The destructor kills every
// process inside and waits until they are gone.
class Process {
 public:
  // What is moved from may only be destroyed or assigned to.
  Process(Process&&) noexcept;
  // Ends the sandbox that *this had, as the destructor does.
  Process& operator=(Process&&) noexcept;
  ~Process();

  // Waits for the command's end and until the sandbox is empty. Call it once.
  // Outcome::kLost if the sandbox was torn down from outside (init killed), so
  // that nobody knows how the command ended.
  Result Wait();

  // For callers that wait for other events as well, or for some time only: a
  // descriptor, the Process's own, that polls readable (POLLIN) when there is
  // something to do, and a function that does it without waiting. Handle() is
  // false once the command has ended; Wait() then returns without delay.
  //
  //   while (process.Handle()) poll({process.event_descriptor(), ...});
  //
  // With Options::violations, calls that may reach out wait inside until the
  // caller's thread is in Handle() or Wait(): don't be long. Always call both
  // from the thread that made the Process, which may be a tracer (ptrace(2))
  // for some microseconds in there: a new violation sends the caller SIGCHLD.
  int event_descriptor() const;
  // See event_descriptor().
  bool Handle();

  // Appends to `polls` what event_descriptor() stands for. A poll(2) of that
  // lets the kernel (6.6 and later) go on with the caller on the processor of
  // the thread that waits inside, which is the faster way on an idle machine.
  // It may be other descriptors each time.
  void AppendEvents(std::vector<struct pollfd>* polls) const;

  // What has been recorded so far; grows during Handle() and Wait(), and moves
  // to the Result at the end.
  const std::vector<Violation>& violations() const;

  // What isolates it: not Isolation::kBest.
  Isolation isolation() const;

  // Whether the sandbox around this process watches in place of this one, see
  // ViolationRecord::watched_outside.
  bool is_watched_outside() const;

  // For attempts that the code inside means to make: from BeginExpected() to
  // EndExpected(), those of `rule` on `target` (as in Allowed) are no
  // violations, and EndExpected() returns them. Of two expectations that fit,
  // the later one gets an attempt. A thread that attempts something waits until
  // that has been looked at; so what it did before it asked its caller for a
  // change is not taken for what comes after. With Violations::kOff nothing is
  // seen.
  int BeginExpected(Rule rule, const std::string& target);
  // Ends the expectation that BeginExpected() returned `number` for.
  std::vector<Violation> EndExpected(int number);

  // Sends a signal to the command (not to its children).
  // FailedPrecondition once it has ended.
  absl::Status Signal(int signal);

  // Kills every process of the sandbox. Wait() then says SIGKILL.
  void Kill();

  // For a child that the caller forked while the sandbox ran: closes what
  // belongs to it, and leaves the sandbox itself alone.
  void Disown();

  // Every process inside but init, for a report about a sandbox that doesn't
  // come to its end. Each thread is stopped for a moment (ptrace(2)), which may
  // interrupt what it waits in, sends the caller SIGCHLD, and takes up to a
  // second where a thread doesn't stop. Of more than 256 threads the first are
  // told of, and 4 KiB of each command. Empty if init is gone. Where /proc
  // hides processes (hidepid), one that lets nobody look at it may be missing,
  // and what is below it.
  std::vector<SandboxedProcess> Processes() const;

  // The pid of the sandbox's init, as the caller sees it.
  pid_t init_pid() const;

  // What the set-up did, in order, and how long each step took.
  const std::vector<StepTime>& steps() const;

  // For the child of Enter(): why it could change the file that the caller
  // executes, see ExposedExecutable; empty if it can't.
  const std::string& exposed_executable() const;

 private:
  friend class Launcher;
  struct State;
  explicit Process(std::unique_ptr<State> state);
  bool HandleEvents(int timeout);
  void ForwardSignals();
  void Continue();
  bool Listen();
  bool AskRelay();
  void EndLate();
  std::unique_ptr<State> state_;
};

// Starts `command` and returns once it has been executed. A command without a
// slash is searched in the PATH that it will see, by the rules of execvp(3).
absl::StatusOr<Process> Spawn(const Options& options,
                              const std::vector<std::string>& command);

// Spawn() and Wait().
absl::StatusOr<Result> Run(const Options& options,
                           const std::vector<std::string>& command);

// Like fork(2), but the child is in a sandbox: returns a Process to the caller
// and absl::nullopt to the child, which goes on with the caller's memory, its
// descriptors and, of its threads, the calling one. An error is returned to
// the caller only; the child then never was.
//
//   absl::StatusOr<absl::optional<Process>> child = Enter(options);
//   if (!child.ok()) return child.status();
//   if (!child->has_value()) _exit(RunTest());  // inside
//   const Result result = (*child)->Wait();
//
// The child's descriptors stay open, apart from Enter()'s own, and directories
// among them lead to the host's files: close what the child shouldn't have.
// Options::keep_descriptors isn't used.
//
// The child executes the same file as the caller, but through a read-only
// mount: each child is moved there unless ProtectExecutable() (executable.h),
// called before the caller's threads start, has done so once for all.
absl::StatusOr<absl::optional<Process>> Enter(const Options& options);

}  // namespace encapsulate

#endif  // ENCAPSULATE_SANDBOX_H_
