// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/environment.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

const HermeticDirectories kDirectories = {"/s/home", "/s/tmp", "/s/test"};

Environment Scrub(const Environment& environment) {
  return HermeticEnvironment(environment, kDirectories);
}

TEST(HermeticEnvironmentTest, SetsClockLocaleAndPlaces) {
  EXPECT_THAT(Scrub({}), ElementsAre("TZ=UTC", "LANG=C.UTF-8", "LC_ALL=C.UTF-8",
                                     "HOME=/s/home", "TMPDIR=/s/tmp",
                                     "TEST_TMPDIR=/s/test"));
}

TEST(HermeticEnvironmentTest, ReplacesThoseOfTheCaller) {
  const Environment scrubbed =
      Scrub({"TZ=Asia/Tokyo", "LC_TIME=de_DE.UTF-8", "HOME=/root",
             "TEST_TMPDIR=/b/t", "TMP=/x"});
  EXPECT_EQ(scrubbed, Scrub({}));
}

class ScrubTest : public testing::TestWithParam<std::string> {};

using ScrubbedVariableTest = ScrubTest;
TEST_P(ScrubbedVariableTest, Goes) {
  EXPECT_TRUE(IsScrubbed(GetParam()));
  EXPECT_EQ(Scrub({GetParam() + "=1"}), Scrub({}));
}
INSTANTIATE_TEST_SUITE_P(
    Names, ScrubbedVariableTest,
    testing::Values("http_proxy", "HTTPS_PROXY", "no_proxy", "ALL_PROXY",
                    "SSH_AUTH_SOCK", "SSH_AGENT_PID", "GPG_AGENT_INFO",
                    "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY",
                    "XAUTHORITY", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",
                    "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "CI_JOB_TOKEN",
                    "GOOGLE_APPLICATION_CREDENTIALS", "OPENAI_API_KEY",
                    "KUBECONFIG", "DOCKER_HOST", "DB_PASSWORD", "EDITOR",
                    "LC_ALL", "LANGUAGE", "GIT_DIR", "BASH_ENV", "OLDPWD"));

using KeptVariableTest = ScrubTest;
TEST_P(KeptVariableTest, Stays) {
  EXPECT_FALSE(IsScrubbed(GetParam()));
  EXPECT_THAT(Scrub({GetParam() + "=1"}), Contains(GetParam() + "=1"));
}
INSTANTIATE_TEST_SUITE_P(
    Names, KeptVariableTest,
    testing::Values("PATH", "USER", "TERM", "LD_LIBRARY_PATH", "MY_OPTION",
                    "TEST_SRCDIR", "TEST_TARGET", "TEST_UNDECLARED_OUTPUTS_DIR",
                    "XML_OUTPUT_FILE", "RUNFILES_DIR", "JAVA_RUNFILES",
                    "GTEST_FILTER", "GTEST_OUTPUT", "BAZEL_TEST",
                    "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS",
                    "COVERAGE_DIR", "GCOV_PREFIX", "LLVM_PROFILE_FILE",
                    "BUILD_AUTH", "TEST_API_KEY", "LESSON", "LANGUAGES",
                    "ENVIRONMENT"));

TEST(HermeticEnvironmentTest, KeepsTheOrderOfWhatStays) {
  Environment scrubbed = Scrub({"B=1", "DISPLAY=:0", "A=2"});
  scrubbed.resize(2);
  EXPECT_THAT(scrubbed, ElementsAre("B=1", "A=2"));
}

TEST(HermeticEnvironmentTest, TakesValuesWithEqualSigns) {
  EXPECT_THAT(Scrub({"FLAGS=a=b=c"}), Contains("FLAGS=a=b=c"));
}

TEST(SetVariableTest, ReplacesInPlaceAndDropsRepetitions) {
  Environment environment = {"A=1", "B=2", "A=3"};
  SetVariable("A", "4", &environment);
  EXPECT_THAT(environment, ElementsAre("A=4", "B=2"));
}

TEST(SetVariableTest, AddsANewOneAtTheEnd) {
  Environment environment = {"AB=1"};
  SetVariable("A", "", &environment);
  EXPECT_THAT(environment, ElementsAre("AB=1", "A="));
}

TEST(RemoveVariableTest, RemovesEveryEntryOfThatNameOnly) {
  Environment environment = {"A=1", "AB=2", "A=3"};
  RemoveVariable("A", &environment);
  EXPECT_THAT(environment, ElementsAre("AB=2"));
  RemoveVariable("AB", &environment);
  EXPECT_THAT(environment, IsEmpty());
}

TEST(CurrentEnvironmentTest, HoldsWhatSetenvPutThere) {
  ASSERT_EQ(setenv("ENCAPSULATE_TEST_VARIABLE", "x=y", 1), 0);
  EXPECT_THAT(CurrentEnvironment(), Contains("ENCAPSULATE_TEST_VARIABLE=x=y"));
  ASSERT_EQ(unsetenv("ENCAPSULATE_TEST_VARIABLE"), 0);
  EXPECT_THAT(CurrentEnvironment(),
              Not(Contains("ENCAPSULATE_TEST_VARIABLE=x=y")));
}

TEST(EnvironmentTest, OutputsAreThoseOfTheTestOrOfItsProgram) {
  const Environment environment = {
      "XML_OUTPUT_FILE=/out/xml/test.xml",      "TEST_TMPDIR=/scratch",
      "TEST_UNDECLARED_OUTPUTS_DIR=/out/files", "COVERAGE_DIR=",
      "LLVM_PROFILE_FILE=/coverage/%p.profraw", "GCOV_PREFIX"};
  EXPECT_EQ(BazelOutputs(environment, OutputOf::kTest),
            (std::vector<std::string>{"/out/files", "/coverage"}));
  EXPECT_EQ(BazelOutputs(environment, OutputOf::kProgram),
            (std::vector<std::string>{"/out/files", "/coverage", "/scratch",
                                      "/out/xml"}));
}

}  // namespace
}  // namespace encapsulate
