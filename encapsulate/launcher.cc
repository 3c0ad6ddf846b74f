// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/launcher.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/signals_blocked.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/child/message.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/deadline.h"
#include "encapsulate/foreground.h"
#include "encapsulate/host/causes.h"
#include "encapsulate/host_check.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/launch/explain.h"
#include "encapsulate/launch/launch.h"
#include "encapsulate/launch/persistent_relay.h"
#include "encapsulate/launch/relay.h"
#include "encapsulate/monitor/monitor.h"
#include "encapsulate/monitor/name_server.h"
#include "encapsulate/plan/cgroup.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/plan/reuse_rules.h"
#include "encapsulate/process_state.h"

namespace encapsulate {

absl::StatusOr<Process> Launcher::StartCommand(
    const Options& options, const std::vector<std::string>& command) {
  auto state = std::make_unique<State>();
  absl::Status status = Start(options, &command, state.get());
  if (!status.ok()) return status;
  Message message;
  status = Await(*state, MessageKind::kStarted, &message);
  if (!status.ok()) return status;
  if (!state->StartMonitorOfNames()) return Lost(*state);
  state->AddSteps(message);
  state->deadline.Start();
  return Process(std::move(state));
}

absl::StatusOr<absl::optional<Process>> Launcher::StartChild(
    const Options& options, bool reusable) {
  auto state = std::make_unique<State>();
  state->plan->reusable = reusable;
  absl::Status status = Start(options, nullptr, state.get());
  if (!status.ok()) return status;
  return HasNamespaces(*state->plan) ? EnterStarted(std::move(state))
                                     : EnterConfined(std::move(state));
}

absl::StatusOr<absl::optional<Process>> Launcher::EnterPrepared(
    const Options& options, std::shared_ptr<Plan> plan, InitProcess init,
    std::shared_ptr<const void> maker) {
  auto state = std::make_unique<State>();
  state->plan = std::move(plan);
  state->TakeOptions(options);
  state->maker = std::move(maker);
  absl::Status status = Adopt(std::move(init), state.get());
  if (!status.ok()) return status;
  return EnterStarted(std::move(state));
}

absl::Status Launcher::Lost(const State& state) {
  if (absl::c_linear_search(state.cgroup.LimitsHit(), LimitHit::kMemory)) {
    return MakeFailure({FailureKind::kInvalidOptions, "make the sandbox", "",
                        "that alone takes more memory than the limit", 0,
                        "raise the limit"});
  }
  return MakeFailure({FailureKind::kHostRefused, "make the sandbox", "",
                      "its init died, killed from outside"});
}

absl::Status Launcher::Start(const Options& options,
                             const std::vector<std::string>* command,
                             State* state) {
  const absl::Time begin = absl::Now();
  Plan& plan = *state->plan;
  state->TakeOptions(options);
  absl::Status status = MakePlanOfLevel(options, command, state);
  if (!status.ok()) return status;
  if (plan.reusable) MakeReusable(&plan);
  status = PlanCgroup(options.limits, state);
  if (!status.ok()) return status;
  state->steps.push_back({"plan", absl::Now() - begin});
  if (plan.foreground) {
    state->foreground = std::make_unique<Foreground>(plan);
    if (state->foreground->signals() < 0) return HostError("watch signals");
  }
  // Enter() without namespaces has its relay in place of init.
  if (command == nullptr && !HasNamespaces(plan)) return absl::OkStatus();
  return StartSandbox(state);
}

absl::Status Launcher::MakePlanOfLevel(const Options& options,
                                       const std::vector<std::string>* command,
                                       State* state) {
  const Isolation level = options.isolation == Isolation::kBest
                              ? StrongestIsolation()
                              : options.isolation;
  if (options.isolation == Isolation::kNamespaces) {
    return MakePlan(options, command, state->plan.get());
  }
  Options changed = options;
  changed.isolation = level;
  if (level == Isolation::kNamespaces) {
    return MakePlan(changed, command, state->plan.get());
  }
  absl::StatusOr<std::unique_ptr<Confinement>> confinement =
      Confinement::Make(&changed);
  if (!confinement.ok()) return confinement.status();
  state->confinement = *std::move(confinement);
  absl::Status status = MakePlan(changed, command, state->plan.get());
  if (!status.ok()) return status;
  if (options.attachment == Attachment::kForeground) {
    state->confinement->AdoptOrphans();
  }
  return state->confinement->Prepare(state->plan.get());
}

absl::Status Launcher::PlanCgroup(const Limits& limits, State* state) {
  Limits by_cgroup;
  by_cgroup.memory = limits.memory;
  // RLIMIT_NPROC does where there is no cgroup, but not for root. The kernel
  // never has more, and refuses to be told of more (PID_MAX_LIMIT).
  constexpr uint64_t kMost = 1 << 22;
  if (limits.processes.value_or(kMost) < kMost) {
    // Without a user namespace RLIMIT_NPROC counts all of the user's.
    if (Cgroup::MayLimitProcesses().ok() || getuid() == 0 ||
        !HasNamespaces(*state->plan)) {
      by_cgroup.processes = limits.processes;
    } else {
      // One more for init, which counts as well.
      const uint64_t most = *limits.processes + 1;
      state->plan->limits.push_back({RLIMIT_NPROC, most, most});
    }
  }
  if (!by_cgroup.memory.has_value() && !by_cgroup.processes.has_value()) {
    return absl::OkStatus();
  }
  absl::StatusOr<Cgroup> cgroup = Cgroup::Make(by_cgroup);
  if (!cgroup.ok()) return cgroup.status();
  state->cgroup = *std::move(cgroup);
  state->plan->wait_for_go = true;
  return absl::OkStatus();
}

absl::Status Launcher::StartSandbox(State* state) {
  Plan& plan = *state->plan;
  const UniqueFd caller(sys::PidfdOpen(getpid()));
  if (!caller.valid()) return HostError("open a pidfd");
  InitProcess init;
  {
    const SignalsBlocked blocked;
    plan.signal_mask = state->foreground != nullptr
                           ? state->foreground->before()
                           : blocked.before();
    // No exit signal: the end of init is nobody's business but ours, and a
    // caller that ignores SIGCHLD must not make the kernel reap it.
    absl::Status status = StartInit(&plan, caller.get(), 0, &init);
    if (!status.ok()) return status;
  }
  if (state->confinement != nullptr) state->confinement->SetInit(init.pid);
  absl::Status status = state->cgroup.Add(init.pid);
  if (status.ok()) {
    status = ServeInit(plan, init, &state->result.unknown_sockets);
  }
  status.Update(Adopt(std::move(init), state));
  return status;
}

absl::Status Launcher::Adopt(InitProcess init, State* state) {
  state->init = std::move(init);
  state->events = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!state->events.valid() || !state->Watch(state->init.control.get()) ||
      (state->foreground != nullptr &&
       !state->Watch(state->foreground->signals()))) {
    return HostError("watch the sandbox");
  }
  Deadline& deadline = state->deadline;
  if (!deadline.Make(state->plan->timeout_nanoseconds,
                     state->plan->grace_nanoseconds) ||
      (deadline.descriptor() >= 0 && !state->Watch(deadline.descriptor()))) {
    return HostError("make a timer");
  }
  return absl::OkStatus();
}

