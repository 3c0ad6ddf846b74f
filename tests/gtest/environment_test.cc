// SPDX-License-Identifier: Apache-2.0
//
// A main() of the program's own that encapsulates every test, with options for
// all of them.
#include <fcntl.h>

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_environment.h"

namespace encapsulate {
namespace {

std::string Get(const char* name) {
  const char* const value = getenv(name);
  return value != nullptr ? value : "(unset)";
}

TEST(EnvironmentTest, EncapsulatesPlainTests) {
  EXPECT_TRUE(IsEncapsulated());
  EXPECT_EQ(OptionsInForce().working_directory, WorkingDirectory::kOverlay);
  EXPECT_GE(open("written", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), 0);
}

TEST(EnvironmentTest, ThrowsAwayWhatTheyWrite) {
  EXPECT_GE(open("written", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), 0);
}

// It knows nothing of sandboxes.
class ForeignFixture : public testing::Test {
 protected:
  ForeignFixture() : encapsulated_(IsEncapsulated()) {}
  void SetUp() override {}
  const bool encapsulated_;
};
TEST_F(ForeignFixture, IsEncapsulatedToo) { EXPECT_TRUE(encapsulated_); }

// An environment's SetUp() may still change the program's options.
class LateEnvironment : public testing::Environment {
  void SetUp() override {
    TestOptions options = ProgramOptions();
    options.environment.emplace_back("LATE=set");
    SetProgramOptions(options);
  }
};
TEST(EnvironmentTest, OptionsMayComeLate) {
  EXPECT_EQ(Get("EARLY"), "set");
  EXPECT_EQ(Get("LATE"), "set");
}

class SuiteTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    EXPECT_FALSE(IsEncapsulated());
    TestOptions options;
    options.environment = {"SUITE=set"};
    SetSuiteOptions(options);
  }
};
TEST_F(SuiteTest, TakesThePlaceOfTheProgramsOptions) {
  EXPECT_EQ(OptionsInForce().working_directory, WorkingDirectory::kReadOnly);
  EXPECT_EQ(Get("SUITE"), "set");
  EXPECT_EQ(Get("EARLY"), "(unset)");
}

}  // namespace
}  // namespace encapsulate

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  encapsulate::TestOptions options;
  options.working_directory = encapsulate::WorkingDirectory::kOverlay;
  options.environment = {"EARLY=set"};
  testing::AddGlobalTestEnvironment(
      new encapsulate::EncapsulatedEnvironment(options));
  testing::AddGlobalTestEnvironment(new encapsulate::LateEnvironment);
  return RUN_ALL_TESTS();
}
