// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/plan/cgroup.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/cgroups.h"

namespace encapsulate {
namespace {

using testing::HasSubstr;
using testing::Not;

Limits Processes(uint64_t most) {
  Limits limits;
  limits.processes = most;
  return limits;
}

TEST(CgroupTest, WithoutLimitsThereIsNone) {
  const absl::StatusOr<Cgroup> cgroup = Cgroup::Make(Limits());
  ASSERT_TRUE(cgroup.ok()) << cgroup.status();
  EXPECT_TRUE(cgroup->empty());
  EXPECT_EQ(CountCgroups(getpid()), 0);
}

TEST(CgroupTest, SaysWhyThereCanBeNone) {
  const absl::Status may = Cgroup::MayLimitProcesses();
  if (may.ok()) GTEST_SKIP() << "this host lets us make one";
  EXPECT_THAT(std::string(may.message()), HasSubstr("hint: "));
  EXPECT_EQ(Cgroup::Make(Processes(10)).status(), may);
  EXPECT_EQ(CountCgroups(getpid()), 0);
}

TEST(CgroupTest, HoldsAProcessAndIsGoneAfterwards) {
  const absl::Status may = Cgroup::MayLimitProcesses();
  if (!may.ok()) GTEST_SKIP() << may;
  absl::StatusOr<Cgroup> cgroup = Cgroup::Make(Processes(10));
  ASSERT_TRUE(cgroup.ok()) << cgroup.status();
  EXPECT_FALSE(cgroup->empty());
  EXPECT_EQ(CountCgroups(getpid()), 1);
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  const std::string path = absl::StrCat("/proc/", child, "/cgroup");
  EXPECT_THAT(ReadFile(path).value_or(""), Not(HasSubstr("encapsulate-")));
  EXPECT_TRUE(cgroup->Add(child).ok());
  EXPECT_THAT(ReadFile(path).value_or(""), HasSubstr("encapsulate-"));
  EXPECT_TRUE(cgroup->LimitsHit().empty());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  Cgroup moved = *std::move(cgroup);
  moved.Remove();
  EXPECT_TRUE(moved.empty());
  EXPECT_EQ(CountCgroups(getpid()), 0);
}

}  // namespace
}  // namespace encapsulate
