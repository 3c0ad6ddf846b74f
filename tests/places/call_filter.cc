// SPDX-License-Identifier: Apache-2.0

#include "tests/places/call_filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace encapsulate::places {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kMachine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kMachine = AUDIT_ARCH_AARCH64;
#endif

constexpr sock_filter LoadWord(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}

constexpr sock_filter LoadNumber() {
  return LoadWord(offsetof(seccomp_data, nr));
}

constexpr sock_filter Return(uint32_t action) {
  return BPF_STMT(BPF_RET | BPF_K, action);
}

uint32_t ErrnoAction(int error) {
  return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error);
}

}  // namespace

CallFilter::CallFilter()
    : program_({LoadWord(offsetof(seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kMachine, 1, 0),
                Return(SECCOMP_RET_ALLOW), LoadNumber()}),
      otherwise_(SECCOMP_RET_ALLOW) {}

CallFilter& CallFilter::Fail(const std::vector<long>& numbers, int error) {
  for (long number : numbers) Add(number, ErrnoAction(error));
  return *this;
}

CallFilter& CallFilter::FailIf(long number, int index, Is is, uint32_t value,
                               int error) {
  return AddIf(number, index, is, value, ErrnoAction(error));
}

CallFilter& CallFilter::Allow(const std::vector<long>& numbers) {
  for (long number : numbers) Add(number, SECCOMP_RET_ALLOW);
  return *this;
}

CallFilter& CallFilter::AllowIf(long number, int index, Is is, uint32_t value) {
  return AddIf(number, index, is, value, SECCOMP_RET_ALLOW);
}

CallFilter& CallFilter::FailAbove(long number, int error) {
  program_.push_back(
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, static_cast<uint32_t>(number), 0, 1));
  program_.push_back(Return(ErrnoAction(error)));
  return *this;
}

CallFilter& CallFilter::FailOthers(int error) {
  otherwise_ = ErrnoAction(error);
  return *this;
}

CallFilter& CallFilter::Add(long number, uint32_t action) {
  program_.push_back(
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1));
  program_.push_back(Return(action));
  return *this;
}

CallFilter& CallFilter::AddIf(long number, int index, Is is, uint32_t value,
                              uint32_t action) {
  constexpr uint8_t kSkip = 1;
  program_.push_back(
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 4));
  // The low half comes first on machines that are little-endian, as all that
  // are supported.
  program_.push_back(LoadWord(offsetof(seccomp_data, args) +
                              static_cast<size_t>(index) * sizeof(uint64_t)));
  switch (is) {
    case Is::kEqual:
      program_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, kSkip));
      break;
    case Is::kLess:
      program_.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, value, kSkip, 0));
      break;
    case Is::kWithAnyOf:
      program_.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, value, 0, kSkip));
      break;
    case Is::kWithNoneOf:
      program_.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, value, kSkip, 0));
      break;
  }
  program_.push_back(Return(action));
  program_.push_back(LoadNumber());
  return *this;
}

int CallFilter::Load() {
  program_.push_back(Return(otherwise_));
  const sock_fprog filter = {static_cast<unsigned short>(program_.size()),
                             program_.data()};
  // Who has CAP_SYS_ADMIN needs no promise to gain no privileges, and a
  // container's root made none.
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0) return 0;
  if (errno != EACCES) return errno;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0 ? 0
                                                                        : errno;
}

}  // namespace encapsulate::places
