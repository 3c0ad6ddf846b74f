// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/leak.h"
#include "encapsulate/base/signals_blocked.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/child/message.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/deadline.h"
#include "encapsulate/foreground.h"
#include "encapsulate/host/causes.h"
#include "encapsulate/inspect/sandboxed_processes.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/launch/caller_state.h"
#include "encapsulate/launch/explain.h"
#include "encapsulate/launch/launch.h"
#include "encapsulate/launch/persistent_relay.h"
#include "encapsulate/launch/relay.h"
#include "encapsulate/monitor/monitor.h"
#include "encapsulate/monitor/name_server.h"
#include "encapsulate/plan/cgroup.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/plan/reuse_rules.h"
#include "encapsulate/sandbox_internal.h"

namespace encapsulate {
namespace {

// More than there are values of errno.
constexpr int kErrors = 4096;

void WaitFor(int pidfd, pid_t pid) {
  siginfo_t info;
  const idtype_t type = pidfd >= 0 ? sys::kPidfd : P_PID;
  const auto id = static_cast<id_t>(pidfd >= 0 ? pidfd : pid);
  while (waitid(type, id, &info, WEXITED | __WALL) != 0 && errno == EINTR) {
  }
}

// The same for a process that is another one's child.
void AwaitEnd(int pidfd) {
  struct pollfd event = {pidfd, POLLIN, 0};
  while (poll(&event, 1, -1) < 0 && errno == EINTR) {
  }
}

}  // namespace

struct Process::State {
  std::unique_ptr<Plan> plan = std::make_unique<Plan>();
  Cgroup cgroup;
  InitProcess init;
  // Who made it ahead of need, and is its parent; null: this process.
  std::shared_ptr<const void> maker;
  std::vector<StepTime> steps;
  std::string exposed_executable;
  std::unique_ptr<Foreground> foreground;
  Deadline deadline;
  UniqueFd events;  // an epoll(7) instance over all that can happen
  std::unique_ptr<Monitor> monitor;
  bool killable = false;         // as in MonitorSetup
  bool watching = false;         // and somebody is there to be watched
  std::vector<Allowed> allowed;  // until there is a monitor
  UniqueFd name_sockets[2];      // datagrams, stream; until then, too
  UniqueFd network_tables;       // /proc/PID/net of init
  std::unique_ptr<NameServer> name_server;
  // Messages that came while another was waited for.
  std::deque<std::unique_ptr<Message>> early;
  Result result;
  bool killed = false;
  bool timed_out = false;  // so killed because init was late
  bool ended = false;      // init has sent its last message
  bool known = false;      // and it was how the command ended
  absl::Status unlisted;   // or why not all is known
  // Enter() only: who waits for the child and tells how it ended.
  Relay relay;
  UniqueFd relay_socket;
  // The same for a sandbox that may be used again. The child has the other end
  // of `relay_socket`.
  std::unique_ptr<PersistentRelay> persistent;
  UniqueFd childs_socket;
  UniqueFd listener;  // until there is a monitor
  OpenedDevices devices;
  absl::optional<std::string> caller_state;
  absl::Time forked;
  bool called = false;         // a call was reported beside the monitor's
  bool untouched = false;      // as far as init knows
  Trace trace = Trace::kNone;  // what keeps the sandbox from another use
  std::shared_ptr<const SandboxKind> kind;

  ~State() {
    if (init.pid > 0) {
      Kill();
      ReapAll();
    }
    CloseDevices();
  }

  void Kill() const { sys::PidfdSendSignal(init.pidfd.get(), SIGKILL); }

  // For a child, to whom all this means nothing: closes what is open.
  static void Disown(std::unique_ptr<State> state) {
    state->init = InitProcess();
    state->events.Reset();
    for (UniqueFd& socket : state->name_sockets) socket.Reset();
    state->network_tables.Reset();
    state->relay_socket.Reset();
    state->childs_socket.Reset();
    state->CloseDevices();
    if (state->persistent != nullptr) state->persistent->Disown();
    if (state->monitor != nullptr) state->monitor->Disown();
    if (state->name_server != nullptr) state->name_server->Disown();
    state->relay.Disown();
    state->cgroup.Disown();
    Leak(std::move(state));
  }

