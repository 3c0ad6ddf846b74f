// SPDX-License-Identifier: Apache-2.0
//
// How a process comes to execute the same file through another mount, see
// executable.h. For a process that shares its memory with one that waits
// (CLONE_VM), or is a fresh copy of one: raw system calls only, and while
// mappings move, nothing is written but the stack and the ExecutableMove, which
// lies in memory of its own.
#ifndef ENCAPSULATE_CHILD_EXECUTABLE_MOVE_H_
#define ENCAPSULATE_CHILD_EXECUTABLE_MOVE_H_

#include <limits.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/types.h>

#include <cstdint>
#include <type_traits>

#include "encapsulate/child/message.h"
#include "encapsulate/kernel/raw_clone.h"

namespace encapsulate {

// Plain data, zero at first, for instance fresh from mmap(2).
struct ExecutableMove {
  struct Mapping {
    uintptr_t start;
    uintptr_t end;
    uintptr_t offset;
    int protection;
    bool shared;
  };
  // As many as a process may have (vm.max_map_count, unless that was raised).
  static constexpr int kMostMappings = 65530;

  char path[PATH_MAX];  // what /proc/self/exe says
  uint64_t device;
  uint64_t inode;
  uintptr_t page_size;
  int threads;
  int pagemap;  // a descriptor, -1 once it is closed
  int count;
  Mapping mappings[kMostMappings];
  prctl_mm_map fields;
  MoveStep step;
  int error;
  char text[5 * PATH_MAX];  // a line, in which each '\n' of a path takes four
};

static_assert(std::is_trivial<ExecutableMove>::value,
              "memory fresh from mmap(2) is one, and nobody destroys it");

// Reads from /proc/self what there is to move, and opens `pagemap`. False, with
// `step` and `error`, if that fails.
SHARES_CALLER_MEMORY bool ReadExecutable(ExecutableMove* move);

// Moves the process to `file`, a descriptor of the same file through another
// mount, and closes `pagemap`. False, with `step` and `error`, if that fails;
// the program goes on as before then.
SHARES_CALLER_MEMORY bool MoveExecutable(ExecutableMove* move, int file);

// Memory of its own, zero at first; null, with errno, if there is none.
template <typename T>
T* MapFresh() {
  void* const memory = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory != MAP_FAILED ? static_cast<T*>(memory) : nullptr;
}

}  // namespace encapsulate

#endif  // ENCAPSULATE_CHILD_EXECUTABLE_MOVE_H_
