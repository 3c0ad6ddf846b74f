// SPDX-License-Identifier: Apache-2.0
//
// The call stack of a stopped thread of another process.
//
// Reads what compilers leave in a program for exceptions (cfi.h), where the
// program has it mapped: the file needn't be in sight. Without it, frame
// pointers are followed. docs/design.md says why no library does this.
#ifndef ENCAPSULATE_INSPECT_UNWIND_H_
#define ENCAPSULATE_INSPECT_UNWIND_H_

#include <vector>

#include "encapsulate/inspect/registers.h"
#include "encapsulate/inspect/remote_memory.h"
#include "encapsulate/inspect/thread_view.h"
#include "encapsulate/violations.h"

namespace encapsulate {

inline constexpr int kMaxFrames = 64;

// Innermost first; not symbolized. What can't be unwound further ends it, and
// so do the limits.
std::vector<Frame> Unwind(const ThreadView& thread, Registers registers,
                          const StackLimits& limits = {});

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_UNWIND_H_
