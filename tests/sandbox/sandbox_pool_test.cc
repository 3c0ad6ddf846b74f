// SPDX-License-Identifier: Apache-2.0
//
// Sandboxes that are made ahead of need: what they have in common with those
// made in line, and what is left when somebody is killed.
#include "encapsulate/sandbox_pool.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

constexpr int kMany = 1000;

struct Entered {
  Result result;
  // Whether the sandbox's init is another process's child.
  bool prepared = false;
};

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> result;
  std::error_code error;
  const std::string tasks = absl::StrCat("/proc/", pid, "/task");
  for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
    std::ifstream children(task.path() / "children");
    for (pid_t child; children >> child;) result.push_back(child);
  }
  return result;
}

bool IsChild(pid_t pid) {
  for (pid_t child : ChildrenOf(getpid())) {
    if (child == pid) return true;
  }
  return false;
}

// This process's helper; -1 if there is none.
pid_t FindHelper() {
  for (pid_t reaper : ChildrenOf(getpid())) {
    for (pid_t pid : ChildrenOf(reaper)) {
      std::error_code error;
      const std::string program =
          std::filesystem::read_symlink(absl::StrCat("/proc/", pid, "/exe"),
                                        error)
              .string();
      if (absl::StartsWith(program, "/memfd:encapsulate")) return pid;
    }
  }
  return -1;
}

// Kills the helper, and returns when it is gone.
void KillHelper() {
  const pid_t helper = FindHelper();
  ASSERT_GT(helper, 0);
  ASSERT_EQ(kill(helper, SIGKILL), 0);
  while (kill(helper, 0) == 0) sched_yield();
}

// Runs `body` in an entered child, which leaves with its result.
Entered RunPrepared(SandboxPool* pool, const Options& options,
                    const std::function<int()>& body, int more = kMany) {
  absl::StatusOr<absl::optional<Process>> child = pool->Enter(options, more);
  if (!child.ok()) {
    ADD_FAILURE() << child.status();
    return {};
  }
  if (!child->has_value()) _exit(body());
  Entered entered;
  entered.prepared = !IsChild((*child)->init_pid());
  const Result result = (*child)->Wait();
  EXPECT_NE(result.outcome, Outcome::kLost) << result.lost;
  entered.result = result;
  return entered;
}

// Enters until a sandbox that was made ahead has been used: the first ones
// aren't, and neither are those after a change of the host's mounts.
Result RunAhead(SandboxPool* pool, const Options& options,
                const std::function<int()>& body) {
  for (int i = 0; i < 100; ++i) {
    Entered entered = RunPrepared(pool, options, body);
    EXPECT_EQ(pool->WhyInLine(), "");
    if (entered.prepared || ::testing::Test::HasFailure()) {
      return entered.result;
    }
  }
  ADD_FAILURE() << "none was made ahead";
  return {};
}

// Their numbers, which are only given away anew when nobody has them any more.
std::set<std::string> Namespaces() {
  std::set<std::string> result;
  for (const char* name : {"user", "mnt", "pid", "ipc", "uts", "net"}) {
    result.insert(
        std::filesystem::read_symlink(absl::StrCat("/proc/self/ns/", name))
            .string());
  }
  return result;
}