  // The relay's child is in the sandbox, so the sandbox's end waits for it.
  void ReapAll() {
    relay.Wait();
    persistent = nullptr;
    Send(MessageKind::kLeave);
    const pid_t pid = std::exchange(init.pid, -1);
    if (pid > 0 && maker == nullptr) {
      WaitFor(init.pidfd.get(), pid);
    } else if (pid > 0 && !known) {
      // Its last message would be that everybody else is gone.
      AwaitEnd(init.pidfd.get());
    }
  }

  bool Send(MessageKind kind, int number = 0) const {
    Message message;
    message.kind = kind;
    message.number = number;
    return SendMessage(init.control.get(), message);
  }

  bool Watch(int fd) const {
    struct epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = fd;
    return epoll_ctl(events.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  }

  // Takes a filter's listener, which came along with `message`.
  bool StartMonitor(const Message& message, UniqueFd listener) {
    if (!listener.valid() || !Watch(listener.get())) return false;
    watching = true;
    return StartMonitor(message.number != 0, std::move(listener));
  }

  // Where the sandbox around this one watches, names are left to record.
  bool StartMonitorOfNames() {
    return !plan->watched_outside ||
           StartMonitor(/*killable=*/false, UniqueFd());
  }

  bool StartMonitor(bool is_killable, UniqueFd listener) {
    MakeMonitor(is_killable, std::move(listener));
    return !plan->name_server || StartNameServer();
  }

  void MakeMonitor(bool is_killable, UniqueFd listener) {
    MonitorSetup setup;
    killable = setup.killable = is_killable;
    setup.network = plan->network;
    setup.allowed = std::move(allowed);
    setup.last_pid = [this] { return LastPid(); };
    setup.network_tables = network_tables.get();
    monitor = std::make_unique<Monitor>(std::move(listener), std::move(setup));
  }

  // For another child: what one does to an open file, such as a lock, isn't to
  // be found by the next. This process opens them by what is open already: the
  // filter would report that the relay does.
  bool ReopenDevices() {
    for (const OpenedDevices::Device& device : devices.devices) {
      if (device.file < 0) continue;
      const UniqueFd fresh(
          open(absl::StrCat("/proc/thread-self/fd/", device.file).c_str(),
               device.flags | O_NOCTTY | O_CLOEXEC));
      if (!fresh.valid() || dup3(fresh.get(), device.file, O_CLOEXEC) < 0) {
        return false;
      }
    }
    return true;
  }

  void CloseDevices() {
    for (OpenedDevices::Device& device : devices.devices) {
      if (device.file >= 0) close(std::exchange(device.file, -1));
    }
  }

  // Who forks the child.
  pid_t RelayPid() const {
    return persistent != nullptr ? persistent->pid() : relay.pid();
  }

  bool StartNameServer() {
    if (!name_sockets[0].valid() || !name_sockets[1].valid() ||
        !network_tables.valid()) {
      return false;
    }
    name_server = std::make_unique<NameServer>(
        std::move(name_sockets[0]), std::move(name_sockets[1]), HostName(),
        [this](const Question& asked, bool tcp, int port) {
          monitor->RecordName(asked, tcp, port);
        });
    return name_server->valid() && Watch(name_server->descriptor());
  }

  // The sandbox's.
  std::string HostName() const {
    if (!plan->hostname.empty()) return plan->hostname;
    char buffer[HOST_NAME_MAX + 1] = {};
    return gethostname(buffer, sizeof(buffer)) == 0 ? buffer : "";
  }

  // Asks init; 0 if it doesn't answer any more.
  pid_t LastPid() {
    if (!Send(MessageKind::kAskPid)) return 0;
    for (;;) {
      auto message = std::make_unique<Message>();
      if (!ReceiveMessage(init.control.get(), message.get())) return 0;
      if (message->kind == MessageKind::kLastPid) return message->number;
      const bool last = message->kind == MessageKind::kEnded;
      early.push_back(std::move(message));
      if (last) return 0;
    }
  }

  bool NextMessage(Message* message) {
    if (early.empty()) return ReceiveMessage(init.control.get(), message);
    *message = *early.front();
    early.pop_front();
    return true;
  }

  void NoteExposed(int number) {
    exposed_executable =
        std::string(Explain(*plan, {Step::kProtectExecutable, number / kErrors,
                                    number % kErrors, "allowed"})
                        .message());
  }

  void AddSteps(const Message& message) {
    for (size_t at = 0; at + sizeof(StepRecord) <= message.text_size;
         at += sizeof(StepRecord)) {
      StepRecord record;
      memcpy(&record, message.text + at, sizeof(record));
      steps.push_back({std::string(StepName(record.step)),
                       absl::Nanoseconds(record.nanoseconds)});
    }
  }
};

class Launcher {
 public:
  using State = Process::State;

