// SPDX-License-Identifier: Apache-2.0
//
// The registers of a stopped thread, by the numbers that DWARF gives them.
#ifndef ENCAPSULATE_INSPECT_REGISTERS_H_
#define ENCAPSULATE_INSPECT_REGISTERS_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/types/optional.h"

namespace encapsulate {

#if defined(__x86_64__)
// rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, and the return address.
inline constexpr int kDwarfRegisters = 17;
inline constexpr int kReturnAddress = 16;
inline constexpr int kStackPointer = 7;
inline constexpr int kFramePointer = 6;
#elif defined(__aarch64__)
// x0 to x30, sp.
inline constexpr int kDwarfRegisters = 32;
inline constexpr int kReturnAddress = 30;
inline constexpr int kStackPointer = 31;
inline constexpr int kFramePointer = 29;
#endif

struct Registers {
  uint64_t pc = 0;
  uint64_t values[kDwarfRegisters] = {};
};

// Of a thread that the caller traces (ptrace(2)) and that has stopped.
struct StoppedState {
  absl::optional<Registers> registers;  // none of a 32-bit program's
  int64_t result = 0;                   // of the system call, if it was in one
};
// None if it has died.
absl::optional<StoppedState> ReadStoppedState(pid_t tid);

// aarch64 signs return addresses in the bits above any user address.
uint64_t WithoutSignature(uint64_t address);

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_REGISTERS_H_
