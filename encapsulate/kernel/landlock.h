// SPDX-License-Identifier: Apache-2.0
//
// Landlock (landlock(7)) as the kernel has it: numbers, structures and system
// calls, which the oldest supported headers lack. Each call returns -1 and sets
// errno, touches no heap and takes no lock.
//
//   const int ruleset = sys::LandlockCreate({sys::kLandlockWriteFile, 0, 0},
//   1); sys::LandlockAllow(ruleset, directory, sys::kLandlockWriteFile);
//   prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
//   sys::LandlockEnter(ruleset);
//
// Source: the kernel's include/uapi/linux/landlock.h.
#ifndef ENCAPSULATE_KERNEL_LANDLOCK_H_
#define ENCAPSULATE_KERNEL_LANDLOCK_H_

#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace encapsulate {
namespace sys {

// What a domain handles, and a rule allows, of files.
inline constexpr uint64_t kLandlockExecute = 1;
inline constexpr uint64_t kLandlockWriteFile = 1 << 1;
inline constexpr uint64_t kLandlockReadFile = 1 << 2;
inline constexpr uint64_t kLandlockReadDir = 1 << 3;
inline constexpr uint64_t kLandlockRemoveDir = 1 << 4;
inline constexpr uint64_t kLandlockRemoveFile = 1 << 5;
inline constexpr uint64_t kLandlockMakeChar = 1 << 6;
inline constexpr uint64_t kLandlockMakeDir = 1 << 7;
inline constexpr uint64_t kLandlockMakeReg = 1 << 8;
inline constexpr uint64_t kLandlockMakeSock = 1 << 9;
inline constexpr uint64_t kLandlockMakeFifo = 1 << 10;
inline constexpr uint64_t kLandlockMakeBlock = 1 << 11;
inline constexpr uint64_t kLandlockMakeSym = 1 << 12;
inline constexpr uint64_t kLandlockRefer = 1 << 13;     // ABI 2
inline constexpr uint64_t kLandlockTruncate = 1 << 14;  // ABI 3
inline constexpr uint64_t kLandlockIoctlDev = 1 << 15;  // ABI 5

// Of the network, by port.
inline constexpr uint64_t kLandlockBindTcp = 1;     // ABI 4
inline constexpr uint64_t kLandlockConnectTcp = 2;  // ABI 4

// What stays within a domain, and what is below it.
inline constexpr uint64_t kLandlockAbstractSockets = 1;  // ABI 6
inline constexpr uint64_t kLandlockSignals = 2;          // ABI 6

// struct landlock_ruleset_attr.
struct LandlockHandled {
  uint64_t files;
  uint64_t network;
  uint64_t scoped;
};

// The ABI that the kernel has, or -1: ENOSYS, or EOPNOTSUPP where it is there
// and turned off.
inline int LandlockAbi() {
  constexpr unsigned kVersion = 1;  // LANDLOCK_CREATE_RULESET_VERSION
  return static_cast<int>(syscall(444, nullptr, 0, kVersion));
}

// A new ruleset (close-on-exec). What is handled has to be of `abi`, which
// decides how much of the structure that kernel knows.
inline int LandlockCreate(const LandlockHandled& handled, int abi) {
  const size_t words = abi >= 6 ? 3 : abi >= 4 ? 2 : 1;
  return static_cast<int>(syscall(444, &handled, words * sizeof(uint64_t), 0U));
}

// Allows what is done to the file `fd` (O_PATH does), and below if that is a
// directory.
inline int LandlockAllow(int ruleset, int fd, uint64_t allowed) {
  struct __attribute__((packed)) {
    uint64_t allowed;
    int32_t fd;
  } const rule = {allowed, fd};
  constexpr int kPathBeneath = 1;  // LANDLOCK_RULE_PATH_BENEATH
  return static_cast<int>(syscall(445, ruleset, kPathBeneath, &rule, 0U));
}

// Enters a domain of these rules, within the one that the thread is in. Takes
// no_new_privs. There may be 16, one in the other (E2BIG).
inline int LandlockEnter(int ruleset) {
  return static_cast<int>(syscall(446, ruleset, 0U));
}

}  // namespace sys
}  // namespace encapsulate

#endif  // ENCAPSULATE_KERNEL_LANDLOCK_H_