TEST(SandboxPoolTest, EverybodyHasNamespacesOfTheirOwn) {
  SandboxPool pool(3);
  int told[2];
  int end[2];
  ASSERT_EQ(pipe2(told, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(end, O_CLOEXEC), 0);
  std::set<std::string> seen = Namespaces();
  const size_t kinds = seen.size();
  int prepared = 0;
  constexpr size_t kTimes = 10;
  std::vector<Process> processes;
  for (size_t i = 0; i < kTimes; ++i) {
    absl::StatusOr<absl::optional<Process>> child =
        pool.Enter(Options(), kMany);
    ASSERT_TRUE(child.ok()) << child.status();
    if (!child->has_value()) {
      close(end[1]);
      const std::string names = absl::StrJoin(Namespaces(), "\n");
      if (write(told[1], names.data(), names.size()) < 0) _exit(1);
      char byte;
      _exit(read(end[0], &byte, 1) == 0 && getpid() == 2 ? 0 : 2);
    }
    prepared += IsChild((*child)->init_pid()) ? 0 : 1;
    processes.push_back(**std::move(child));
    char text[4096];
    const ssize_t size = read(told[0], text, sizeof(text));
    ASSERT_GT(size, 0);
    for (absl::string_view name : absl::StrSplit(
             absl::string_view(text, static_cast<size_t>(size)), '\n')) {
      EXPECT_TRUE(seen.insert(std::string(name)).second) << name;
    }
  }
  EXPECT_EQ(seen.size(), kinds * (kTimes + 1));
  EXPECT_GT(prepared, 0);
  for (int fd : {told[0], told[1], end[0], end[1]}) close(fd);
  for (Process& process : processes) {
    const Result result = process.Wait();
    ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
    EXPECT_EQ(result.exit_code, 0);
  }
}

TEST(SandboxPoolTest, NobodyFindsWhatSomebodyElseLeft) {
  SandboxPool pool(3);
  for (int i = 0; i < 5; ++i) {
    const auto body = [] {
      constexpr key_t kKey = 0x656e6361;
      return (shmget(kKey, 4096, IPC_CREAT | IPC_EXCL | 0600) >= 0 ? 0 : 1) |
             (open("/dev/shm/left", O_CREAT | O_EXCL | O_CLOEXEC, 0600) >= 0
                  ? 0
                  : 2);
    };
    EXPECT_EQ(RunAhead(&pool, Options(), body).exit_code, 0);
  }
}

TEST(SandboxPoolTest, ThePreparedSandboxIsTheOneThatWasAskedFor) {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  Options options = Writable({tree});
  options.hostname = "prepared";
  options.environment = {{"ONLY=this"}};
  options.umask = 027;
  options.limits.open_files = 50;
  SandboxPool pool(2);
  const auto writing = [](const std::string& path) {
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    return fd >= 0 ? 0 : errno;
  };
  const auto body = [&] {
    char name[256] = {};
    gethostname(name, sizeof(name) - 1);
    const std::string status = ReadAll("/proc/self/status");
    const char* const only = getenv("ONLY");
    return (writing(tree + "/file") == 0 ? 0 : 1) |
           (writing(scratch / "file") == EROFS ? 0 : 2) |
           (std::string(name) == "prepared" ? 0 : 4) |
           (only != nullptr && getenv("PATH") == nullptr ? 0 : 8) |
           (umask(0) == 027 ? 0 : 16) | (sysconf(_SC_OPEN_MAX) == 50 ? 0 : 32) |
           (absl::StrContains(status, "CapEff:\t0000000000000000") &&
                    absl::StrContains(status, "NoNewPrivs:\t1") &&
                    absl::StrContains(status, "Seccomp:\t2")
                ? 0
                : 64);
  };
  EXPECT_EQ(RunAhead(&pool, options, body).exit_code, 0);
  EXPECT_EQ(ReadAll(tree + "/file"), "");
}

TEST(SandboxPoolTest, OtherOptionsGetAnotherSandbox) {
  const Scratch scratch;
  const std::string one = scratch.Directory("one");
  const std::string other = scratch.Directory("other");
  SandboxPool pool(2);
  const auto can_write = [](const std::string& tree) {
    return access(tree.c_str(), W_OK) == 0 ? 1 : 0;
  };
  const auto body = [&] { return can_write(one) + 2 * can_write(other); };
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(RunAhead(&pool, Writable({one}), body).exit_code, 1);
    EXPECT_EQ(RunAhead(&pool, Writable({other}), body).exit_code, 2);
    // Where nobody expects more, the old ones stay.
    EXPECT_EQ(RunPrepared(&pool, Options(), body, 0).result.exit_code, 0);
  }
  // All that wait are children of the helper.
  EXPECT_LE(ChildrenOf(FindHelper()).size(), 2U + 1U)
      << "one may be on its way out";
}

TEST(SandboxPoolTest, TheEndIsToldLikeThatOfOthers) {
  SandboxPool pool(2);
  EXPECT_EQ(RunAhead(&pool, Options(), [] { return 77; }).exit_code, 77);
  EXPECT_EQ(RunAhead(&pool, Options(), []() -> int { abort(); }).signal,
            SIGABRT);
  const Result left = RunAhead(&pool, Options(), [] {
    int ready[2];
    if (pipe(ready) != 0) return 1;
    if (fork() == 0) {
      setsid();
      if (write(ready[1], "x", 1) != 1) _exit(1);
      for (;;) pause();
    }
    char byte;
    return read(ready[0], &byte, 1) == 1 ? 0 : 1;
  });
  EXPECT_EQ(left.exit_code, 0);
  EXPECT_EQ(left.leftover_count, 1);
}

