// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/registers.h"

#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/optional.h"

namespace encapsulate {
namespace {

#if defined(__x86_64__)
using UserRegisters = user_regs_struct;

Registers FromUser(const UserRegisters& user) {
  Registers registers;
  registers.pc = user.rip;
  const uint64_t values[] = {user.rax, user.rdx, user.rcx, user.rbx, user.rsi,
                             user.rdi, user.rbp, user.rsp, user.r8,  user.r9,
                             user.r10, user.r11, user.r12, user.r13, user.r14,
                             user.r15, user.rip};
  static_assert(sizeof(values) == sizeof(registers.values),
                "DWARF's order of registers is complete");
  memcpy(registers.values, values, sizeof(values));
  return registers;
}

int64_t ResultOf(const UserRegisters& user) {
  return static_cast<int64_t>(user.rax);
}

// i386's, as far as it is needed.
constexpr size_t kCompatSize = 17 * sizeof(uint32_t);
constexpr size_t kCompatResult = 6;  // eax
#elif defined(__aarch64__)
using UserRegisters = user_regs_struct;

Registers FromUser(const UserRegisters& user) {
  Registers registers;
  registers.pc = user.pc;
  memcpy(registers.values, user.regs, sizeof(user.regs));
  registers.values[kStackPointer] = user.sp;
  return registers;
}

int64_t ResultOf(const UserRegisters& user) {
  return static_cast<int64_t>(user.regs[0]);
}

constexpr size_t kCompatSize = 18 * sizeof(uint32_t);
constexpr size_t kCompatResult = 0;  // r0
#endif

}  // namespace

absl::optional<StoppedState> ReadStoppedState(pid_t tid) {
  union {
    UserRegisters native;
    uint32_t compat[kCompatSize / sizeof(uint32_t)];
  } user = {};
  iovec data = {&user, sizeof(user)};
  if (ptrace(PTRACE_GETREGSET, tid, reinterpret_cast<void*>(NT_PRSTATUS),
             &data) != 0) {
    return absl::nullopt;
  }
  StoppedState state;
  if (data.iov_len == kCompatSize) {
    state.result = static_cast<int32_t>(user.compat[kCompatResult]);
  } else {
    state.result = ResultOf(user.native);
    state.registers = FromUser(user.native);
  }
  return state;
}

uint64_t WithoutSignature(uint64_t address) {
#if defined(__aarch64__)
  constexpr int kAddressBits = 48;
  return address & ((uint64_t{1} << kAddressBits) - 1);
#else
  return address;
#endif
}

}  // namespace encapsulate
