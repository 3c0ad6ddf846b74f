// SPDX-License-Identifier: Apache-2.0
//
// Limits: each ends what goes beyond it, is named in the result, and leaves
// alone what keeps to it.
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support/cgroups.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

constexpr uint64_t kMegabyte = 1 << 20;

Ran Shell(const Options& options, const std::string& script) {
  return RunIn(options, {"/bin/sh", "-c", absl::StrCat("exec 2>&1; ", script)});
}

bool WasHit(const Ran& ran, LimitHit limit) {
  return absl::c_linear_search(ran.result.limits_hit, limit);
}

TEST(LimitsTest, CpuTimeEndsABusyCommand) {
  Options options;
  options.limits.cpu_time = absl::Milliseconds(100);
  const Ran busy = Shell(options, "while :; do :; done");
  ASSERT_TRUE(busy.status.ok()) << busy.status;
  EXPECT_EQ(busy.result.outcome, Outcome::kSignaled);
  EXPECT_EQ(busy.result.signal, SIGXCPU);
  EXPECT_TRUE(WasHit(busy, LimitHit::kCpuTime));
  EXPECT_EQ(Shell(options, "ulimit -t").output, "1\n") << "rounded up";
}

TEST(LimitsTest, CpuTimeIsToldOfACommandThatIgnoresIt) {
  Options options;
  options.limits.cpu_time = absl::Seconds(1);
  const Ran stubborn = Shell(options, "trap '' XCPU; while :; do :; done");
  EXPECT_EQ(stubborn.result.signal, SIGKILL);
  EXPECT_TRUE(WasHit(stubborn, LimitHit::kCpuTime));
  const Ran killed = Shell(options, "kill -9 $$");
  EXPECT_EQ(killed.result.signal, SIGKILL);
  EXPECT_TRUE(killed.result.limits_hit.empty());
}

TEST(LimitsTest, FilesGrowUpToTheirLimit) {
  const Scratch scratch;
  Options options = Writable({scratch.path()});
  options.limits.file_size = kMegabyte;
  const std::string file = scratch / "file";
  const auto write = [&](uint64_t size) {
    return RunIn(options, {"/bin/dd", "if=/dev/zero", "status=none",
                           absl::StrCat("of=", file), "bs=4096",
                           absl::StrCat("count=", size / 4096)});
  };
  const Ran fits = write(kMegabyte);
  EXPECT_TRUE(fits.result.ok()) << fits.output;
  EXPECT_TRUE(fits.result.limits_hit.empty());
  const Ran large = write(2 * kMegabyte);
  ASSERT_TRUE(large.status.ok()) << large.status;
  EXPECT_EQ(large.result.signal, SIGXFSZ);
  EXPECT_TRUE(WasHit(large, LimitHit::kFileSize));
  EXPECT_EQ(std::filesystem::file_size(file), kMegabyte);
}

TEST(LimitsTest, DescriptorsRunOut) {
  Options options;
  options.limits.open_files = 8;
  const auto open = [&](const char* number) {
    return RunIn(options, {"/bin/bash", "-c",
                           absl::StrCat("exec ", number, "</dev/null")});
  };
  EXPECT_TRUE(open("7").result.ok());
  EXPECT_EQ(open("8").result.exit_code, 1);
}

TEST(LimitsTest, AddressSpaceRunsOut) {
  Options options;
  options.limits.address_space = 256 * kMegabyte;
  const auto use = [&](const char* size) {
    return Shell(options, absl::StrCat("dd if=/dev/zero of=/dev/null count=1 "
                                       "status=none bs=",
                                       size));
  };
  EXPECT_TRUE(use("16M").result.ok());
  const Ran refused = use("512M");
  EXPECT_EQ(refused.result.exit_code, 1) << refused.output;
  EXPECT_TRUE(absl::StrContains(refused.output, "memory exhausted"))
      << refused.output;
}