TEST(SandboxPoolTest, TimeCountsFromTheStart) {
  SandboxPool pool(2);
  Options options;
  options.limits.timeout = absl::Hours(1);
  EXPECT_EQ(RunAhead(&pool, options, [] { return 0; }).exit_code, 0);
  // The next one waits by now.
  ASSERT_GT(FindHelper(), 0);
  poll(nullptr, 0, 100);
  const absl::Time start = absl::Now();
  const Result result = RunAhead(&pool, options, [] { return 0; });
  EXPECT_LE(result.wall_time, absl::Now() - start);

  options.limits.timeout = absl::Milliseconds(20);
  options.limits.grace = absl::ZeroDuration();
  EXPECT_EQ(RunAhead(&pool, options,
                     []() -> int {
                       for (;;) pause();
                     })
                .outcome,
            Outcome::kTimedOut);
}

TEST(SandboxPoolTest, KillingIsTheEndOfAll) {
  SandboxPool pool(2);
  EXPECT_EQ(RunAhead(&pool, Options(), [] { return 0; }).exit_code, 0);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  absl::StatusOr<absl::optional<Process>> child = pool.Enter(Options(), kMany);
  ASSERT_TRUE(child.ok()) << child.status();
  if (!child->has_value()) {
    for (;;) pause();
  }
  close(ends[1]);
  (*child)->Kill();
  const Result result = (*child)->Wait();
  ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
  EXPECT_EQ(result.signal, SIGKILL);
  struct pollfd event = {ends[0], POLLIN, 0};
  EXPECT_EQ(poll(&event, 1, 0), 1) << "Wait() returns when all are gone";
  close(ends[0]);
}

