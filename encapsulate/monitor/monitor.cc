// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/monitor/monitor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/plan/outer_monitor.h"
#include "encapsulate/plan/reuse_rules.h"

namespace encapsulate {
namespace {

// An unbroken stream of calls must not keep the caller from other work.
constexpr int kCallsInARow = 64;
constexpr absl::Duration kTimeInARow = absl::Milliseconds(50);

// Whether `error` is how a call of that rule fails because it reached out, not
// because of what it found, or of a mistake.
bool IsDenial(Rule rule, int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return true;
    case EROFS:
      return rule == Rule::kWrite || rule == Rule::kDevice ||
             rule == Rule::kPrivilege;
    case EXDEV:
    case EBUSY:
      return rule == Rule::kWrite;
    case ENXIO:
    case ENODEV:
      return rule == Rule::kDevice;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EADDRNOTAVAIL:
    case ETIMEDOUT:
      return rule == Rule::kNetwork;
    case ECONNREFUSED:
      return rule == Rule::kNetwork || rule == Rule::kHostSocket;
    case ENOENT:
      // Of what isn't there, only sockets are asked for: MissingSocket().
      return rule == Rule::kHostSocket;
    case ESRCH:
      return rule == Rule::kSignal || rule == Rule::kTrace;
    default:
      return false;
  }
}

bool IsNote(const SyscallArgs& call) {
  return call.watched != nullptr && !call.compat &&
         strcmp(call.watched->name, "openat") == 0 &&
         (call.arguments[2] & ~uint64_t{O_LARGEFILE}) ==
             (uint64_t{kNoteFlags} & ~uint64_t{O_LARGEFILE});
}

}  // namespace

Monitor::Monitor(UniqueFd listener, MonitorSetup setup)
    : listener_(std::move(listener)),
      setup_(std::move(setup)),
      classifier_(setup_.network, setup_.allowed, setup_.last_pid,
                  setup_.supervisor),
      allowed_counts_(setup_.allowed.size(), 0) {
  if (setup_.inputs.has_value()) inputs_.emplace(*setup_.inputs);
  // Linux 6.6: the monitor takes over on the waiting thread's processor, which
  // has nothing else to do, and needn't wake another one from its sleep.
  // Without it, calls take longer on an idle machine.
  constexpr uint64_t kSyncWakeUp = 1;  // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
  constexpr unsigned long kSetFlags = SECCOMP_IOW(4, uint64_t);
  static_cast<void>(ioctl(listener_.get(), kSetFlags, kSyncWakeUp));
}

bool Monitor::IsFresh(const std::vector<Allowed>& allowed) const {
  return !has_seen_calls_ && last_number_ == kUnexpected &&
         record_.violations.empty() && record_.beyond == 0 &&
         AreEqual(allowed, setup_.allowed);
}

bool Monitor::Handle() {
  const absl::Time end = absl::Now() + kTimeInARow;
  for (int i = 0; i < kCallsInARow && (i == 0 || absl::Now() < end); ++i) {
    struct pollfd event = {listener_.get(), POLLIN, 0};
    if (poll(&event, 1, 0) <= 0) return true;
    if ((event.revents & POLLIN) == 0) return false;
    AnswerNext();
  }
  return true;
}

void Monitor::AnswerNext() {
  alignas(seccomp_notif) char buffer[sizeof(seccomp_notif) + kRoomToGrow] = {};
  auto* const notification = reinterpret_cast<seccomp_notif*>(buffer);
  // Fails with ENOENT if the thread has died since poll(2).
  if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, notification) == 0) {
    // Before the call can be made.
    has_seen_calls_ = true;
    Answer(*notification);
  }
}

std::string Monitor::PidNamespaceOf(const ThreadView& thread) {
  return thread.Link("ns/pid");
}

