#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "encapsulate/setup.h"

namespace encapsulate {
namespace {

// The numbers of the filtered calls in one of the machine's calling
// conventions (seccomp(2): a filter that knows only one is no filter). -1 is a
// call that the convention doesn't have.
struct Convention {
  uint32_t arch;  // AUDIT_ARCH_...
  int socket;
  int socketpair;
  int socketcall;
  int ioctl;
  int add_key;
  int request_key;
  int keyctl;
  int setrlimit;
  int prlimit;
};

#if defined(__x86_64__)
constexpr Convention kConventions[] = {
    {AUDIT_ARCH_X86_64, SYS_socket, SYS_socketpair, -1, SYS_ioctl, SYS_add_key,
     SYS_request_key, SYS_keyctl, SYS_setrlimit, SYS_prlimit64},
    {AUDIT_ARCH_I386, 359, 360, 102, 54, 286, 287, 288, 75, 340},
};
#elif defined(__aarch64__)
constexpr Convention kConventions[] = {
    {AUDIT_ARCH_AARCH64, SYS_socket, SYS_socketpair, -1, SYS_ioctl, SYS_add_key,
     SYS_request_key, SYS_keyctl, SYS_setrlimit, SYS_prlimit64},
    {AUDIT_ARCH_ARM, 281, 288, -1, 54, 309, 310, 311, 75, 369},
};
#else
#error "the system call numbers of this architecture are not known"
#endif

// The same on every architecture.
constexpr uint32_t kIoUringFirst = 425;
constexpr uint32_t kIoUringLast = 427;
constexpr uint32_t kX32Bit = 0x40000000;

constexpr uint32_t Errno(int error) {
  return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error);
}

// Where the low half of an argument is: both supported machines are little
// endian. The kernel itself looks at no more of a socket family, an ioctl
// request or a socketcall number.
constexpr size_t Argument(int number) {
  return offsetof(seccomp_data, args) +
         static_cast<size_t>(number) * sizeof(uint64_t);
}

// A filter program put together in place. Jumps only ever go to the end of the
// block that is being written, so they are patched when it closes.
class Filter {
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
  // if (first <= accumulator && accumulator <= last) return action;
  void ReturnIfBetween(uint32_t first, uint32_t last, uint32_t action) {
    Add(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2);
    Add(BPF_JMP | BPF_JGT | BPF_K, last, 1, 0);
    Return(action);
  }
  // if (all 64 bits of the argument are 0) return action;
  void ReturnIfNull(int number, uint32_t action) {
    Load(Argument(number));
    const size_t low = If(0);
    Load(Argument(number) + sizeof(uint32_t));
    ReturnIf(0, action);
    End(low);
  }
  // if (accumulator == value) { ... } up to the matching End().
  size_t If(uint32_t value) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0);
    return size_ - 1;
  }
  void End(size_t begin) {
    program_[begin].jf = static_cast<uint8_t>(size_ - begin - 1);
  }

  sock_fprog program() {
    return {static_cast<unsigned short>(size_), program_};
  }
  bool overflowed() const { return overflowed_; }

 private:
  void Add(unsigned code, uint32_t k, uint8_t jt = 0, uint8_t jf = 0) {
    if (size_ == sizeof(program_) / sizeof(program_[0])) {
      overflowed_ = true;
      return;
    }
    program_[size_++] = {static_cast<uint16_t>(code), jt, jf, k};
  }

  size_t size_ = 0;
  bool overflowed_ = false;
  sock_filter program_[224];
};

// Families that a network namespace isolates; the others reach the host's
// hypervisor, kernel or radio.
void FilterFamilies(Filter& filter, int call) {
  const size_t begin = filter.If(static_cast<uint32_t>(call));
  filter.Load(Argument(0));
  for (uint32_t family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
    filter.ReturnIf(family, SECCOMP_RET_ALLOW);
  }
  filter.Return(Errno(EAFNOSUPPORT));
  filter.End(begin);
}

// Keeps RLIMIT_CORE at kNoCore: setting it does nothing, and says that all is
// well, because programs that handle secrets insist on it.
void FilterCoreLimit(Filter& filter, const Convention& convention) {
  constexpr uint32_t kPretend = SECCOMP_RET_ERRNO;  // errno 0: returns 0
  const size_t set = filter.If(static_cast<uint32_t>(convention.setrlimit));
  filter.Load(Argument(0));
  filter.ReturnIf(RLIMIT_CORE, kPretend);
  filter.Return(SECCOMP_RET_ALLOW);
  filter.End(set);
  const size_t both = filter.If(static_cast<uint32_t>(convention.prlimit));
  filter.Load(Argument(1));
  const size_t core = filter.If(RLIMIT_CORE);
  filter.ReturnIfNull(2, SECCOMP_RET_ALLOW);  // it only asks
  filter.ReturnIfNull(3, kPretend);
  filter.Return(Errno(EPERM));
  filter.End(core);
  filter.Return(SECCOMP_RET_ALLOW);
  filter.End(both);
}