  static absl::StatusOr<Process> Spawn(
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

  static absl::StatusOr<absl::optional<Process>> Enter(const Options& options,
                                                       bool reusable) {
    auto state = std::make_unique<State>();
    state->plan->reusable = reusable;
    absl::Status status = Start(options, nullptr, state.get());
    if (!status.ok()) return status;
    return EnterStarted(std::move(state));
  }

  static absl::StatusOr<absl::optional<Process>> EnterAgain(
      const Options& options, std::unique_ptr<Plan> plan, Process process) {
    std::unique_ptr<State> state = std::move(process.state_);
    if (!state->ReopenDevices()) return HostError("open a device again");
    plan->namespaces = state->plan->namespaces;
    state->plan = std::move(plan);
    state->allowed = options.allowed;
    state->MakeMonitor(state->killable, state->monitor->TakeListener());
    state->watching = true;
    state->result = Result();
    state->result.enforced = options.violations == Violations::kEnforce;
    state->steps.clear();
    state->ended = state->known = state->killed = state->untouched = false;
    return ForkAgain(std::move(state));
  }

  static std::shared_ptr<const SandboxKind>& Kind(const Process* process) {
    return process->state_->kind;
  }

  static bool IsReusable(const Process& process) {
    return process.state_->plan->reusable;
  }

  // After Wait(). What nobody knows counts as touched.
  static Trace WhatIsLeft(const Process& process) {
    const State& state = *process.state_;
    if (state.trace != Trace::kNone) return state.trace;
    const bool called = state.called || state.monitor == nullptr ||
                        state.monitor->has_seen_calls();
    if (called) return Trace::kCall;
    return state.untouched && !state.killed ? Trace::kNone : Trace::kEnd;
  }

  static bool FitsCaller(const Process& process,
                         const std::string& caller_state) {
    const State& state = *process.state_;
    struct pollfd event = {state.persistent->descriptor(), POLLIN, 0};
    return state.caller_state == caller_state && poll(&event, 1, 0) == 0;
  }

  static absl::StatusOr<absl::optional<Process>> EnterPrepared(
      const Options& options, std::unique_ptr<Plan> plan, InitProcess init,
      std::shared_ptr<const void> maker) {
    auto state = std::make_unique<State>();
    state->plan = std::move(plan);
    state->allowed = options.allowed;
    state->result.enforced = options.violations == Violations::kEnforce;
    state->maker = std::move(maker);
    absl::Status status = Adopt(std::move(init), state.get());
    if (!status.ok()) return status;
    return EnterStarted(std::move(state));
  }

 private:
  // Init has died before the sandbox was ready.
  static absl::Status Lost(const State& state) {
    if (absl::c_linear_search(state.cgroup.LimitsHit(), LimitHit::kMemory)) {
      return MakeFailure({FailureKind::kInvalidOptions, "make the sandbox", "",
                          "that alone takes more memory than the limit", 0,
                          "raise the limit"});
    }
    return MakeFailure({FailureKind::kHostRefused, "make the sandbox", "",
                        "its init died, killed from outside"});
  }

  // Up to a running init, which goes on by itself.
  static absl::Status Start(const Options& options,
                            const std::vector<std::string>* command,
                            State* state) {
    const absl::Time begin = absl::Now();
    Plan& plan = *state->plan;
    state->allowed = options.allowed;
    state->result.enforced = options.violations == Violations::kEnforce;
    absl::Status status = MakePlan(options, command, &plan);
    if (!status.ok()) return status;
    if (plan.reusable) MakeReusable(&plan);
    status = PlanCgroup(options.limits, state);
    if (!status.ok()) return status;
    state->steps.push_back({"plan", absl::Now() - begin});
    if (plan.foreground) {
      state->foreground = std::make_unique<Foreground>(plan);
      if (state->foreground->signals() < 0) return HostError("watch signals");
    }
    return StartInit(state);
  }

  static absl::Status PlanCgroup(const Limits& limits, State* state) {
    Limits by_cgroup;
    by_cgroup.memory = limits.memory;
    // RLIMIT_NPROC does where there is no cgroup, but not for root. The kernel
    // never has more, and refuses to be told of more (PID_MAX_LIMIT).
    constexpr uint64_t kMost = 1 << 22;
    if (limits.processes.value_or(kMost) < kMost) {
      if (Cgroup::MayLimitProcesses().ok() || getuid() == 0) {
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

  static absl::Status StartInit(State* state) {
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
      absl::Status status =
          encapsulate::StartInit(&plan, caller.get(), 0, &init);
      if (!status.ok()) return status;
    }
    absl::Status status = state->cgroup.Add(init.pid);
    if (status.ok()) {
      status = ServeInit(plan, init, &state->result.unknown_sockets);
    }
    status.Update(Adopt(std::move(init), state));
    return status;
  }

  // Has the sandbox watched.
  static absl::Status Adopt(InitProcess init, State* state) {
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

  static absl::Status Await(State& state, MessageKind wanted,
                            Message* message) {
    int fd = -1;
    if (!ReceiveMessage(state.init.control.get(), message, &fd)) {
      return Lost(state);
    }
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
    return Explain(*state.plan,
                   {message->step, message->index, message->error,
                    std::string(message->text, message->text_size)});
  }

  // --- Enter() ------------------------------------------------------------

  static absl::StatusOr<absl::optional<Process>> EnterStarted(
      std::unique_ptr<State> state) {
    Message message;
    absl::Status status = Await(*state, MessageKind::kReady, &message);
    if (!status.ok()) return status;
    state->AddSteps(message);
    std::vector<UniqueFd> inputs;
    for (Input& input : state->plan->inputs) {
      int fd = -1;
      if (!ReceiveMessage(state->init.control.get(), &message, &fd) || fd < 0) {
        return Lost(*state);
      }
      inputs.emplace_back(fd);
      input.reopened = fd;
    }
    if (!state->plan->executable.empty()) {
      int fd = -1;
      if (!ReceiveMessage(state->init.control.get(), &message, &fd)) {
        return Lost(*state);
      }
      inputs.emplace_back(fd);
      state->plan->executable_file = fd;
    }
    if (!state->plan->reusable) return Fork(std::move(state));
    absl::Status started = StartPersistentRelay(state.get());
    if (!started.ok()) return started;
    return ForkAgain(std::move(state));
  }

  static absl::StatusOr<absl::optional<Process>> Fork(
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
      if (state->relay.Fork(state->init.pidfd.get(),
                            static_cast<int>(state->plan->namespaces),
                            state->plan->shares_session, relay_end.get(),
                            &side) != 0) {
        return HostError("fork");
      }
      if (side == Relay::Side::kChild) {
        state->relay_socket.Reset();
        BecomeInside(*state->plan, relay_end.get(), state->init.control.get());
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
      return Explain(*state->plan,
                     {message.step, message.index, message.error,
                      std::string(message.text, message.text_size)});
    }
    if (message.kind != MessageKind::kStarted ||
        !state->StartMonitorOfNames()) {
      return Lost(*state);
    }
    state->AddSteps(message);
    if (message.number >= 0) state->NoteExposed(message.number);
    state->deadline.Start();
    return absl::optional<Process>(Process(std::move(state)));
  }

  // --- Enter() into a sandbox that may be used again ------------------------

  static absl::Status StartPersistentRelay(State* state) {
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
      return HostError("make a socket pair");
    }
    state->relay_socket = UniqueFd(sockets[0]);
    state->childs_socket = UniqueFd(sockets[1]);
    // As the relay will be.
    state->caller_state = CallerState();
    const PersistentRelay::Places places = {
        state->init.pidfd.get(), static_cast<int>(state->plan->namespaces),
        state->init.control.get(), sockets[1], sockets[0]};
    state->persistent = std::make_unique<PersistentRelay>();
    bool started;
    {
      const SignalsBlocked blocked;
      started =
          state->persistent->Start(places, &Launcher::ConfineRelay, state);
    }
    Message message;
    if (!started) {
      const absl::Status status = HostError("start a relay");
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
    if (status.ok()) state->trace = static_cast<Trace>(message.number);
    return status;
  }

  static absl::Status ExplainFailure(const State& state,
                                     const Message& message) {
    return Explain(*state.plan, {message.step, message.index, message.error,
                                 std::string(message.text, message.text_size)});
  }

  // In the relay, which has the caller's descriptors.
  static void ConfineRelay(void* argument) {
    auto* const state = static_cast<State*>(argument);
    const Plan& plan = *state->plan;
    Setup setup(*state->plan, state->childs_socket.get());
    if (chdir(plan.directory.c_str()) != 0) setup.Fail(Step::kEnterDirectory);
    DropPrivileges(setup, /*executes=*/true);
    OpenDevices(setup, &state->devices);
    state->listener = UniqueFd(ListenToCalls(plan, &state->killable));
    setup.Check(state->listener.get(), Step::kWatchCalls);
  }

  static absl::StatusOr<absl::optional<Process>> ForkAgain(
      std::unique_ptr<State> state) {
    state->forked = absl::Now();
    {
      const SignalsBlocked blocked;
      if (state->persistent->Fork(state->monitor->descriptor(),
                                  &state->called) ==
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
    state->AddSteps(message);
    return absl::optional<Process>(Process(std::move(state)));
  }

  // What the relay hasn't done for all children. The filter is there already,
  // so nothing here makes a call that it reports.
  static void BecomeInsideAgain(State& state) {
    Plan& plan = *state.plan;
    Setup setup(plan, state.childs_socket.get());
    setpgid(0, 0);
    EnterDirectoryAgain(setup);
    ReopenDevices(setup, state.devices);
    for (const ResourceLimit& limit : plan.limits) {
      setup.Check(SetLimit(limit), Step::kSetLimit, limit.resource);
    }
    if (plan.umask.has_value()) umask(*plan.umask);
    // At once: each putenv(3) would copy them all, in fresh memory.
    if (plan.replace_environment) {
      environ = const_cast<char**>(plan.envp.data());
    }
    MakeMappingsPrivate(setup);
    setup.Report(MessageKind::kStarted, -1);
  }

  // The host may have put another one in its place since the relay entered it,
  // with capabilities that are dropped now.
  static void EnterDirectoryAgain(Setup& setup) {
    const char* const path = setup.plan().directory.c_str();
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

  // Sets `exposed` to what tells the caller so if the child goes on with an
  // executable that it could change.
  static void ProtectExecutable(Setup& setup, int* exposed) {
    const Plan& plan = setup.plan();
    MoveFailure failure = {MoveStep::kOpen, ENOENT};
    if (plan.executable_file >= 0 &&
        MoveToView(plan.executable_file, &failure)) {
      setup.Done(Step::kProtectExecutable);
      return;
    }
    const int step = static_cast<int>(failure.step);
    if (plan.must_move) {
      setup.Fail(Step::kProtectExecutable, step, failure.error);
    }
    *exposed = step * kErrors + failure.error;
  }

  // `control` leads to init, which has to know whom to watch, and goes out of
  // the child's reach, before the child may go on. Meanwhile the child confines
  // itself, and nobody waits for the caller to be scheduled.
  static void BecomeInside(Plan& plan, int socket, int control) {
    Setup setup(plan, socket);
    int exposed = -1;
    if (!plan.executable.empty()) ProtectExecutable(setup, &exposed);
    UniqueFd watched(setup.Check(eventfd(0, EFD_CLOEXEC), Step::kFork));
    Message watch;
    watch.kind = MessageKind::kWatch;
    watch.number = getpid();
    if (!SendDescriptor(control, watch, watched.get())) _exit(1);
    setpgid(0, 0);
    if (chdir(plan.directory.c_str()) != 0) setup.Fail(Step::kEnterDirectory);
    for (const Input& input : plan.inputs) {
      setup.Check(dup3(input.reopened, input.fd, 0), Step::kReopenInput,
                  input.fd);
    }
    ReopenDevices(setup);
    for (const ResourceLimit& limit : plan.limits) {
      setup.Check(SetLimit(limit), Step::kSetLimit, limit.resource);
    }
    if (plan.umask.has_value()) umask(*plan.umask);
    // At once: each putenv(3) would copy them all, in fresh memory.
    if (plan.replace_environment) {
      environ = const_cast<char**>(plan.envp.data());
    }
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

  // False if init is gone. It sends nothing on `control` before.
  static bool AwaitInit(int watched, int control) {
    struct pollfd events[2] = {{watched, POLLIN, 0}, {control, 0, 0}};
    while (poll(events, 2, -1) < 0 && errno == EINTR) {
    }
    return events[0].revents != 0;
  }
};

void SetKind(std::shared_ptr<const SandboxKind> kind, Process* process) {
  Launcher::Kind(process) = std::move(kind);
}

std::shared_ptr<const SandboxKind> KindOf(const Process& process) {
  return Launcher::Kind(&process);
}

bool IsReusable(const Process& process) {
  return Launcher::IsReusable(process);
}

Trace WhatIsLeft(const Process& process) {
  return Launcher::WhatIsLeft(process);
}

bool FitsCaller(const Process& process, const std::string& caller_state) {
  return Launcher::FitsCaller(process, caller_state);
}

Process::Process(std::unique_ptr<State> state) : state_(std::move(state)) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

void Process::Disown() { State::Disown(std::move(state_)); }

std::vector<SandboxedProcess> Process::Processes() const {
  return ListSandboxedProcesses(state_->init.pid, state_->init.pidfd.get(),
                                state_->RelayPid());
}

pid_t Process::init_pid() const { return state_->init.pid; }

int Process::event_descriptor() const { return state_->events.get(); }

std::array<int, 5> Process::event_descriptors() const {
  return {
      state_->watching ? state_->monitor->descriptor() : -1,
      state_->foreground != nullptr   ? state_->foreground->signals()
      : state_->persistent != nullptr ? state_->persistent->descriptor()
                                      : -1,
      state_->init.control.get(),
      state_->name_server != nullptr ? state_->name_server->descriptor() : -1,
      state_->deadline.descriptor()};
}

const std::vector<Violation>& Process::violations() const {
  return state_->monitor != nullptr ? state_->monitor->violations()
                                    : state_->result.violations;
}

bool Process::is_watched_outside() const {
  return state_->plan->watched_outside;
}

int Process::BeginExpected(Rule rule, const std::string& target) {
  return state_->monitor != nullptr
             ? state_->monitor->BeginExpected(rule, target)
             : 0;
}

std::vector<Violation> Process::EndExpected(int number) {
  // Of questions for names, whose asker may not wait for an answer.
  if (state_->name_server != nullptr) state_->name_server->Handle();
  return state_->monitor != nullptr ? state_->monitor->EndExpected(number)
                                    : std::vector<Violation>();
}

const std::vector<StepTime>& Process::steps() const { return state_->steps; }

const std::string& Process::exposed_executable() const {
  return state_->exposed_executable;
}

absl::Status Process::Signal(int signal) {
  if (state_->ended || !state_->Send(MessageKind::kSignal, signal)) {
    return absl::FailedPreconditionError("the command has ended");
  }
  // Init may send it when the child is gone, and the next one has its pid.
  if (state_->trace == Trace::kNone) state_->trace = Trace::kEnd;
  return absl::OkStatus();
}

void Process::Kill() {
  state_->killed = true;
  state_->Kill();
}

namespace {

void SetEnd(int wait_status, uint32_t flags, Result* result) {
  if (WIFSIGNALED(wait_status)) {
    result->outcome = Outcome::kSignaled;
    result->signal = WTERMSIG(wait_status);
  } else {
    result->outcome = Outcome::kExited;
    result->exit_code = WEXITSTATUS(wait_status);
  }
  if ((flags & kEndedTimedOut) != 0) result->outcome = Outcome::kTimedOut;
  // What ignores the first signal gets the other.
  const bool outlived =
      result->signal == SIGKILL && (flags & kEndedUsedCpuTime) != 0;
  if (result->signal == SIGXCPU || outlived) {
    result->limits_hit.push_back(LimitHit::kCpuTime);
  }
  if (result->signal == SIGXFSZ) {
    result->limits_hit.push_back(LimitHit::kFileSize);
  }
}

void AddLeftover(const Message& message, Result* result) {
  const absl::string_view text(message.text, message.text_size);
  const size_t end = text.find('\0');
  if (end == absl::string_view::npos) return;
  result->leftovers.push_back({message.number, std::string(text.substr(0, end)),
                               std::string(text.substr(end + 1))});
}

}  // namespace

// Passes on what came in for the command while it is a foreground job.
void Process::ForwardSignals() {
  struct signalfd_siginfo info;
  while (read(state_->foreground->signals(), &info, sizeof(info)) ==
         sizeof(info)) {
    int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGCONT) {
      Continue();
    } else {
      // The kernel sends what is typed to every process of a job.
      const bool to_group = info.ssi_code == SI_KERNEL || signal == SIGTSTP;
      // SIGTSTP stops nobody in a session that has no parent in it.
      if (signal == SIGTSTP && !state_->plan->shares_session) signal = SIGSTOP;
      state_->Send(MessageKind::kSignal, to_group ? -signal : signal);
    }
  }
}

void Process::Continue() {
  if (state_->foreground->HandOver(0)) state_->Send(MessageKind::kTerminal);
  state_->Send(MessageKind::kContinue);
}

// False when init has sent its last message.
bool Process::Listen() {
  Result* const result = &state_->result;
  Message message;
  if (!state_->NextMessage(&message)) return false;
  switch (message.kind) {
    case MessageKind::kStopped:
      // In a pipeline the terminal stays the whole job's until the command
      // asks for it.
      if (state_->foreground->HandOver(message.number)) {
        state_->Send(MessageKind::kTerminal);
        state_->Send(MessageKind::kContinue);
        return true;
      }
      // Continued twice, it may have asked twice.
      if (state_->foreground->StoppedBeforeHandOver(message.number,
                                                    state_->init.pid)) {
        state_->Send(MessageKind::kContinue);
        return true;
      }
      state_->foreground->StopToo(message.number, state_->deadline.Left());
      // SIGCONT may have been merged with one already forwarded. Once the time
      // is up, init continues it, with the signal that ends it.
      if (state_->deadline.Left() > absl::ZeroDuration()) Continue();
      return true;
    case MessageKind::kLeftover:
      state_->deadline.Extend();
      AddLeftover(message, result);
      return true;
    case MessageKind::kChange:
      state_->deadline.Extend();
      result->overlay_changes.push_back(
          {static_cast<OverlayChange::Kind>(message.number),
           std::string(message.text, message.text_size)});
      return true;
    case MessageKind::kEnded:
      state_->known = message.error == 0;
      if (!state_->known) {
        state_->unlisted = Explain(
            *state_->plan, {message.step, -1, message.error, std::string()});
      }
      state_->untouched = (message.flags & kEndedUntouched) != 0;
      if (message.index > 0) state_->trace = static_cast<Trace>(message.index);
      SetEnd(message.number, message.flags, result);
      result->usage = message.usage;
      result->leftover_count = static_cast<int>(message.count);
      // Of a sandbox that is used again, init knows only when it was made.
      result->wall_time = state_->persistent != nullptr
                              ? absl::Now() - state_->forked
                              : absl::Nanoseconds(message.wall_nanoseconds);
      return false;
    default:
      return false;
  }
}

// Enter(): the child's end is known to the relay only.
bool Process::AskRelay() {
  Result* const result = &state_->result;
  if (state_->persistent != nullptr) {
    int status;
    if (!state_->persistent->HowItEnded(&status, &result->usage)) return false;
    SetEnd(status, 0, result);
    return true;
  }
  Message message;
  if (!ReceiveMessage(state_->relay_socket.get(), &message) ||
      message.kind != MessageKind::kEnded) {
    return false;
  }
  const bool timed_out = result->outcome == Outcome::kTimedOut;
  SetEnd(message.number, timed_out ? kEndedTimedOut : 0, result);
  result->usage = message.usage;
  return true;
}

// Whatever keeps init from ending the command in time.
void Process::EndLate() {
  struct pollfd event = {state_->init.control.get(), POLLIN, 0};
  if (poll(&event, 1, 0) > 0) return;  // it has a word to say first
  state_->deadline.Stop();
  state_->timed_out = true;
  Kill();
}

bool Process::Handle() { return HandleEvents(0); }

// Waits for something to do, `timeout` milliseconds at most, and does it. By
// poll(2) of each descriptor: that of `events` wouldn't tell the kernel on
// which processor the monitor had best run, and an epoll_wait(2) that a
// container filters would never end.
bool Process::HandleEvents(int timeout) {
  if (state_->ended) return false;
  struct pollfd events[5] = {};
  const std::array<int, 5> descriptors = event_descriptors();
  for (size_t i = 0; i < 5; ++i) events[i] = {descriptors[i], POLLIN, 0};
  if (poll(events, 5, timeout) < 0) return true;  // EINTR
  if (events[0].revents != 0 && !state_->monitor->Handle()) {
    state_->watching = false;
    epoll_ctl(state_->events.get(), EPOLL_CTL_DEL, events[0].fd, nullptr);
  }
  if (events[3].revents != 0) state_->name_server->Handle();
  if (events[1].revents != 0) {
    if (state_->foreground != nullptr) {
      ForwardSignals();
    } else {
      // Killed from outside: nobody waits for the child any more.
      state_->Kill();
      state_->ended = true;
    }
  }
  const bool told = events[2].revents != 0;
  // What came in while the monitor asked for something is told already.
  if (told && state_->early.empty()) state_->ended = !Listen();
  while (!state_->ended && !state_->early.empty()) state_->ended = !Listen();
  if (!state_->ended && events[4].revents != 0) EndLate();
  return !state_->ended;
}

Result Process::Wait() {
  while (HandleEvents(-1)) {
  }
  bool known = state_->known;
  if (known && state_->relay_socket.valid()) known = AskRelay();
  state_->untouched &= known;
  if (!state_->untouched) state_->ReapAll();
  Result result = std::move(state_->result);
  // What was asked at the very end, and nobody waited for.
  if (state_->name_server != nullptr) state_->name_server->Handle();
  if (!state_->untouched) state_->name_server = nullptr;
  absl::c_sort(result.overlay_changes,
               [](const OverlayChange& a, const OverlayChange& b) {
                 return a.path < b.path;
               });
  for (LimitHit hit : state_->cgroup.LimitsHit()) {
    result.limits_hit.push_back(hit);
  }
  state_->cgroup.Remove();
  // Killed by us, or, init being the largest process, by the memory limit.
  const bool memory_ran_out =
      absl::c_linear_search(result.limits_hit, LimitHit::kMemory);
  if (!known && (state_->killed || memory_ran_out)) {
    SetEnd(SIGKILL, state_->timed_out ? kEndedTimedOut : 0, &result);
    if (state_->timed_out) result.wall_time = state_->deadline.Passed();
    known = true;
  }
  if (state_->foreground != nullptr) {
    if (result.outcome != Outcome::kExited) state_->foreground->RestoreModes();
    state_->foreground = nullptr;
  }
  result.watched_outside = state_->plan->watched_outside;
  if (state_->monitor != nullptr) {
    result.violations = state_->monitor->TakeViolations();
    result.violations_beyond = state_->monitor->beyond();
    result.violations_unseen = state_->monitor->unseen();
    result.allowed = state_->monitor->AllowedUses();
  }
  if (!known) {
    result.outcome = Outcome::kLost;
    result.exit_code = -1;
    result.signal = 0;
    result.lost =
        state_->unlisted.ok()
            ? Words({FailureKind::kHostRefused, "tell how the command ended",
                     "", "the sandbox's init was killed from outside"})
            : std::string(state_->unlisted.message());
  }
  return result;
}

absl::StatusOr<Process> Spawn(const Options& options,
                              const std::vector<std::string>& command) {
  return Launcher::Spawn(options, command);
}

absl::StatusOr<Result> Run(const Options& options,
                           const std::vector<std::string>& command) {
  absl::StatusOr<Process> process = Spawn(options, command);
  if (!process.ok()) return process.status();
  return process->Wait();
}

absl::StatusOr<absl::optional<Process>> Enter(const Options& options) {
  return Launcher::Enter(options, /*reusable=*/false);
}

absl::StatusOr<absl::optional<Process>> EnterReusable(const Options& options) {
  return Launcher::Enter(options, /*reusable=*/true);
}

absl::StatusOr<absl::optional<Process>> EnterAgain(const Options& options,
                                                   std::unique_ptr<Plan> plan,
                                                   Process process) {
  return Launcher::EnterAgain(options, std::move(plan), std::move(process));
}

absl::StatusOr<absl::optional<Process>> EnterPrepared(
    const Options& options, std::unique_ptr<Plan> plan, InitProcess init,
    std::shared_ptr<const void> maker) {
  return Launcher::EnterPrepared(options, std::move(plan), std::move(init),
                                 std::move(maker));
}

}  // namespace encapsulate
