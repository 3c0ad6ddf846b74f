// SPDX-License-Identifier: Apache-2.0
//
// DWARF expressions (DWARF 5, section 2.5), as far as compilers and C libraries
// use them for frames: procedure linkage tables and signal trampolines.
#ifndef ENCAPSULATE_INSPECT_DWARF_EXPRESSION_H_
#define ENCAPSULATE_INSPECT_DWARF_EXPRESSION_H_

#include <cstdint>

#include "absl/types/optional.h"
#include "encapsulate/inspect/registers.h"
#include "encapsulate/inspect/remote_memory.h"

namespace encapsulate {

// The value of the expression of `size` bytes at `begin`. `first` is on its
// stack when it begins. None if it can't be computed.
absl::optional<uint64_t> EvaluateExpression(RemoteMemory& memory,
                                            const Registers& registers,
                                            uint64_t begin, uint64_t size,
                                            absl::optional<uint64_t> first);

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_DWARF_EXPRESSION_H_
