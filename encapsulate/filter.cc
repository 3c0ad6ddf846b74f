#include "encapsulate/filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "encapsulate/watched_calls.h"

namespace encapsulate {
namespace {

constexpr uint32_t Errno(int error) {
  return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error);
}

// Where the low half of an argument is: both supported machines are little
// endian. The kernel itself looks at no more of a socket family, an ioctl
// request, open flags or a socketcall number.
constexpr size_t Argument(int number) {
  return offsetof(seccomp_data, args) +
         static_cast<size_t>(number) * sizeof(uint64_t);
}

// A piece of a program that ends in a return, or that the next one follows.
class Piece {
 public:
  void Load(size_t offset) {
    Add(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
  }
  void Return(uint32_t action) { Add(BPF_RET | BPF_K, action); }

  // if (accumulator == value) return action;
  void ReturnIf(uint32_t value, uint32_t action) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    Return(action);
  }
  // if ((accumulator & bits) != 0) return action;
  void ReturnIfAny(uint32_t bits, uint32_t action) {
    Add(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    Return(action);
  }
  // if (accumulator >= value) return action;
  void ReturnFrom(uint32_t value, uint32_t action) {
    Add(BPF_JMP | BPF_JGE | BPF_K, value, 0, 1);
    Return(action);
  }
  // if (all 64 bits of the argument are `value`) { piece }
  void IfArgument(int number, uint64_t value, const Piece& piece) {
    Load(Argument(number));
    Piece high;
    high.Load(Argument(number) + sizeof(uint32_t));
    high.If(static_cast<uint32_t>(value >> 32), piece);
    If(static_cast<uint32_t>(value), high);
  }
  // if (accumulator == value) { piece }
  void If(uint32_t value, const Piece& piece) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
    Skip(piece);
  }
  // if (accumulator < value) { piece }
  void IfBelow(uint32_t value, const Piece& piece) {
    Add(BPF_JMP | BPF_JGE | BPF_K, value, 0, 1);
    Skip(piece);
  }
  void Append(const Piece& piece) {
    code_.insert(code_.end(), piece.code_.begin(), piece.code_.end());
  }

  const FilterProgram& code() const { return code_; }

 private:
  void Add(unsigned code, uint32_t k, uint8_t jt = 0, uint8_t jf = 0) {
    code_.push_back({static_cast<uint16_t>(code), jt, jf, k});
  }

  // Conditional jumps reach no further than 255 instructions.
  void Skip(const Piece& piece) {
    Add(BPF_JMP | BPF_JA, static_cast<uint32_t>(piece.code_.size()));
    Append(piece);
  }

