// SPDX-License-Identifier: Apache-2.0
//
// A violation for unit tests of what is made of some.
#ifndef TESTS_SUPPORT_VIOLATION_H_
#define TESTS_SUPPORT_VIOLATION_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "encapsulate/violations.h"

namespace encapsulate {

inline Violation MakeViolation(Rule rule, const std::string& call,
                               const std::string& target, int error,
                               const std::string& program, uint64_t count) {
  Violation violation;
  violation.rule = rule;
  violation.call = call;
  violation.target = target;
  violation.error = error;
  violation.program = program;
  violation.count = count;
  violation.first = absl::FromUnixMicros(1500000);
  return violation;
}

}  // namespace encapsulate

#endif  // TESTS_SUPPORT_VIOLATION_H_
