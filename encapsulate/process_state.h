// SPDX-License-Identifier: Apache-2.0
//
// What a Process holds: the sandbox as its caller has it.
#ifndef ENCAPSULATE_PROCESS_STATE_H_
#define ENCAPSULATE_PROCESS_STATE_H_

#include <poll.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/child/message.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/confinement.h"
#include "encapsulate/deadline.h"
#include "encapsulate/foreground.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/launch/launch.h"
#include "encapsulate/launch/persistent_relay.h"
#include "encapsulate/launch/relay.h"
#include "encapsulate/monitor/monitor.h"
#include "encapsulate/monitor/name_server.h"
#include "encapsulate/plan/cgroup.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/sandbox.h"

namespace encapsulate {

// More than there are values of errno.
inline constexpr int kErrors = 4096;

// What a pool says of a sandbox: of one kind are those that can take each
// other's place.
struct SandboxKind {
  std::string plan;     // as WritePlan() has it
  int sockets = 0;      // which of the host's were masked
  int caller = 0;       // as CallerState has it
  std::string why_not;  // ... it can't be used again; empty if it may
};

struct Process::State {
  // Of a sandbox that is used again, the pool's.
  std::shared_ptr<Plan> plan = std::make_shared<Plan>();
  std::unique_ptr<PlanForChild> for_child;  // Enter(), once init is ready
  Cgroup cgroup;
  InitProcess init;
  // Who made it ahead of need, and is its parent; null: this process.
  std::shared_ptr<const void> maker;
  std::vector<StepTime> steps;
  std::string exposed_executable;
  std::unique_ptr<Foreground> foreground;
  Deadline deadline;
  // Without namespaces only. Outlives the monitor.
  std::unique_ptr<Confinement> confinement;
  UniqueFd events;  // an epoll(7) instance over all that can happen
  std::unique_ptr<Monitor> monitor;
  bool killable = false;         // as in MonitorSetup
  bool watching = false;         // and somebody is there to be watched
  std::vector<Allowed> allowed;  // until there is a monitor
  bool record = true;            // the violations that the monitor sees
  bool inputs = false;           // and what is read
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
  // Without namespaces: the relay is in the place of init.
  bool guarded = false;
  OpenedDevices devices;
  std::chrono::steady_clock::time_point forked;
  RenewedTrees renewed;        // outlives the monitor and the relay
  std::string autogroup;       // of the relay's session, as it was at first
  bool called = false;         // a call was reported beside the monitor's
  bool untouched = false;      // as far as init knows
  Trace trace = Trace::kNone;  // what keeps the sandbox from another use
  std::shared_ptr<const SandboxKind> kind;

  ~State();

  // Who can have something to say, as poll(2) takes it: -1 for nobody.
  enum Source : size_t {
    kMonitor,
    kSignals,
    kRelay,
    kInit,
    kNameServer,
    kDeadline,
    kSources
  };
  using Polls = std::array<struct pollfd, kSources>;
  Polls PollSources() const;

  // Everybody inside. Without a PID namespace, nobody else ends with init, so
  // it is asked to end them.
  void Kill() const {
    if (HasNamespaces(*plan)) {
      sys::PidfdSendSignal(init.pidfd.get(), SIGKILL);
    } else {
      Send(MessageKind::kLeave);
      EndUnscoped();
    }
  }

  // Where a relay that guards can't end those inside (before ABI 6), this
  // process has to look for them.
  void EndUnscoped() const {
    if (guarded && plan->outer_domain < 0) {
      Confinement::EndBelow(relay.pid(), init.pidfd.get());
    }
  }

  // For a child, to whom all this means nothing: closes what is open. The
  // state must never be destroyed then.
  void CloseInChild() const;
  // The same, and sees to that.
  static void Disown(std::unique_ptr<State> state);

  // The relay's child is in the sandbox, so the sandbox's end waits for it.
  void ReapAll();

  bool Send(MessageKind kind, int number = 0) const;

  bool Watch(int fd) const;

  // Takes a filter's listener, which came along with `message`.
  bool StartMonitor(const Message& message, UniqueFd listener);

  // Where the sandbox around this one watches, names are left to record.
  bool StartMonitorOfNames();

  bool StartMonitor(bool is_killable, UniqueFd listener);

  void MakeMonitor(bool is_killable, UniqueFd listener);

  // For the monitor.
  InputScope ScopeOfInputs() const;

  // For another child: what one does to an open file, such as a lock, isn't to
  // be found by the next. This process opens them by what is open already: the
  // filter would report that the relay does.
  bool ReopenDevices();

  void CloseDevices();

  // Init's device numbers of what it can renew.
  void TakeRenewed(const Message& message);

  // Who forks the child.
  pid_t RelayPid() const;

  // Tells `add` of those whom the child of a guarded sandbox has left; `add`
  // gets the result. Returns how many there are.
  int FindLeftovers(void (*add)(const Message& message, void* argument));

  bool StartNameServer();

  // The sandbox's.
  std::string HostName() const;

  // Asks init; 0 if it doesn't answer any more.
  pid_t LastPid();

  bool NextMessage(Message* message, int* descriptor = nullptr);

  // What the monitor and the result need of them.
  void TakeOptions(const Options& options);

  // Answers calls until init has something to say: it may wait for a command
  // whose own start is such a call.
  void AnswerUntilTold();

  void NoteExposed(int number);

  void AddSteps(const Message& message);
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_PROCESS_STATE_H_
