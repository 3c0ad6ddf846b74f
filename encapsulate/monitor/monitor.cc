#include "encapsulate/monitor/monitor.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/inspect/address_sort.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/monitor/name_server.h"
#include "encapsulate/plan/name_server_address.h"
#include "encapsulate/plan/outer_monitor.h"

namespace encapsulate {
namespace {

using Location = PathTarget::Location;

constexpr absl::string_view kZero("\0", 1);

// Of the kernel's own structures, which grow (SECCOMP_GET_NOTIF_SIZES).
constexpr size_t kRoomToGrow = 256;
// An unbroken stream of calls must not keep the caller from other work.
constexpr int kCallsInARow = 64;
constexpr absl::Duration kTimeInARow = absl::Milliseconds(50);
// Of sockets and processes that are gone, most likely.
constexpr size_t kMostAskers = 1000;
// Named at the same time, and expected by notes. Whoever is inside can send
// more.
constexpr size_t kMostTests = 256;
constexpr size_t kMostNoted = 1000;

// `*` stands for anything, `?` for one character.
bool Matches(absl::string_view text, absl::string_view pattern) {
  size_t at = 0;
  size_t next = 0;
  size_t star = absl::string_view::npos;
  size_t resume = 0;
  while (at < text.size()) {
    if (next < pattern.size() && pattern[next] == '*') {
      star = next++;
      resume = at;
    } else if (next < pattern.size() &&
               (pattern[next] == '?' || pattern[next] == text[at])) {
      ++next;
      ++at;
    } else if (star != absl::string_view::npos) {
      next = star + 1;
      at = ++resume;
    } else {
      return false;
    }
  }
  while (next < pattern.size() && pattern[next] == '*') ++next;
  return next == pattern.size();
}

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

bool IsOpen(const SyscallArgs& call) {
  return call.watched->verb == CallVerb::kOpen ||
         call.watched->verb == CallVerb::kCreate;
}

// The index of the operand of that kind, or -1.
int IndexOf(const SyscallArgs& call, Operand operand) {
  return call.watched->IndexOf(operand);
}

// What a report of a call about neither files, addresses nor processes names.
std::string NamedTarget(const ThreadView& thread, const SyscallArgs& call) {
  const int target = call.watched->target;
  return target == kCallItself
             ? call.watched->name
             : FormatOperand(thread, call, static_cast<size_t>(target));
}

bool IsNote(const SyscallArgs& call) {
  return call.watched != nullptr && !call.compat &&
         strcmp(call.watched->name, "openat") == 0 &&
         (call.arguments[2] & ~uint64_t{O_LARGEFILE}) ==
             (uint64_t{kNoteFlags} & ~uint64_t{O_LARGEFILE});
}

// As "pid:[4026531836]".
std::string PidNamespaceOf(const ThreadView& thread) {
  return thread.Link("ns/pid");
}

// Where the sandbox shows an empty file, the host has a socket or a FIFO.
bool IsMasked(const PathTarget& target, mode_t type) {
  struct stat info;
  return lstat(target.path.c_str(), &info) == 0 &&
         (info.st_mode & S_IFMT) == type;
}

}  // namespace

Monitor::Monitor(UniqueFd listener, MonitorSetup setup)
    : listener_(std::move(listener)),
      setup_(std::move(setup)),
      allowed_counts_(setup_.allowed.size(), 0) {
  // Linux 6.6: the monitor takes over on the waiting thread's processor, which
  // has nothing else to do, and needn't wake another one from its sleep.
  // Without it, calls take longer on an idle machine.
  constexpr uint64_t kSyncWakeUp = 1;  // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
  constexpr unsigned long kSetFlags = SECCOMP_IOW(4, uint64_t);
  static_cast<void>(ioctl(listener_.get(), kSetFlags, kSyncWakeUp));
}

bool Monitor::Handle() {
  const absl::Time end = absl::Now() + kTimeInARow;
  for (int i = 0; i < kCallsInARow && (i == 0 || absl::Now() < end); ++i) {
    struct pollfd event = {listener_.get(), POLLIN, 0};
    if (poll(&event, 1, 0) <= 0) return true;
    if ((event.revents & POLLIN) == 0) return false;
    alignas(
        seccomp_notif) char buffer[sizeof(seccomp_notif) + kRoomToGrow] = {};
    auto* const notification = reinterpret_cast<seccomp_notif*>(buffer);
    if (Receive(notification)) Answer(*notification);
  }
  return true;
}

bool Monitor::Receive(seccomp_notif* notification) const {
  // Fails with ENOENT if the thread has died since poll(2).
  return ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, notification) == 0;
}