absl::Status Launcher::Await(State& state, MessageKind wanted,
                             Message* message) {
  int fd = -1;
  state.AnswerUntilTold();
  if (!state.NextMessage(message, &fd)) return Lost(state);
  if (message->kind == MessageKind::kListener) {
    if (!state.StartMonitor(*message, UniqueFd(fd))) return Lost(state);
    return Await(state, wanted, message);
  }
  if (message->kind == MessageKind::kNameServer) {
    state.name_sockets[message->number == SOCK_STREAM ? 1 : 0] = UniqueFd(fd);
    return Await(state, wanted, message);
  }
  if (message->kind == MessageKind::kNetwork) {
    state.network_tables = UniqueFd(fd);
    return Await(state, wanted, message);
  }
  if (message->kind == wanted) return absl::OkStatus();
  if (message->kind != MessageKind::kFailed) return Lost(state);
  return ExplainFailure(state, *message);
}

// --- Enter()
// ------------------------------------------------------------------

absl::StatusOr<absl::optional<Process>> Launcher::EnterStarted(
    std::unique_ptr<State> state) {
  Message message;
  absl::Status status = Await(*state, MessageKind::kReady, &message);
  if (!status.ok()) return status;
  state->AddSteps(message);
  std::vector<UniqueFd> inputs;
  state->for_child = std::make_unique<PlanForChild>(*state->plan);
  ChildNotes& notes = state->for_child->notes();
  for (size_t i = 0; i < state->plan->inputs.size(); ++i) {
    int fd = -1;
    if (!ReceiveMessage(state->init.control.get(), &message, &fd) || fd < 0) {
      return Lost(*state);
    }
    inputs.emplace_back(fd);
    notes.inputs[i].reopened = fd;
  }
  if (!state->plan->executable.empty()) {
    int fd = -1;
    if (!ReceiveMessage(state->init.control.get(), &message, &fd)) {
      return Lost(*state);
    }
    inputs.emplace_back(fd);
    notes.executable_file = fd;
  }
  if (!state->plan->reusable) return Fork(std::move(state));
  absl::Status started = StartPersistentRelay(state.get());
  if (!started.ok()) return started;
  return ForkAgain(std::move(state));
}

