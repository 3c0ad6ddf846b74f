// SPDX-License-Identifier: Apache-2.0
//
// kill -9 of the caller, or of the sandbox's init, at every system call of
// either: nothing is left, and nobody waits for ever.
//
// The caller is traced (ptrace(2)), with all that it starts, and stopped at its
// n-th call, for every n. The test is the reaper of whoever is orphaned, so all
// are gone when it has no child any more.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>

#include "absl/types/optional.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/sandbox_pool.h"
#include "gtest/gtest.h"
#include "tests/support/cgroups.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

enum class Who { kCaller, kInit };

constexpr int kRan = 42;
constexpr int kFailed = 43;

// What a traced caller does, up to its exit code.
int RunCommand(const Options& options) {
  const absl::StatusOr<Result> result =
      Run(options, {ProbePath(), "exit", "7"});
  if (!result.ok()) return kFailed;
  return result->exit_code == 7 ? kRan : kFailed;
}

int EnterChild(const Options& options) {
  absl::StatusOr<absl::optional<Process>> child = Enter(options);
  if (!child.ok()) return kFailed;
  if (!child->has_value()) _exit(7);
  const Result result = (*child)->Wait();
  return result.exit_code == 7 ? kRan : kFailed;
}

// The second and the third sandbox are made ahead.
int EnterPrepared(const Options& options) {
  SandboxPool pool(2);
  for (int more = 2; more >= 0; --more) {
    absl::StatusOr<absl::optional<Process>> child = pool.Enter(options, more);
    if (!child.ok()) return kFailed;
    if (!child->has_value()) _exit(7);
    const Result result = (*child)->Wait();
    if (result.exit_code != 7) return kFailed;
  }
  return kRan;
}

class TracedCaller {
 public:
  explicit TracedCaller(const std::function<int()>& body) {
    fflush(stdout);
    caller_ = fork();
    if (caller_ == 0) {
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      raise(SIGSTOP);
      _exit(body());
    }
    EXPECT_EQ(waitpid(caller_, nullptr, 0), caller_);
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
                         PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
    EXPECT_EQ(ptrace(PTRACE_SETOPTIONS, caller_, nullptr, options), 0);
    stopped_.insert(caller_);
  }

  // Goes on until `who` has made `count` system calls (entry and exit count as
  // one each), then kills `victim` and lets the others go. False if there are
  // fewer.
  bool KillAt(Who who, int count, Who victim) {
    Resume(caller_);
    for (;;) {
      int status = 0;
      const pid_t pid = waitpid(-1, &status, __WALL);
      if (pid < 0) return false;  // all have ended by themselves
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        Ended(pid, status);
        continue;
      }
      stopped_.insert(pid);
      if (pid != caller_ && init_ < 0) init_ = pid;
      const pid_t watched = who == Who::kCaller ? caller_ : init_;
      if (WSTOPSIG(status) == (SIGTRAP | 0x80) && pid == watched &&
          --count == 0) {
        const pid_t doomed = victim == Who::kCaller ? caller_ : init_;
        if (doomed > 0) {
          kill(doomed, SIGKILL);
          AwaitEnd();
          return true;
        }
      }
      Resume(pid, status);
    }
  }

  pid_t pid() const { return caller_; }

  // The caller's wait status.
  int status() const { return status_; }

 private:
  void Resume(pid_t pid, int status = 0) {
    stopped_.erase(pid);
    const int signal = WSTOPSIG(status);
    const bool is_signal = status != 0 && status >> 16 == 0 &&
                           signal != (SIGTRAP | 0x80) && signal != SIGSTOP &&
                           signal != SIGTRAP;
    ptrace(PTRACE_SYSCALL, pid, nullptr, is_signal ? signal : 0);
  }

  void Ended(pid_t pid, int status) {
    stopped_.erase(pid);
    if (pid == caller_) status_ = status;
  }

  // Returns when every process is gone; if one stays, so does this, until the
  // alarm rings.
  void AwaitEnd() {
    for (pid_t pid : stopped_) ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
    stopped_.clear();
    for (;;) {
      int status = 0;
      const pid_t pid = waitpid(-1, &status, __WALL);
      if (pid < 0) return;
      if (WIFSTOPPED(status)) {
        ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
      } else {
        Ended(pid, status);
      }
    }
  }

  pid_t caller_;
  pid_t init_ = -1;
  int status_ = -1;
  std::set<pid_t> stopped_;
};

class KillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    // A process that nobody ends would be waited for without an end.
    alarm(240);
  }
  void TearDown() override { alarm(0); }

  // The caller looks for sockets in these unless they are writable or fresh,
  // which would make for a number of calls that depends on what others left
  // there. Bazel's sandbox has /var/tmp read-only.
  static Options QuickOptions() {
    Options options = Writable({"/tmp"});
    options.tmpfs.push_back({"/var/tmp", 0});
    return options;
  }

  // For every n, until there is no n-th stop. Returns how many there were.
  static int KillEverywhere(const std::function<int()>& body, Who who,
                            Who victim) {
    const int mounts = CountMounts();
    int n = 1;
    // A call's end and the next one's beginning are the same to a killer.
    for (bool more = true; more; n += 2) {
      TracedCaller caller(body);
      more = caller.KillAt(who, n, victim);
      EXPECT_EQ(CountChildren(), 0) << n;
      EXPECT_EQ(CountMounts(), mounts) << n;
      EXPECT_EQ(CountCgroups(caller.pid()), 0) << n;
      if (!more) {
        EXPECT_TRUE(WIFEXITED(caller.status()));
        EXPECT_EQ(WEXITSTATUS(caller.status()), kRan)
            << "the undisturbed run at the end";
      } else if (victim == Who::kInit) {
        // The caller lives and has been told, unless all was over already.
        EXPECT_TRUE(WIFEXITED(caller.status())) << n;
        const int code = WEXITSTATUS(caller.status());
        EXPECT_TRUE(code == kFailed || code == kRan) << n << ": " << code;
      }
      if (::testing::Test::HasFailure()) break;
    }
    return n;
  }
};

TEST_F(KillTest, TheCallerDiesAtAnyOfItsCalls) {
  const Options options = QuickOptions();
  EXPECT_GT(KillEverywhere([&] { return RunCommand(options); }, Who::kCaller,
                           Who::kCaller),
            20);
}

TEST_F(KillTest, TheCallerDiesWhileItHasACgroup) {
  Options options = QuickOptions();
  options.limits.processes = 5;
  const absl::Status status = RunIn(options, {"/bin/true"}).status;
  if (!status.ok()) {
    if (!IsHostRoot()) GTEST_SKIP() << "no cgroups for this root";
    REQUIRE_HOST(false, "no cgroup with the pids controller here");
  }
  EXPECT_GT(KillEverywhere([&] { return RunCommand(options); }, Who::kCaller,
                           Who::kCaller),
            20);
}

TEST_F(KillTest, TheCallerDiesAtAnyCallOfInit) {
  const Options options = QuickOptions();
  EXPECT_GT(KillEverywhere([&] { return RunCommand(options); }, Who::kInit,
                           Who::kCaller),
            50);
}

TEST_F(KillTest, InitDiesAtAnyOfItsCalls) {
  const Options options = QuickOptions();
  EXPECT_GT(KillEverywhere([&] { return RunCommand(options); }, Who::kInit,
                           Who::kInit),
            50);
}

TEST_F(KillTest, TheCallerOfEnterDiesAtAnyOfItsCalls) {
  const Options options = QuickOptions();
  EXPECT_GT(KillEverywhere([&] { return EnterChild(options); }, Who::kCaller,
                           Who::kCaller),
            20);
}

TEST_F(KillTest, TheCallerWithAHelperDiesAtAnyOfItsCalls) {
  const Options options = QuickOptions();
  EXPECT_GT(KillEverywhere([&] { return EnterPrepared(options); }, Who::kCaller,
                           Who::kCaller),
            60);
}

TEST_F(KillTest, InitOfEnterDiesAtAnyOfItsCalls) {
  const Options options = QuickOptions();
  EXPECT_GT(KillEverywhere([&] { return EnterChild(options); }, Who::kInit,
                           Who::kInit),
            50);
}

}  // namespace
}  // namespace encapsulate