bool Monitor::StillWaits(uint64_t id) const {
  return ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

void Monitor::Reply(uint64_t id, const Verdict& verdict) const {
  alignas(seccomp_notif_resp) char
      buffer[sizeof(seccomp_notif_resp) + kRoomToGrow] = {};
  auto* const response = reinterpret_cast<seccomp_notif_resp*>(buffer);
  response->id = id;
  if (verdict.kind == Verdict::Kind::kRefuse) {
    response->error = -verdict.error;
  } else {
    response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  }
  // A thread that has died needs no answer.
  static_cast<void>(ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, response));
}

void Monitor::Answer(const seccomp_notif& notification) {
  const ThreadView thread(static_cast<pid_t>(notification.pid));
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
  if (call.watched != nullptr) {
    if (call.watched->when == When::kSocketcallAddress) {
      call = ResolveSocketcall(thread, call);
    }
    verdict = Classify(thread, call);
    if (thread.refused() && verdict.kind != Verdict::Kind::kRefuse) {
      ++unseen_;
      verdict = {};
    } else if (verdict.kind != Verdict::Kind::kRefuse && thread.HidesMemory()) {
      // Nobody but the kernel knows what it is about.
      ++unseen_;
      verdict.kind = Verdict::Kind::kRefuse;
      verdict.error = EFAULT;
      Reply(notification.id, verdict);
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
    if (call.watched != nullptr && AsksForNames(thread, call)) {
      NoteAsker(notification, thread, call);
    } else {
      Reply(notification.id, verdict);
    }
    return;
  }
  // What was read may have been another thread's.
  if (!StillWaits(notification.id)) return;
  const int expects = WhoExpects(verdict, &thread);
  if (expects == kUnexpected && IsAllowed(verdict)) {
    Reply(notification.id, verdict);
    return;
  }
  Key key(verdict.rule, call.watched->name, verdict.target, thread.Link("exe"),
          expects, TestOf(thread));
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

// --- What a call is about ----------------------------------------------------

Monitor::Verdict Monitor::Classify(const ThreadView& thread,
                                   const SyscallArgs& call) const {
  if (call.watched->denied != 0) {
    const bool leaving = IndexOf(call, Operand::kKeyOperation) == 0 &&
                         call.Int(0) == KEYCTL_JOIN_SESSION_KEYRING;
    return Refuse(call.watched->rule,
                  leaving ? "new session keyring" : NamedTarget(thread, call),
                  call.watched->denied);
  }
  switch (call.watched->rule) {
    case Rule::kWrite:
      return ClassifyFiles(thread, call);
    case Rule::kNetwork:
      return ClassifyAddresses(thread, call);
    case Rule::kSignal:
    case Rule::kTrace:
      return ClassifyProcess(thread, call);
    case Rule::kPrivilege:
      return ClassifyPrivilege(thread, call);
    default:
      return {};
  }
}

Monitor::Verdict Monitor::ClassifyFiles(const ThreadView& thread,
                                        const SyscallArgs& call) {
  int predicted = EROFS;
  Verdict first;
  for (size_t i = 0; call.watched->operands[i] != Operand::kNone; ++i) {
    Verdict verdict = ClassifyFile(thread, call, i, &predicted);
    if (verdict.kind == Verdict::Kind::kPass) continue;
    if (first.kind == Verdict::Kind::kPass) first = std::move(verdict);
  }
  if (first.error == EROFS) first.error = predicted;
  return first;
}

bool Monitor::FindTarget(const ThreadView& thread, const SyscallArgs& call,
                         size_t operand, PathTarget* target) {
  const Operand* const operands = call.watched->operands;
  const Operand kind = operands[operand];
  switch (kind) {
    case Operand::kDescriptor:
      *target = thread.LookUp(call.Int(operand));
      return true;
    case Operand::kPath:
    case Operand::kLinkPath:
    case Operand::kEntry:
    case Operand::kNewEntry:
    case Operand::kReplacedEntry:
      break;
    default:
      return false;
  }
  const bool relative =
      operand > 0 && operands[operand - 1] == Operand::kDirectory;
  const int directory = relative ? call.Int(operand - 1) : AT_FDCWD;
  const int at_flags = IndexOf(call, Operand::kAtFlags);
  const uint32_t flags =
      at_flags >= 0 ? call.Unsigned(static_cast<size_t>(at_flags)) : 0;
  const uint64_t address = call.arguments[operand];
  std::string path;
  if (address != 0) {
    absl::optional<std::string> read = thread.ReadString(address);
    // Nor can the kernel read it, unless the memory is hidden.
    if (!read.has_value()) return false;
    path = *std::move(read);
  }
  if (path.size() >= PATH_MAX) return false;
  if (path.empty()) {
    // futimens(3), and what AT_EMPTY_PATH makes of the others.
    if (!relative || kind != Operand::kPath ||
        (address != 0 && (flags & AT_EMPTY_PATH) == 0) ||
        (address == 0 && directory == AT_FDCWD)) {
      return false;
    }
    *target = thread.LookUp(directory);
    return true;
  }
  const bool keeps_link =
      kind == Operand::kLinkPath ||
      (kind == Operand::kPath && (flags & AT_SYMLINK_NOFOLLOW) != 0);
  *target = thread.LookUp(directory, path,
                          keeps_link               ? LastPart::kKeep
                          : kind == Operand::kPath ? LastPart::kFollow
                                                   : LastPart::kEntry,
                          ResolveFlags(thread, call));
  return true;
}

Monitor::Verdict Monitor::ClassifyFile(const ThreadView& thread,
                                       const SyscallArgs& call, size_t operand,
                                       int* predicted) {
  const Operand kind = call.watched->operands[operand];
  PathTarget target;
  if (!FindTarget(thread, call, operand, &target)) return {};
  if (IsOpen(call)) {
    Verdict verdict = ClassifyOpen(OpenFlags(thread, call), target);
    if (verdict.kind == Verdict::Kind::kSuspect && target.beyond_limits) {
      verdict.error = EXDEV;
    }
    return verdict;
  }

  const int mode = IndexOf(call, Operand::kNodeMode);
  if (mode >= 0 && target.location != Location::kNowhere && !target.exists) {
    const uint32_t type = call.Unsigned(static_cast<size_t>(mode)) & S_IFMT;
    if (type == S_IFCHR || type == S_IFBLK) {
      return Suspect(Rule::kDevice, target.path, EPERM);
    }
  }
  switch (target.location) {
    case Location::kNowhere:
      return {};
    case Location::kWritable:
      // Neither can a file be moved from a place that is read-only to this one,
      // nor the other way round.
      if (kind == Operand::kEntry || kind == Operand::kReplacedEntry) {
        *predicted = EXDEV;
      }
      return {};
    case Location::kUnknown:
      return Suspect(Rule::kWrite, target.path, 0);
    case Location::kReadOnly:
      break;
  }
  const bool makes = kind == Operand::kNewEntry;
  if (makes == target.exists && kind != Operand::kReplacedEntry) return {};
  return Suspect(Rule::kWrite, target.path, EROFS);
}

Monitor::Verdict Monitor::ClassifyOpen(uint64_t flags,
                                       const PathTarget& target) {
  constexpr uint64_t kTmpfile = O_TMPFILE & ~O_DIRECTORY;
  if ((flags & O_PATH) != 0 || target.location == Location::kNowhere) return {};
  if (target.location == Location::kUnknown) {
    return Suspect(Rule::kWrite, target.path, 0);
  }
  const bool read_only = target.location == Location::kReadOnly;
  const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
  if (!target.exists) {
    if (!read_only || (flags & O_CREAT) == 0) return {};
    return Suspect(Rule::kWrite, target.path, EROFS);
  }
  if ((flags & kTmpfile) != 0) {
    return read_only ? Suspect(Rule::kWrite, target.path, EROFS) : Verdict();
  }
  if (!writes || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return {};
  switch (target.mode & S_IFMT) {
    case S_IFCHR:
    case S_IFBLK:
      if (target.devices) return {};
      return Suspect(Rule::kDevice, target.path, EACCES);
    case S_IFIFO:
      // Writing into it needs no writable mount.
      if (!read_only) return {};
      return Refuse(Rule::kFifo, target.path, EACCES);
    case S_IFREG:
      if (!read_only) return {};
      return IsMasked(target, S_IFIFO)
                 ? Suspect(Rule::kFifo, target.path, EACCES)
                 : Suspect(Rule::kWrite, target.path, EROFS);
    default:
      return {};
  }
}

Monitor::Verdict Monitor::ClassifyAddresses(const ThreadView& thread,
                                            const SyscallArgs& call) const {
  const bool binds = call.watched->verb == CallVerb::kBind;
  for (const SocketAddress& address : ReadAddresses(thread, call)) {
    if (address.family == AF_UNIX && address.local && !binds) {
      Verdict verdict = ClassifyAbstractName(address.text);
      if (verdict.kind != Verdict::Kind::kPass) return verdict;
    }
    if (address.local) continue;
    switch (address.family) {
      case AF_UNIX: {
        Verdict verdict = ClassifySocketPath(thread, binds, address.path);
        if (verdict.kind != Verdict::Kind::kPass) return verdict;
        break;
      }
      case AF_INET:
      case AF_INET6:
        // All interfaces are loopback, whoever hears it is inside.
        if (setup_.network == Network::kLoopback && address.group) break;
        if (setup_.network != Network::kHost) {
          Verdict verdict = ClassifyInternet(thread, call, address);
          if (verdict.kind != Verdict::Kind::kPass) return verdict;
        }
        break;
      default:
        break;
    }
  }
  return {};
}

Monitor::Verdict Monitor::ClassifyInternet(const ThreadView& thread,
                                           const SyscallArgs& call,
                                           const SocketAddress& address) {
  const bool binds = call.watched->verb == CallVerb::kBind;
  // Connecting it sends nothing.
  const bool is_datagram =
      call.watched->verb == CallVerb::kConnect &&
      absl::StartsWith(thread.SocketProtocol(call.Int(0)), "UDP");
  // A resolver asks for the way.
  if (is_datagram && address.port == 0) return {};
  Verdict verdict = Suspect(Rule::kNetwork, address.text,
                            binds ? EADDRNOTAVAIL : ENETUNREACH);
  verdict.sent_before = address.message;
  verdict.may_sort = is_datagram;
  return verdict;
}

Monitor::Verdict Monitor::ClassifySocketPath(const ThreadView& thread,
                                             bool binds,
                                             const std::string& path) const {
  const PathTarget target = thread.LookUp(AT_FDCWD, path, /*follow=*/!binds);
  if (target.location == Location::kUnknown && !binds) {
    return Refuse(Rule::kHostSocket, target.path, EACCES);
  }
  if (!binds && !target.exists) return ClassifyMissingSocket(thread, target);
  if (target.location != Location::kReadOnly || target.exists == binds) {
    return {};
  }
  if (binds) return Suspect(Rule::kWrite, target.path, EROFS);
  switch (target.mode & S_IFMT) {
    case S_IFSOCK:
      // It was made, or found its way here, after the others were masked.
      return Refuse(Rule::kHostSocket, target.path, ECONNREFUSED);
    case S_IFREG:
      return Suspect(Rule::kHostSocket, target.path,
                     IsMasked(target, S_IFSOCK) ? EACCES : ECONNREFUSED);
    default:
      return {};
  }
}

// What every program tries, it does without: not worth a word where there isn't
// even such a server.
bool Monitor::IsTriedByAll(const std::string& path) const {
  return absl::c_any_of(setup_.allowed, [&](const Allowed& allowed) {
    return allowed.rule == Rule::kHostSocket && Matches(path, allowed.target) &&
           absl::c_any_of(DefaultAllowed(), [&](const Allowed& one) {
             return one.rule == allowed.rule && one.target == allowed.target;
           });
  });
}

// A server inside can make its socket where there is room for it. Elsewhere,
// who tries it wants one of the host, which has it, or hasn't.
Monitor::Verdict Monitor::ClassifyMissingSocket(
    const ThreadView& thread, const PathTarget& target) const {
  std::string path = target.path;
  Location location = target.location;
  // The location of what there is on the way to it.
  for (std::string above = path;
       location == Location::kNowhere && above.size() > 1 && above[0] == '/';) {
    above = ParentOf(above);
    const PathTarget found = thread.LookUp(AT_FDCWD, above, /*follow=*/true);
    location = found.location;
    if (location == Location::kReadOnly) {
      path = absl::StrCat(found.path == "/" ? "" : found.path,
                          target.path.substr(above == "/" ? 0 : above.size()));
    }
  }
  const bool outside = location == Location::kReadOnly ||
                       (location == Location::kWritable &&
                        (IsWellKnownUnixName(path) || host_names_.Has(path)));
  return outside && !IsTriedByAll(path)
             ? Suspect(Rule::kHostSocket, path, ENOENT)
             : Verdict();
}

// `text` begins with '@'; a socket without a name has none.
Monitor::Verdict Monitor::ClassifyAbstractName(const std::string& text) const {
  if (text.empty() || setup_.network == Network::kHost) return {};
  const std::string name = absl::StrReplaceAll(text, {{kZero, "@"}});
  return IsWellKnownUnixName(name) || host_names_.Has(name)
             ? Suspect(Rule::kHostSocket, name, ECONNREFUSED)
             : Verdict();
}

Monitor::Verdict Monitor::ClassifyProcess(const ThreadView& thread,
                                          const SyscallArgs& call) const {
  const pid_t pid =
      call.Int(static_cast<size_t>(IndexOf(call, Operand::kProcess)));
  // -1 is everybody inside, 0 the own group.
  if (pid == 0 || pid == -1) return {};
  const bool group = pid < 0;
  if (!group && thread.Sees(pid)) return {};
  // A number that was given away inside is of a process that has ended.
  const pid_t last = setup_.last_pid();
  const pid_t number = group ? -pid : pid;
  if (number <= last || last == 0) return {};
  return Suspect(call.watched->rule,
                 absl::StrCat(group ? "process group " : "pid ", number),
                 ESRCH);
}

Monitor::Verdict Monitor::ClassifyPrivilege(const ThreadView& thread,
                                            const SyscallArgs& call) const {
  const int namespaces = IndexOf(call, Operand::kNewNamespaces);
  // Anybody may make a user namespace, and what is in it then.
  if (namespaces >= 0 &&
      (call.Unsigned(static_cast<size_t>(namespaces)) & CLONE_NEWUSER) != 0) {
    return {};
  }
  if (thread.ReadStatus().has_capabilities) return {};
  if (call.watched->when == When::kRawSocket) {
    constexpr uint32_t kTypes = 0xf;  // beside SOCK_CLOEXEC and the like
    if ((call.Unsigned(1) & kTypes) == SOCK_RAW) {
      return Suspect(Rule::kPrivilege, "SOCK_RAW", EPERM);
    }
    // It works in a network of one's own (ping_group_range).
    if (setup_.network != Network::kHost) return {};
    return Suspect(
        Rule::kPrivilege,
        call.Int(2) == IPPROTO_ICMP ? "IPPROTO_ICMP" : "IPPROTO_ICMPV6",
        EACCES);
  }
  const int timex = IndexOf(call, Operand::kTimex);
  if (timex >= 0) {
    // Nothing: it asks.
    uint32_t modes = 0;
    thread.Read(call.arguments[timex], &modes, sizeof(modes));
    if (modes == 0) return {};
  }
  const int path = IndexOf(call, Operand::kNamedPath);
  if (path >= 0) {
    const auto index = static_cast<size_t>(path);
    const bool relative =
        index > 0 && call.watched->operands[index - 1] == Operand::kDirectory;
    const absl::optional<std::string> text =
        thread.ReadString(call.arguments[index]);
    if (text.has_value() && !text->empty()) {
      return Suspect(Rule::kPrivilege,
                     thread
                         .LookUp(relative ? call.Int(index - 1) : AT_FDCWD,
                                 *text, /*follow=*/true)
                         .path,
                     EPERM);
    }
  }
  return Suspect(Rule::kPrivilege, NamedTarget(thread, call), EPERM);
}

// --- What comes of it --------------------------------------------------------

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
         (thread != nullptr && PidNamespaceOf(*thread) == one->space))) {
      return one->number;
    }
  }
  return kUnexpected;
}

