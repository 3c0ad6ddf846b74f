// SPDX-License-Identifier: Apache-2.0
//
// Every process of the library's own is made by one of two functions: as a copy
// of this one, or beside it, in its memory. Only where the C library's handlers
// have to run (pthread_atfork(3)), which is for Enter()'s child, fork(2) itself
// is called: launch/relay.cc, launch/persistent_relay.cc.
//
// Block all signals around both: a handler of the caller's has nothing to do in
// the new process.
#ifndef ENCAPSULATE_KERNEL_NEW_PROCESS_H_
#define ENCAPSULATE_KERNEL_NEW_PROCESS_H_

#include <sched.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "encapsulate/kernel/raw_clone.h"
#include "encapsulate/kernel/syscalls.h"

// glibc's own name for clone(2). Sanitizers take the other for a thread's start
// or a fork, and it is neither.
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" int __clone(int (*function)(void*), void* stack, int flags,
                       void* argument, ...);

namespace encapsulate {

// A child with a copy of this process's memory, like that of fork(2); 0 in the
// child. It may make system calls only. `flags` are those of clone(2), and
// sys::kCloneClearSighand, which is left out where a container filters clone3.
// With 0 for `exit_signal` its end is nobody's business but the caller's, which
// gets no SIGCHLD for it and can wait for it even where that is ignored, by
// __WALL. `pidfd` is filled in if it isn't null. -1, with errno.
inline pid_t CloneCopy(uint64_t flags, int exit_signal = 0,
                       int* pidfd = nullptr) {
  if (pidfd != nullptr) flags |= CLONE_PIDFD;
  sys::CloneArgs args;
  args.flags = flags;
  args.pidfd = reinterpret_cast<uint64_t>(pidfd);
  args.exit_signal = static_cast<uint64_t>(exit_signal);
  const pid_t pid = sys::Clone3(args);
  if (pid >= 0 || errno != ENOSYS) return pid;
  constexpr uint64_t kFlagsOfClone = UINT32_MAX;
  return static_cast<pid_t>(syscall(
      SYS_clone, (flags & kFlagsOfClone) | static_cast<unsigned>(exit_signal),
      nullptr, pidfd, nullptr, 0));
}

// A child that runs main(argument) in this process's memory, on a stack of its
// own that ends at `stack`; see SHARES_CALLER_MEMORY. `flags` are those of
// clone(2), the exit signal included, and CLONE_VM goes without saying. `pidfd`
// is for CLONE_PIDFD, `cleared` for CLONE_CHILD_CLEARTID. -1, with errno.
SHARES_CALLER_MEMORY inline pid_t CloneBeside(int (*main)(void*), void* stack,
                                              int flags, void* argument,
                                              int* pidfd = nullptr,
                                              int* cleared = nullptr) {
  return __clone(main, stack, flags | CLONE_VM, argument, pidfd, nullptr,
                 cleared);
}

}  // namespace encapsulate

#endif  // ENCAPSULATE_KERNEL_NEW_PROCESS_H_
