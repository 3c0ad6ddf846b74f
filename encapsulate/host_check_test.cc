// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host_check.h"

#include <sys/wait.h>

#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

std::string ReadAll(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(HostCheckTest, NamesEveryFeatureAndGivesReasonsForWhatIsMissing) {
  for (const HostFeature& feature : CheckHost()) {
    EXPECT_THAT(feature.name, Not(IsEmpty()));
    EXPECT_EQ(feature.support == HostSupport::kOk, feature.reason.empty())
        << feature.name;
  }
}

// These tests themselves need a host that can, so nothing may be refused.
TEST(HostCheckTest, ThisHostCanSandbox) {
  const std::vector<HostFeature> features = CheckHost();
  EXPECT_TRUE(CanSandbox(features));
  ASSERT_THAT(features, Not(IsEmpty()));
  EXPECT_EQ(features.back().name, "a whole sandbox");
}

TEST(HostCheckTest, LeavesNoMountAndNoChildBehind) {
  const std::string before = ReadAll("/proc/self/mountinfo");
  CheckHost();
  EXPECT_EQ(ReadAll("/proc/self/mountinfo"), before);
  EXPECT_EQ(waitpid(-1, nullptr, __WALL | WNOHANG), -1);
}

TEST(CanSandboxTest, OnlyARefusalCounts) {
  EXPECT_TRUE(CanSandbox({{"a", HostSupport::kOk, "", ""},
                          {"b", HostSupport::kUnavailable, "why", ""}}));
  EXPECT_FALSE(CanSandbox({{"a", HostSupport::kOk, "", ""},
                           {"b", HostSupport::kRefused, "why", ""}}));
}

}  // namespace
}  // namespace encapsulate