void FilterConvention(Filter& filter, const Convention& convention,
                      bool no_core) {
  const size_t begin = filter.If(convention.arch);
  filter.Load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
  if (convention.arch == AUDIT_ARCH_X86_64) {
    filter.ReturnIfBetween(kX32Bit, 0xffffffff, Errno(ENOSYS));
  }
#endif
  // io_uring makes sockets and opens files past any filter.
  filter.ReturnIfBetween(kIoUringFirst, kIoUringLast, Errno(ENOSYS));
  // Keyrings belong to no namespace.
  for (int call :
       {convention.add_key, convention.request_key, convention.keyctl}) {
    filter.ReturnIf(static_cast<uint32_t>(call), Errno(ENOSYS));
  }
  FilterFamilies(filter, convention.socket);
  FilterFamilies(filter, convention.socketpair);
  if (convention.socketcall >= 0) {
    // Its family is in memory, out of a filter's sight.
    const size_t call = filter.If(static_cast<uint32_t>(convention.socketcall));
    filter.Load(Argument(0));
    constexpr uint32_t kSocket = 1;
    constexpr uint32_t kSocketpair = 8;
    filter.ReturnIf(kSocket, Errno(EAFNOSUPPORT));
    filter.ReturnIf(kSocketpair, Errno(EAFNOSUPPORT));
    filter.Return(SECCOMP_RET_ALLOW);
    filter.End(call);
  }
  if (no_core) FilterCoreLimit(filter, convention);
  // Both type into the caller's terminal (ioctl_tty(2), ioctl_console(2)).
  const size_t ioctl_call = filter.If(static_cast<uint32_t>(convention.ioctl));
  filter.Load(Argument(1));
  filter.ReturnIf(TIOCSTI, Errno(EPERM));
  filter.ReturnIf(TIOCLINUX, Errno(EPERM));
  filter.End(ioctl_call);
  filter.Return(SECCOMP_RET_ALLOW);
  filter.End(begin);
}

void FilterCalls(Setup& setup) {
  static Filter filter;
  filter.Load(offsetof(seccomp_data, arch));
  for (const Convention& convention : kConventions) {
    FilterConvention(filter, convention, setup.plan().core_limit == kNoCore);
  }
  filter.Return(Errno(ENOSYS));  // another convention: nothing is known of it
  if (filter.overflowed()) setup.Fail(Step::kFilterCalls, -1, E2BIG);
  // Without the flag, kernels before 5.16 slow the command down to protect it
  // from reading its own memory by speculation.
  const sock_fprog program = filter.program();
  setup.Check(
      static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                               SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program)),
      Step::kFilterCalls);
  setup.Done(Step::kFilterCalls);
}

// The caller's session keyring holds its Kerberos tickets and the like. The
// filter closes every call that uses keys; a new keyring keeps the kernel's own
// look-ups and /proc/keys from finding the old one. A user may own few keys
// (200 by default), and then the filter alone has to do.
void LeaveKeyring(Setup& setup) {
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0 &&
      errno != EDQUOT && errno != ENOSYS) {
    // Inside another sandbox the call may be filtered with another errno; the
    // keyring is that sandbox's then.
    if (errno != EPERM && errno != EACCES) setup.Fail(Step::kLeaveKeyring);
  }
  setup.Done(Step::kLeaveKeyring);
}

void LimitCore(Setup& setup) {
  struct rlimit limit = {};
  setup.Check(getrlimit(RLIMIT_CORE, &limit), Step::kSetLimit, RLIMIT_CORE);
  // The caller's own hard limit binds anyway, and can't be raised.
  if (limit.rlim_max > setup.plan().core_limit) {
    limit.rlim_max = setup.plan().core_limit;
  }
  limit.rlim_cur = limit.rlim_max;
  setup.Check(setrlimit(RLIMIT_CORE, &limit), Step::kSetLimit, RLIMIT_CORE);
}

// For good: no capability now, none from a set-uid program or from being uid 0
// (capabilities(7)).
void DropCapabilities(Setup& setup) {
  constexpr Step kStep = Step::kDropCapabilities;
  setup.Check(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), kStep);
  for (unsigned long capability = 0; capability < 64; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) break;  // beyond the kernel's last one
    setup.Fail(kStep);
  }
  constexpr unsigned long kSecureBits =
      SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
      SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
      SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  setup.Check(prctl(PR_SET_SECUREBITS, kSecureBits, 0, 0, 0), kStep);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  setup.Check(static_cast<int>(syscall(SYS_capset, &header, none)), kStep);
  setup.Check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), kStep);
  setup.Done(kStep);
}

void Verify(Setup& setup) {
  constexpr Step kStep = Step::kVerifyPrivileges;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct held[2] = {};
  setup.Check(static_cast<int>(syscall(SYS_capget, &header, held)), kStep);
  for (const __user_cap_data_struct& half : held) {
    if ((half.effective | half.permitted | half.inheritable) != 0) {
      setup.Fail(kStep, -1, EPERM, "a capability is left");
    }
  }
  if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0) {
    setup.Fail(kStep, -1, EPERM, "the bounding set isn't empty");
  }
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
    setup.Fail(kStep, -1, EPERM, "no_new_privs isn't set");
  }
  if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER) {
    setup.Fail(kStep, -1, EPERM, "system calls aren't filtered");
  }
  setup.Done(kStep);
}

}  // namespace

void Confine(Setup& setup) {
  LimitCore(setup);
  LeaveKeyring(setup);
  DropCapabilities(setup);
  FilterCalls(setup);
  Verify(setup);
}

}  // namespace encapsulate
