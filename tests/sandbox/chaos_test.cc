// SPDX-License-Identifier: Apache-2.0
//
// Callers, helpers, guardians, relays, inits and children killed at random:
// nobody hangs, no end is told wrongly, and nothing is left.
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/sandbox_pool.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

constexpr int kWrong = 255;
// Of one caller.
constexpr int kSandboxes = 30;
constexpr int kMostKills = 8;

// CONTRIBUTING.md says how to have more of them.
int Kills() {
  const char* given = getenv("ENCAPSULATE_TEST_KILLS");
  int count = 0;
  return given != nullptr && absl::SimpleAtoi(given, &count) ? count : 60;
}

// What may become of a sandbox in which somebody was killed from outside.
bool IsVictim(const absl::StatusOr<Result>& result) {
  if (!result.ok()) {
    return FailureKindOf(result.status()) == FailureKind::kHostRefused;
  }
  return result->outcome == Outcome::kLost ||
         (result->outcome == Outcome::kSignaled && result->signal == SIGKILL);
}

// A caller, who has three sandboxes at a time. Returns how many were disturbed.
int EnterMany() {
  SandboxPool pool(3);
  struct Running {
    Process process;
    int code;
  };
  std::vector<Running> running;
  int victims = 0;
  for (int i = 0; i < kSandboxes || !running.empty(); ++i) {
    if (i < kSandboxes) {
      const int code = i % 50 + 1;
      absl::StatusOr<absl::optional<Process>> child =
          pool.Enter(Options(), kSandboxes - i - 1);
      if (child.ok() && !child->has_value()) {
        // Somebody to be left behind.
        if (i % 4 == 0 && fork() == 0) {
          for (;;) pause();
        }
        _exit(code);
      }
      if (!child.ok()) {
        if (!IsVictim(child.status())) return kWrong;
        ++victims;
      } else {
        running.push_back({**std::move(child), code});
      }
    }
    if (running.size() < 3 && i < kSandboxes) continue;
    if (running.empty()) continue;
    const absl::StatusOr<Result> result = running.front().process.Wait();
    if (IsVictim(result)) {
      ++victims;
    } else if (!result.ok() || result->exit_code != running.front().code) {
      return kWrong;
    }
    running.erase(running.begin());
  }
  return victims;
}

// `pid` and all that descends from it.
void AddTree(pid_t pid, std::vector<pid_t>* tree) {
  tree->push_back(pid);
  std::error_code error;
  const std::string tasks = absl::StrCat("/proc/", pid, "/task");
  auto task = std::filesystem::directory_iterator(tasks, error);
  for (; !error && task != std::filesystem::directory_iterator();
       task.increment(error)) {
    std::ifstream children(task->path() / "children");
    for (pid_t child; children >> child;) AddTree(child, tree);
  }
}

class ChaosTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    RecordProperty("seed", absl::StrCat(kSeed));
  }
  void TearDown() override { alarm(0); }

  int Random(int most) {
    return std::uniform_int_distribution<int>(0, most)(random_);
  }

  // Reaps whoever has ended; as pid 1 does for others.
  bool Reap(int options) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, options | __WALL);
    if (pid == caller_) {
      caller_ = -1;
      status_ = status;
    }
    return pid > 0 || (pid < 0 && errno == EINTR);
  }

  // Only what is below this process: the number may be another one's by now.
  static bool Kill(pid_t victim) {
    const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, victim, 0)));
    if (!pidfd.valid()) return false;
    std::vector<pid_t> tree;
    AddTree(getpid(), &tree);
    return std::count(tree.begin(), tree.end(), victim) != 0 &&
           syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0) ==
               0;
  }

  // Starts a caller and kills at random in its tree. Returns how often.
  int Disturb(int most) {
    fflush(stdout);
    caller_ = fork();
    if (caller_ == 0) _exit(EnterMany());
    int kills = 0;
    bool killed_caller = false;
    while (caller_ > 0 && kills < most) {
      poll(nullptr, 0, Random(6));
      while (Reap(WNOHANG)) {
      }
      if (caller_ < 0) break;
      std::vector<pid_t> tree;
      AddTree(getpid(), &tree);
      // The first one is this process.
      if (tree.size() < 2) continue;
      const int most_index = static_cast<int>(tree.size()) - 2;
      const pid_t victim = tree[static_cast<size_t>(1 + Random(most_index))];
      // Not every caller is to be over at once.
      if (victim == caller_ && Random(3) != 0) continue;
      if (!Kill(victim)) continue;
      killed_caller |= victim == caller_;
      ++kills;
    }
    // Everybody ends, and whoever is orphaned comes here.
    while (Reap(0)) {
    }
    if (WIFEXITED(status_)) {
      EXPECT_NE(WEXITSTATUS(status_), kWrong);
      // The kill of one process spoils one sandbox at most.
      EXPECT_LE(WEXITSTATUS(status_), kills);
    } else {
      // A relay that forks stands for its caller.
      EXPECT_EQ(WTERMSIG(status_), SIGKILL);
      EXPECT_TRUE(killed_caller || kills > 0);
    }
    return kills;
  }

 private:
  const uint32_t kSeed = std::random_device()();
  std::mt19937 random_{kSeed};
  pid_t caller_ = -1;
  int status_ = -1;
};

TEST_F(ChaosTest, NobodyHangsAndNothingIsLeft) {
  const int mounts = CountMounts();
  const int descriptors = CountDescriptors();
  for (int left = Kills(); left > 0;) {
    // Whoever stays would be waited for without an end.
    alarm(120);
    left -= Disturb(std::min(left, 1 + Random(kMostKills - 1)));
    ASSERT_EQ(CountChildren(), 0);
    ASSERT_EQ(CountMounts(), mounts);
    ASSERT_EQ(CountDescriptors(), descriptors);
    if (HasFailure()) return;
  }
}

TEST_F(ChaosTest, UndisturbedNoEndIsLost) { EXPECT_EQ(Disturb(0), 0); }

}  // namespace
}  // namespace encapsulate