TEST(SandboxPoolTest, ViolationsAreRecordedThereToo) {
  SandboxPool pool(2);
  Options options;
  options.violations = Violations::kReport;
  const Result result = RunAhead(&pool, options, [] {
    return open("/etc/hostname", O_WRONLY | O_CLOEXEC) < 0 ? 0 : 1;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.record.violations.size(), 1U);
}

std::string ErrorOf(const absl::StatusOr<absl::optional<Process>>& child) {
  EXPECT_FALSE(child.ok());
  return std::string(child.status().message());
}

TEST(SandboxPoolTest, ErrorsAreThoseOfEnter) {
  const Scratch scratch;
  const pid_t caller = getpid();
  SandboxPool pool(2);
  EXPECT_EQ(RunAhead(&pool, Options(), [] { return 0; }).exit_code, 0);
  for (const char* mistake : {"directory", "tree", "environment"}) {
    Options options;
    if (mistake == std::string("directory")) {
      options.directory = "/no/such/directory";
    } else if (mistake == std::string("tree")) {
      options.writable = {"/no/such/tree"};
    } else {
      options.environment = {{"no value"}};
    }
    // Twice, because the second one may have been made ahead.
    for (int i = 0; i < 2; ++i) {
      const std::string error = ErrorOf(pool.Enter(options, kMany));
      ASSERT_EQ(getpid(), caller);
      EXPECT_EQ(error, ErrorOf(Enter(options)));
    }
  }
  EXPECT_EQ(RunAhead(&pool, Options(), [] { return 0; }).exit_code, 0);
}

TEST(SandboxPoolTest, ADirectoryThatVanishedIsAnErrorThen) {
  const Scratch scratch;
  Options options;
  options.directory = scratch.Directory("here");
  SandboxPool pool(2);
  EXPECT_EQ(RunAhead(&pool, options, [] { return 0; }).exit_code, 0);
  ASSERT_EQ(rmdir(options.directory.c_str()), 0);
  const std::string error = ErrorOf(pool.Enter(options, kMany));
  EXPECT_TRUE(absl::StrContains(error, "no such file or directory")) << error;
}

TEST(SandboxPoolTest, TheChildFindsNothingOfTheSandboxPools) {
  // 99 descriptors and more come out as 99.
  const auto count = [] { return std::min(CountDescriptors(), 99); };
  SandboxPool unused(0);
  const int in_line = RunPrepared(&unused, Options(), count).result.exit_code;
  SandboxPool pool(2);
  EXPECT_EQ(RunPrepared(&pool, Options(), count).result.exit_code, in_line);
  EXPECT_EQ(RunAhead(&pool, Options(), count).exit_code, in_line);
}

// As without a helper, which is a child of the program as well.
volatile sig_atomic_t child_signals = 0;

TEST(SandboxPoolTest, TheCallersChildrenAreItsOwn) {
  InFork([] {
    signal(SIGCHLD, [](int) { child_signals = child_signals + 1; });
    {
      SandboxPool pool(2);
      EXPECT_EQ(RunAhead(&pool, Options(), [] { return 4; }).exit_code, 4);
      EXPECT_EQ(waitpid(-1, nullptr, 0), -1);
      EXPECT_EQ(errno, ECHILD);
      KillHelper();
    }
    EXPECT_EQ(child_signals, 0);
    EXPECT_EQ(CountChildren(), 0);
  });
}

TEST(SandboxPoolTest, NothingIsLeft) {
  const int descriptors = CountDescriptors();
  const int mounts = CountMounts();
  for (int ahead : {0, 1, SandboxPool::kMostAhead}) {
    SandboxPool pool(ahead);
    for (int i = 0; i < 12; ++i) {
      EXPECT_EQ(
          RunPrepared(&pool, Options(), [] { return 5; }).result.exit_code, 5);
    }
  }
  EXPECT_EQ(CountChildren(), 0);
  EXPECT_EQ(CountDescriptors(), descriptors);
  EXPECT_EQ(CountMounts(), mounts);
}

TEST(SandboxPoolTest, AProcessMayOutliveItsSandboxPool) {
  auto pool = std::make_unique<SandboxPool>(2);
  EXPECT_EQ(RunAhead(pool.get(), Options(), [] { return 0; }).exit_code, 0);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  absl::StatusOr<absl::optional<Process>> child = pool->Enter(Options(), kMany);
  ASSERT_TRUE(child.ok()) << child.status();
  if (!child->has_value()) {
    char byte;
    _exit(read(ends[0], &byte, 1) == 1 ? 6 : 7);
  }
  pool = nullptr;
  EXPECT_EQ(write(ends[1], "x", 1), 1);
  const Result result = (*child)->Wait();
  ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
  EXPECT_EQ(result.exit_code, 6);
  *child = absl::nullopt;
  EXPECT_EQ(CountChildren(), 0);
  close(ends[0]);
  close(ends[1]);
}

TEST(SandboxPoolTest, WithoutItsHelperItGoesOnInLine) {
  InFork([] {
    {
      constexpr int kAhead = 3;
      SandboxPool pool(kAhead);
      EXPECT_EQ(RunAhead(&pool, Options(), [] { return 0; }).exit_code, 0);
      KillHelper();
      for (int i = 0; i < 10; ++i) {
        const Entered entered = RunPrepared(&pool, Options(), [] {
          return open("/etc/hostname", O_WRONLY | O_CLOEXEC) < 0 ? 8 : 9;
        });
        EXPECT_EQ(entered.result.exit_code, 8);
        // Those that were ready may be used: an init that is being set up still
        // has the helper's end of the socket, so the loss shows a little later.
        EXPECT_FALSE(i >= kAhead && entered.prepared);
      }
      EXPECT_EQ(pool.WhyInLine(),
                "the process that makes sandboxes ahead of need has ended");
    }
    EXPECT_EQ(CountChildren(), 0);
  });
}

TEST(SandboxPoolTest, WithoutExecutableMemoryItWorksInLine) {
  InFork([] {
    RefuseSystemCalls({SYS_memfd_create}, EACCES);
    SandboxPool pool(3);
    for (int i = 0; i < 3; ++i) {
      const Entered entered = RunPrepared(&pool, Options(), [] { return 3; });
      EXPECT_EQ(entered.result.exit_code, 3);
      EXPECT_FALSE(entered.prepared);
    }
    EXPECT_TRUE(
        absl::StartsWith(pool.WhyInLine(), "cannot make a file in memory: "))
        << pool.WhyInLine();
  });
}

TEST(SandboxPoolTest, ALostCallerEndsEverything) {
  LoseCaller([] {
    SandboxPool pool(3);
    RunAhead(&pool, Options(), [] { return 0; });
    absl::StatusOr<absl::optional<Process>> child =
        pool.Enter(Options(), kMany);
    if (!child.ok()) _exit(1);
    if (!child->has_value()) {
      for (;;) pause();
    }
    raise(SIGKILL);
  });
}

// Regular files as standard input are carried into the sandbox with their
// offset, which isn't known ahead.
TEST(SandboxPoolTest, AnInputFileIsReadFromWhereItIs) {
  const Scratch scratch;
  const std::string path = scratch.File("input", "abc");
  InFork([&] {
    const int fd = open(path.c_str(), O_RDONLY);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    SandboxPool pool(2);
    for (int expected : {'a', 'b', 'c'}) {
      const Entered entered = RunPrepared(&pool, Options(), [] {
        char byte = 0;
        return read(STDIN_FILENO, &byte, 1) == 1 ? byte : 0;
      });
      EXPECT_EQ(entered.result.exit_code, expected);
      EXPECT_FALSE(entered.prepared);
    }
  });
}

TEST(SandboxPoolTest, NewMountsOfTheHostAreSeen) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "an ordinary user keeps no capability to mount with";
  }
  const Scratch scratch;
  const std::string place = scratch.Directory("place");
  OnHostWith([] {},
             [&] {
               SandboxPool pool(3);
               const auto body = [&] {
                 return access((place + "/file").c_str(), F_OK) == 0 ? 1 : 0;
               };
               EXPECT_EQ(RunAhead(&pool, Options(), body).exit_code, 0);
               Mount("tmpfs", place);
               WriteAll(place + "/file", "");
               EXPECT_EQ(RunPrepared(&pool, Options(), body).result.exit_code,
                         1);
               EXPECT_EQ(RunAhead(&pool, Options(), body).exit_code, 1);
             });
}

