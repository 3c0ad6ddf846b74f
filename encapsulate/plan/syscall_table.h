// The system calls by which code may reach out of a sandbox: one table for the
// filter that stops them (seccomp_filter.h) and for the monitor that reads them
// (decode.h).
#ifndef ENCAPSULATE_PLAN_SYSCALL_TABLE_H_
#define ENCAPSULATE_PLAN_SYSCALL_TABLE_H_

#include <linux/audit.h>

#include <cstddef>
#include <cstdint>

#include "encapsulate/violations.h"

namespace encapsulate {

// The machine's own calling convention, and that of its 32-bit programs.
#if defined(__x86_64__)
inline constexpr uint32_t kNativeArch = AUDIT_ARCH_X86_64;
inline constexpr uint32_t kCompatArch = AUDIT_ARCH_I386;
#elif defined(__aarch64__)
inline constexpr uint32_t kNativeArch = AUDIT_ARCH_AARCH64;
inline constexpr uint32_t kCompatArch = AUDIT_ARCH_ARM;
#else
#error "the system call numbers of this architecture are not known"
#endif

// Set in the number of every x32 call. None is allowed.
inline constexpr uint32_t kX32Bit = 0x40000000;

// Which calls under a number are meant, as far as a filter can see: it has the
// arguments, not what they point to.
enum class When : uint8_t {
  kAlways,
  // The open(2) flags ask for more than reading.
  kWriting,
  // The argument isn't 0: a pointer is given, something is turned on.
  kGiven,
  // One of the namespaces of clone(2) and unshare(2).
  kNamespaces,
  // OPEN_TREE_CLONE.
  kCloning,
  // PTRACE_ATTACH or PTRACE_SEIZE.
  kAttaching,
  // A socket family that no network namespace isolates.
  kForeignFamily,
  // A socket of the Internet's families that is raw, or for ICMP.
  kRawSocket,
  // socketcall(2): a new socket, whose family is in memory.
  kSocketcallSocket,
  // socketcall(2): what has an address.
  kSocketcallAddress,
  // TIOCSTI or TIOCLINUX: both type into the caller's terminal (ioctl_tty(2),
  // ioctl_console(2)).
  kTyping,
  // sendmsg(2), but for the one by which the filter's own listener is handed
  // over.
  kSending,
};

struct WatchedCall {
  const char* name;
  int native;  // its number, or -1
  int compat;
  Rule rule;
  // What its arguments are, a letter each; see decode.cc.
  const char* operands;
  When when = When::kAlways;
  int argument = 0;  // that `when` is about
  // If not 0, the filter refuses the call with this errno whether it is watched
  // or not.
  int denied = 0;
};

extern const WatchedCall kWatchedCalls[];
extern const size_t kWatchedCallCount;

// The entry that the filter stopped a call for; null if there is none. A number
// may have several, which differ in `when`. `first_argument` tells socket's and
// socketcall's apart.
const WatchedCall* FindWatchedCall(uint32_t arch, int number,
                                   uint64_t first_argument);

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_SYSCALL_TABLE_H_
