// SPDX-License-Identifier: Apache-2.0

// Sandboxes that are used again, see launcher.h.
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/files.h"
#include "encapsulate/base/signals_blocked.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/child/fresh_places.h"
#include "encapsulate/child/message.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/host/causes.h"
#include "encapsulate/launch/persistent_relay.h"
#include "encapsulate/launcher.h"
#include "encapsulate/monitor/monitor.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/process_state.h"

namespace encapsulate {
namespace {

// Whether it is known of a call that the monitor has looked at what it can't
// have changed, wherever it led in the end (Monitor::IsRenewed()). The owner of
// the sandbox's network and System V IPC may change their settings, unless
// these are protected.
bool CanJudge(const Plan& plan) {
  if (plan.protect_proc) return true;
  return plan.map_from_outside ? geteuid() != 0
                               : !absl::StartsWith(plan.uid_map, "0 ");
}

// What its session has in common for the scheduler (sched(7)), which anybody in
// it may change by his own file in procfs; "" where there is no such thing.
std::string AutogroupOf(const PersistentRelay& relay) {
  return FirstLine(absl::StrCat("/proc/", relay.pid(), "/autogroup"));
}

}  // namespace

absl::StatusOr<absl::optional<Process>> Launcher::EnterAgain(
    const Options& options, std::shared_ptr<Plan> plan, Process process) {
  std::unique_ptr<State> state = std::move(process.state_);
  if (!state->ReopenDevices()) return HostError("open a device again");
  // What the child before it noted is in that one's copy.
  if (state->plan != plan) {
    state->for_child = std::make_unique<PlanForChild>(*plan);
  }
  state->plan = std::move(plan);
  if (!state->monitor->IsFresh(options.allowed)) {
    state->allowed = options.allowed;
    state->MakeMonitor(state->killable, state->monitor->TakeListener());
  }
  state->watching = true;
  state->result = Result();
  state->result.enforced = options.violations == Violations::kEnforce;
  state->steps.clear();
  state->ended = state->known = state->killed = state->untouched = false;
  return ForkAgain(std::move(state));
}

std::shared_ptr<const SandboxKind>& Launcher::Kind(const Process* process) {
  return process->state_->kind;
}

bool Launcher::IsReusable(const Process& process) {
  return process.state_->plan->reusable;
}

Trace Launcher::WhatIsLeft(const Process& process) {
  const State& state = *process.state_;
  if (state.trace != Trace::kNone) return state.trace;
  const bool called = state.called || state.monitor == nullptr ||
                      state.monitor->may_have_left();
  if (called) return Trace::kCall;
  if (state.renewed.changed &&
      AutogroupOf(*state.persistent) != state.autogroup) {
    return Trace::kCall;
  }
  return state.untouched && !state.killed ? Trace::kNone : Trace::kEnd;
}

bool Launcher::FitsCaller(const Process& process) {
  const PersistentRelay& relay = *process.state_->persistent;
  struct pollfd event = {relay.descriptor(), POLLIN, 0};
  return poll(&event, 1, 0) == 0 && relay.IsAlike();
}

void Launcher::CloseInChild(const Process& process) {
  process.state_->CloseInChild();
}

absl::Status Launcher::StartPersistentRelay(State* state) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return HostError("make a socket pair");
  }
  state->relay_socket = UniqueFd(sockets[0]);
  state->childs_socket = UniqueFd(sockets[1]);
  const PersistentRelay::Places places = {
      state->init.pidfd.get(),
      static_cast<int>(state->plan->namespaces),
      state->init.control.get(),
      sockets[1],
      sockets[0],
      &state->renewed.changed};
  state->persistent = std::make_unique<PersistentRelay>();
  bool started;
  {
    const SignalsBlocked blocked;
    started = state->persistent->Start(places, &Launcher::ConfineRelay, state);
  }
  Message message;
  if (!started) {
    absl::Status status = HostError("start a relay");
    struct pollfd event = {sockets[0], POLLIN, 0};
    if (poll(&event, 1, 0) <= 0) return status;
    return ReceiveMessage(sockets[0], &message)
               ? ExplainFailure(*state, message)
               : status;
  }
  message.number = state->killable ? 1 : 0;
  if (!state->StartMonitor(message, std::move(state->listener))) {
    return Lost(*state);
  }
  state->Send(MessageKind::kJoined);
  absl::Status status = Await(*state, MessageKind::kNoted, &message);
  if (status.ok()) {
    state->trace = static_cast<Trace>(message.number);
    state->renewed.owns_proc = state->plan->protect_proc;
    state->autogroup = AutogroupOf(*state->persistent);
    if (CanJudge(*state->plan)) state->TakeRenewed(message);
  }
  if (status.ok() && !state->persistent->IsAlike()) {
    state->trace = Trace::kNoComparison;
  }
  return status;
}