TEST(SandboxPoolTest, ACallerWithOtherMountsGetsThose) {
  ONLY_FOR_ROOT();
  const Scratch scratch;
  const std::string place = scratch.Directory("place");
  InFork([&] {
    SandboxPool pool(3);
    const auto body = [&] {
      return access((place + "/file").c_str(), F_OK) == 0 ? 1 : 0;
    };
    EXPECT_EQ(RunAhead(&pool, Options(), body).exit_code, 0);
    ASSERT_EQ(unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    Mount("tmpfs", place);
    WriteAll(place + "/file", "");
    const Entered entered = RunPrepared(&pool, Options(), body);
    EXPECT_EQ(entered.result.exit_code, 1);
    EXPECT_FALSE(entered.prepared);
  });
}

// Whatever holds a place that was there before.
TEST(SandboxPoolTest, PlacesThatAreMadeAnewAreSeen) {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  const auto fill = [&] {
    std::filesystem::create_directory(tree);
    WriteAll(tree + "/secret", "x");
  };
  const auto remove = [&] { std::filesystem::remove_all(tree); };
  const auto rename = [&] { std::filesystem::rename(tree, scratch / "old"); };
  // What the view is like, by whether the tree shows its file and takes one.
  const auto look = [&] {
    const bool shows = access((tree + "/secret").c_str(), F_OK) == 0;
    const int fd = open((tree + "/new").c_str(), O_WRONLY | O_CREAT, 0600);
    return 1 + (shows ? 2 : 0) + (fd >= 0 ? 4 : 0);
  };
  std::vector<Options> all(HasOverlays() ? 4 : 3);
  all[0].writable = {tree};
  all[1].tmpfs = {{tree}};
  all[2].hidden = {tree};
  if (HasOverlays()) all[3].overlay = {tree};
  for (const Options& options : all) {
    SandboxPool pool(2);
    for (const std::function<void()>& lose :
         std::vector<std::function<void()>>{remove, rename}) {
      fill();
      const Result before = RunAhead(&pool, options, look);
      lose();
      fill();
      const Entered after = RunPrepared(&pool, options, look);
      EXPECT_EQ(after.result.exit_code, before.exit_code);
      EXPECT_FALSE(after.prepared);
      EXPECT_EQ(RunAhead(&pool, options, look).exit_code, before.exit_code);
      remove();
      std::filesystem::remove_all(scratch / "old");
    }
  }
}

TEST(SandboxPoolTest, TheHelperIsSmall) {
  SandboxPool pool(2);
  RunAhead(&pool, Options(), [] { return 0; });
  const pid_t helper = FindHelper();
  ASSERT_GT(helper, 0);
  std::ifstream status(absl::StrCat("/proc/", helper, "/status"));
  int kilobytes = 0;
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") status >> kilobytes;
  }
  EXPECT_GT(kilobytes, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(kilobytes, 4096);
#endif
}

}  // namespace
}  // namespace encapsulate
