#include "encapsulate/plan/syscall_table.h"

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
constexpr int kFchmodat2 = 452;
constexpr int kSetxattrat = 463;
constexpr int kRemovexattrat = 466;
constexpr int kFileSetattr = 469;

}  // namespace

const WatchedCall kWatchedCalls[] = {
    // --- Files ---
    {"open", ENCAPSULATE_OLD(open), 5, Rule::kWrite, "pom", When::kWriting, 1},
    {"creat", ENCAPSULATE_OLD(creat), 8, Rule::kWrite, "pm"},
    {"openat", SYS_openat, Compat(295, 322), Rule::kWrite, "dpom",
     When::kWriting, 2},
    {"openat2", kOpenat2, kOpenat2, Rule::kWrite, "dpwz"},
    {"mkdir", ENCAPSULATE_OLD(mkdir), 39, Rule::kWrite, "cm"},
    {"mkdirat", SYS_mkdirat, Compat(296, 323), Rule::kWrite, "dcm"},
    {"mknod", ENCAPSULATE_OLD(mknod), 14, Rule::kWrite, "cMv"},
    {"mknodat", SYS_mknodat, Compat(297, 324), Rule::kWrite, "dcMv"},
    {"unlink", ENCAPSULATE_OLD(unlink), 10, Rule::kWrite, "e"},
    {"unlinkat", SYS_unlinkat, Compat(301, 328), Rule::kWrite, "deA"},
    {"rmdir", ENCAPSULATE_OLD(rmdir), 40, Rule::kWrite, "e"},
    {"rename", ENCAPSULATE_OLD(rename), 38, Rule::kWrite, "et"},
    {"renameat", SYS_renameat, Compat(302, 329), Rule::kWrite, "dedt"},
    {"renameat2", SYS_renameat2, Compat(353, 382), Rule::kWrite, "dedtR"},
    {"link", ENCAPSULATE_OLD(link), 9, Rule::kWrite, "sc"},
    {"linkat", SYS_linkat, Compat(303, 330), Rule::kWrite, "DsdcA"},
    {"symlink", ENCAPSULATE_OLD(symlink), 83, Rule::kWrite, "sc"},
    {"symlinkat", SYS_symlinkat, Compat(304, 331), Rule::kWrite, "sdc"},
    {"chmod", ENCAPSULATE_OLD(chmod), 15, Rule::kWrite, "pm"},
    {"fchmod", SYS_fchmod, 94, Rule::kWrite, "fm"},
    {"fchmodat", SYS_fchmodat, Compat(306, 333), Rule::kWrite, "dpm"},
    {"fchmodat2", kFchmodat2, kFchmodat2, Rule::kWrite, "dpmA"},
    {"chown", ENCAPSULATE_OLD(chown), 182, Rule::kWrite, "pii"},
    {"chown32", -1, 212, Rule::kWrite, "pii"},
    {"lchown", ENCAPSULATE_OLD(lchown), 16, Rule::kWrite, "lii"},
    {"lchown32", -1, 198, Rule::kWrite, "lii"},
    {"fchown", SYS_fchown, 95, Rule::kWrite, "fii"},
    {"fchown32", -1, 207, Rule::kWrite, "fii"},
    {"fchownat", SYS_fchownat, Compat(298, 325), Rule::kWrite, "dpiiA"},
    {"utime", ENCAPSULATE_OLD(utime), Compat(30, -1), Rule::kWrite, "p*"},
    {"utimes", ENCAPSULATE_OLD(utimes), Compat(271, 269), Rule::kWrite, "p*"},
    {"futimesat", ENCAPSULATE_OLD(futimesat), Compat(299, 326), Rule::kWrite,
     "dp*"},
    {"utimensat", SYS_utimensat, Compat(320, 348), Rule::kWrite, "dp*A"},
    {"utimensat_time64", -1, 412, Rule::kWrite, "dp*A"},
    {"truncate", SYS_truncate, 92, Rule::kWrite, "pi"},
    {"truncate64", -1, 193, Rule::kWrite, "pi"},
    {"setxattr", SYS_setxattr, 226, Rule::kWrite, "ps*zi"},
    {"lsetxattr", SYS_lsetxattr, 227, Rule::kWrite, "ls*zi"},
    {"fsetxattr", SYS_fsetxattr, 228, Rule::kWrite, "fs*zi"},
    {"setxattrat", kSetxattrat, kSetxattrat, Rule::kWrite, "dpAs*z"},
    {"removexattr", SYS_removexattr, 235, Rule::kWrite, "ps"},
    {"lremovexattr", SYS_lremovexattr, 236, Rule::kWrite, "ls"},
    {"fremovexattr", SYS_fremovexattr, 237, Rule::kWrite, "fs"},
    {"removexattrat", kRemovexattrat, kRemovexattrat, Rule::kWrite, "dpAs"},
    {"file_setattr", kFileSetattr, kFileSetattr, Rule::kWrite, "dp*zA"},

    // --- Sockets ---
    {"connect", SYS_connect, Compat(362, 283), Rule::kNetwork, "naz"},
    {"bind", SYS_bind, Compat(361, 282), Rule::kNetwork, "naz"},
    {"sendto", SYS_sendto, Compat(369, 290), Rule::kNetwork, "n*zGaz",
     When::kGiven, 4},
    {"sendmsg", SYS_sendmsg, Compat(370, 296), Rule::kNetwork, "nhG",
     When::kSending, 1},
    {"sendmmsg", SYS_sendmmsg, Compat(345, 374), Rule::kNetwork, "nHiG"},
    {"socket", SYS_socket, Compat(359, 281), Rule::kSocketFamily, "FTi",
     When::kForeignFamily, 0, EAFNOSUPPORT},
    {"socket", SYS_socket, Compat(359, 281), Rule::kPrivilege, "FTi",
     When::kRawSocket, 0},
    {"socketpair", SYS_socketpair, Compat(360, 288), Rule::kSocketFamily,
     "FTi*", When::kForeignFamily, 0, EAFNOSUPPORT},
    {"socketcall", -1, Compat(102, -1), Rule::kSocketFamily, "i*",
     When::kSocketcallSocket, 0, EAFNOSUPPORT},
    {"socketcall", -1, Compat(102, -1), Rule::kNetwork, "i*",
     When::kSocketcallAddress, 0},

    // --- Processes ---
    {"kill", SYS_kill, 37, Rule::kSignal, "kg"},
    {"tkill", SYS_tkill, 238, Rule::kSignal, "kg"},
    {"tgkill", SYS_tgkill, Compat(270, 268), Rule::kSignal, "kkg"},
    {"rt_sigqueueinfo", SYS_rt_sigqueueinfo, 178, Rule::kSignal, "kg*"},
    {"rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo, Compat(335, 363),
     Rule::kSignal, "kkg*"},
    {"pidfd_open", kPidfdOpen, kPidfdOpen, Rule::kSignal, "kx"},
    {"ptrace", SYS_ptrace, 26, Rule::kTrace, "qk**", When::kAttaching, 0},
    {"process_vm_readv", SYS_process_vm_readv, Compat(347, 376), Rule::kTrace,
     "k*i*ix"},
    {"process_vm_writev", SYS_process_vm_writev, Compat(348, 377), Rule::kTrace,
     "k*i*ix"},

    // --- The system ---
    {"mount", SYS_mount, 21, Rule::kPrivilege, "sPsx*"},
    {"umount", -1, Compat(22, -1), Rule::kPrivilege, "P"},
    {"umount2", SYS_umount2, 52, Rule::kPrivilege, "Px"},
    {"pivot_root", SYS_pivot_root, Compat(217, 218), Rule::kPrivilege, "Ps"},
    {"chroot", SYS_chroot, 61, Rule::kPrivilege, "P"},
    {"fsopen", kFsopen, kFsopen, Rule::kPrivilege, "sx"},
    {"fspick", kFspick, kFspick, Rule::kPrivilege, "dPx"},
    {"move_mount", kMoveMount, kMoveMount, Rule::kPrivilege, "DsdPx"},
    {"open_tree", kOpenTree, kOpenTree, Rule::kPrivilege, "dPx", When::kCloning,
     2},
    {"mount_setattr", kMountSetattr, kMountSetattr, Rule::kPrivilege, "dPx*z"},
    {"unshare", SYS_unshare, Compat(310, 337), Rule::kPrivilege, "N",
     When::kNamespaces, 0},
    {"clone", SYS_clone, 120, Rule::kPrivilege, "N***x", When::kNamespaces, 0},
    {"setns", SYS_setns, Compat(346, 375), Rule::kPrivilege, "nN"},
    {"bpf", SYS_bpf, Compat(357, 386), Rule::kPrivilege, "i*z"},
    {"perf_event_open", SYS_perf_event_open, Compat(336, 364), Rule::kPrivilege,
     "*iiix"},
    {"clock_settime", SYS_clock_settime, Compat(264, 262), Rule::kPrivilege,
     "C*"},
    {"clock_settime64", -1, 404, Rule::kPrivilege, "C*"},
    {"settimeofday", SYS_settimeofday, 79, Rule::kPrivilege, "**"},
    {"stime", -1, Compat(25, -1), Rule::kPrivilege, "*"},
    {"adjtimex", SYS_adjtimex, 124, Rule::kPrivilege, "*"},
    {"clock_adjtime", SYS_clock_adjtime, Compat(343, 372), Rule::kPrivilege,
     "C*"},
    {"clock_adjtime64", -1, 405, Rule::kPrivilege, "C*"},
    {"init_module", SYS_init_module, 128, Rule::kPrivilege, "*zs"},
    {"finit_module", SYS_finit_module, Compat(350, 379), Rule::kPrivilege,
     "nsx"},
    {"delete_module", SYS_delete_module, 129, Rule::kPrivilege, "sx"},
    {"kexec_load", SYS_kexec_load, Compat(283, 347), Rule::kPrivilege, "xi*x"},
    {"kexec_file_load", SYS_kexec_file_load, Compat(-1, 401), Rule::kPrivilege,
     "nnzsx"},
    {"reboot", SYS_reboot, 88, Rule::kPrivilege, "xxx*"},
    {"swapon", SYS_swapon, 87, Rule::kPrivilege, "Px"},
    {"swapoff", SYS_swapoff, 115, Rule::kPrivilege, "P"},
    {"acct", SYS_acct, 51, Rule::kPrivilege, "P"},
    {"quotactl", SYS_quotactl, 131, Rule::kPrivilege, "xPi*"},
    {"iopl", ENCAPSULATE_OLD(iopl), Compat(110, -1), Rule::kPrivilege, "i",
     When::kGiven, 0},
    {"ioperm", ENCAPSULATE_OLD(ioperm), Compat(101, -1), Rule::kPrivilege,
     "xii", When::kGiven, 2},
    {"sethostname", SYS_sethostname, 74, Rule::kPrivilege, "bz"},
    {"setdomainname", SYS_setdomainname, 121, Rule::kPrivilege, "bz"},
    {"open_by_handle_at", SYS_open_by_handle_at, Compat(342, 371),
     Rule::kPrivilege, "n*o"},
    {"fanotify_init", SYS_fanotify_init, Compat(338, 367), Rule::kPrivilege,
     "xx"},

    // --- What goes past namespaces or past filters ---
    // Keyrings belong to no namespace.
    {"add_key", SYS_add_key, Compat(286, 309), Rule::kKeyring, "ss*zi",
     When::kAlways, 0, ENOSYS},
    {"request_key", SYS_request_key, Compat(287, 310), Rule::kKeyring, "sssi",
     When::kAlways, 0, ENOSYS},
    {"keyctl", SYS_keyctl, Compat(288, 311), Rule::kKeyring, "i", When::kAlways,
     0, ENOSYS},
    {"ioctl", SYS_ioctl, 54, Rule::kTerminal, "nX*", When::kTyping, 1, EPERM},
    // It makes sockets and opens files past any filter.
    {"io_uring_setup", kIoUringSetup, kIoUringSetup, Rule::kIoUring, "i*",
     When::kAlways, 0, ENOSYS},
    {"io_uring_enter", kIoUringEnter, kIoUringEnter, Rule::kIoUring, "niix*z",
     When::kAlways, 0, ENOSYS},
    {"io_uring_register", kIoUringRegister, kIoUringRegister, Rule::kIoUring,
     "ni*i", When::kAlways, 0, ENOSYS},
};

const size_t kWatchedCallCount =
    sizeof(kWatchedCalls) / sizeof(kWatchedCalls[0]);

const WatchedCall* FindWatchedCall(uint32_t arch, int number,
                                   uint64_t first_argument) {
  constexpr uint32_t kSocket = 1;
  constexpr uint32_t kSocketpair = 8;
  const auto first = static_cast<uint32_t>(first_argument);
  const bool makes_socket = first == kSocket || first == kSocketpair;
  const bool internet = first == AF_INET || first == AF_INET6;
  for (const WatchedCall& call : kWatchedCalls) {
    if (number < 0 ||
        (arch == kNativeArch ? call.native : call.compat) != number) {
      continue;
    }
    if (call.when == When::kSocketcallSocket && !makes_socket) continue;
    if (call.when == When::kSocketcallAddress && makes_socket) continue;
    if (call.when == When::kForeignFamily && internet) continue;
    if (call.when == When::kRawSocket && !internet) continue;
    return &call;
  }
  return nullptr;
}

}  // namespace encapsulate
