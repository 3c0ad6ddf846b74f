// SPDX-License-Identifier: Apache-2.0
//
// Enter() where there are no namespaces. The relay, which shares the caller's
// memory, is what init is for a command: it adopts orphans, it is in the outer
// Landlock domain, and the child that it forks enters the inner one. It can't
// look for processes, because it has the C library only as long as the caller
// waits, so the caller names those that are left.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include "encapsulate/base/error.h"
#include "encapsulate/base/signals_blocked.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/child/message.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/host/causes.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/launch/relay.h"
#include "encapsulate/launcher.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/process_state.h"

namespace encapsulate {

absl::StatusOr<absl::optional<Process>> Launcher::EnterConfined(
    std::unique_ptr<State> state) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return HostError("make a socket pair");
  }
  InitProcess init;
  init.control = UniqueFd(sockets[0]);
  UniqueFd relay_end(sockets[1]);
  const UniqueFd caller(sys::PidfdOpen(getpid()));
  if (!caller.valid()) return HostError("open a pidfd");
  state->childs_socket = std::move(relay_end);
  const Plan& plan = *state->plan;
  state->for_child = std::make_unique<PlanForChild>(*state->plan);
  {
    const SignalsBlocked blocked;
    Relay::Guard guard;
    guard.caller = caller.get();
    guard.kept = plan.ledger;
    guard.scoped = plan.outer_domain >= 0;
    guard.confine = &Launcher::ConfineGuard;
    guard.bury = &Launcher::Bury;
    guard.argument = state.get();
    Relay::Side side;
    if (state->relay.ForkGuarded(guard, plan.shares_session,
                                 state->childs_socket.get(), &side) != 0) {
      return HostError("fork");
    }
    if (side == Relay::Side::kChild) {
      init.control.Reset();
      BecomeConfined(*state->for_child, state->childs_socket.get());
      // The environment goes on to point into the plan.
      State::Disown(std::move(state));
      return absl::optional<Process>();
    }
  }
  state->childs_socket.Reset();
  state->guarded = true;
  state->forked = std::chrono::steady_clock::now();
  init.pid = state->relay.pid();
  init.pidfd = UniqueFd(sys::PidfdOpen(init.pid));
  state->confinement->SetInit(init.pid);
  absl::Status status = Adopt(std::move(init), state.get());
  if (!status.ok()) return status;
  Message message;
  status = Await(*state, MessageKind::kStarted, &message);
  if (!status.ok()) return status;
  if ((plan.watching_filter != nullptr && state->monitor == nullptr) ||
      !state->StartMonitorOfNames()) {
    return Lost(*state);
  }
  state->AddSteps(message);
  state->deadline.Start();
  return absl::optional<Process>(Process(std::move(state)));
}

void Launcher::ConfineGuard(void* argument) {
  auto* const state = static_cast<State*>(argument);
  PlanForChild& for_child = *state->for_child;
  Setup setup(for_child.plan(), for_child.notes(), state->childs_socket.get());
  AdoptOrphans(setup);
  DropPrivileges(setup, /*executes=*/true);
  EnterDomain(setup, state->plan->outer_domain);
}

// The caller's threads are gone, and with them who may use what this uses.
void Launcher::Bury(void* argument) {
  const ChildPlan& plan = static_cast<State*>(argument)->for_child->plan();
  EndForGood(plan, open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

void Launcher::BecomeConfined(PlanForChild& for_child, int socket) {
  const ChildPlan& plan = for_child.plan();
  Setup setup(plan, for_child.notes(), socket);
  // The relay has told everybody inside to go before it goes itself.
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  setpgid(0, 0);
  if (chdir(plan.directory.c_str()) != 0) setup.Fail(Step::kEnterDirectory);
  TakeOver(setup);
  MakeMappingsPrivate(setup);
  EnterDomain(setup, plan.inner_domain);
  if (plan.watching_filter != nullptr && !WatchCalls(plan, setup.control())) {
    setup.Fail(Step::kWatchCalls);
  }
  setup.Report(MessageKind::kStarted, -1);
}

}  // namespace encapsulate
