// SPDX-License-Identifier: Apache-2.0
//
// The attempts to reach out that violations_test makes in every way, and the
// program `attempt` when it is executed.
#ifndef TESTS_SUPPORT_ATTEMPTS_H_
#define TESTS_SUPPORT_ATTEMPTS_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace encapsulate {

// What an attempt is made on: something outside, or its harmless twin.
struct Aim {
  bool outside;
  std::string tree;   // holds what Populate() makes
  std::string other;  // a writable one
  const char* ipv4;
  const char* ipv6;
  pid_t pid;
  // A file of the tree.
  std::string operator/(const char* name) const {
    return absl::StrCat(tree, "/", name);
  }
};

// In place of a call's number: all calls of the machine's 32-bit convention,
// sockets of AF_INET6, and a filesystem whose files have flags (chattr(1)).
inline constexpr long k32BitCalls = -1;
inline constexpr long kIpv6 = -2;
inline constexpr long kFileFlags = -3;

struct Attempt {
  const char* name;
  // Its records, a line each: "rule call(arguments) -> target: ERRNO". $T is
  // the tree, $W the writable one.
  const char* records;
  std::function<void(const Aim&)> make;
  // The call that this kernel may lack, for want of support for modules for
  // example: then there is no such attempt. 0 if every kernel has it.
  long needs = 0;
  // Whether stopping behind the call keeps it from running, as with fork(2).
  bool predicted = false;
};

const std::vector<Attempt>& Attempts();

}  // namespace encapsulate

#endif  // TESTS_SUPPORT_ATTEMPTS_H_