std::vector<Violation>& Monitor::SeenBy(int number) {
  const auto found = absl::c_find_if(
      expected_, [&](const Expected& one) { return one.number == number; });
  return found == expected_.end() ? violations_ : found->seen;
}

bool Monitor::Count(const Key& key) {
  const int expects = std::get<int>(key);
  const auto known = known_.find(key);
  if (known != known_.end()) {
    ++SeenBy(expects)[known->second].count;
    return true;
  }
  if (SeenBy(expects).size() < kMaxViolations) return false;
  if (expects == kUnexpected) ++beyond_;
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
         use.second});
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
  if (!known && verdict.error == 0) ++unseen_;
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

// --- Notes of sandboxes inside
// ------------------------------------------------

void Monitor::ReplyValue(uint64_t id, int64_t value) const {
  alignas(seccomp_notif_resp) char
      buffer[sizeof(seccomp_notif_resp) + kRoomToGrow] = {};
  auto* const response = reinterpret_cast<seccomp_notif_resp*>(buffer);
  response->id = id;
  response->val = value;
  static_cast<void>(ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, response));
}

void Monitor::AnswerNote(const seccomp_notif& notification,
                         const ThreadView& thread, const SyscallArgs& call) {
  const absl::optional<std::string> path = thread.ReadString(call.arguments[1]);
  const absl::optional<Note> note =
      path.has_value() ? ParseNote(*path) : absl::nullopt;
  std::string space = PidNamespaceOf(thread);
  if (!StillWaits(notification.id)) return;
  absl::optional<int> answer;
  if (note.has_value() && !space.empty()) {
    answer = HandleNote(thread, *note, std::move(space));
  }
  if (answer.has_value()) {
    ReplyValue(notification.id, int64_t{kNoteAnswer} + *answer);
  } else {
    Reply(notification.id, {});
  }
}