// The kernel's sums overflow: 34732913247785872 s are a millisecond for it, and
// 2^63 bytes of a file none.
TEST(LimitsTest, HugeLimitsAreNoLimits) {
  const Scratch scratch;
  Options options = Writable({scratch.path()});
  options.limits.cpu_time = absl::Seconds(34732913247785872);
  options.limits.address_space = UINT64_MAX;
  options.limits.file_size = uint64_t{1} << 63;
  options.limits.open_files = UINT64_MAX;
  options.limits.core_size = UINT64_MAX;
  for (uint64_t processes : {uint64_t{4194304}, UINT64_MAX}) {
    options.limits.processes = processes;
    const Ran ran = Shell(
        options, absl::StrCat("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); "
                              "done; echo x > ",
                              scratch / "file", "; /bin/echo started"));
    ASSERT_TRUE(ran.status.ok()) << processes << ": " << ran.status;
    EXPECT_EQ(ran.output, "started\n") << processes;
    EXPECT_TRUE(ran.result.ok()) << processes;
    EXPECT_EQ(ReadAll(scratch / "file"), "x\n");
    EXPECT_TRUE(RunEntered(options,
                           [&] {
                             WriteAll(scratch / "file", "entered");
                             return 0;
                           })
                    .ok())
        << processes;
    EXPECT_EQ(ReadAll(scratch / "file"), "entered");
  }
}

class CgroupLimitTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(CountCgroups(getpid()), 0); }

  // Whether this is a refusal for want of a cgroup, with nothing weaker.
  static bool IsRefused(const absl::Status& status, absl::string_view what) {
    if (status.ok()) return false;
    EXPECT_EQ(FailureKindOf(status), FailureKind::kHostRefused) << status;
    EXPECT_TRUE(absl::StartsWith(
        std::string(status.message()),
        absl::StrCat("cannot limit ", what, " of the sandbox: ")))
        << status;
    return true;
  }
};

TEST_F(CgroupLimitTest, ProcessesRunOut) {
  const std::string script =
      "for i in 1 2 3 4 5 6; do sleep 1000 & done; echo started";
  Options options;
  options.limits.processes = 30;
  const Ran few = Shell(options, script);
  if (IsRefused(few.status, "processes")) {
    EXPECT_EQ(geteuid(), 0U) << "others have RLIMIT_NPROC";
    if (!IsHostRoot()) GTEST_SKIP() << "no cgroups for this root";
    REQUIRE_HOST(false, "no cgroup with the pids controller here");
  }
  EXPECT_EQ(few.output, "started\n");
  EXPECT_EQ(few.result.leftover_count, 6);
  options.limits.processes = 3;
  const Ran many = Shell(options, script);
  ASSERT_TRUE(many.status.ok()) << many.status;
  EXPECT_EQ(many.result.exit_code, 2) << many.output;
  EXPECT_TRUE(absl::StrContains(many.output, "Cannot fork")) << many.output;
  EXPECT_LT(many.result.leftover_count, 3);
}

TEST_F(CgroupLimitTest, MemoryRunsOut) {
  const auto fill = [](int megabytes) {
    return absl::StrCat(
        "dd if=/dev/zero of=/dev/shm/file bs=1M status=none "
        "count=",
        megabytes);
  };
  Options options;
  options.limits.memory = 32 * kMegabyte;
  const Ran fits = Shell(options, fill(4));
  if (IsRefused(fits.status, "memory")) {
    if (!IsHostRoot()) GTEST_SKIP() << "no cgroups for this user";
    REQUIRE_HOST(false, "no cgroup with the memory controller here");
  }
  EXPECT_TRUE(fits.result.ok()) << fits.output;
  EXPECT_FALSE(WasHit(fits, LimitHit::kMemory));
  const Ran large = Shell(options, fill(128));
  ASSERT_TRUE(large.status.ok()) << large.status;
  EXPECT_FALSE(large.result.ok());
  EXPECT_TRUE(WasHit(large, LimitHit::kMemory));
}

TEST_F(CgroupLimitTest, ALimitThatLeavesNoSandboxIsSaid) {
  Options options;
  options.limits.memory = 1;
  const Ran ran = Shell(options, "true");
  if (FailureKindOf(ran.status) == FailureKind::kHostRefused &&
      IsRefused(ran.status, "memory")) {
    if (!IsHostRoot()) GTEST_SKIP() << "no cgroups for this user";
    REQUIRE_HOST(false, "no cgroup with the memory controller here");
  }
  EXPECT_EQ(std::string(ran.status.message()),
            "cannot make the sandbox: that alone takes more memory than the "
            "limit; hint: raise the limit");
  EXPECT_EQ(FailureKindOf(ran.status), FailureKind::kInvalidOptions);
}

