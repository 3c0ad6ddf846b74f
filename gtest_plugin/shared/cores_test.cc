// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/shared/cores.h"

#include <sched.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace encapsulate {
namespace {

// A root directory with what the kernel would show there.
class CoresTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_ + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full.string()) << text;
  }

  void UseVersion2(const std::string& own) {
    Write("/proc/self/cgroup", "0::" + own + "\n");
    Write("/proc/self/mountinfo",
          "20 1 0:5 / /proc rw - proc proc rw\n"
          "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup "
          "rw\n");
  }

  const std::string root_ =
      testing::TempDir() + "/cores-" +
      testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(CoresTest, AreUnlimitedWithoutCgroups) {
  EXPECT_TRUE(std::isinf(CoresOfCgroups(root_)));
}

TEST_F(CoresTest, AreUnlimitedAtTheMaximum) {
  UseVersion2("/a");
  Write("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
  EXPECT_TRUE(std::isinf(CoresOfCgroups(root_)));
}

TEST_F(CoresTest, FollowTheQuota) {
  UseVersion2("/a");
  Write("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  EXPECT_EQ(CoresOfCgroups(root_), 1.5);
}

TEST_F(CoresTest, FollowTheQuotaOfAnAncestor) {
  UseVersion2("/a/b/c");
  Write("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
  Write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  Write("/sys/fs/cgroup/a/b/c/cpu.max", "900000 100000\n");
  EXPECT_EQ(CoresOfCgroups(root_), 2);
}

TEST_F(CoresTest, FollowTheQuotaOfVersion1) {
  Write("/proc/self/cgroup",
        "4:memory:/x\n3:cpu,cpuacct:/docker/1234\n0::/y\n");
  Write("/proc/self/mountinfo",
        "31 30 0:27 /docker/1234 /sys/fs/cgroup/cpu,cpuacct rw - cgroup "
        "cgroup rw,cpu,cpuacct\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  EXPECT_TRUE(std::isinf(CoresOfCgroups(root_)));
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(CoresOfCgroups(root_), 0.5);
}

TEST_F(CoresTest, IgnoreWhatCannotBeRead) {
  UseVersion2("/a");
  for (const char* text :
       {"many of them\n", "many 100000\n", "100000 few\n", "0 100000\n",
        "-1 100000\n", "100000 0\n", "100000 -1\n",
        "99999999999999999999 100000\n", "100000\n", "\n", ""}) {
    Write("/sys/fs/cgroup/a/cpu.max", text);
    EXPECT_TRUE(std::isinf(CoresOfCgroups(root_))) << text;
  }
  Write("/sys/fs/cgroup/a/cpu.max", "100000 100000\n");
  EXPECT_EQ(CoresOfCgroups(root_), 1) << "what can be";
}

TEST(AvailableCoresTest, FollowTheAffinity) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_GE(AvailableCores(), 1);
  EXPECT_LE(AvailableCores(), CPU_COUNT(&before));
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(AvailableCores(), 1);
  sched_setaffinity(0, sizeof(before), &before);
}

}  // namespace
}  // namespace encapsulate
