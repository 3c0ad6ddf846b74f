// SPDX-License-Identifier: Apache-2.0
//
// For parents of processes that nobody is to trace.
#ifndef ENCAPSULATE_KERNEL_UNTRACE_H_
#define ENCAPSULATE_KERNEL_UNTRACE_H_

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "encapsulate/kernel/raw_clone.h"

namespace encapsulate {

// PTRACE_TRACEME makes the parent a tracer, unasked, and a signal then stops
// the child until that parent says more. `child` is one that wait(2) tells to
// be stopped so, by `signal`: it goes on as if nobody traced it.
SHARES_CALLER_MEMORY inline void Untrace(pid_t child, int signal) {
  // After execve(2), the kernel sends a tracee SIGTRAP in its own name.
  siginfo_t info;
  if (signal == SIGTRAP &&
      RawSyscall(SYS_ptrace, PTRACE_GETSIGINFO, child, 0,
                 reinterpret_cast<long>(&info)) == 0 &&
      // The kernel has filled it in.
      // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
      info.si_code == SI_USER) {
    signal = 0;
  }
  RawSyscall(SYS_ptrace, PTRACE_DETACH, child, 0, signal);
}

}  // namespace encapsulate

#endif  // ENCAPSULATE_KERNEL_UNTRACE_H_