absl::optional<int> Monitor::HandleNote(const ThreadView& thread,
                                        const Note& note, std::string space) {
  switch (note.kind) {
    case Note::Kind::kHello:
      if (note.text != HelloNote().text) return absl::nullopt;
      return 0;
    case Note::Kind::kTest: {
      DropEndedTests();
      UniqueFd process(sys::PidfdOpen(thread.tid()));
      if (!process.valid() || tests_.size() >= kMostTests) return absl::nullopt;
      tests_[std::move(space)] = {note.text, std::move(process)};
      return 0;
    }
    case Note::Kind::kBeginExpected: {
      const auto noted = absl::c_count_if(
          expected_, [](const Expected& one) { return !one.space.empty(); });
      if (static_cast<size_t>(noted) >= kMostNoted) return absl::nullopt;
      BeginExpected(note.rule, note.text);
      expected_.back().space = std::move(space);
      expected_.back().note = note.number;
      return 0;
    }
    case Note::Kind::kEndExpected:
      return CountExpected(space, note.number);
  }
  return absl::nullopt;
}

int Monitor::CountExpected(const std::string& space, int64_t note) {
  const auto ended = absl::c_find_if(expected_, [&](const Expected& one) {
    return one.space == space && one.note == note;
  });
  if (ended == expected_.end()) return 0;
  const auto test = tests_.find(space);
  std::tuple<Rule, std::string, std::string> use(
      ended->rule, ended->target,
      test == tests_.end() ? "" : test->second.name);
  uint64_t count = 0;
  for (const Violation& violation : EndExpected(ended->number)) {
    count += violation.count;
  }
  if (count > 0 &&
      (expected_uses_.size() < kMostNoted || expected_uses_.count(use) != 0)) {
    expected_uses_[std::move(use)] += count;
  }
  return static_cast<int>(std::min<uint64_t>(count, INT16_MAX));
}

