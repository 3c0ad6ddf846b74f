#include <fstream>

#include "gtest_plugin/encapsulated_test.h"

using encapsulate::EncapsulatedTest;

TEST_F(EncapsulatedTest, WritesOnlyToItsOwnFiles) {
  EXPECT_TRUE(std::ofstream("/tmp/mine") << "gone when the test ends");
  EXPECT_FALSE(std::ofstream("/etc/no") << "read-only");
}
