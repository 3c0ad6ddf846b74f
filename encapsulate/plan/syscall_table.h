// SPDX-License-Identifier: Apache-2.0
//
// The system calls by which code may reach out of a sandbox: one table for the
// filter that stops them (seccomp_filter.h) and for the monitor that reads them
// (decode.h).
#ifndef ENCAPSULATE_PLAN_SYSCALL_TABLE_H_
#define ENCAPSULATE_PLAN_SYSCALL_TABLE_H_

#include <fcntl.h>
#include <linux/audit.h>

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
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
  // The open(2) flags ask for more than reading (kWritingFlags).
  kWriting,
  // Any, but only if inputs are recorded: no rule is about them.
  kRecordingInputs,
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
  // One of kAttributeRequests.
  kSettingAttributes,
  // One of kTypingRequests.
  kTyping,
  // sendmsg(2), but for the one by which the filter's own listener is handed
  // over.
  kSending,
  // setsockopt(2) that joins a multicast group: IsJoin(). Only where no network
  // is the sandbox's own.
  kJoining,
};

// What a call does to its target, for words; kOther where the rule says it.
enum class CallVerb : uint8_t {
  kOther,
  kOpen,
  kCreate,
  kMakeDirectory,
  kMakeNode,
  kRemove,
  kRemoveDirectory,
  kRename,
  kLink,
  kSymlink,
  kChangeMode,
  kChangeOwner,
  kChangeTimes,
  kTruncate,
  kChangeAttributes,
  kConnect,
  kBind,
  kSend,
  kJoin,
  kMount,
  kExecute,
  kReadLink,
  kList,
};

// The flags of open(2) with which it may change something. Not
// __O_TMPFILE | O_DIRECTORY: a directory may be opened for reading.
inline constexpr uint32_t kWritingFlags =
    O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);

// What an argument is.
enum class Operand : uint8_t {
  kNone,  // there are no more
  // --- Files ---
  kDirectory,        // that the path in the next argument is relative to
  kOtherDirectory,   // the same, of a path that isn't the target
  kPath,             // whose file is the target
  kLinkPath,         // the same, but of a link it is the link itself
  kEntry,            // a path whose directory entry is the target
  kNewEntry,         // a path whose directory entry is to be made
  kReplacedEntry,    // a path whose directory entry is to be made or replaced
  kNamedPath,        // the target, but for what it names only
  kDescriptor,       // whose file is the target
  kOtherDescriptor,  // that isn't the target
  kOpenFlags,        // open(2)'s
  kOpenHow,          // openat2(2)'s struct
  kMode,             // of open(2) only if it makes something
  kNodeMode,         // mknod(2)'s
  kNodeDevice,       // mknod(2)'s
  kAtFlags,
  kUnlinkFlags,
  kRenameFlags,
  // --- Sockets ---
  kAddress,   // as long as the next argument says
  kMessage,   // a msghdr
  kMessages,  // so many of them as the next argument says
  kSendFlags,
  kFamily,
  kSocketType,
  // --- Processes ---
  kProcess,  // or thread
  kSignal,
  kTraceRequest,
  kNewNamespaces,  // unshare(2)'s
  kNamespaceType,  // setns(2)'s
  // --- Anything else ---
  kClock,
  kTimex,  // a struct timex, whose first word says what to set
  kKeyOperation,
  kIoctlRequest,
  kString,
  kBytes,  // as many as the next argument says
  kNumber,
  kHex,
  kSize,
  kPointer,  // where to doesn't matter
};

inline constexpr int kMostOperands = 6;
inline constexpr int kCallItself = -1;

struct WatchedCall {
  const char* name;
  int native;  // its number, or -1
  int compat;
  Rule rule;
  CallVerb verb;
  Operand operands[kMostOperands + 1];
  // The operand that a report names, or kCallItself. Of calls about files,
  // addresses and processes the operands themselves tell.
  int target = kCallItself;
  When when = When::kAlways;
  int argument = 0;  // that `when` is about
  // If not 0, the filter refuses the call with this errno whether it is watched
  // or not.
  int denied = 0;

  // The first operand of that kind, or -1.
  int IndexOf(Operand operand) const;
};

extern const WatchedCall kWatchedCalls[];
extern const size_t kWatchedCallCount;

// ioctl(2) requests that type into the caller's terminal (ioctl_tty(2),
// ioctl_console(2)), and those that change a file's attributes
// (ioctl_iflags(2)).
extern const uint32_t kTypingRequests[2];
extern const uint32_t kAttributeRequests[5];

// The options of setsockopt(2) that join a multicast group (ip(7), ipv6(7),
// netinet/in.h), at level IPPROTO_IP and IPPROTO_IPV6.
extern const uint32_t kJoinOptions[4];
extern const uint32_t kJoinOptionsOfIpv6[3];

// What i386's socketcall(2) does by its first argument (linux/net.h), as far as
// it is watched.
struct Socketcall {
  uint32_t number;
  const char* name;  // of the call that it stands for
  size_t arguments;

  bool MakesSocket() const;
};

extern const Socketcall kSocketcalls[7];

// Null if it isn't watched.
const Socketcall* FindSocketcall(uint32_t number);

// The entry that the filter stopped a call for; null if there is none. A number
// may have several, which differ in `when`; the six arguments tell them apart.
const WatchedCall* FindWatchedCall(uint32_t arch, int number,
                                   const uint64_t* arguments);

// Whether the filter hands the call over only because inputs are recorded
// (Options::inputs): as far as registers tell, it changes nothing.
bool IsOnlyInput(const WatchedCall& call, const uint64_t* arguments);

// The first entry of that name; null if there is none.
const WatchedCall* FindWatchedCall(absl::string_view name);

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_SYSCALL_TABLE_H_