void Monitor::DropEndedTests() {
  for (auto test = tests_.begin(); test != tests_.end();) {
    struct pollfd event = {test->second.process.get(), POLLIN, 0};
    if (poll(&event, 1, 0) == 0) {
      ++test;
      continue;
    }
    for (;;) {
      const auto left = absl::c_find_if(expected_, [&](const Expected& one) {
        return one.space == test->first;
      });
      if (left == expected_.end()) break;
      CountExpected(test->first, left->note);
    }
    test = tests_.erase(test);
  }
}

std::string Monitor::TestOf(const ThreadView& thread) const {
  if (tests_.empty()) return "";
  const auto test = tests_.find(PidNamespaceOf(thread));
  if (test == tests_.end()) return "";
  struct pollfd event = {test->second.process.get(), POLLIN, 0};
  return poll(&event, 1, 0) == 0 ? test->second.name : "";
}

// --- Names -------------------------------------------------------------------

bool Monitor::AsksForNames(const ThreadView& thread, const SyscallArgs& call) {
  if (call.watched->rule != Rule::kNetwork ||
      call.watched->verb == CallVerb::kBind) {
    return false;
  }
  return absl::c_any_of(
      ReadAddresses(thread, call), [](const SocketAddress& address) {
        return address.local && address.port == kNameServerPort;
      });
}

