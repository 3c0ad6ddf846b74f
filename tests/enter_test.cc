// Enter(): the caller goes on in a forked child inside.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support.h"

namespace encapsulate {
namespace {

// Runs `body` in an entered child, which leaves with its result.
Result RunEntered(const Options& options, const std::function<int()>& body) {
  absl::StatusOr<absl::optional<Process>> child = Enter(options);
  if (!child.ok()) {
    ADD_FAILURE() << child.status();
    return {};
  }
  if (!child->has_value()) _exit(body());
  absl::StatusOr<Result> result = (*child)->Wait();
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : Result();
}

int ErrnoOfWriting(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  return fd >= 0 ? 0 : errno;
}

TEST(EnterTest, TheChildIsInsideWithTheCallersMemory) {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  const std::string in_tree = absl::StrCat(tree, "/file");
  const std::string elsewhere = scratch / "file";
  const int secret = 77;
  EXPECT_EQ(RunEntered(Writable({tree}), [&] { return secret; }).exit_code, 77);
  EXPECT_EQ(
      RunEntered(Writable({tree}), [&] { return ErrnoOfWriting(in_tree); })
          .exit_code,
      0);
  EXPECT_EQ(
      RunEntered(Writable({tree}), [&] { return ErrnoOfWriting(elsewhere); })
          .exit_code,
      EROFS);
  EXPECT_EQ(ReadAll(in_tree), "");
  EXPECT_EQ(ErrnoOfWriting(elsewhere), 0) << "the caller stays outside";
}

TEST(EnterTest, TheChildIsConfined) {
  EXPECT_EQ(RunEntered(
                Options(),
                [] {
                  const std::string status = ReadAll("/proc/self/status");
                  return status.find("CapEff:\t0000000000000000") !=
                                     std::string::npos &&
                                 status.find("NoNewPrivs:\t1") !=
                                     std::string::npos &&
                                 status.find("Seccomp:\t2") != std::string::npos
                             ? 0
                             : 1;
                })
                .exit_code,
            0);
  EXPECT_EQ(RunEntered(Options(), [] { return getppid(); }).exit_code, 0);
  const pid_t caller = getpid();
  EXPECT_EQ(RunEntered(Options(),
                       [caller] { return kill(caller, 0) == 0 ? 0 : errno; })
                .exit_code,
            ESRCH);
}

TEST(EnterTest, ACrashIsTold) {
  EXPECT_EQ(RunEntered(Options(), []() -> int { abort(); }).signal, SIGABRT);
  const Result killed = RunEntered(Options(), [] {
    raise(SIGKILL);
    return 0;
  });
  EXPECT_EQ(killed.outcome, Outcome::kSignaled);
  EXPECT_EQ(killed.signal, SIGKILL);
}

TEST(EnterTest, TimeoutsAndLeftoversAreTold) {
  Options options;
  options.limits.timeout = absl::Milliseconds(20);
  options.limits.grace = absl::ZeroDuration();
  EXPECT_EQ(RunEntered(options,
                       [] {
                         for (;;) pause();
                         return 0;
                       })
                .outcome,
            Outcome::kTimedOut);

  const Result left = RunEntered(Options(), [] {
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
  EXPECT_EQ(CountChildren(), 0);
}

TEST(EnterTest, TheEnvironmentAndTheDirectoryAreReplacedIfAsked) {
  const Scratch scratch;
  Options options;
  options.environment = {{"ONLY=this"}};
  options.directory = scratch.path();
  options.umask = 027;
  setenv("ENCAPSULATE_TEST_OTHER", "x", 1);
  const auto body = [&] {
    char buffer[4096];
    const char* only = getenv("ONLY");
    return (only != nullptr && std::string(only) == "this" ? 0 : 1) |
           (getenv("ENCAPSULATE_TEST_OTHER") == nullptr ? 0 : 2) |
           (getcwd(buffer, sizeof(buffer)) == scratch.path() ? 0 : 4) |
           (umask(0) == 027 ? 0 : 8);
  };
  EXPECT_EQ(RunEntered(options, body).exit_code, 0);
  EXPECT_NE(RunEntered(Options(), body).exit_code & 2, 0);
  EXPECT_NE(getenv("ENCAPSULATE_TEST_OTHER"), nullptr);
  unsetenv("ENCAPSULATE_TEST_OTHER");
}

TEST(EnterTest, SandboxesOptionsApply) {
  const Scratch scratch;
  Options options;
  options.tmpfs = {{scratch.path(), 0}};
  options.hostname = "entered";
  options.limits.open_files = 50;
  EXPECT_EQ(
      RunEntered(options, [&] { return ErrnoOfWriting(scratch / "file"); })
          .exit_code,
      0);
  EXPECT_EQ(ReadAll(scratch / "file"), "<none>");
  EXPECT_EQ(RunEntered(options,
                       [] {
                         char name[256] = {};
                         gethostname(name, sizeof(name) - 1);
                         return std::string(name) == "entered" ? 0 : 1;
                       })
                .exit_code,
            0);
  EXPECT_EQ(RunEntered(options,
                       [] { return static_cast<int>(sysconf(_SC_OPEN_MAX)); })
                .exit_code,
            50);
}

// However SIGCHLD is handled by the caller, no end is lost and nothing of the
// sandbox's is seen there.
volatile sig_atomic_t child_signals = 0;

TEST(EnterTest, TheCallersSigchldIsNotConcerned) {
  InFork([] {
    signal(SIGCHLD, SIG_IGN);
    for (int code : {0, 9, 200}) {
      EXPECT_EQ(RunEntered(Options(), [code] { return code; }).exit_code, code);
    }
    EXPECT_EQ(RunEntered(Options(), []() -> int { abort(); }).signal, SIGABRT);
  });
  InFork([] {
    signal(SIGCHLD, [](int) { child_signals = child_signals + 1; });
    EXPECT_EQ(Inside(Options(), {"exit", "3"}), "<exit 3>");
    EXPECT_EQ(child_signals, 0);
  });
}

TEST(EnterTest, ALostCallerEndsTheChild) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t caller = fork();
  if (caller == 0) {
    absl::StatusOr<absl::optional<Process>> child = Enter(Options());
    if (!child.ok()) _exit(1);
    if (!child->has_value()) {
      for (;;) pause();
    }
    raise(SIGKILL);
  }
  close(ends[1]);
  char byte;
  EXPECT_EQ(read(ends[0], &byte, 1), 0) << "everyone who had it is gone";
  close(ends[0]);
  EXPECT_EQ(waitpid(caller, nullptr, 0), caller);
}

TEST(EnterTest, NothingIsLeftInTheCaller) {
  RunEntered(Options(), [] { return 0; });  // whatever is made once
  const int descriptors = CountDescriptors();
  for (int i = 0; i < 20; ++i) RunEntered(Options(), [] { return 0; });
  EXPECT_EQ(CountDescriptors(), descriptors);
  EXPECT_EQ(CountChildren(), 0);
}

TEST(EnterTest, SetUpErrorsComeToTheCallerOnly) {
  const pid_t caller = getpid();
  Options options;
  options.directory = "/no/such/directory";
  const absl::StatusOr<absl::optional<Process>> child = Enter(options);
  ASSERT_EQ(getpid(), caller);
  EXPECT_EQ(std::string(child.status().message()),
            "cannot change to directory '/no/such/directory': no such file or "
            "directory (ENOENT)");
  EXPECT_EQ(CountChildren(), 0);
}

}  // namespace
}  // namespace encapsulate