TEST_F(CgroupLimitTest, TwoLimitsAndTwoSandboxesAtOnceAreKeptApart) {
  const std::vector<std::string> kWaiting = {"/bin/sleep", "1000"};
  Options options;
  options.limits.processes = 5;
  options.limits.memory = 64 * kMegabyte;
  absl::StatusOr<Process> first = Spawn(options, kWaiting);
  if (IsRefused(first.status(), "memory")) {
    if (!IsHostRoot()) GTEST_SKIP() << "no cgroups for this user";
    REQUIRE_HOST(false, "no cgroup with the memory controller here");
  }
  absl::StatusOr<Process> second = Spawn(options, kWaiting);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_GE(CountCgroups(getpid()), 2);
  first->Kill();
  second->Kill();
  EXPECT_EQ(first->Wait().signal, SIGKILL);
  EXPECT_EQ(second->Wait().signal, SIGKILL);
}

// Runs `body` as an ordinary user.
void InForkAs(uid_t user, const std::vector<std::string>& cgroups,
              const std::function<void()>& body) {
  InFork([&] {
    for (const std::string& cgroup : cgroups) {
      WriteAll(absl::StrCat(cgroup, "/cgroup.procs"), absl::StrCat(getpid()));
    }
    ASSERT_EQ(chdir("/"), 0);
    ASSERT_EQ(setgroups(0, nullptr), 0);
    ASSERT_EQ(setresgid(user, user, user), 0);
    ASSERT_EQ(setresuid(user, user, user), 0);
    body();
    EXPECT_EQ(CountCgroups(getpid()), 0);
  });
}

// As root may set it up for a user, on a host that has version 1 of cgroups.
TEST_F(CgroupLimitTest, HierarchiesThatWereHandedOverWillDo) {
  ONLY_FOR_ROOT();
  if (absl::StrContains(ReadAll("/sys/fs/cgroup/cgroup.controllers"),
                        "memory")) {
    GTEST_SKIP() << "version 2 has the controllers";
  }
  InFork([] {
    constexpr uid_t kUser = 64322;
    constexpr uid_t kOther = 64323;
    ASSERT_EQ(unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    Mount("tmpfs", "/mnt");
    // Where the mount table has them first they can't be seen.
    Mount("tmpfs", "/sys/fs/cgroup");
    std::vector<std::string> cgroups;
    for (const char* controller : {"memory", "pids"}) {
      const std::string point = absl::StrCat("/mnt/", controller);
      ASSERT_EQ(mkdir(point.c_str(), 0755), 0);
      REQUIRE_HOST(mount("cgroup", point.c_str(), "cgroup", 0, controller) == 0,
                   "no cgroups of version 1 here");
      cgroups.push_back(absl::StrCat(point, "/encapsulate-test-", getpid()));
    }
    for (const std::string& cgroup : cgroups) {
      ASSERT_EQ(mkdir(cgroup.c_str(), 0755), 0);
      for (const char* file : {"", "/cgroup.procs"}) {
        ASSERT_EQ(chown(absl::StrCat(cgroup, file).c_str(), kUser, kUser), 0);
      }
    }
    const std::string fork_thrice = "for i in 1 2 3; do sleep 1000 & done";
    const std::string fill =
        "head -c 128M /dev/zero > /dev/shm/file && echo filled";
    Options roomy;
    roomy.limits.processes = 30;
    roomy.limits.memory = 256 * kMegabyte;
    InForkAs(kUser, cgroups, [&] {
      EXPECT_EQ(Shell(roomy, fork_thrice).result.leftover_count, 3);
      EXPECT_EQ(Shell(roomy, fill).output, "filled\n");
      Options tight = roomy;
      tight.limits.processes = 2;
      // RLIMIT_NPROC, which would do for this limit, doesn't tell.
      EXPECT_TRUE(WasHit(Shell(tight, fork_thrice), LimitHit::kProcesses));
      tight = roomy;
      tight.limits.memory = 32 * kMegabyte;
      EXPECT_TRUE(WasHit(Shell(tight, fill), LimitHit::kMemory));
    });
    InForkAs(kOther, cgroups, [&] {
      const Ran refused = Shell(roomy, fill);
      EXPECT_TRUE(IsRefused(refused.status, "memory"));
      EXPECT_TRUE(absl::StrContains(std::string(refused.status.message()),
                                    "its cgroups belong to someone else"))
          << refused.status;
    });
    for (const std::string& cgroup : cgroups) {
      EXPECT_EQ(rmdir(cgroup.c_str()), 0) << cgroup;
    }
  });
}

}  // namespace
}  // namespace encapsulate
