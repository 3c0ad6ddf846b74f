// SPDX-License-Identifier: Apache-2.0
//
// A program with a main() of its own, which knows nothing of Encapsulate and
// links //gtest_plugin:main.
#include <unistd.h>

#include <cstdio>

#include "gtest/gtest.h"
#include "gtest_plugin/encapsulation.h"

namespace {

const pid_t program = getpid();
int tests_in_program = 0;

TEST(OwnMainTest, RunsEncapsulated) {
  EXPECT_TRUE(encapsulate::IsEncapsulated());
  EXPECT_NE(getpid(), program);
  ++tests_in_program;
}

class ParameterTest : public testing::TestWithParam<int> {};
TEST_P(ParameterTest, RunsEncapsulated) {
  EXPECT_TRUE(encapsulate::IsEncapsulated());
  ++tests_in_program;
}
INSTANTIATE_TEST_SUITE_P(Two, ParameterTest, testing::Values(1, 2));

// Registered when tests have run already.
class LateTest : public testing::Test {
  void TestBody() override {
    EXPECT_TRUE(encapsulate::IsEncapsulated());
    ++tests_in_program;
  }
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  int result = RUN_ALL_TESTS();
  testing::RegisterTest("LateTest", "RunsEncapsulated", nullptr, nullptr,
                        __FILE__, __LINE__,
                        []() -> testing::Test* { return new LateTest; });
  result |= RUN_ALL_TESTS();
  if (tests_in_program != 0) {
    fprintf(stderr, "%d tests ran in the program\n", tests_in_program);
    return 1;
  }
  return result;
}
