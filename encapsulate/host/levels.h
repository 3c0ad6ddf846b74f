// SPDX-License-Identifier: Apache-2.0
//
// Whether this host grants what level landlock (isolation.h) is made of, found
// out by trying, and why not.
//
//   const LandlockFacts facts = ProbeLandlock();
//   const absl::optional<Obstacle> obstacle = ObstacleToLandlock(facts);
#ifndef ENCAPSULATE_HOST_LEVELS_H_
#define ENCAPSULATE_HOST_LEVELS_H_

#include <string>

#include "absl/types/optional.h"
#include "encapsulate/host/causes.h"

namespace encapsulate {

// What trying gave. Each error is an errno, 0 where it works.
struct LandlockFacts {
  // The ABI of Landlock; 0 if it can't be used.
  int abi = 0;
  // Of asking for the ABI, or else of a ruleset that a process puts on itself.
  int landlock_error = 0;
  // A filter with a listener (seccomp_unotify(2)).
  int listener_error = 0;
  // Giving a descriptor to a process that waits, and its answer with it: ENOTTY
  // and EINVAL from kernels before 5.14.
  int injection_error = 0;
  // Reading the memory of a child, process_vm_readv(2).
  int memory_error = 0;
  // Finding this process in /proc, which tells of threads that wait: ESRCH from
  // that of another PID namespace.
  int proc_error = 0;
  // Stopping a child by ptrace(2). Stacks in reports need it, nothing else.
  int trace_error = 0;
  // Of the kernel: 6 and 12.
  int major = 0;
  int minor = 0;
  // Whether a filter binds this process, a container's usually.
  bool filtered = false;
  // kernel.yama.ptrace_scope; -1 if there is none.
  int ptrace_scope = -1;
};

// In child processes that end before it returns; nothing stays. Some tenths of
// a millisecond. They make system calls only, so threads don't matter.
LandlockFacts ProbeLandlock();

// What keeps level landlock from working.
struct Obstacle {
  std::string what;  // "Landlock", "a listener of system calls", ...
  int error = 0;
  Cause cause;
};

// The first in the order of LandlockFacts; nullopt if there is none.
absl::optional<Obstacle> ObstacleToLandlock(const LandlockFacts& facts);

}  // namespace encapsulate

#endif  // ENCAPSULATE_HOST_LEVELS_H_
