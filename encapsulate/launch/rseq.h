// SPDX-License-Identifier: Apache-2.0
//
// Restartable sequences (rseq(2)).
//
// The kernel forgets a thread's area where memory is shared, as between a
// caller and its relay, and a child that is forked from there would inherit
// nothing, while the C library and allocators with a cache for each CPU go on
// to believe what they read there. So it is put back.
#ifndef ENCAPSULATE_LAUNCH_RSEQ_H_
#define ENCAPSULATE_LAUNCH_RSEQ_H_

#include <cstddef>
#include <cstdint>

namespace encapsulate {

struct RseqArea {
  bool registered = false;
  bool known = false;  // and where; else nobody can put it back
  uintptr_t address = 0;
  size_t size = 0;
};

// The calling thread's. The kernel only tells by which error it refuses.
RseqArea FindRseqArea();

// Registers it for the calling thread, if it is known.
void PutBack(const RseqArea& area);

}  // namespace encapsulate

#endif  // ENCAPSULATE_LAUNCH_RSEQ_H_
