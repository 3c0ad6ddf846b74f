// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host/levels.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/types/optional.h"
#include "encapsulate/kernel/landlock.h"
#include "gtest/gtest.h"
#include "tests/places/prepare.h"

namespace encapsulate {
namespace {

using places::FailCall;

// The same in every architecture; older headers lack them.
constexpr long kLandlockCreateRuleset = 444;
constexpr long kLandlockRestrictSelf = 446;

// --- What follows from facts ------------------------------------------------

LandlockFacts Linux(int major, int minor) {
  LandlockFacts facts;
  facts.abi = 7;
  facts.major = major;
  facts.minor = minor;
  return facts;
}

LandlockFacts Container() {
  LandlockFacts facts = Linux(6, 12);
  facts.filtered = true;
  return facts;
}

constexpr char kDocker[] =
    "for Docker and Podman, run it with --security-opt seccomp=unconfined";

class ObstacleTest : public ::testing::Test {
 protected:
  ObstacleTest() {
    for (const char* name :
         {"KUBERNETES_SERVICE_HOST", "GITHUB_ACTIONS", "GITLAB_CI"}) {
      unsetenv(name);
    }
  }

  static void Expect(const LandlockFacts& facts, const char* what, int error,
                     const char* reason, const char* hint) {
    const absl::optional<Obstacle> obstacle = ObstacleToLandlock(facts);
    ASSERT_TRUE(obstacle.has_value()) << what;
    EXPECT_EQ(obstacle->what, what);
    EXPECT_EQ(obstacle->error, error);
    EXPECT_EQ(obstacle->cause.reason, reason);
    EXPECT_EQ(obstacle->cause.hint, hint);
  }
};

TEST_F(ObstacleTest, ThereIsNoneWhereAllWorks) {
  EXPECT_EQ(ObstacleToLandlock(Linux(6, 12)), absl::nullopt);
  EXPECT_EQ(ObstacleToLandlock(Container()), absl::nullopt);
}

TEST_F(ObstacleTest, NoStacksAreNone) {
  LandlockFacts facts = Linux(6, 12);
  facts.trace_error = EPERM;
  EXPECT_EQ(ObstacleToLandlock(facts), absl::nullopt);
}

TEST_F(ObstacleTest, IsAnOldKernel) {
  LandlockFacts facts = Linux(5, 10);
  facts.landlock_error = ENOSYS;
  Expect(facts, "Landlock", ENOSYS, "this kernel has no Landlock",
         "use Linux 5.13 or newer");
  // gVisor says that it is Linux 4.4.
  facts = Linux(4, 4);
  facts.listener_error = EINVAL;
  Expect(facts, "a listener of system calls", EINVAL,
         "this kernel has no user notification of seccomp",
         "use Linux 5.14 or newer");
  facts = Linux(5, 13);
  facts.injection_error = EINVAL;
  Expect(facts, "giving descriptors to processes", EINVAL,
         "this kernel has no way to answer with a descriptor",
         "use Linux 5.14 or newer");
}

TEST_F(ObstacleTest, IsAKernelWithoutIt) {
  LandlockFacts facts = Linux(6, 12);
  facts.landlock_error = ENOSYS;
  Expect(facts, "Landlock", ENOSYS, "this kernel was built without Landlock",
         "use Linux 5.13 or newer");
  facts.landlock_error = EOPNOTSUPP;
  Expect(facts, "Landlock", EOPNOTSUPP, "Landlock is turned off on this host",
         "boot the kernel with landlock in its parameter lsm=");
}

TEST_F(ObstacleTest, IsAContainersProfile) {
  LandlockFacts facts = Container();
  for (int error : {EPERM, ENOSYS}) {
    facts.landlock_error = error;
    Expect(facts, "Landlock", error,
           "probably a container's seccomp profile filters the call", kDocker);
  }
  facts = Container();
  facts.listener_error = EPERM;
  Expect(facts, "a listener of system calls", EPERM,
         "probably a container's seccomp profile filters the call", kDocker);
  facts = Container();
  facts.memory_error = EPERM;
  Expect(facts, "reading a child's memory", EPERM,
         "probably a container's seccomp profile filters the call", kDocker);
}

TEST_F(ObstacleTest, IsWhatIsAroundIt) {
  LandlockFacts facts = Linux(6, 12);
  facts.landlock_error = E2BIG;
  Expect(facts, "Landlock", E2BIG,
         "16 Landlock domains are around this process, and the kernel allows "
         "no more",
         "run it outside of some of them");
  facts = Linux(6, 12);
  facts.listener_error = EBUSY;
  Expect(facts, "a listener of system calls", EBUSY,
         "a program around this one watches its system calls, and the kernel "
         "allows one that does",
         "use level process: what isolates then is that program, if it is a "
         "sandbox");
}

TEST_F(ObstacleTest, IsYama) {
  LandlockFacts facts = Linux(6, 12);
  facts.memory_error = EPERM;
  facts.ptrace_scope = 2;
  Expect(facts, "reading a child's memory", EPERM,
         "this host has set kernel.yama.ptrace_scope to 2",
         "as root, sysctl -w kernel.yama.ptrace_scope=1");
  facts.ptrace_scope = 3;
  Expect(facts, "reading a child's memory", EPERM,
         "this host has set kernel.yama.ptrace_scope to 3",
         "boot the host with kernel.yama.ptrace_scope=1");
}

TEST_F(ObstacleTest, IsProcOfOthers) {
  LandlockFacts facts = Linux(6, 12);
  facts.proc_error = ESRCH;
  Expect(facts, "finding this process in /proc", ESRCH,
         "/proc isn't mounted, or is that of another PID namespace",
         "mount -t proc proc /proc");
}

// Which of them a person mends first is of no use as long as another one is in
// the way, but the first is always the same.
TEST_F(ObstacleTest, IsTheFirstOfSeveral) {
  LandlockFacts facts = Linux(6, 12);
  facts.landlock_error = facts.listener_error = facts.memory_error = EAGAIN;
  Expect(facts, "Landlock", EAGAIN, "the limit on processes is reached",
         "raise ulimit -u");
}

// --- The facts --------------------------------------------------------------

// Runs `body` in a child process, which a filter of its own may bind.
void InChild(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "see above";
}

class ProbeLandlockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::optional<Obstacle> obstacle =
        ObstacleToLandlock(ProbeLandlock());
    if (obstacle.has_value()) {
      GTEST_SKIP() << obstacle->what << ": " << obstacle->cause.reason;
    }
  }
};

