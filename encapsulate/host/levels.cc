// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host/levels.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/host/causes.h"
#include "encapsulate/host/containers.h"
#include "encapsulate/kernel/landlock.h"
#include "encapsulate/kernel/new_process.h"

namespace encapsulate {
namespace {

// Of Linux 5.9 and 5.14; older headers lack them.
struct AddDescriptor {
  uint64_t id;
  uint32_t flags;
  uint32_t source;
  uint32_t target;
  uint32_t target_flags;
};
constexpr uint32_t kSend = 1U << 1;  // SECCOMP_ADDFD_FLAG_SEND
constexpr unsigned long kAddDescriptor = _IOW('!', 3, AddDescriptor);

constexpr uint64_t kReadFromChild = 0x656e63617073756c;

// What a child found out.
struct Report {
  int landlock_error = 0;
  int listener_error = 0;
  int injection_error = 0;
};

// Whether a ruleset that this process puts on itself holds.
int TryLandlock() {
  const int ruleset = sys::LandlockCreate({sys::kLandlockWriteFile, 0, 0}, 1);
  if (ruleset < 0 || sys::LandlockEnter(ruleset) < 0) return errno;
  return open("/dev/null", O_WRONLY | O_CLOEXEC) < 0 ? 0 : EOPNOTSUPP;
}

int TryListener(int* injection_error) {
  sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_fprog program = {1, &allow};
  const auto listener =
      static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                               SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
  if (listener < 0) return errno;
  // Nobody waits for this answer. A kernel that knows the flag says so.
  const AddDescriptor add = {0, kSend, static_cast<uint32_t>(listener), 0, 0};
  ioctl(listener, kAddDescriptor, &add);
  *injection_error = errno == ENOENT ? 0 : errno;
  return 0;
}

void RunChild(int reports, int end) {
  Report report;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    report.landlock_error = errno;
  } else {
    report.landlock_error = TryLandlock();
    report.listener_error = TryListener(&report.injection_error);
  }
  if (write(reports, &report, sizeof(report)) != sizeof(report)) _exit(1);
  // Until the caller has looked at this process, or has ended.
  char none;
  while (read(end, &none, 1) < 0 && errno == EINTR) {
  }
  _exit(0);
}

// 0, or an errno.
int TryProc() {
  char target[32] = "";
  if (readlink("/proc/self", target, sizeof(target) - 1) < 0) return errno;
  return target == std::to_string(getpid()) ? 0 : ESRCH;
}

// What becomes of looking at `child`, a copy of this process.
void LookAt(pid_t child, LandlockFacts* facts) {
  uint64_t copy = 0;
  const volatile uint64_t original = kReadFromChild;
  const iovec local = {&copy, sizeof(copy)};
  const iovec remote = {const_cast<uint64_t*>(&original), sizeof(copy)};
  if (process_vm_readv(child, &local, 1, &remote, 1, 0) != sizeof(copy)) {
    facts->memory_error = errno;
  }
  if (ptrace(PTRACE_SEIZE, child, nullptr, nullptr) != 0) {
    facts->trace_error = errno;
  }
}

void TryInChild(LandlockFacts* facts) {
  int report_ends[2];
  if (pipe2(report_ends, O_CLOEXEC) != 0) {
    facts->landlock_error = errno;
    return;
  }
  const UniqueFd reports(report_ends[0]);
  UniqueFd report_writer(report_ends[1]);
  int end_ends[2];
  if (pipe2(end_ends, O_CLOEXEC) != 0) {
    facts->landlock_error = errno;
    return;
  }
  const UniqueFd end_reader(end_ends[0]);
  UniqueFd end(end_ends[1]);
  // No exit signal: a caller that ignores SIGCHLD still has a child to wait
  // for, and its handlers are not concerned.
  const auto child = CloneCopy(0);
  if (child < 0) {
    facts->landlock_error = errno;
    return;
  }
  if (child == 0) {
    close(end.get());
    RunChild(report_writer.get(), end_reader.get());
  }
  report_writer.Reset();
  Report report;
  if (read(reports.get(), &report, sizeof(report)) == sizeof(report)) {
    facts->landlock_error = report.landlock_error;
    facts->listener_error = report.listener_error;
    facts->injection_error = report.injection_error;
    LookAt(child, facts);
  } else {
    // A filter's way to refuse a call is to kill, too.
    facts->landlock_error = EPERM;
  }
  kill(child, SIGKILL);
  while (waitpid(child, nullptr, __WALL) < 0 && errno == EINTR) {
  }
}

bool KernelIsBefore(const LandlockFacts& facts, int major, int minor) {
  return std::tie(facts.major, facts.minor) < std::tie(major, minor);
}

// Of a call that a kernel since `major`.`minor` has.
Cause WhyMissing(const LandlockFacts& facts, int error, int major, int minor,
                 const std::string& what) {
  const std::string newer =
      absl::StrCat("use Linux ", major, ".", minor, " or newer");
  if (KernelIsBefore(facts, major, minor)) {
    return {absl::StrCat("this kernel has no ", what), newer};
  }
  if (facts.filtered && (error == ENOSYS || error == EPERM)) {
    return {"probably a container's seccomp profile filters the call",
            HowToAllowCalls()};
  }
  if (error == EPERM || error == EACCES) return WhyForbidden(error);
  if (error == ENOSYS || error == EINVAL || error == ENOTTY) {
    return {absl::StrCat("this kernel was built without ", what), newer};
  }
  return WhyUsedUp(error);
}

Cause WhyNoLandlock(const LandlockFacts& facts) {
  const int error = facts.landlock_error;
  if (error == EOPNOTSUPP) {
    return {"Landlock is turned off on this host",
            "boot the kernel with landlock in its parameter lsm="};
  }
  if (error == E2BIG) {
    return {
        "16 Landlock domains are around this process, and the kernel "
        "allows no more",
        "run it outside of some of them"};
  }
  return WhyMissing(facts, error, 5, 13, "Landlock");
}

Cause WhyNoListener(const LandlockFacts& facts) {
  if (facts.listener_error == EBUSY) {
    return {
        "a program around this one watches its system calls, and the kernel "
        "allows one that does",
        "use level process: what isolates then is that program, if it is a "
        "sandbox"};
  }
  return WhyMissing(facts, facts.listener_error, 5, 14,
                    "user notification of seccomp");
}

Cause WhyUnreadable(const LandlockFacts& facts) {
  // 2 is for CAP_SYS_PTRACE, 3 for nobody (Documentation/admin-guide/LSM/
  // Yama.rst), and 1 for those who started the process.
  if (facts.memory_error == EPERM && facts.ptrace_scope > 1) {
    return {absl::StrCat("this host has set kernel.yama.ptrace_scope to ",
                         facts.ptrace_scope),
            facts.ptrace_scope > 2
                ? "boot the host with kernel.yama.ptrace_scope=1"
                : "as root, sysctl -w kernel.yama.ptrace_scope=1"};
  }
  return WhyMissing(facts, facts.memory_error, 3, 2, "process_vm_readv");
}

}  // namespace

