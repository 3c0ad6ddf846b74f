// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/process_state.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "encapsulate/base/leak.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/child/leftovers.h"
#include "encapsulate/child/message.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/launch/explain.h"
#include "encapsulate/launch/launch.h"
#include "encapsulate/monitor/monitor.h"
#include "encapsulate/monitor/name_server.h"
#include "encapsulate/plan/cgroup.h"
#include "encapsulate/plan/plan.h"

namespace encapsulate {
namespace {

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

Process::State::Polls Process::State::PollSources() const {
  Polls polls;
  polls.fill({-1, POLLIN, 0});
  if (watching) polls[kMonitor].fd = monitor->descriptor();
  if (foreground != nullptr) {
    polls[kSignals].fd = foreground->signals();
  } else if (persistent != nullptr) {
    polls[kRelay].fd = persistent->descriptor();
  }
  polls[kInit].fd = init.control.get();
  if (name_server != nullptr) polls[kNameServer].fd = name_server->descriptor();
  polls[kDeadline].fd = deadline.descriptor();
  return polls;
}

Process::State::~State() {
  if (init.pid > 0) {
    Kill();
    ReapAll();
  }
  CloseDevices();
}

void Process::State::CloseInChild() const {
  for (const UniqueFd* fd :
       {&init.pidfd, &init.control, &events, &name_sockets[0], &name_sockets[1],
        &network_tables, &relay_socket, &childs_socket, &listener}) {
    fd->CloseInChild();
  }
  for (const OpenedDevices::Device& device : devices.devices) {
    if (device.file >= 0) close(device.file);
  }
  if (persistent != nullptr) persistent->Disown();
  if (monitor != nullptr) monitor->Disown();
  if (name_server != nullptr) name_server->Disown();
  if (confinement != nullptr) confinement->Disown();
}

void Process::State::Disown(std::unique_ptr<State> state) {
  state->CloseInChild();
  Leak(std::move(state));
}

void Process::State::ReapAll() {
  if (guarded) {
    Send(MessageKind::kLeave);
    EndUnscoped();
    init.pid = -1;  // which the relay is
  }
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
  if (pid > 0 && confinement != nullptr) confinement->EndOrphans();
}

bool Process::State::Send(MessageKind kind, int number) const {
  Message message;
  message.kind = kind;
  message.number = number;
  return SendMessage(init.control.get(), message);
}

bool Process::State::Watch(int fd) const {
  struct epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  return epoll_ctl(events.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

bool Process::State::StartMonitor(const Message& message, UniqueFd listener) {
  if (!listener.valid() || !Watch(listener.get())) return false;
  watching = true;
  return StartMonitor(message.number != 0, std::move(listener));
}

bool Process::State::StartMonitorOfNames() {
  return !plan->watched_outside ||
         StartMonitor(/*is_killable=*/false, UniqueFd());
}

bool Process::State::StartMonitor(bool is_killable, UniqueFd listener) {
  MakeMonitor(is_killable, std::move(listener));
  return !plan->name_server || StartNameServer();
}

void Process::State::MakeMonitor(bool is_killable, UniqueFd listener) {
  MonitorSetup setup;
  killable = setup.killable = is_killable;
  setup.network = plan->network;
  setup.allowed = std::move(allowed);
  if (confinement != nullptr) setup.supervisor = confinement->supervisor();
  setup.record = record;
  if (inputs) setup.inputs = ScopeOfInputs();
  setup.last_pid = [this] { return LastPid(); };
  setup.network_tables = network_tables.get();
  setup.renewed = &renewed;
  monitor = std::make_unique<Monitor>(std::move(listener), std::move(setup));
}

bool Process::State::ReopenDevices() {
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

void Process::State::CloseDevices() {
  for (OpenedDevices::Device& device : devices.devices) {
    if (device.file >= 0) close(std::exchange(device.file, -1));
  }
}

void Process::State::TakeRenewed(const Message& message) {
  renewed.devices.resize(message.text_size / sizeof(dev_t));
  memcpy(renewed.devices.data(), message.text,
         renewed.devices.size() * sizeof(dev_t));
}

pid_t Process::State::RelayPid() const {
  return persistent != nullptr ? persistent->pid() : relay.pid();
}

int Process::State::FindLeftovers(void (*add)(const Message& message,
                                              void* argument)) {
  const UniqueFd proc(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const int count = encapsulate::FindLeftovers(proc.get(), /*command=*/-1,
                                               relay.pid(), add, &result);
  return count < 0 ? 0 : count;
}

bool Process::State::StartNameServer() {
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

std::string Process::State::HostName() const {
  if (!plan->hostname.empty()) return plan->hostname;
  char buffer[HOST_NAME_MAX + 1] = {};
  return gethostname(buffer, sizeof(buffer)) == 0 ? buffer : "";
}

pid_t Process::State::LastPid() {
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

void Process::State::TakeOptions(const Options& options) {
  allowed = options.allowed;
  record = options.violations != Violations::kOff;
  inputs = options.inputs;
  result.enforced = options.violations == Violations::kEnforce;
}

void Process::State::AnswerUntilTold() {
  while (watching && early.empty()) {
    struct pollfd events[2] = {{init.control.get(), POLLIN, 0},
                               {monitor->descriptor(), POLLIN, 0}};
    if (poll(events, 2, -1) < 0) continue;  // EINTR
    if (events[0].revents != 0 || !monitor->Handle()) return;
  }
}

// Outside of the places, all is the host's.
InputScope Process::State::ScopeOfInputs() const {
  InputScope scope;
  scope.directory = RealPathOrSame(plan->directory);
  for (const Place& place : plan->places) {
    switch (place.kind) {
      case PlaceKind::kTmpfs:
      case PlaceKind::kHidden:
      case PlaceKind::kDevPts:
      case PlaceKind::kShm:
      case PlaceKind::kMqueue:
      case PlaceKind::kGenerated:
        scope.trees.push_back({place.target, /*fresh=*/true});
        break;
      default:
        scope.trees.push_back({place.target, /*fresh=*/false});
        break;
    }
  }
  if (!plan->scratch.empty()) {
    scope.trees.push_back({plan->scratch, /*fresh=*/true});
  }
  return scope;
}

bool Process::State::NextMessage(Message* message, int* descriptor) {
  if (early.empty()) {
    return ReceiveMessage(init.control.get(), message, descriptor);
  }
  *message = *early.front();
  early.pop_front();
  return true;
}

void Process::State::NoteExposed(int number) {
  exposed_executable =
      std::string(Explain(*plan, {Step::kProtectExecutable, number / kErrors,
                                  number % kErrors, "allowed"})
                      .message());
}

void Process::State::AddSteps(const Message& message) {
  for (size_t at = 0; at + sizeof(StepRecord) <= message.text_size;
       at += sizeof(StepRecord)) {
    StepRecord record;
    memcpy(&record, message.text + at, sizeof(record));
    steps.push_back({std::string(StepName(record.step)),
                     absl::Nanoseconds(record.nanoseconds)});
  }
}

}  // namespace encapsulate
