// SPDX-License-Identifier: Apache-2.0
//
// The monitor's part that stops a thread behind its call, to read what the
// kernel said and where the call comes from.
#include <poll.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdint>

#include "absl/types/optional.h"
#include "encapsulate/inspect/address_sort.h"
#include "encapsulate/inspect/unwind.h"
#include "encapsulate/monitor/monitor.h"

namespace encapsulate {
namespace {

// The call was interrupted and will start again; never seen by programs (the
// kernel's include/linux/errno.h).
bool WillRestart(int64_t result) { return result <= -512 && result >= -516; }

}  // namespace

absl::optional<Monitor::Stop> Monitor::StopBehind(
    const seccomp_notif& notification, const ThreadView& thread,
    const Verdict& verdict) {
  const pid_t tid = thread.tid();
  // Where signals interrupt the call, stopping the thread would.
  if (stopping_ || !setup_.killable ||
      ptrace(PTRACE_SEIZE, tid, nullptr, nullptr) != 0) {
    Reply(notification.id, verdict);
    return absl::nullopt;
  }
  ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
  Reply(notification.id, verdict);
  int signal = 0;
  if (!AwaitStop(tid, &signal)) return absl::nullopt;
  Stop stop;
  const absl::optional<StoppedState> state = ReadStoppedState(tid);
  if (state.has_value()) {
    if (state->registers.has_value()) {
      stop.stack = Unwind(thread, *state->registers);
      stop.sorts_addresses =
          verdict.may_sort && SortsAddresses(thread, stop.stack);
    }
    if (!WillRestart(state->result)) stop.result = state->result;
  }
  if (ptrace(PTRACE_DETACH, tid, nullptr,
             // NOLINTNEXTLINE(performance-no-int-to-ptr): as ptrace(2) has it
             reinterpret_cast<void*>(static_cast<intptr_t>(signal))) != 0) {
    // It was killed meanwhile, and its tracer has to reap it.
    while (waitpid(tid, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }
  return stop;
}

bool Monitor::AwaitStop(pid_t tid, int* signal) {
  // Most calls fail at once, and a stop can't be polled for.
  constexpr int kPatience = 1000;
  constexpr int kStateRounds = 50;
  stopping_ = true;
  bool stopped = false;
  for (int round = 0;; ++round) {
    int status = 0;
    const pid_t waited = waitpid(tid, &status, __WALL | WNOHANG);
    if (waited == tid) {
      stopped = WIFSTOPPED(status);
      // Besides the stop that was asked for, only a signal stops it.
      if (stopped && (status >> 16) == 0) *signal = WSTOPSIG(status);
      break;
    }
    if (waited < 0 && errno != EINTR) break;
    if (round < kPatience) {
      sched_yield();
      continue;
    }
    // Another thread of this process may have waited for any child.
    if (round % kStateRounds == 0 && ThreadView(tid).State() == 't') {
      stopped = true;
      break;
    }
    // The call takes its time, for which others may be needed.
    struct pollfd event = {listener_.get(), POLLIN, 0};
    if (poll(&event, 1, 1) > 0 && (event.revents & POLLIN) != 0) {
      AnswerNext();
    }
  }
  stopping_ = false;
  return stopped;
}

}  // namespace encapsulate
