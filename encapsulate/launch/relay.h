// SPDX-License-Identifier: Apache-2.0
//
// fork(2) into a sandbox, at the price of one copy of the caller's page tables.
//
// setns(2) puts only children into a PID namespace, so it takes a process in
// between, the relay, to join the namespaces and fork the child from there. It
// shares the caller's memory (CLONE_VM), stands in for the calling thread while
// that waits, and so may call the C library's own fork(), with all that goes
// with it: pthread_atfork(3) handlers, the locks of malloc and stdio, the hooks
// of sanitizers. The child finds itself on the caller's stack.
//
// The relay stays, on a stack of its own and without another word to the C
// library, to wait for the child: the caller's handlers and its SIGCHLD
// disposition play no part in how the child's end is learned. Until fork() has
// returned, the relay is the calling thread for all that matters: whoever kills
// it then kills the caller.
#ifndef ENCAPSULATE_LAUNCH_RELAY_H_
#define ENCAPSULATE_LAUNCH_RELAY_H_

#include <sys/types.h>

#include <utility>

namespace encapsulate {

class Relay {
 public:
  Relay() = default;
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() { Wait(); }

  enum class Side { kCaller, kChild };

  // Forks a child into `namespaces` (CLONE_NEW... of setns(2)) of the process
  // that `pidfd` stands for, and into a session of the relay's unless it
  // `shares_session`. Call it once, with all signals blocked. Returns -1
  // with errno if there is no relay; else that says on `socket`, one end of a
  // SOCK_SEQPACKET pair that the child has as well, what becomes of the child:
  //   kFailed  step, error: it never was
  //   kEnded   number: its wait status; usage
  int Fork(int pidfd, int namespaces, bool shares_session, int socket,
           Side* side);

  // Where there are no namespaces, the relay guards the child: it adopts the
  // orphans of all that descend from the child, and ends them.
  struct Guard {
    // A pidfd of the caller, whose death ends everybody.
    int caller = -1;
    // Another descriptor that the relay needs, or -1.
    int kept = -1;
    // Whether kill(-1, ...) of the relay reaches just those inside.
    bool scoped = false;
    // In the relay, before it forks, with the C library; what fails has to end
    // the process.
    void (*confine)(void* argument) = nullptr;
    // In the relay, once the caller is dead. Ends everybody and the process.
    void (*bury)(void* argument) = nullptr;
    void* argument = nullptr;
  };

  // As Fork(), without namespaces. The relay says on `socket`
  //   kFailed  step, error: the child never was
  //   kEnded   number: the child's wait status; usage
  // and is told there
  //   kSignal  number: a signal for the child
  //   kLeave   end everybody, as far as it can (`scoped`), and exit when nobody
  //            is left
  // It stays until it is told to leave.
  int ForkGuarded(const Guard& guard, bool shares_session, int socket,
                  Side* side);

  // -1 if there is none.
  pid_t pid() const { return pid_; }

  // Returns when relay and child are gone. Whoever ends the sandbox ends both.
  void Wait();

  // For another child of the caller's, to which the relay means nothing.
  void Disown();

 private:
  struct Job;
  struct Region;
  // The job in new memory; null with errno.
  Job* MakeJob();
  int Start(Job* job, Side* side);
  void Resume();
  void Unmap();

  pid_t pid_ = -1;
  Region* region_ = nullptr;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_LAUNCH_RELAY_H_
