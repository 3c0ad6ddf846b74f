// SPDX-License-Identifier: Apache-2.0
//
// Call frame information: from a function's registers to its caller's.
//
// Compilers leave it in .eh_frame for exceptions (DWARF 5, section 6.4); the
// LSB's .eh_frame_hdr, where there is one, is a sorted table of it. It is read
// where the program has it mapped. All of it may be forged.
#ifndef ENCAPSULATE_INSPECT_CFI_H_
#define ENCAPSULATE_INSPECT_CFI_H_

#include <cstdint>
#include <vector>

#include "encapsulate/inspect/registers.h"
#include "encapsulate/inspect/remote_memory.h"

namespace encapsulate {

// A function, and where its frame information is.
struct FunctionEntry {
  uint64_t begin = 0;
  uint64_t information = 0;
};

// Of a program or a library.
struct FrameIndex {
  uint64_t table = 0;  // address of .eh_frame_hdr, 0 if none
  // Without it: all functions, by where they begin.
  std::vector<FunctionEntry> functions;
};

// The functions of .eh_frame, sorted. Gives up where half of the budget's reads
// are spent: some are for the stack.
std::vector<FunctionEntry> ListFunctions(RemoteMemory& memory,
                                         const StackBudget& budget,
                                         uint64_t begin, uint64_t size);

// Steps from the function at `address` to its caller. `interrupted` is whether
// that one was interrupted, by a signal, rather than made a call. False, and
// nothing changed, if there is no usable information.
bool StepByCallFrames(RemoteMemory& memory, const FrameIndex& index,
                      uint64_t address, Registers* registers,
                      bool* interrupted);

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_CFI_H_