absl::StatusOr<absl::optional<Process>> Launcher::Fork(
    std::unique_ptr<State> state) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return HostError("make a socket pair");
  }
  state->relay_socket = UniqueFd(sockets[0]);
  UniqueFd relay_end(sockets[1]);
  {
    const SignalsBlocked blocked;
    Relay::Side side;
    if (state->relay.Fork(
            state->init.pidfd.get(), static_cast<int>(state->plan->namespaces),
            state->plan->shares_session, relay_end.get(), &side) != 0) {
      return HostError("fork");
    }
    if (side == Relay::Side::kChild) {
      state->relay_socket.Reset();
      BecomeInside(*state->for_child, relay_end.get(),
                   state->init.control.get());
      // The environment goes on to point into the plan.
      State::Disown(std::move(state));
      return absl::optional<Process>();
    }
  }
  relay_end.Reset();
  Message message;
  int listener = -1;
  if (!ReceiveMessage(state->relay_socket.get(), &message, &listener)) {
    return Lost(*state);
  }
  if (message.kind == MessageKind::kListener &&
      (!state->StartMonitor(message, UniqueFd(listener)) ||
       !ReceiveMessage(state->relay_socket.get(), &message))) {
    return Lost(*state);
  }
  if (message.kind == MessageKind::kFailed) {
    return ExplainFailure(*state, message);
  }
  if (message.kind != MessageKind::kStarted || !state->StartMonitorOfNames()) {
    return Lost(*state);
  }
  state->AddSteps(message);
  if (message.number >= 0) state->NoteExposed(message.number);
  state->deadline.Start();
  return absl::optional<Process>(Process(std::move(state)));
}

void Launcher::ProtectExecutable(Setup& setup, int* exposed) {
  MoveFailure failure = {MoveStep::kOpen, ENOENT};
  const int file = setup.notes().executable_file;
  if (file >= 0 && MoveToView(file, &failure)) {
    setup.Done(Step::kProtectExecutable);
    return;
  }
  const int step = static_cast<int>(failure.step);
  if (setup.plan().must_move) {
    setup.Fail(Step::kProtectExecutable, step, failure.error);
  }
  *exposed = step * kErrors + failure.error;
}

void Launcher::BecomeInside(PlanForChild& for_child, int socket, int control) {
  const ChildPlan& plan = for_child.plan();
  Setup setup(plan, for_child.notes(), socket);
  int exposed = -1;
  if (!plan.executable.empty()) ProtectExecutable(setup, &exposed);
  UniqueFd watched(setup.Check(eventfd(0, EFD_CLOEXEC), Step::kFork));
  Message watch;
  watch.kind = MessageKind::kWatch;
  watch.number = getpid();
  if (!SendDescriptor(control, watch, watched.get())) _exit(1);
  setpgid(0, 0);
  if (chdir(plan.directory.c_str()) != 0) setup.Fail(Step::kEnterDirectory);
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const int fd = plan.inputs[i].fd;
    setup.Check(dup3(setup.notes().inputs[i].reopened, fd, 0),
                Step::kReopenInput, fd);
  }
  ReopenDevices(setup);
  TakeOver(setup);
  DropPrivileges(setup, /*executes=*/true);
  MakeMappingsPrivate(setup);
  if (plan.watching_filter == nullptr) {
    FilterCalls(setup);
  } else if (WatchCalls(plan, setup.control())) {
    setup.Done(Step::kWatchCalls);
  } else {
    setup.Fail(Step::kWatchCalls);
  }
  uint64_t count;
  if (!AwaitInit(watched.get(), control) ||
      read(watched.get(), &count, sizeof(count)) != sizeof(count)) {
    _exit(1);
  }
  setup.Report(MessageKind::kStarted, exposed);
}

void Launcher::TakeOver(Setup& setup) {
  const ChildPlan& plan = setup.plan();
  for (const ResourceLimit& limit : plan.limits) {
    setup.Check(SetLimit(limit), Step::kSetLimit, limit.resource);
  }
  if (plan.sets_umask) umask(plan.umask);
  // At once: each putenv(3) would copy them all, in fresh memory.
  if (plan.replace_environment) {
    environ = const_cast<char**>(plan.envp);
  }
}

bool Launcher::AwaitInit(int watched, int control) {
  struct pollfd events[2] = {{watched, POLLIN, 0}, {control, 0, 0}};
  while (poll(events, 2, -1) < 0 && errno == EINTR) {
  }
  return events[0].revents != 0;
}

absl::Status Launcher::ExplainFailure(const State& state,
                                      const Message& message) {
  return Explain(*state.plan, {message.step, message.index, message.error,
                               std::string(message.text, message.text_size)});
}

}  // namespace encapsulate
