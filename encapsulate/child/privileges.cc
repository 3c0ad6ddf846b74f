// SPDX-License-Identifier: Apache-2.0

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
#include <cstdint>

#include "encapsulate/child/message.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/plan/outer_monitor.h"
#include "encapsulate/plan/seccomp_filter.h"
#include "encapsulate/plan/syscall_table.h"

namespace encapsulate {
namespace {

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
  const uint64_t most = setup.plan().core_limit;
  setup.Check(SetLimit({RLIMIT_CORE, most, most}), Step::kSetLimit,
              RLIMIT_CORE);
}

int SetCapabilities(uint64_t effective, uint64_t permitted) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct wanted[2] = {};
  for (unsigned i = 0; i < 2; ++i) {
    wanted[i] = {static_cast<uint32_t>(effective >> (32 * i)),
                 static_cast<uint32_t>(permitted >> (32 * i)), 0};
  }
  return static_cast<int>(syscall(SYS_capset, &header, wanted));
}

// Whether the bounding set and securebits may be changed. An ordinary user
// without a namespace may not, and needn't: what has no capabilities and
// no_new_privs gets none by execve(2), whatever the bounding set holds.
bool MayChangeBounds(const ChildPlan& plan) {
  if (HasNamespaces(plan)) return true;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct held[2] = {};
  return syscall(SYS_capget, &header, held) != 0 ||
         (held[0].effective & (1U << CAP_SETPCAP)) != 0;
}

// The bounding set: what an execve(2) can give at most.
void DropBounds(const Setup& setup) {
  for (unsigned long capability = 0; capability < 64; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) return;  // beyond the kernel's last one
    setup.Fail(Step::kDropCapabilities);
  }
}

// Neither uid 0 nor a change of ids gives capabilities, and none can be raised;
// all of it locked.
constexpr int kSecureBits =
    SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
    SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
    SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

// For good: no capability now, none from a set-uid program or from being uid 0
// (capabilities(7)). PR_SET_KEEPCAPS, which ping(8) and others call, needn't be
// refused: it only turns off what a change of uids does to capabilities, as
// SECBIT_NO_SETUID_FIXUP does already, and execve(2) takes it back.
// `bounds`: MayChangeBounds().
void DropCapabilities(Setup& setup, bool executes, bool bounds, uint64_t kept) {
  constexpr Step kStep = Step::kDropCapabilities;
  setup.Check(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), kStep);
  if (bounds) {
    if (executes) DropBounds(setup);
    setup.Check(prctl(PR_SET_SECUREBITS,
                      static_cast<unsigned long>(kSecureBits), 0, 0, 0),
                kStep);
  }
  setup.Check(SetCapabilities(/*effective=*/0, kept), kStep);
  setup.Check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), kStep);
  setup.Done(kStep);
}

void Verify(Setup& setup, bool executes, bool bounds, uint64_t kept) {
  constexpr Step kStep = Step::kVerifyPrivileges;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct held[2] = {};
  setup.Check(static_cast<int>(syscall(SYS_capget, &header, held)), kStep);
  held[0].permitted &= ~static_cast<uint32_t>(kept);
  held[1].permitted &= ~static_cast<uint32_t>(kept >> 32);
  for (const __user_cap_data_struct& half : held) {
    if ((half.effective | half.permitted | half.inheritable) != 0) {
      setup.Fail(kStep, -1, EPERM, "a capability is left");
    }
  }
  if (bounds && executes &&
      prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0) {
    setup.Fail(kStep, -1, EPERM, "the bounding set isn't empty");
  }
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
    setup.Fail(kStep, -1, EPERM, "no_new_privs isn't set");
  }
  if (bounds && prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != kSecureBits) {
    setup.Fail(kStep, -1, EPERM, "uid 0 is still privileged");
  }
  setup.Done(kStep);
}

// Without SPEC_ALLOW, kernels before 5.16 slow the command down to protect it
// from reading its own memory by speculation.
long SetFilter(const sock_filter* code, size_t size, unsigned flags) {
  const sock_fprog program = {static_cast<unsigned short>(size),
                              const_cast<sock_filter*>(code)};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                 SECCOMP_FILTER_FLAG_SPEC_ALLOW | flags, &program);
}

long SetFilter(const FilterProgram& filter, unsigned flags) {
  return SetFilter(filter.data(), filter.size(), flags);
}

// Refuses the flags of the handover. A filter can't be changed, but where two
// answer, the stricter one counts.
long EndHandover() {
  static constexpr sock_filter kCode[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kNativeArch, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
               offsetof(seccomp_data, args) + 2 * sizeof(uint64_t)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kHandoverFlags, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return SetFilter(kCode, sizeof(kCode) / sizeof(kCode[0]), 0);
}

}  // namespace

int SetLimit(const ResourceLimit& limit) {
  const auto resource = static_cast<__rlimit_resource_t>(limit.resource);
  struct rlimit now = {};
  if (getrlimit(resource, &now) != 0) return -1;
  struct rlimit wanted = {limit.soft, limit.hard};
  if (wanted.rlim_max > now.rlim_max) wanted.rlim_max = now.rlim_max;
  if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
  return setrlimit(resource, &wanted);
}

void DropPrivileges(Setup& setup, bool executes, uint64_t kept) {
  LimitCore(setup);
  LeaveKeyring(setup);
  const bool bounds = MayChangeBounds(setup.plan());
  DropCapabilities(setup, executes, bounds, kept);
  Verify(setup, executes, bounds, kept);
}

void UseCapabilities(uint64_t kept) { SetCapabilities(kept, kept); }

void FilterCalls(Setup& setup) {
  setup.Check(static_cast<int>(SetFilter(*setup.plan().filter, 0)),
              Step::kFilterCalls);
  if (setup.plan().watched_outside) {
    // The outer filter can't be taken off. Its monitor must still be there.
    if (SendNote(setup.plan().hello.c_str()) < 0) {
      setup.Fail(Step::kVerifyPrivileges, -1, EPERM,
                 "the sandbox around this one doesn't watch any more");
    }
    setup.Done(Step::kFilterCalls);
    return;
  }
  // By what it does: a container's filter around this one answers for both when
  // the kernel is asked. Without it there is no such descriptor.
  if (ioctl(-1, TIOCSTI, "") == 0 || errno != EPERM) {
    setup.Fail(Step::kVerifyPrivileges, -1, EPERM,
               "system calls aren't filtered");
  }
  setup.Done(Step::kFilterCalls);
}

int ListenToCalls(const ChildPlan& plan, bool* killable) {
  constexpr unsigned kWaitKillable = 1U << 5;  // Linux 5.19
  constexpr unsigned kListen = SECCOMP_FILTER_FLAG_NEW_LISTENER;
  *killable = true;
  long listener = SetFilter(*plan.watching_filter, kListen | kWaitKillable);
  if (listener < 0 && errno == EINVAL) {
    *killable = false;
    listener = SetFilter(*plan.watching_filter, kListen);
  }
  return static_cast<int>(listener);
}

bool WatchCalls(const ChildPlan& plan, int control) {
  bool killable;
  const int listener = ListenToCalls(plan, &killable);
  if (listener < 0) return false;
  const bool sent = SendListener(control, listener, killable);
  // Whoever holds it can let calls pass.
  close(listener);
  return sent && EndHandover() == 0;
}

}  // namespace encapsulate