void Launcher::ConfineRelay(void* argument) {
  auto* const state = static_cast<State*>(argument);
  const ChildPlan& plan = state->for_child->plan();
  Setup setup(plan, state->for_child->notes(), state->childs_socket.get());
  // Nobody may hold what is renewed.
  const char* const directory = plan.directory.c_str();
  if (chdir(IsInFreshPlace(plan, directory) ? "/" : directory) != 0) {
    setup.Fail(Step::kEnterDirectory);
  }
  DropPrivileges(setup, /*executes=*/true);
  OpenDevices(setup, &state->devices);
  state->listener = UniqueFd(ListenToCalls(plan, &state->killable));
  setup.Check(state->listener.get(), Step::kWatchCalls);
}

absl::StatusOr<absl::optional<Process>> Launcher::ForkAgain(
    std::unique_ptr<State> state) {
  state->forked = std::chrono::steady_clock::now();
  state->renewed.changed = false;
  {
    const SignalsBlocked blocked;
    if (state->persistent->Fork(state->monitor->descriptor(), &state->called) ==
        PersistentRelay::Side::kChild) {
      BecomeInsideAgain(*state);
      // The environment goes on to point into the plan.
      State::Disown(std::move(state));
      return absl::optional<Process>();
    }
  }
  for (;;) {
    struct pollfd events[4] = {{state->relay_socket.get(), POLLIN, 0},
                               {state->init.control.get(), POLLIN, 0},
                               {state->persistent->descriptor(), POLLIN, 0},
                               {state->monitor->descriptor(), POLLIN, 0}};
    if (poll(events, 4, -1) < 0) continue;  // EINTR
    if (events[3].revents != 0) state->monitor->Handle();
    if (events[0].revents != 0) break;
    if (events[1].revents != 0 || events[2].revents != 0) return Lost(*state);
  }
  Message message;
  if (!ReceiveMessage(state->relay_socket.get(), &message)) {
    return Lost(*state);
  }
  if (message.kind == MessageKind::kFailed) {
    return ExplainFailure(*state, message);
  }
  if (message.kind != MessageKind::kStarted) return Lost(*state);
  // Of a sandbox that was made for this child.
  if (!state->steps.empty()) state->AddSteps(message);
  return absl::optional<Process>(Process(std::move(state)));
}

void Launcher::BecomeInsideAgain(State& state) {
  Setup setup(state.for_child->plan(), state.for_child->notes(),
              state.childs_socket.get());
  setpgid(0, 0);
  EnterDirectoryAgain(setup);
  ReopenDevices(setup, state.devices);
  TakeOver(setup);
  MakeMappingsPrivate(setup);
  setup.Report(MessageKind::kStarted, -1);
}

void Launcher::EnterDirectoryAgain(Setup& setup) {
  const char* const path = setup.plan().directory.c_str();
  if (IsInFreshPlace(setup.plan(), path)) {
    if (chdir(path) != 0) setup.Fail(Step::kEnterDirectory);
    return;
  }
  struct stat there;
  struct stat current;
  if (stat(path, &there) != 0) {
    if (errno == ENOENT) setup.Fail(Step::kEnterDirectory);
    return;
  }
  if (fstatat(AT_FDCWD, "", &current, AT_EMPTY_PATH) == 0 &&
      there.st_dev == current.st_dev && there.st_ino == current.st_ino) {
    return;
  }
  if (chdir(path) != 0) setup.Fail(Step::kEnterDirectory);
}

}  // namespace encapsulate
