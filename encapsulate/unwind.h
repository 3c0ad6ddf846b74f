// The call stack of a stopped thread of another process.
//
// Reads what compilers leave in a program for exceptions, the call frame
// information of .eh_frame (DWARF 5, section 6.4; the LSB's .eh_frame_hdr finds
// it), where the program has it mapped: the file needn't be in sight. Without
// it, frame pointers are followed. docs/design.md says why no library does
// this.
#ifndef ENCAPSULATE_UNWIND_H_
#define ENCAPSULATE_UNWIND_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "absl/types/optional.h"
#include "encapsulate/thread_view.h"
#include "encapsulate/violations.h"

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

// By DWARF's numbers.
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

inline constexpr int kMaxFrames = 64;

// Innermost first; not symbolized. What can't be unwound further ends it.
std::vector<Frame> Unwind(const ThreadView& thread, Registers registers);

}  // namespace encapsulate

#endif  // ENCAPSULATE_UNWIND_H_