TEST_F(ProbeLandlockTest, SaysWhatThisHostHas) {
  const LandlockFacts facts = ProbeLandlock();
  EXPECT_EQ(facts.abi, sys::LandlockAbi());
  EXPECT_GE(facts.abi, 1);
  EXPECT_EQ(facts.listener_error, 0);
  EXPECT_EQ(facts.injection_error, 0);
  EXPECT_EQ(facts.memory_error, 0);
  EXPECT_GE(facts.major, 5);
}

TEST_F(ProbeLandlockTest, LeavesNothingBehind) {
  ProbeLandlock();
  EXPECT_EQ(waitpid(-1, nullptr, __WALL | WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
  // The caller isn't bound.
  const int fd = dup(1);
  EXPECT_EQ(fd, dup2(fd, fd));
  close(fd);
}

TEST_F(ProbeLandlockTest, SeesEachCallThatIsRefused) {
  struct Case {
    long number;
    int LandlockFacts::*fact;
  };
  const std::vector<Case> cases = {
      {kLandlockCreateRuleset, &LandlockFacts::landlock_error},
      {kLandlockRestrictSelf, &LandlockFacts::landlock_error},
      {SYS_process_vm_readv, &LandlockFacts::memory_error},
      {SYS_ptrace, &LandlockFacts::trace_error},
      {SYS_ioctl, &LandlockFacts::injection_error},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.number);
    InChild([&] {
      EXPECT_EQ(ProbeLandlock().*c.fact, 0);
      FailCall(c.number, ENOTTY);
      const LandlockFacts facts = ProbeLandlock();
      EXPECT_EQ(facts.*c.fact, ENOTTY);
      EXPECT_EQ(facts.abi == 0, c.fact == &LandlockFacts::landlock_error);
    });
  }
  InChild([] {
    FailCall(SYS_seccomp, EPERM);
    EXPECT_EQ(ProbeLandlock().listener_error, EPERM);
  });
}

// A call that says that all is well, and does nothing.
TEST_F(ProbeLandlockTest, BelievesNoCall) {
  InChild([] {
    FailCall(kLandlockRestrictSelf, 0);
    EXPECT_EQ(ProbeLandlock().landlock_error, EOPNOTSUPP);
  });
}

TEST_F(ProbeLandlockTest, SeesALackOfProcesses) {
  InChild([] {
    FailCall(SYS_clone, EAGAIN);
    FailCall(SYS_clone3, EAGAIN);
    const LandlockFacts facts = ProbeLandlock();
    EXPECT_EQ(facts.landlock_error, EAGAIN);
    EXPECT_EQ(facts.abi, 0);
  });
}

TEST_F(ProbeLandlockTest, SeesALackOfDescriptors) {
  InChild([] {
    FailCall(SYS_pipe2, EMFILE);
    EXPECT_EQ(ProbeLandlock().landlock_error, EMFILE);
  });
}

}  // namespace
}  // namespace encapsulate