void Monitor::NoteAsker(const seccomp_notif& notification,
                        const ThreadView& thread, const SyscallArgs& call) {
  const std::string socket = thread.Link(absl::StrCat("fd/", call.Int(0)));
  Violation asker = Describe(thread, call);
  asker.program = thread.Link("exe");
  asker.test = TestOf(thread);
  if (!StillWaits(notification.id)) return;
  if (askers_.size() >= kMostAskers) askers_.erase(askers_.begin());
  const auto added = askers_.emplace(socket, std::move(asker));
  if (!added.second) {
    Reply(notification.id, {});
    return;
  }
  absl::optional<Stop> stop = StopBehind(notification, thread, {});
  const auto noted = askers_.find(socket);
  if (stop.has_value() && noted != askers_.end()) {
    noted->second.stack = std::move(stop->stack);
  }
}

namespace {

// The inode of the socket at a local port, as "socket:[4711]", from the tables
// of a network namespace (proc_pid_net(5)); empty if it is gone.
std::string SocketAt(int tables, bool tcp, int port) {
  const std::string wanted = absl::StrFormat(":%04X", port);
  for (const char* version : {"", "6"}) {
    std::ifstream table(absl::StrCat("/proc/self/fd/", tables, "/",
                                     tcp ? "tcp" : "udp", version));
    std::string line;
    std::getline(table, line);  // the headings
    while (std::getline(table, line)) {
      const std::vector<absl::string_view> words =
          absl::StrSplit(line, ' ', absl::SkipEmpty());
      constexpr size_t kLocalAddress = 1;
      constexpr size_t kInode = 9;
      if (words.size() > kInode && words[kInode] != "0" &&
          absl::EndsWith(words[kLocalAddress], wanted)) {
        return absl::StrCat("socket:[", words[kInode], "]");
      }
    }
  }
  return "";
}

}  // namespace