bool Monitor::StillWaits(uint64_t id) const {
  return ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

void Monitor::Reply(uint64_t id, const Verdict& verdict) const {
  if (verdict.kind == Verdict::Kind::kRefuse) {
    Respond(id, -verdict.error, /*value=*/0, /*flags=*/0);
  } else {
    Respond(id, /*error=*/0, /*value=*/0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
  }
}

void Monitor::Respond(uint64_t id, int error, int64_t value,
                      uint32_t flags) const {
  alignas(seccomp_notif_resp) char
      buffer[sizeof(seccomp_notif_resp) + kRoomToGrow] = {};
  auto* const response = reinterpret_cast<seccomp_notif_resp*>(buffer);
  response->id = id;
  response->error = error;
  response->val = value;
  response->flags = flags;
  // A thread that has died needs no answer.
  static_cast<void>(ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, response));
}

bool Monitor::Perform(const seccomp_notif& notification,
                      const ThreadView& thread,
                      Supervisor::Answer* answer) const {
  if (setup_.supervisor == nullptr) return false;
  *answer = setup_.supervisor->Perform({notification, listener_.get()}, thread);
  switch (answer->kind) {
    case Supervisor::Answer::Kind::kContinue:
      Reply(notification.id, {});
      return true;
    case Supervisor::Answer::Kind::kDone:
      Respond(notification.id, -answer->error, answer->value, /*flags=*/0);
      return true;
    case Supervisor::Answer::Kind::kSent:
      return true;
    case Supervisor::Answer::Kind::kJudge:
    case Supervisor::Answer::Kind::kRefuse:
      break;
  }
  return false;
}

// What the classifier has worked out from the same arguments says what they are
// about. Nothing is let go on that the supervisor has refused.
void Monitor::Refuse(const Supervisor::Answer& answer, Verdict* verdict) {
  const bool refused = answer.kind == Supervisor::Answer::Kind::kRefuse;
  if (refused && !answer.target.empty()) {
    *verdict = Verdict::Refuse(answer.rule, answer.target, answer.error);
  } else if (verdict->kind == Verdict::Kind::kSuspect) {
    // No namespace stops it.
    verdict->kind = Verdict::Kind::kRefuse;
    if (verdict->error == 0) verdict->error = refused ? answer.error : EACCES;
  }
}

bool Monitor::NoteInput(const seccomp_notif& notification,
                        const ThreadView& thread, const SyscallArgs& call) {
  if (!inputs_.has_value() || call.watched == nullptr) return false;
  InputRecorder::Input input = inputs_->Look(thread, call);
  // What was read may have been another thread's.
  if (input.kind != InputRecorder::Input::Kind::kNone &&
      StillWaits(notification.id)) {
    inputs_->Add(std::move(input));
  }
  return IsOnlyInput(*call.watched, call.arguments);
}

// What was read may be something else when the kernel reads it: the thread's
// memory may change, and so may links. But wherever else such a call leads,
// what it changes is the host's, and there for everybody, is compared later
// (child/reuse_check.h), or is refused: in procfs, nothing but its owner may
// set modes, owners and times that stay.
bool Monitor::IsRenewed(const SyscallArgs& call, const Verdict& verdict) const {
  if (setup_.renewed == nullptr || call.watched == nullptr ||
      call.watched->rule != Rule::kWrite || verdict.device == 0 ||
      !absl::c_linear_search(setup_.renewed->devices, verdict.device)) {
    return false;
  }
  switch (call.watched->verb) {
    case CallVerb::kChangeMode:
    case CallVerb::kChangeOwner:
    case CallVerb::kChangeTimes:
      return !setup_.renewed->owns_proc;
    default:
      return true;
  }
}

void Monitor::Answer(const seccomp_notif& notification) {
  // Until it is known better.
  const bool has_left = may_have_left_;
  may_have_left_ = true;
  const ThreadView thread(static_cast<pid_t>(notification.pid),
                          setup_.supervisor);
  if (own_space_.empty()) own_space_ = PidNamespaceOf(thread);
  const bool x32 = notification.data.arch == kNativeArch &&
                   kNativeArch != kCompatArch &&
                   (static_cast<uint32_t>(notification.data.nr) & kX32Bit) != 0;
  SyscallArgs call;
  std::copy(std::begin(notification.data.args),
            std::end(notification.data.args), call.arguments);
  call.watched = FindWatchedCall(
      notification.data.arch,
      static_cast<int>(static_cast<uint32_t>(notification.data.nr) & ~kX32Bit),
      call.arguments);
  call.compat = notification.data.arch == kCompatArch;
  Verdict verdict;
  if (IsNote(call)) {
    AnswerNote(notification, thread, call);
    return;
  }
  if (!x32 && NoteInput(notification, thread, call)) {
    Reply(notification.id, {});
    return;
  }
  Supervisor::Answer performed;
  if (Perform(notification, thread, &performed)) return;
  if (call.watched != nullptr) {
    if (call.watched->when == When::kSocketcallAddress) {
      call = ResolveSocketcall(thread, call);
    }
    verdict = classifier_.Classify(thread, call);
    if (thread.refused() && verdict.kind != Verdict::Kind::kRefuse) {
      ++record_.unseen;
      verdict = {};
    } else if (verdict.kind != Verdict::Kind::kRefuse && thread.HidesMemory()) {
      // Nobody but the kernel knows what it is about.
      ++record_.unseen;
      verdict.kind = Verdict::Kind::kRefuse;
      verdict.error = EFAULT;
      Reply(notification.id, verdict);
      return;
    }
  }
  if (setup_.supervisor != nullptr) {
    Refuse(performed, &verdict);
    if (verdict.kind == Verdict::Kind::kPass &&
        performed.kind == Supervisor::Answer::Kind::kRefuse) {
      Respond(notification.id, -performed.error, /*value=*/0, /*flags=*/0);
      return;
    }
  }
  if (x32) {
    // Refused whatever it is about.
    const bool suspect = verdict.kind != Verdict::Kind::kPass;
    verdict.kind = Verdict::Kind::kRefuse;
    verdict.error = ENOSYS;
    if (!suspect) {
      Reply(notification.id, verdict);
      return;
    }
  }
  if (verdict.kind == Verdict::Kind::kPass) {
    if (IsRenewed(call, verdict)) {
      may_have_left_ = has_left;
      setup_.renewed->changed = true;
    }
    if (call.watched != nullptr && AsksForNames(thread, call)) {
      NoteAsker(notification, thread, call);
    } else {
      Reply(notification.id, verdict);
    }
    return;
  }
  // What was read may have been another thread's.
  if (!StillWaits(notification.id)) return;
  if (!setup_.record) {
    Reply(notification.id, verdict);
    return;
  }
  const int expects = WhoExpects(verdict, &thread);
  if (expects == kUnexpected && IsAllowed(verdict)) {
    Reply(notification.id, verdict);
    return;
  }
  const std::string program = thread.Link("exe");
  Key key(verdict.rule, call.watched->name, verdict.target, program, expects,
          TestOf(thread, program));
  const auto restarting = restarting_.find(thread.tid());
  if (restarting != restarting_.end()) {
    const bool same = restarting->second == key;
    restarting_.erase(restarting);
    if (same) {
      Reply(notification.id, verdict);
      return;
    }
  }
  if (Count(key)) {
    Reply(notification.id, verdict);
  } else {
    Record(notification, thread, call, verdict, std::move(key));
  }
}

// --- What comes of it --------------------------------------------------------

InputRecord Monitor::TakeInputs() {
  return inputs_.has_value() ? inputs_->Take() : InputRecord();
}

int Monitor::BeginExpected(Rule rule, std::string target) {
  expected_.push_back({++last_number_, rule, std::move(target), {}, ""});
  look_ups_.clear();  // what goes on is another look-up
  return last_number_;
}

std::vector<Violation> Monitor::EndExpected(int number) {
  const auto ended = absl::c_find_if(
      expected_, [&](const Expected& one) { return one.number == number; });
  if (ended == expected_.end()) return {};
  std::vector<Violation> seen = std::move(ended->seen);
  expected_.erase(ended);
  for (auto known = known_.begin(); known != known_.end();) {
    const bool gone = std::get<int>(known->first) == number;
    known = gone ? known_.erase(known) : std::next(known);
  }
  return seen;
}

int Monitor::WhoExpects(const Verdict& verdict,
                        const ThreadView* thread) const {
  for (auto one = expected_.rbegin(); one != expected_.rend(); ++one) {
    if (one->rule == verdict.rule && Matches(verdict.target, one->target) &&
        (one->space.empty() ||
         (thread != nullptr && SpaceOf(*thread) == one->space))) {
      return one->number;
    }
  }
  return kUnexpected;
}

std::vector<Violation>& Monitor::SeenBy(int number) {
  const auto found = absl::c_find_if(
      expected_, [&](const Expected& one) { return one.number == number; });
  return found == expected_.end() ? record_.violations : found->seen;
}

bool Monitor::Count(const Key& key) {
  const int expects = std::get<int>(key);
  const auto known = known_.find(key);
  if (known != known_.end()) {
    ++SeenBy(expects)[known->second].count;
    return true;
  }
  if (SeenBy(expects).size() < kMaxViolations) return false;
  if (expects == kUnexpected) ++record_.beyond;
  return true;
}

bool Monitor::IsAllowed(const Verdict& verdict) {
  for (size_t i = 0; i < setup_.allowed.size(); ++i) {
    const Allowed& allowed = setup_.allowed[i];
    if (allowed.rule == verdict.rule &&
        Matches(verdict.target, allowed.target)) {
      ++allowed_counts_[i];
      return true;
    }
  }
  return false;
}

std::vector<AllowedUse> Monitor::AllowedUses() const {
  std::vector<AllowedUse> uses;
  for (size_t i = 0; i < setup_.allowed.size(); ++i) {
    if (allowed_counts_[i] > 0) {
      uses.push_back({setup_.allowed[i], allowed_counts_[i]});
    }
  }
  for (const auto& use : expected_uses_) {
    const std::string& test = std::get<2>(use.first);
    uses.push_back(
        {{std::get<0>(use.first), std::get<1>(use.first),
          test.empty() ? "expected" : absl::StrCat("expected by ", test)},
         use.second,
         /*by_note=*/true});
  }
  return uses;
}

// Who made a call, and which.
Violation Monitor::Describe(const ThreadView& thread, const SyscallArgs& call) {
  Violation violation;
  violation.call = call.watched->name;
  violation.arguments = FormatArguments(thread, call);
  violation.count = 1;
  violation.first = absl::Now();
  const ThreadView::Status status = thread.ReadStatus();
  violation.pid = status.pid;
  violation.tid = status.tid;
  violation.thread = status.name;
  return violation;
}

// Whether sendmmsg(2) sent others, and failed at the message that is meant: of
// that error nobody is told.
bool Monitor::FailedLater(const Verdict& verdict, int64_t result) {
  return verdict.sent_before > 0 &&
         result == static_cast<int64_t>(verdict.sent_before);
}

void Monitor::Record(const seccomp_notif& notification,
                     const ThreadView& thread, const SyscallArgs& call,
                     const Verdict& verdict, Key key) {
  Violation violation = Describe(thread, call);
  violation.rule = verdict.rule;
  violation.target = verdict.target;
  violation.program = std::get<3>(key);
  violation.test = std::get<5>(key);
  if (!StillWaits(notification.id)) return;

  absl::optional<Stop> stop = StopBehind(notification, thread, verdict);
  const bool known = stop.has_value() && stop->result.has_value();
  if (!known || FailedLater(verdict, *stop->result)) {
    violation.error = verdict.error;
    violation.error_predicted = verdict.kind != Verdict::Kind::kRefuse;
  } else {
    violation.error = *stop->result < 0 ? static_cast<int>(-*stop->result) : 0;
  }
  // Neither the result is known nor what it is likely to be.
  if (!known && verdict.error == 0) ++record_.unseen;
  if (stop.has_value() && stop->sorts_addresses) return;
  if (stop.has_value()) {
    violation.stack = std::move(stop->stack);
    if (!stop->result.has_value()) restarting_[thread.tid()] = key;
  }
  if (verdict.kind != Verdict::Kind::kRefuse &&
      !IsDenial(verdict.rule, violation.error)) {
    return;
  }
  // openat2(2) says so of a path that leads out of where the program itself
  // said that it may (RESOLVE_BENEATH, RESOLVE_NO_XDEV).
  if (IsOpen(call) && violation.error == EXDEV) return;
  // Others may have been recorded while this one was being stopped.
  std::vector<Violation>& seen = SeenBy(std::get<int>(key));
  const auto added = known_.emplace(std::move(key), seen.size());
  if (!added.second) {
    ++seen[added.first->second].count;
    return;
  }
  seen.push_back(std::move(violation));
}

}  // namespace encapsulate
