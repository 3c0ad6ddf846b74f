#include <fstream>

#include "gtest_plugin/encapsulated_test.h"

using encapsulate::EncapsulatedTest;
using encapsulate::ExpectBlocked;

TEST_F(EncapsulatedTest, WritesOnlyToItsOwnFiles) {
  EXPECT_TRUE(std::ofstream("/tmp/mine") << "gone when the test ends");
  // Else the attempt alone would fail the test.
  const ExpectBlocked blocked(encapsulate::Rule::kWrite, "/etc/no");
  EXPECT_FALSE(std::ofstream("/etc/no") << "read-only");
}
