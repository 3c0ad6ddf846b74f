// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/plan/syscall_table.h"

#include <linux/fs.h>
#include <linux/net.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>

namespace encapsulate {
namespace {

// Numbers of 32-bit programs: i386's and Arm's.
#if defined(__x86_64__)
constexpr int Compat(int i386, int) { return i386; }
#define ENCAPSULATE_OLD(name) SYS_##name
#else
constexpr int Compat(int, int arm) { return arm; }
// Calls that came before aarch64 and that it never had.
#define ENCAPSULATE_OLD(name) (-1)
#endif

// The same on every architecture, and newer than some headers.
constexpr int kIoUringSetup = 425;
constexpr int kIoUringEnter = 426;
constexpr int kIoUringRegister = 427;
constexpr int kOpenTree = 428;
constexpr int kMoveMount = 429;
constexpr int kFsopen = 430;
constexpr int kFspick = 433;
constexpr int kPidfdOpen = 434;
constexpr int kOpenat2 = 437;
constexpr int kMountSetattr = 442;
constexpr int kQuotactlFd = 443;
constexpr int kFchmodat2 = 452;
constexpr int kSetxattrat = 463;
constexpr int kRemovexattrat = 466;
constexpr int kOpenTreeAttr = 467;
constexpr int kFileSetattr = 469;

template <size_t kSize>
bool IsOneOf(const uint32_t (&list)[kSize], uint32_t value) {
  for (uint32_t one : list) {
    if (one == value) return true;
  }
  return false;
}

}  // namespace

const uint32_t kTypingRequests[2] = {TIOCSTI, TIOCLINUX};

// FS_IOC_SETFLAGS and FS_IOC_SETVERSION have a number of 32-bit programs, too.
const uint32_t kAttributeRequests[5] = {
    static_cast<uint32_t>(FS_IOC_SETFLAGS),
    static_cast<uint32_t>(FS_IOC32_SETFLAGS),
    static_cast<uint32_t>(FS_IOC_SETVERSION),
    static_cast<uint32_t>(FS_IOC32_SETVERSION),
    static_cast<uint32_t>(FS_IOC_FSSETXATTR)};

const uint32_t kJoinOptions[4] = {IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP,
                                  MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP};
const uint32_t kJoinOptionsOfIpv6[3] = {IPV6_JOIN_GROUP, MCAST_JOIN_GROUP,
                                        MCAST_JOIN_SOURCE_GROUP};

using O = Operand;
using V = CallVerb;

// A field a line would make ten pages of it.
// clang-format off
const WatchedCall kWatchedCalls[] = {
    // --- Files ---
    {"open", ENCAPSULATE_OLD(open), 5, Rule::kWrite, V::kOpen, {O::kPath,
     O::kOpenFlags, O::kMode}, kCallItself, When::kWriting, 1},
    {"creat", ENCAPSULATE_OLD(creat), 8, Rule::kWrite, V::kCreate, {O::kPath,
     O::kMode}},
    {"openat", SYS_openat, Compat(295, 322), Rule::kWrite, V::kOpen,
     {O::kDirectory, O::kPath, O::kOpenFlags, O::kMode}, kCallItself,
     When::kWriting, 2},
    {"openat2", kOpenat2, kOpenat2, Rule::kWrite, V::kOpen, {O::kDirectory,
     O::kPath, O::kOpenHow, O::kSize}},
    {"mkdir", ENCAPSULATE_OLD(mkdir), 39, Rule::kWrite, V::kMakeDirectory,
     {O::kNewEntry, O::kMode}},
    {"mkdirat", SYS_mkdirat, Compat(296, 323), Rule::kWrite, V::kMakeDirectory,
     {O::kDirectory, O::kNewEntry, O::kMode}},
    {"mknod", ENCAPSULATE_OLD(mknod), 14, Rule::kWrite, V::kMakeNode,
     {O::kNewEntry, O::kNodeMode, O::kNodeDevice}},
    {"mknodat", SYS_mknodat, Compat(297, 324), Rule::kWrite, V::kMakeNode,
     {O::kDirectory, O::kNewEntry, O::kNodeMode, O::kNodeDevice}},
    {"unlink", ENCAPSULATE_OLD(unlink), 10, Rule::kWrite, V::kRemove,
     {O::kEntry}},
    {"unlinkat", SYS_unlinkat, Compat(301, 328), Rule::kWrite, V::kRemove,
     {O::kDirectory, O::kEntry, O::kUnlinkFlags}},
    {"rmdir", ENCAPSULATE_OLD(rmdir), 40, Rule::kWrite, V::kRemoveDirectory,
     {O::kEntry}},
    {"rename", ENCAPSULATE_OLD(rename), 38, Rule::kWrite, V::kRename,
     {O::kEntry, O::kReplacedEntry}},
    {"renameat", SYS_renameat, Compat(302, 329), Rule::kWrite, V::kRename,
     {O::kDirectory, O::kEntry, O::kDirectory, O::kReplacedEntry}},
    {"renameat2", SYS_renameat2, Compat(353, 382), Rule::kWrite, V::kRename,
     {O::kDirectory, O::kEntry, O::kDirectory, O::kReplacedEntry,
     O::kRenameFlags}},
    {"link", ENCAPSULATE_OLD(link), 9, Rule::kWrite, V::kLink, {O::kString,
     O::kNewEntry}},
    {"linkat", SYS_linkat, Compat(303, 330), Rule::kWrite, V::kLink,
     {O::kOtherDirectory, O::kString, O::kDirectory, O::kNewEntry,
     O::kAtFlags}},
    {"symlink", ENCAPSULATE_OLD(symlink), 83, Rule::kWrite, V::kSymlink,
     {O::kString, O::kNewEntry}},
    {"symlinkat", SYS_symlinkat, Compat(304, 331), Rule::kWrite, V::kSymlink,
     {O::kString, O::kDirectory, O::kNewEntry}},
    {"chmod", ENCAPSULATE_OLD(chmod), 15, Rule::kWrite, V::kChangeMode,
     {O::kPath, O::kMode}},
    {"fchmod", SYS_fchmod, 94, Rule::kWrite, V::kChangeMode, {O::kDescriptor,
     O::kMode}},
    {"fchmodat", SYS_fchmodat, Compat(306, 333), Rule::kWrite, V::kChangeMode,
     {O::kDirectory, O::kPath, O::kMode}},
    {"fchmodat2", kFchmodat2, kFchmodat2, Rule::kWrite, V::kChangeMode,
     {O::kDirectory, O::kPath, O::kMode, O::kAtFlags}},
    {"chown", ENCAPSULATE_OLD(chown), 182, Rule::kWrite, V::kChangeOwner,
     {O::kPath, O::kNumber, O::kNumber}},
    {"chown32", -1, 212, Rule::kWrite, V::kChangeOwner, {O::kPath, O::kNumber,
     O::kNumber}},
    {"lchown", ENCAPSULATE_OLD(lchown), 16, Rule::kWrite, V::kChangeOwner,
     {O::kLinkPath, O::kNumber, O::kNumber}},
    {"lchown32", -1, 198, Rule::kWrite, V::kChangeOwner, {O::kLinkPath,
     O::kNumber, O::kNumber}},
    {"fchown", SYS_fchown, 95, Rule::kWrite, V::kChangeOwner, {O::kDescriptor,
     O::kNumber, O::kNumber}},
    {"fchown32", -1, 207, Rule::kWrite, V::kChangeOwner, {O::kDescriptor,
     O::kNumber, O::kNumber}},
    {"fchownat", SYS_fchownat, Compat(298, 325), Rule::kWrite, V::kChangeOwner,
     {O::kDirectory, O::kPath, O::kNumber, O::kNumber, O::kAtFlags}},
    {"utime", ENCAPSULATE_OLD(utime), Compat(30, -1), Rule::kWrite,
     V::kChangeTimes, {O::kPath, O::kPointer}},
    {"utimes", ENCAPSULATE_OLD(utimes), Compat(271, 269), Rule::kWrite,
     V::kChangeTimes, {O::kPath, O::kPointer}},
    {"futimesat", ENCAPSULATE_OLD(futimesat), Compat(299, 326), Rule::kWrite,
     V::kChangeTimes, {O::kDirectory, O::kPath, O::kPointer}},
    {"utimensat", SYS_utimensat, Compat(320, 348), Rule::kWrite,
     V::kChangeTimes, {O::kDirectory, O::kPath, O::kPointer, O::kAtFlags}},
    {"utimensat_time64", -1, 412, Rule::kWrite, V::kChangeTimes, {O::kDirectory,
     O::kPath, O::kPointer, O::kAtFlags}},
    {"truncate", SYS_truncate, 92, Rule::kWrite, V::kTruncate, {O::kPath,
     O::kNumber}},
    {"truncate64", -1, 193, Rule::kWrite, V::kTruncate, {O::kPath, O::kNumber}},
    {"setxattr", SYS_setxattr, 226, Rule::kWrite, V::kChangeAttributes,
     {O::kPath, O::kString, O::kPointer, O::kSize, O::kNumber}},
    {"lsetxattr", SYS_lsetxattr, 227, Rule::kWrite, V::kChangeAttributes,
     {O::kLinkPath, O::kString, O::kPointer, O::kSize, O::kNumber}},
    {"fsetxattr", SYS_fsetxattr, 228, Rule::kWrite, V::kChangeAttributes,
     {O::kDescriptor, O::kString, O::kPointer, O::kSize, O::kNumber}},
    {"setxattrat", kSetxattrat, kSetxattrat, Rule::kWrite, V::kChangeAttributes,
     {O::kDirectory, O::kPath, O::kAtFlags, O::kString, O::kPointer, O::kSize}},
    {"removexattr", SYS_removexattr, 235, Rule::kWrite, V::kChangeAttributes,
     {O::kPath, O::kString}},
    {"lremovexattr", SYS_lremovexattr, 236, Rule::kWrite, V::kChangeAttributes,
     {O::kLinkPath, O::kString}},
    {"fremovexattr", SYS_fremovexattr, 237, Rule::kWrite, V::kChangeAttributes,
     {O::kDescriptor, O::kString}},
    {"removexattrat", kRemovexattrat, kRemovexattrat, Rule::kWrite,
     V::kChangeAttributes, {O::kDirectory, O::kPath, O::kAtFlags, O::kString}},
    {"file_setattr", kFileSetattr, kFileSetattr, Rule::kWrite,
     V::kChangeAttributes, {O::kDirectory, O::kPath, O::kPointer, O::kSize,
     O::kAtFlags}},

    // Only looked at, see When::kRecordingInputs.
    {"execve", SYS_execve, 11, Rule::kWrite, V::kExecute, {O::kPath,
     O::kPointer, O::kPointer}, kCallItself, When::kRecordingInputs},
    {"execveat", SYS_execveat, Compat(358, 387), Rule::kWrite, V::kExecute,
     {O::kDirectory, O::kPath, O::kPointer, O::kPointer, O::kAtFlags},
     kCallItself, When::kRecordingInputs},
    {"readlink", ENCAPSULATE_OLD(readlink), 85, Rule::kWrite, V::kReadLink,
     {O::kLinkPath, O::kPointer, O::kSize}, kCallItself,
     When::kRecordingInputs},
    {"readlinkat", SYS_readlinkat, Compat(305, 332), Rule::kWrite, V::kReadLink,
     {O::kDirectory, O::kLinkPath, O::kPointer, O::kSize}, kCallItself,
     When::kRecordingInputs},
    {"getdents", ENCAPSULATE_OLD(getdents), 141, Rule::kWrite, V::kList,
     {O::kDescriptor, O::kPointer, O::kSize}, kCallItself,
     When::kRecordingInputs},
    {"getdents64", SYS_getdents64, Compat(220, 217), Rule::kWrite, V::kList,
     {O::kDescriptor, O::kPointer, O::kSize}, kCallItself,
     When::kRecordingInputs},

    // By a descriptor for reading, as chattr(1) has it.
    {"ioctl", SYS_ioctl, 54, Rule::kWrite, V::kChangeAttributes,
     {O::kDescriptor, O::kIoctlRequest, O::kPointer}, kCallItself,
     When::kSettingAttributes, 1},

    // --- Sockets ---
    {"connect", SYS_connect, Compat(362, 283), Rule::kNetwork, V::kConnect,
     {O::kOtherDescriptor, O::kAddress, O::kSize}},
    {"bind", SYS_bind, Compat(361, 282), Rule::kNetwork, V::kBind,
     {O::kOtherDescriptor, O::kAddress, O::kSize}},
    {"sendto", SYS_sendto, Compat(369, 290), Rule::kNetwork, V::kSend,
     {O::kOtherDescriptor, O::kPointer, O::kSize, O::kSendFlags, O::kAddress,
     O::kSize}, kCallItself, When::kGiven, 4},
    {"sendmsg", SYS_sendmsg, Compat(370, 296), Rule::kNetwork, V::kSend,
     {O::kOtherDescriptor, O::kMessage, O::kSendFlags}, kCallItself,
     When::kSending, 1},
    {"sendmmsg", SYS_sendmmsg, Compat(345, 374), Rule::kNetwork, V::kSend,
     {O::kOtherDescriptor, O::kMessages, O::kNumber, O::kSendFlags}},
    // The kernel tells the network of the interface about it (IGMP, MLD),
    // whatever device the socket is bound to.
    {"setsockopt", SYS_setsockopt, Compat(366, 294), Rule::kNetwork, V::kJoin,
     {O::kOtherDescriptor, O::kNumber, O::kNumber, O::kPointer, O::kSize},
     kCallItself, When::kJoining, 1},
    {"socket", SYS_socket, Compat(359, 281), Rule::kSocketFamily, V::kOther,
     {O::kFamily, O::kSocketType, O::kNumber}, 0, When::kForeignFamily, 0,
     EAFNOSUPPORT},
    {"socket", SYS_socket, Compat(359, 281), Rule::kPrivilege, V::kOther,
     {O::kFamily, O::kSocketType, O::kNumber}, kCallItself, When::kRawSocket,
     0},
    {"socketpair", SYS_socketpair, Compat(360, 288), Rule::kSocketFamily,
     V::kOther, {O::kFamily, O::kSocketType, O::kNumber, O::kPointer}, 0,
     When::kForeignFamily, 0, EAFNOSUPPORT},
    {"socketcall", -1, Compat(102, -1), Rule::kSocketFamily, V::kOther,
     {O::kNumber, O::kPointer}, 0, When::kSocketcallSocket, 0, EAFNOSUPPORT},
    {"socketcall", -1, Compat(102, -1), Rule::kNetwork, V::kOther, {O::kNumber,
     O::kPointer}, kCallItself, When::kSocketcallAddress, 0},

    // --- Processes ---
    {"kill", SYS_kill, 37, Rule::kSignal, V::kOther, {O::kProcess, O::kSignal}},
    {"tkill", SYS_tkill, 238, Rule::kSignal, V::kOther, {O::kProcess,
     O::kSignal}},
    {"tgkill", SYS_tgkill, Compat(270, 268), Rule::kSignal, V::kOther,
     {O::kProcess, O::kProcess, O::kSignal}},
    {"rt_sigqueueinfo", SYS_rt_sigqueueinfo, 178, Rule::kSignal, V::kOther,
     {O::kProcess, O::kSignal, O::kPointer}},
    {"rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo, Compat(335, 363),
     Rule::kSignal, V::kOther, {O::kProcess, O::kProcess, O::kSignal,
     O::kPointer}},
    {"pidfd_open", kPidfdOpen, kPidfdOpen, Rule::kSignal, V::kOther,
     {O::kProcess, O::kHex}},
    {"ptrace", SYS_ptrace, 26, Rule::kTrace, V::kOther, {O::kTraceRequest,
     O::kProcess, O::kPointer, O::kPointer}, kCallItself, When::kAttaching, 0},
    {"process_vm_readv", SYS_process_vm_readv, Compat(347, 376), Rule::kTrace,
     V::kOther, {O::kProcess, O::kPointer, O::kNumber, O::kPointer, O::kNumber,
     O::kHex}},
    {"process_vm_writev", SYS_process_vm_writev, Compat(348, 377), Rule::kTrace,
     V::kOther, {O::kProcess, O::kPointer, O::kNumber, O::kPointer, O::kNumber,
     O::kHex}},

    // --- The system ---
    {"mount", SYS_mount, 21, Rule::kPrivilege, V::kMount, {O::kString,
     O::kNamedPath, O::kString, O::kHex, O::kPointer}, 1},
    {"umount", -1, Compat(22, -1), Rule::kPrivilege, V::kMount, {O::kNamedPath},
     0},
    {"umount2", SYS_umount2, 52, Rule::kPrivilege, V::kMount, {O::kNamedPath,
     O::kHex}, 0},
    {"pivot_root", SYS_pivot_root, Compat(217, 218), Rule::kPrivilege,
     V::kMount, {O::kNamedPath, O::kString}, 0},
    {"chroot", SYS_chroot, 61, Rule::kPrivilege, V::kOther, {O::kNamedPath}, 0},
    {"fsopen", kFsopen, kFsopen, Rule::kPrivilege, V::kMount, {O::kString,
     O::kHex}, 0},
    {"fspick", kFspick, kFspick, Rule::kPrivilege, V::kMount, {O::kDirectory,
     O::kNamedPath, O::kHex}, 1},
    {"move_mount", kMoveMount, kMoveMount, Rule::kPrivilege, V::kMount,
     {O::kOtherDirectory, O::kString, O::kDirectory, O::kNamedPath, O::kHex},
     3},
    {"open_tree", kOpenTree, kOpenTree, Rule::kPrivilege, V::kMount,
     {O::kDirectory, O::kNamedPath, O::kHex}, 1, When::kCloning, 2},
    {"open_tree_attr", kOpenTreeAttr, kOpenTreeAttr, Rule::kPrivilege,
     V::kMount, {O::kDirectory, O::kNamedPath, O::kHex, O::kPointer, O::kSize},
     1},
    {"mount_setattr", kMountSetattr, kMountSetattr, Rule::kPrivilege, V::kMount,
     {O::kDirectory, O::kNamedPath, O::kHex, O::kPointer, O::kSize}, 1},
    {"unshare", SYS_unshare, Compat(310, 337), Rule::kPrivilege, V::kOther,
     {O::kNewNamespaces}, 0, When::kNamespaces, 0},
    {"clone", SYS_clone, 120, Rule::kPrivilege, V::kOther, {O::kNewNamespaces,
     O::kPointer, O::kPointer, O::kPointer, O::kHex}, 0, When::kNamespaces, 0},
    {"setns", SYS_setns, Compat(346, 375), Rule::kPrivilege, V::kOther,
     {O::kOtherDescriptor, O::kNamespaceType}, 1},
    {"bpf", SYS_bpf, Compat(357, 386), Rule::kPrivilege, V::kOther, {O::kNumber,
     O::kPointer, O::kSize}},
    {"perf_event_open", SYS_perf_event_open, Compat(336, 364), Rule::kPrivilege,
     V::kOther, {O::kPointer, O::kNumber, O::kNumber, O::kNumber, O::kHex}},
    {"clock_settime", SYS_clock_settime, Compat(264, 262), Rule::kPrivilege,
     V::kOther, {O::kClock, O::kPointer}, 0},
    {"clock_settime64", -1, 404, Rule::kPrivilege, V::kOther, {O::kClock,
     O::kPointer}, 0},
    {"settimeofday", SYS_settimeofday, 79, Rule::kPrivilege, V::kOther,
     {O::kPointer, O::kPointer}},
    {"stime", -1, Compat(25, -1), Rule::kPrivilege, V::kOther, {O::kPointer}},
    {"adjtimex", SYS_adjtimex, 124, Rule::kPrivilege, V::kOther, {O::kTimex}},
    {"clock_adjtime", SYS_clock_adjtime, Compat(343, 372), Rule::kPrivilege,
     V::kOther, {O::kClock, O::kTimex}, 0},
    {"clock_adjtime64", -1, 405, Rule::kPrivilege, V::kOther, {O::kClock,
     O::kTimex}, 0},
    {"init_module", SYS_init_module, 128, Rule::kPrivilege, V::kOther,
     {O::kPointer, O::kSize, O::kString}, 2},
    {"finit_module", SYS_finit_module, Compat(350, 379), Rule::kPrivilege,
     V::kOther, {O::kOtherDescriptor, O::kString, O::kHex}, 1},
    {"delete_module", SYS_delete_module, 129, Rule::kPrivilege, V::kOther,
     {O::kString, O::kHex}, 0},
    {"kexec_load", SYS_kexec_load, Compat(283, 347), Rule::kPrivilege,
     V::kOther, {O::kHex, O::kNumber, O::kPointer, O::kHex}},
    {"kexec_file_load", SYS_kexec_file_load, Compat(-1, 401), Rule::kPrivilege,
     V::kOther, {O::kOtherDescriptor, O::kOtherDescriptor, O::kSize, O::kString,
     O::kHex}, 3},
    {"reboot", SYS_reboot, 88, Rule::kPrivilege, V::kOther, {O::kHex, O::kHex,
     O::kHex, O::kPointer}},
    {"swapon", SYS_swapon, 87, Rule::kPrivilege, V::kOther, {O::kNamedPath,
     O::kHex}, 0},
    {"swapoff", SYS_swapoff, 115, Rule::kPrivilege, V::kOther, {O::kNamedPath},
     0},
    {"acct", SYS_acct, 51, Rule::kPrivilege, V::kOther, {O::kNamedPath}, 0},
    {"quotactl", SYS_quotactl, 131, Rule::kPrivilege, V::kOther, {O::kHex,
     O::kNamedPath, O::kNumber, O::kPointer}, 1},
    {"quotactl_fd", kQuotactlFd, kQuotactlFd, Rule::kPrivilege, V::kOther,
     {O::kOtherDescriptor, O::kHex, O::kNumber, O::kPointer}},
    {"iopl", ENCAPSULATE_OLD(iopl), Compat(110, -1), Rule::kPrivilege,
     V::kOther, {O::kNumber}, kCallItself, When::kGiven, 0},
    {"ioperm", ENCAPSULATE_OLD(ioperm), Compat(101, -1), Rule::kPrivilege,
     V::kOther, {O::kHex, O::kNumber, O::kNumber}, kCallItself, When::kGiven,
     2},
    {"sethostname", SYS_sethostname, 74, Rule::kPrivilege, V::kOther,
     {O::kBytes, O::kSize}, 0},
    {"setdomainname", SYS_setdomainname, 121, Rule::kPrivilege, V::kOther,
     {O::kBytes, O::kSize}, 0},
    {"open_by_handle_at", SYS_open_by_handle_at, Compat(342, 371),
     Rule::kPrivilege, V::kOther, {O::kOtherDescriptor, O::kPointer,
     O::kOpenFlags}},
    {"fanotify_init", SYS_fanotify_init, Compat(338, 367), Rule::kPrivilege,
     V::kOther, {O::kHex, O::kHex}},

    // --- What goes past namespaces or past filters ---
    // Keyrings belong to no namespace.
    {"add_key", SYS_add_key, Compat(286, 309), Rule::kKeyring, V::kOther,
     {O::kString, O::kString, O::kPointer, O::kSize, O::kNumber}, kCallItself,
     When::kAlways, 0, ENOSYS},
    {"request_key", SYS_request_key, Compat(287, 310), Rule::kKeyring,
     V::kOther, {O::kString, O::kString, O::kString, O::kNumber}, kCallItself,
     When::kAlways, 0, ENOSYS},
    {"keyctl", SYS_keyctl, Compat(288, 311), Rule::kKeyring, V::kOther,
     {O::kKeyOperation}, kCallItself, When::kAlways, 0, ENOSYS},
    {"ioctl", SYS_ioctl, 54, Rule::kTerminal, V::kOther, {O::kOtherDescriptor,
     O::kIoctlRequest, O::kPointer}, 1, When::kTyping, 1, EPERM},
    // It makes sockets and opens files past any filter.
    {"io_uring_setup", kIoUringSetup, kIoUringSetup, Rule::kIoUring, V::kOther,
     {O::kNumber, O::kPointer}, kCallItself, When::kAlways, 0, ENOSYS},
    {"io_uring_enter", kIoUringEnter, kIoUringEnter, Rule::kIoUring, V::kOther,
     {O::kOtherDescriptor, O::kNumber, O::kNumber, O::kHex, O::kPointer,
     O::kSize}, kCallItself, When::kAlways, 0, ENOSYS},
    {"io_uring_register", kIoUringRegister, kIoUringRegister, Rule::kIoUring,
     V::kOther, {O::kOtherDescriptor, O::kNumber, O::kPointer, O::kNumber},
     kCallItself, When::kAlways, 0, ENOSYS},
};
// clang-format on

const size_t kWatchedCallCount =
    sizeof(kWatchedCalls) / sizeof(kWatchedCalls[0]);

const Socketcall kSocketcalls[] = {
    {SYS_SOCKET, "socket", 3},     {SYS_SOCKETPAIR, "socketpair", 4},
    {SYS_BIND, "bind", 3},         {SYS_CONNECT, "connect", 3},
    {SYS_SENDTO, "sendto", 6},     {SYS_SENDMSG, "sendmsg", 3},
    {SYS_SENDMMSG, "sendmmsg", 4},
};

bool Socketcall::MakesSocket() const {
  return number == SYS_SOCKET || number == SYS_SOCKETPAIR;
}

const Socketcall* FindSocketcall(uint32_t number) {
  for (const Socketcall& call : kSocketcalls) {
    if (call.number == number) return &call;
  }
  return nullptr;
}

int WatchedCall::IndexOf(Operand operand) const {
  for (int i = 0; i < kMostOperands && operands[i] != Operand::kNone; ++i) {
    if (operands[i] == operand) return i;
  }
  return -1;
}

namespace {

// Whether the arguments are such as the entry is about, where others with the
// same number are about others.
bool Fits(const WatchedCall& call, const uint64_t* arguments) {
  const auto first = static_cast<uint32_t>(arguments[0]);
  const bool internet = first == AF_INET || first == AF_INET6;
  const auto request = static_cast<uint32_t>(arguments[1]);
  switch (call.when) {
    case When::kSocketcallSocket:
    case When::kSocketcallAddress: {
      const Socketcall* const socketcall = FindSocketcall(first);
      return socketcall != nullptr &&
             socketcall->MakesSocket() ==
                 (call.when == When::kSocketcallSocket);
    }
    case When::kForeignFamily:
      return !internet;
    case When::kRawSocket:
      return internet;
    case When::kSettingAttributes:
      return IsOneOf(kAttributeRequests, request);
    case When::kTyping:
      return IsOneOf(kTypingRequests, request);
    default:
      return true;
  }
}

}  // namespace

const WatchedCall* FindWatchedCall(uint32_t arch, int number,
                                   const uint64_t* arguments) {
  for (const WatchedCall& call : kWatchedCalls) {
    if (number >= 0 &&
        (arch == kNativeArch ? call.native : call.compat) == number &&
        Fits(call, arguments)) {
      return &call;
    }
  }
  return nullptr;
}

bool IsOnlyInput(const WatchedCall& call, const uint64_t* arguments) {
  return call.when == When::kRecordingInputs ||
         (call.when == When::kWriting &&
          (arguments[call.argument] & kWritingFlags) == 0);
}

const WatchedCall* FindWatchedCall(absl::string_view name) {
  for (const WatchedCall& call : kWatchedCalls) {
    if (name == call.name) return &call;
  }
  return nullptr;
}

}  // namespace encapsulate
