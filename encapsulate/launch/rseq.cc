// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/launch/rseq.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

// NOLINTBEGIN(bugprone-reserved-identifier): these are glibc's.

// Where it keeps what rseq(2) needs, from 2.35 on; absent elsewhere.
extern "C" {
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));
}

// NOLINTEND(bugprone-reserved-identifier)

namespace encapsulate {
namespace {

#if defined(__x86_64__)
constexpr unsigned kRseqSignature = 0x53053053;
#elif defined(__aarch64__)
constexpr unsigned kRseqSignature = 0xd428bc00;
#endif

int Rseq(uintptr_t area, size_t size) {
#ifdef SYS_rseq
  return static_cast<int>(syscall(SYS_rseq, area, size, 0, kRseqSignature));
#else
  errno = ENOSYS;
  return -1;
#endif
}

}  // namespace

RseqArea FindRseqArea() {
  constexpr size_t kSmallest = 32;
  RseqArea area;
  // No address of a process: EFAULT, unless there is another one already.
  if (Rseq(~uintptr_t{0} - kSmallest + 1, kSmallest) == 0 || errno != EINVAL) {
    return area;
  }
  area.registered = true;
  if (&__rseq_size == nullptr || __rseq_size == 0) return area;
  area.address = reinterpret_cast<uintptr_t>(__builtin_thread_pointer()) +
                 static_cast<uintptr_t>(__rseq_offset);
  area.size = (__rseq_size + kSmallest - 1) / kSmallest * kSmallest;
  area.known = Rseq(area.address, area.size) != 0 && errno == EBUSY;
  return area;
}

void PutBack(const RseqArea& area) {
  if (area.known) Rseq(area.address, area.size);
}

}  // namespace encapsulate
