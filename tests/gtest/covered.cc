// SPDX-License-Identifier: Apache-2.0
//
// Code for tests/coverage_check, which looks for the marked lines.
#include "tests/gtest/covered.h"

namespace encapsulate {

int Covered(int number) {
  if (number == 1) {
    return 10;  // runs in one test
  }
  if (number == 2) {
    return 20;  // runs in another
  }
  return 30;  // never runs
}

}  // namespace encapsulate
