// SPDX-License-Identifier: Apache-2.0
//
// Runs code in encapsulated tests only; tests/coverage_check looks whether
// `bazel coverage` knows.
#include "tests/gtest/covered.h"

#include "gtest/gtest.h"

namespace encapsulate {
namespace {

TEST(CoveredTest, RunsOneLine) { EXPECT_EQ(Covered(1), 10); }
TEST(CoveredTest, RunsAnother) { EXPECT_EQ(Covered(2), 20); }
TEST(CoveredTest, RunsItAgain) { EXPECT_EQ(Covered(2), 20); }

}  // namespace
}  // namespace encapsulate
