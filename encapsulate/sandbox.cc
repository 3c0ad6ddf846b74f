// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/sandbox.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/error.h"
#include "encapsulate/child/message.h"
#include "encapsulate/inspect/sandboxed_processes.h"
#include "encapsulate/launch/explain.h"
#include "encapsulate/launch/launch.h"
#include "encapsulate/launcher.h"
#include "encapsulate/monitor/monitor.h"
#include "encapsulate/monitor/name_server.h"
#include "encapsulate/plan/cgroup.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/process_state.h"

namespace encapsulate {

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

void Process::AppendEvents(std::vector<struct pollfd>* polls) const {
  absl::c_copy_if(state_->PollSources(), std::back_inserter(*polls),
                  [](const struct pollfd& source) { return source.fd >= 0; });
}

const std::vector<Violation>& Process::violations() const {
  return state_->monitor != nullptr ? state_->monitor->violations()
                                    : state_->result.record.violations;
}

Isolation Process::isolation() const { return state_->plan->isolation; }

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

void AddLeftover(const Message& message, void* argument) {
  auto* const result = static_cast<Result*>(argument);
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
      if (state_->renewed.changed) state_->TakeRenewed(message);
      if (message.index > 0) state_->trace = static_cast<Trace>(message.index);
      SetEnd(message.number, message.flags, result);
      result->usage = message.usage;
      // Without init, the caller looks for them.
      result->leftover_count = state_->guarded
                                   ? state_->FindLeftovers(&AddLeftover)
                                   : static_cast<int>(message.count);
      // Of a sandbox that is used again, init knows only when it was made.
      result->wall_time =
          state_->persistent != nullptr || state_->guarded
              ? absl::FromChrono(std::chrono::steady_clock::now() -
                                 state_->forked)
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
  State::Polls polls = state_->PollSources();
  if (poll(polls.data(), polls.size(), timeout) < 0) return true;  // EINTR
  const auto told_by = [&](State::Source source) {
    return polls[source].revents != 0;
  };
  if (told_by(State::kMonitor) && !state_->monitor->Handle()) {
    state_->watching = false;
    epoll_ctl(state_->events.get(), EPOLL_CTL_DEL, polls[State::kMonitor].fd,
              nullptr);
  }
  if (told_by(State::kNameServer)) state_->name_server->Handle();
  if (told_by(State::kSignals)) ForwardSignals();
  if (told_by(State::kRelay)) {
    // Killed from outside: nobody waits for the child any more.
    state_->Kill();
    state_->ended = true;
  }
  const bool told = told_by(State::kInit);
  // What came in while the monitor asked for something is told already.
  if (told && state_->early.empty()) state_->ended = !Listen();
  while (!state_->ended && !state_->early.empty()) state_->ended = !Listen();
  if (!state_->ended && told_by(State::kDeadline)) EndLate();
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
  // What was asked at the very end, and nobody waited for. No question without
  // a socket, which is seen where a sandbox may be used again.
  const bool asked = state_->persistent == nullptr || !state_->untouched ||
                     state_->monitor->has_seen_calls();
  if (asked && state_->name_server != nullptr) state_->name_server->Handle();
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
  result.isolation = state_->plan->isolation;
  if (state_->confinement != nullptr) {
    result.temporary_files = state_->confinement->Clean();
  }
  if (state_->monitor != nullptr) result.record = state_->monitor->TakeRecord();
  result.record.watched_outside = state_->plan->watched_outside;
  if (state_->inputs) {
    if (state_->monitor != nullptr) {
      result.inputs = state_->monitor->TakeInputs();
    }
    result.inputs.watched_outside = state_->plan->watched_outside;
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
  return Launcher::StartCommand(options, command);
}

absl::StatusOr<Result> Run(const Options& options,
                           const std::vector<std::string>& command) {
  absl::StatusOr<Process> process = Spawn(options, command);
  if (!process.ok()) return process.status();
  return process->Wait();
}

absl::StatusOr<absl::optional<Process>> Enter(const Options& options) {
  return Launcher::StartChild(options, /*reusable=*/false);
}

}  // namespace encapsulate