  FilterProgram code_;
};

// Numbers of the calls that concern RLIMIT_CORE.
struct CoreCalls {
  int setrlimit;
  int prlimit;
};

#if defined(__x86_64__)
constexpr CoreCalls kNativeCore = {SYS_setrlimit, SYS_prlimit64};
constexpr CoreCalls kCompatCore = {75, 340};
#else
constexpr CoreCalls kNativeCore = {SYS_setrlimit, SYS_prlimit64};
constexpr CoreCalls kCompatCore = {75, 369};
#endif

// Keeps RLIMIT_CORE at kNoCore: setting it does nothing, and says that all is
// well, because programs that handle secrets insist on it.
constexpr uint32_t kPretend = SECCOMP_RET_ERRNO;  // errno 0: returns 0

Piece KeepCoreBySetrlimit() {
  Piece piece;
  piece.Load(Argument(0));
  piece.ReturnIf(RLIMIT_CORE, kPretend);
  piece.Return(SECCOMP_RET_ALLOW);
  return piece;
}

Piece KeepCoreByPrlimit() {
  Piece allow;
  allow.Return(SECCOMP_RET_ALLOW);
  Piece pretend;
  pretend.Return(kPretend);
  Piece core;
  core.IfArgument(2, 0, allow);  // it only asks
  core.IfArgument(3, 0, pretend);
  core.Return(Errno(EPERM));
  Piece piece;
  piece.Load(Argument(1));
  piece.If(RLIMIT_CORE, core);
  piece.Return(SECCOMP_RET_ALLOW);
  return piece;
}

// `action` if the call is meant, as far as its arguments tell; else goes on.
Piece Decide(const WatchedCall& call, uint32_t action) {
  Piece piece;
  const size_t low = Argument(call.argument);
  Piece allow;
  allow.Return(SECCOMP_RET_ALLOW);
  switch (call.when) {
    case When::kAlways:
      piece.Return(action);
      break;
    case When::kWriting: {
      // Not __O_TMPFILE | O_DIRECTORY: a directory may be opened for reading.
      constexpr uint32_t kTmpfile = O_TMPFILE & ~O_DIRECTORY;
      piece.Load(low);
      piece.ReturnIfAny(O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | kTmpfile,
                        action);
      break;
    }
    case When::kGiven:
      piece.IfArgument(call.argument, 0, allow);
      piece.Return(action);
      break;
    case When::kNamespaces: {
      // CLONE_NEWTIME shares a bit with clone(2)'s exit signal.
      uint32_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                            CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                            CLONE_NEWNET;
      piece.Load(low);
      piece.ReturnIfAny(namespaces, action);
      break;
    }
    case When::kCloning:
      piece.Load(low);
      piece.ReturnIfAny(1, action);  // OPEN_TREE_CLONE
      break;
    case When::kAttaching:
      piece.Load(low);
      piece.ReturnIf(PTRACE_ATTACH, action);
      piece.ReturnIf(PTRACE_SEIZE, action);
      break;
    case When::kForeignFamily:
      piece.Load(low);
      for (uint32_t family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
        piece.ReturnIf(family, SECCOMP_RET_ALLOW);
      }
      piece.Return(action);
      break;
    case When::kSocketcallSocket:
      piece.Load(low);
      for (uint32_t number : {1, 8}) {  // SYS_SOCKET, SYS_SOCKETPAIR
        piece.ReturnIf(number, action);
      }
      break;
    case When::kSocketcallAddress:
      piece.Load(low);
      // SYS_BIND, SYS_CONNECT, SYS_SENDTO, SYS_SENDMSG, SYS_SENDMMSG
      for (uint32_t number : {2, 3, 11, 16, 20}) {
        piece.ReturnIf(number, action);
      }
      break;
    case When::kTyping:
      piece.Load(low);
      piece.ReturnIf(TIOCSTI, action);
      piece.ReturnIf(TIOCLINUX, action);
      break;
    case When::kSending: {
      Piece handover;
      handover.Load(Argument(2));
      handover.ReturnIf(kHandoverFlags, SECCOMP_RET_ALLOW);
      piece.IfArgument(call.argument,
                       reinterpret_cast<uint64_t>(HandoverHeader()), handover);
      piece.Return(action);
      break;
    }
  }
  return piece;
}

// Finds the call's number, which is loaded, among those from `first` on.
using Calls = std::vector<std::pair<uint32_t, Piece>>;

Piece Search(const Calls& calls, size_t first, size_t count) {
  constexpr size_t kFew = 4;
  Piece piece;
  if (count > kFew) {
    const size_t half = count / 2;
    piece.IfBelow(calls[first + half].first, Search(calls, first, half));
    piece.Append(Search(calls, first + half, count - half));
    return piece;
  }
  for (size_t i = first; i < first + count; ++i) {
    piece.If(calls[i].first, calls[i].second);
  }
  piece.Return(SECCOMP_RET_ALLOW);
  return piece;
}

// All calls of one of the machine's calling conventions (seccomp(2): a filter
// that knows only one is no filter).
Piece FilterConvention(uint32_t arch, bool watch, bool no_core) {
  std::map<uint32_t, Piece> calls;
  for (size_t i = 0; i < kWatchedCallCount; ++i) {
    const WatchedCall& call = kWatchedCalls[i];
    const int number = arch == kNativeArch ? call.native : call.compat;
    if (number < 0 || (!watch && call.denied == 0)) continue;
    calls[static_cast<uint32_t>(number)].Append(Decide(
        call, watch ? uint32_t{SECCOMP_RET_USER_NOTIF} : Errno(call.denied)));
  }
  for (auto& call : calls) call.second.Return(SECCOMP_RET_ALLOW);
  if (no_core) {
    const CoreCalls& core = arch == kNativeArch ? kNativeCore : kCompatCore;
    calls[static_cast<uint32_t>(core.setrlimit)] = KeepCoreBySetrlimit();
    calls[static_cast<uint32_t>(core.prlimit)] = KeepCoreByPrlimit();
  }
  Piece piece;
  piece.Load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
  if (arch == kNativeArch) {
    piece.ReturnFrom(kX32Bit,
                     watch ? uint32_t{SECCOMP_RET_USER_NOTIF} : Errno(ENOSYS));
  }
#endif
  const Calls sorted(calls.begin(), calls.end());
  piece.Append(Search(sorted, 0, sorted.size()));
  return piece;
}

FilterProgram MakeFilter(bool watch, bool no_core) {
  Piece piece;
  piece.Load(offsetof(seccomp_data, arch));
  for (uint32_t arch : {kNativeArch, kCompatArch}) {
    piece.If(arch, FilterConvention(arch, watch, no_core));
  }
  piece.Return(Errno(ENOSYS));  // another convention: nothing is known of it
  return piece.code();
}

}  // namespace

const FilterProgram& GetFilter(bool watch, bool no_core) {
  if (!watch && no_core) {
    static const auto* const usual = new FilterProgram(MakeFilter(false, true));
    return *usual;
  }
  if (!watch) {
    static const auto* const core = new FilterProgram(MakeFilter(false, false));
    return *core;
  }
  if (no_core) {
    static const auto* const watched =
        new FilterProgram(MakeFilter(true, true));
    return *watched;
  }
  static const auto* const both = new FilterProgram(MakeFilter(true, false));
  return *both;
}

msghdr* HandoverHeader() {
  static msghdr header;
  return &header;
}

}  // namespace encapsulate