bool Monitor::IsCounted(pid_t asker, const Question& asked) {
  if (look_ups_.size() >= kMostAskers) look_ups_.clear();
  std::set<uint16_t>& types = look_ups_[{asker, asked.name}];
  const bool first = types.empty();
  if (types.insert(asked.type).second) return !first;
  types = {asked.type};  // it asks anew
  return false;
}

void Monitor::RecordName(const Question& asked, bool tcp, int port) {
  const std::string& name = asked.name;
  const auto asker = askers_.find(SocketAt(setup_.network_tables, tcp, port));
  if (IsCounted(asker == askers_.end() ? 0 : asker->second.pid, asked)) return;
  const Verdict verdict = Suspect(Rule::kName, name, 0);
  const int expects = WhoExpects(verdict, nullptr);
  if (expects == kUnexpected && IsAllowed(verdict)) return;
  Violation violation;
  if (asker != askers_.end()) {
    violation = asker->second;
  } else {
    violation.call = "sendto";
    violation.count = 1;
  }
  violation.first = absl::Now();
  violation.rule = Rule::kName;
  violation.target = name;
  Key key(Rule::kName, violation.call, name, violation.program, expects,
          violation.test);
  if (Count(key)) return;
  std::vector<Violation>& seen = SeenBy(expects);
  known_.emplace(std::move(key), seen.size());
  seen.push_back(std::move(violation));
}

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
    // It was killed meanwhile, and is its tracer's to bury.
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
      alignas(
          seccomp_notif) char buffer[sizeof(seccomp_notif) + kRoomToGrow] = {};
      auto* const notification = reinterpret_cast<seccomp_notif*>(buffer);
      if (Receive(notification)) Answer(*notification);
    }
  }
  stopping_ = false;
  return stopped;
}

}  // namespace encapsulate
