// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/monitor/classify.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/base/paths.h"

namespace encapsulate {
namespace {

using Location = PathTarget::Location;

constexpr absl::string_view kZero("\0", 1);

// The index of the operand of that kind, or -1.
int IndexOf(const SyscallArgs& call, Operand operand) {
  return call.watched->IndexOf(operand);
}

// Whether ReadPath() has something to say of it.
bool NamesFile(Operand operand) {
  switch (operand) {
    case Operand::kPath:
    case Operand::kLinkPath:
    case Operand::kEntry:
    case Operand::kNewEntry:
    case Operand::kReplacedEntry:
    case Operand::kDescriptor:
      return true;
    default:
      return false;
  }
}

// What a report of a call about neither files, addresses nor processes names.
std::string NamedTarget(const ThreadView& thread, const SyscallArgs& call) {
  const int target = call.watched->target;
  return target == kCallItself
             ? call.watched->name
             : FormatOperand(thread, call, static_cast<size_t>(target));
}

// Where the sandbox shows an empty file, the host has a socket or a FIFO.
bool IsMasked(const PathTarget& target, mode_t type) {
  struct stat info;
  return lstat(target.path.c_str(), &info) == 0 &&
         (info.st_mode & S_IFMT) == type;
}

}  // namespace

Verdict Classifier::Classify(const ThreadView& thread,
                             const SyscallArgs& call) const {
  if (call.watched->when == When::kRecordingInputs) return {};
  if (call.watched->denied != 0) {
    const bool leaving = IndexOf(call, Operand::kKeyOperation) == 0 &&
                         call.Int(0) == KEYCTL_JOIN_SESSION_KEYRING;
    return Verdict::Refuse(
        call.watched->rule,
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

// Of two paths that are outside, the first counts, unless an exception is about
// it: that says nothing of the other.
Verdict Classifier::ClassifyFiles(const ThreadView& thread,
                                  const SyscallArgs& call) const {
  int predicted = EROFS;
  Verdict found;
  bool is_one = true;
  for (size_t i = 0; call.watched->operands[i] != Operand::kNone; ++i) {
    if (!NamesFile(call.watched->operands[i])) continue;
    PathTarget target;
    Verdict verdict = ClassifyFile(thread, call, i, &predicted, &target);
    is_one &= found.device == 0 || found.device == target.device;
    found.device = is_one ? target.device : 0;
    if (verdict.kind == Verdict::Kind::kPass) continue;
    if (found.kind == Verdict::Kind::kPass || IsAllowed(found)) {
      found = std::move(verdict);
    }
  }
  if (found.error == EROFS) found.error = predicted;
  return found;
}

bool Classifier::IsAllowed(const Verdict& verdict) const {
  return absl::c_any_of(allowed_, [&](const Allowed& allowed) {
    return allowed.rule == verdict.rule &&
           Matches(verdict.target, allowed.target);
  });
}

bool Classifier::FindTarget(const ThreadView& thread, const SyscallArgs& call,
                            size_t operand, PathTarget* target) {
  const absl::optional<PathOperand> path = ReadPath(thread, call, operand);
  if (!path.has_value()) return false;
  *target = path->text.empty()
                ? thread.LookUp(path->directory)
                : thread.LookUp(path->directory, path->text, path->last,
                                ResolveFlags(thread, call));
  return true;
}

Verdict Classifier::ClassifyFile(const ThreadView& thread,
                                 const SyscallArgs& call, size_t operand,
                                 int* predicted, PathTarget* found) {
  const Operand kind = call.watched->operands[operand];
  PathTarget& target = *found;
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
      return Verdict::Suspect(Rule::kDevice, target.path, EPERM);
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
      return Verdict::Suspect(Rule::kWrite, target.path, 0);
    case Location::kReadOnly:
      break;
  }
  const bool makes = kind == Operand::kNewEntry;
  if (makes == target.exists && kind != Operand::kReplacedEntry) return {};
  return Verdict::Suspect(Rule::kWrite, target.path, EROFS);
}

Verdict Classifier::ClassifyOpen(uint64_t flags, const PathTarget& target) {
  constexpr uint64_t kTmpfile = O_TMPFILE & ~O_DIRECTORY;
  if ((flags & O_PATH) != 0 || target.location == Location::kNowhere) return {};
  if (target.location == Location::kUnknown) {
    return Verdict::Suspect(Rule::kWrite, target.path, 0);
  }
  const bool read_only = target.location == Location::kReadOnly;
  const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
  if (!target.exists) {
    if (!read_only || (flags & O_CREAT) == 0) return {};
    return Verdict::Suspect(Rule::kWrite, target.path, EROFS);
  }
  if ((flags & kTmpfile) != 0) {
    return read_only ? Verdict::Suspect(Rule::kWrite, target.path, EROFS)
                     : Verdict();
  }
  if (!writes || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return {};
  switch (target.mode & S_IFMT) {
    case S_IFCHR:
    case S_IFBLK:
      if (target.devices) return {};
      return Verdict::Suspect(Rule::kDevice, target.path, EACCES);
    case S_IFIFO:
      // Writing into it needs no writable mount.
      if (!read_only) return {};
      return Verdict::Refuse(Rule::kFifo, target.path, EACCES);
    case S_IFREG:
      if (!read_only) return {};
      return IsMasked(target, S_IFIFO)
                 ? Verdict::Suspect(Rule::kFifo, target.path, EACCES)
                 : Verdict::Suspect(Rule::kWrite, target.path, EROFS);
    default:
      return {};
  }
}

Verdict Classifier::ClassifyAddresses(const ThreadView& thread,
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
        if (network_ == Network::kLoopback && address.group) break;
        if (network_ != Network::kHost) {
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

Verdict Classifier::ClassifyInternet(const ThreadView& thread,
                                     const SyscallArgs& call,
                                     const SocketAddress& address) {
  const bool binds = call.watched->verb == CallVerb::kBind;
  // Connecting it sends nothing.
  const bool is_datagram =
      call.watched->verb == CallVerb::kConnect &&
      absl::StartsWith(thread.SocketProtocol(call.Int(0)), "UDP");
  // A resolver asks for the way.
  if (is_datagram && address.port == 0) return {};
  Verdict verdict = Verdict::Suspect(Rule::kNetwork, address.text,
                                     binds ? EADDRNOTAVAIL : ENETUNREACH);
  verdict.sent_before = address.message;
  verdict.may_sort = is_datagram;
  return verdict;
}

Verdict Classifier::ClassifySocketPath(const ThreadView& thread, bool binds,
                                       const std::string& path) const {
  const PathTarget target = thread.LookUp(AT_FDCWD, path, /*follow=*/!binds);
  if (target.location == Location::kUnknown && !binds) {
    return Verdict::Refuse(Rule::kHostSocket, target.path, EACCES);
  }
  if (!binds && !target.exists) return ClassifyMissingSocket(thread, target);
  if (target.location != Location::kReadOnly || target.exists == binds) {
    return {};
  }
  if (binds) return Verdict::Suspect(Rule::kWrite, target.path, EROFS);
  switch (target.mode & S_IFMT) {
    case S_IFSOCK:
      // It was made, or found its way here, after the others were masked.
      return Verdict::Refuse(Rule::kHostSocket, target.path, ECONNREFUSED);
    case S_IFREG:
      return Verdict::Suspect(
          Rule::kHostSocket, target.path,
          IsMasked(target, S_IFSOCK) ? EACCES : ECONNREFUSED);
    default:
      return {};
  }
}

// What every program tries and does without isn't recorded where there isn't
// even such a server.
bool Classifier::IsTriedByAll(const std::string& path) const {
  return absl::c_any_of(allowed_, [&](const Allowed& allowed) {
    return allowed.rule == Rule::kHostSocket && Matches(path, allowed.target) &&
           absl::c_any_of(DefaultAllowed(), [&](const Allowed& one) {
             return one.rule == allowed.rule && one.target == allowed.target;
           });
  });
}

// A server inside can make its socket where there is room for it. Elsewhere,
// who tries it wants one of the host, which has it, or hasn't.
Verdict Classifier::ClassifyMissingSocket(const ThreadView& thread,
                                          const PathTarget& target) const {
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
             ? Verdict::Suspect(Rule::kHostSocket, path, ENOENT)
             : Verdict();
}

// `text` begins with '@'; a socket without a name has none.
Verdict Classifier::ClassifyAbstractName(const std::string& text) const {
  if (text.empty() || network_ == Network::kHost) return {};
  const std::string name = absl::StrReplaceAll(text, {{kZero, "@"}});
  return IsWellKnownUnixName(name) || host_names_.Has(name)
             ? Verdict::Suspect(Rule::kHostSocket, name, ECONNREFUSED)
             : Verdict();
}

Verdict Classifier::ClassifyProcess(const ThreadView& thread,
                                    const SyscallArgs& call) const {
  const pid_t pid =
      call.Int(static_cast<size_t>(IndexOf(call, Operand::kProcess)));
  // -1 is everybody inside, 0 the own group.
  if (pid == 0 || pid == -1) return {};
  const bool group = pid < 0;
  if (!group && thread.Sees(pid)) return {};
  if (places_ != nullptr) return ClassifyOutside(call, pid);
  // A number that was given away inside is of a process that has ended.
  const pid_t last = last_pid_();
  const pid_t number = group ? -pid : pid;
  if (number <= last || last == 0) return {};
  return Verdict::Suspect(
      call.watched->rule,
      absl::StrCat(group ? "process group " : "pid ", number), ESRCH);
}

// Of processes that share their numbers with the host's.
Verdict Classifier::ClassifyOutside(const SyscallArgs& call, pid_t pid) {
  // Who isn't there is nobody's.
  if (kill(pid, 0) != 0 && errno == ESRCH) return {};
  return Verdict::Suspect(call.watched->rule,
                          pid < 0 ? absl::StrCat("process group ", -pid)
                                  : absl::StrCat("pid ", pid),
                          EPERM);
}

Verdict Classifier::ClassifyPrivilege(const ThreadView& thread,
                                      const SyscallArgs& call) const {
  const int namespaces = IndexOf(call, Operand::kNewNamespaces);
  // Anybody may make a user namespace, and what is in it then. Where Landlock
  // is the wall, nothing is mounted in one.
  if (namespaces >= 0 && places_ == nullptr &&
      (call.Unsigned(static_cast<size_t>(namespaces)) & CLONE_NEWUSER) != 0) {
    return {};
  }
  if (thread.ReadStatus().has_capabilities) return {};
  if (call.watched->when == When::kRawSocket) {
    constexpr uint32_t kTypes = 0xf;  // beside SOCK_CLOEXEC and the like
    if ((call.Unsigned(1) & kTypes) == SOCK_RAW) {
      return Verdict::Suspect(Rule::kPrivilege, "SOCK_RAW", EPERM);
    }
    // It works in a network of one's own (ping_group_range).
    if (network_ != Network::kHost) return {};
    return Verdict::Suspect(
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
      return Verdict::Suspect(
          Rule::kPrivilege,
          thread
              .LookUp(relative ? call.Int(index - 1) : AT_FDCWD, *text,
                      /*follow=*/true)
              .path,
          EPERM);
    }
  }
  return Verdict::Suspect(Rule::kPrivilege, NamedTarget(thread, call), EPERM);
}

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

}  // namespace encapsulate