LandlockFacts ProbeLandlock() {
  LandlockFacts facts;
  struct utsname system = {};
  uname(&system);
  sscanf(system.release, "%d.%d", &facts.major, &facts.minor);
  facts.filtered = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER;
  facts.ptrace_scope = PtraceScope();
  facts.proc_error = TryProc();
  const int abi = sys::LandlockAbi();
  const int error = errno;
  TryInChild(&facts);
  if (abi < 0) {
    facts.landlock_error = error;
  } else if (facts.landlock_error == 0) {
    facts.abi = abi;
  }
  return facts;
}

absl::optional<Obstacle> ObstacleToLandlock(const LandlockFacts& facts) {
  if (facts.landlock_error != 0) {
    return Obstacle{"Landlock", facts.landlock_error, WhyNoLandlock(facts)};
  }
  if (facts.listener_error != 0) {
    return Obstacle{"a listener of system calls", facts.listener_error,
                    WhyNoListener(facts)};
  }
  if (facts.injection_error != 0) {
    return Obstacle{"giving descriptors to processes", facts.injection_error,
                    WhyMissing(facts, facts.injection_error, 5, 14,
                               "way to answer with a descriptor")};
  }
  if (facts.memory_error != 0) {
    return Obstacle{"reading a child's memory", facts.memory_error,
                    WhyUnreadable(facts)};
  }
  if (facts.proc_error != 0) {
    return Obstacle{"finding this process in /proc",
                    facts.proc_error,
                    {"/proc isn't mounted, or is that of another PID namespace",
                     "mount -t proc proc /proc"}};
  }
  return absl::nullopt;
}

}  // namespace encapsulate
