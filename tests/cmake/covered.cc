// SPDX-License-Identifier: Apache-2.0
//
// tests/cmake_check counts how often the marked lines ran.
#include "gtest/gtest.h"

namespace {

int Twice(int number) {
  return 2 * number;  // runs in two tests
}

TEST(Covered, One) { EXPECT_EQ(Twice(1), 2); }
TEST(Covered, Two) { EXPECT_EQ(Twice(2), 4); }

}  // namespace
