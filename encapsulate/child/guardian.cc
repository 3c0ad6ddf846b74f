// SPDX-License-Identifier: Apache-2.0
//
// Init where there are no namespaces. Every process inside descends from it,
// because it adopts their orphans. In a Landlock domain of its own, around the
// command's, it can send signals to nobody else, so that kill(-1, ...), which
// the kernel does in one pass, ends just those inside. Before ABI 6 it looks
// for them, stops and kills what it finds, and looks again until none is left.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "encapsulate/child/ledger.h"
#include "encapsulate/child/leftovers.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/kernel/landlock.h"

namespace encapsulate {
namespace {

void Signal(int proc, int signal) {
  ForEachBelow(
      proc, getpid(),
      [](pid_t pid, int number) { static_cast<void>(kill(pid, number)); },
      signal);
}

// Those that have ended. True if nobody is left.
bool Reap() {
  for (;;) {
    const pid_t pid = waitpid(-1, nullptr, WNOHANG | __WALL);
    if (pid < 0 && errno == ECHILD) return true;
    if (pid == 0) return false;
  }
}

}  // namespace

void AdoptOrphans(Setup& setup) {
  setup.Check(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), Step::kAdoptOrphans);
}

void EnterDomain(Setup& setup, int ruleset) {
  if (ruleset < 0) return;
  setup.Check(sys::LandlockEnter(ruleset), Step::kEnterDomain);
  close(ruleset);
  setup.Done(Step::kEnterDomain);
}

void SignalAll(const ChildPlan& plan, int proc, int signal) {
  if (HasNamespaces(plan) || plan.outer_domain >= 0) {
    kill(-1, signal);
  } else {
    Signal(proc, signal);
  }
}

void EndAll(const ChildPlan& plan, int proc) {
  if (HasNamespaces(plan) || plan.outer_domain >= 0) {
    kill(-1, SIGKILL);
    // But for the child that Enter()'s caller has forked, all are ours now.
    while (waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) {
    }
    return;
  }
  while (!Reap()) {
    // Who is stopped forks no more.
    Signal(proc, SIGSTOP);
    Signal(proc, SIGKILL);
  }
}

void EndForGood(const ChildPlan& plan, int proc) {
  // Everybody else ends with it.
  if (HasNamespaces(plan)) _exit(1);
  EndAll(plan, proc);
  if (plan.ledger >= 0) RemoveAllOf(plan.ledger);
  if (!plan.scratch.empty()) RemoveTree(AT_FDCWD, plan.scratch.c_str());
  _exit(1);
}

}  // namespace encapsulate
