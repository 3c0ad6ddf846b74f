// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host_check.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "encapsulate/isolation.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/places/places.h"
#include "tests/places/prepare.h"

namespace encapsulate {
namespace {

using places::EnterPlace;
using places::FailCall;
using places::Place;
using ::testing::HasSubstr;
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

// In a child of its own, which a place binds for good.
void In(const std::vector<Place>& places, const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    for (Place place : places) EnterPlace(place);
    body();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "see above";
}

bool Works(Isolation wanted) {
  for (const LevelSupport& level : CheckLevels(CheckHost())) {
    if (level.level == wanted) return level.works;
  }
  ADD_FAILURE();
  return false;
}

TEST(CheckLevelsTest, SaysWhatEachKeeps) {
  const std::vector<LevelSupport> levels = CheckLevels(CheckHost());
  ASSERT_EQ(levels.size(), AllIsolations().size());
  for (size_t i = 0; i < levels.size(); ++i) {
    EXPECT_EQ(levels[i].level, AllIsolations()[i]);
    EXPECT_EQ(levels[i].works, levels[i].reason.empty());
  }
  EXPECT_EQ(levels.front().missing, "");
  EXPECT_THAT(levels[1].missing, HasSubstr("own ports"));
  EXPECT_THAT(levels[2].missing, HasSubstr("files"));
}

// A host that grants all of them, and what is left of it elsewhere.
class StrongestIsolationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const LevelSupport& level : CheckLevels(CheckHost())) {
      if (!level.works) {
        GTEST_SKIP() << IsolationName(level.level) << ": " << level.reason;
      }
    }
  }

  static void Expect(const std::vector<Place>& places, Isolation strongest) {
    In(places, [&] {
      EXPECT_EQ(StrongestIsolation(), strongest);
      EXPECT_EQ(Works(Isolation::kNamespaces),
                strongest == Isolation::kNamespaces);
      EXPECT_TRUE(Works(strongest));
    });
  }
};

TEST_F(StrongestIsolationTest, IsNamespacesWhereTheyWork) {
  Expect({}, Isolation::kNamespaces);
  Expect({Place::kNoLandlock}, Isolation::kNamespaces);
  Expect({Place::kNoListener}, Isolation::kNamespaces);
  Expect({Place::kDockerWithProfile}, Isolation::kNamespaces);
}

TEST_F(StrongestIsolationTest, IsLandlockWhereNamespacesAreForbidden) {
  Expect({Place::kDocker}, Isolation::kLandlock);
  Expect({Place::kAppArmor}, Isolation::kLandlock);
  Expect({Place::kNoUserNamespaces}, Isolation::kLandlock);
}

TEST_F(StrongestIsolationTest, IsAProcessWhereAllElseIsMissing) {
  Expect({Place::kNoLandlock, Place::kDocker}, Isolation::kProcess);
  Expect({Place::kLandlockOff, Place::kDocker}, Isolation::kProcess);
  Expect({Place::kDocker, Place::kNoListener}, Isolation::kProcess);
}

// Whoever is short of descriptors for a moment isn't isolated less.
TEST_F(StrongestIsolationTest, IsNoneTheLessForAShortage) {
  for (int error : {EMFILE, ENFILE, ENOMEM, EAGAIN}) {
    In({}, [&] {
      FailCall(SYS_socketpair, error);
      EXPECT_EQ(StrongestIsolation(), Isolation::kNamespaces);
    });
  }
  In({}, [] {
    FailCall(SYS_socketpair, EPERM);
    EXPECT_EQ(StrongestIsolation(), Isolation::kLandlock);
  });
}

}  // namespace
}  // namespace encapsulate
