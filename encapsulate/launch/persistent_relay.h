// SPDX-License-Identifier: Apache-2.0
//
// fork(2) into a sandbox, again and again, at the price of little more than
// fork(2).
//
// It does what Relay does (relay.h), and stays: it joins the sandbox and gives
// up its privileges once, and every child inherits that. So that children have
// what the caller has when they are forked, it shares the caller's descriptors
// and signal handlers as well as its memory. It is outside of the sandbox's PID
// namespace, out of reach from inside. What it doesn't share, such as limits
// and ids, stays what it was at its start: see CallerState.
//
// It lives no longer than the thread that started it. While SIGCHLD is ignored,
// the kernel keeps to itself how a child ended, and handlers are shared: don't
// use it then.
#ifndef ENCAPSULATE_LAUNCH_PERSISTENT_RELAY_H_
#define ENCAPSULATE_LAUNCH_PERSISTENT_RELAY_H_

#include <sys/resource.h>
#include <sys/types.h>

#include "encapsulate/base/unique_fd.h"

namespace encapsulate {

class PersistentRelay {
 public:
  PersistentRelay() = default;
  PersistentRelay(const PersistentRelay&) = delete;
  PersistentRelay& operator=(const PersistentRelay&) = delete;
  ~PersistentRelay() { Stop(); }

  struct Places {
    int pidfd;       // of init
    int namespaces;  // to join
    int init;        // the socket to init, who is asked for a check (kCheck)
                     // when a child has ended
    int reports;     // the children's end of a socket pair: Fork() says kFailed
                     // there
    int answers;     // the caller's end
    const bool* renew;  // when a child has ended: whether init is to renew what
                        // it can (kCheckRenew)
  };

  // Starts it, and calls `confine` in it, in the calling thread's place, when
  // it has joined the namespaces. What that opens is the caller's. False, with
  // errno, if there is no relay, or if it has ended in `confine`. Call it with
  // all signals blocked.
  bool Start(const Places& places, void (*confine)(void* argument),
             void* argument);

  enum class Side { kCaller, kChild };

  // Forks a child. A filter's call for the `listener` meanwhile, by a handler
  // of pthread_atfork(3), goes on, and sets `called`. Call it with all signals
  // blocked. That there is a child is told by that itself, on `reports`; errors
  // come there as well.
  Side Fork(int listener, bool* called);

  // How the child ended, when init has answered. False if nobody knows.
  bool HowItEnded(int* wait_status, struct rusage* usage) const;

  // Whether the calling thread still has its descriptors in common with the
  // relay, and may look at it as it could at its start. One that has entered a
  // Landlock domain since (landlock(7)) may not: what the relay forks wouldn't
  // have that domain.
  bool IsAlike() const;

  // Polls readable when the relay is gone.
  int descriptor() const { return pidfd_.get(); }
  pid_t pid() const { return pid_; }

  // Ends it, and waits for it and its children: they must be about to end, as
  // the sandbox is.
  void Stop();

  // For a child: it is none of its business. Closes what is open, and changes
  // nothing.
  void Disown() const;

 private:
  struct Job;
  struct Region;

  // By which call two processes are compared.
  enum class Comparison { kNone, kKcmp, kRobustList };
  bool Compare(Comparison by) const;

  pid_t pid_ = -1;
  UniqueFd pidfd_;
  Region* region_ = nullptr;
  Comparison comparison_ = Comparison::kNone;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_LAUNCH_PERSISTENT_RELAY_H_
