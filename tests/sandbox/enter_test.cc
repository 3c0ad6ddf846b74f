// SPDX-License-Identifier: Apache-2.0
//
// Enter(): the caller goes on in a forked child inside.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#if __GLIBC_PREREQ(2, 35)
#include <sys/rseq.h>
#endif

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

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

TEST(EnterTest, TheEnvironmentIsTheChildsToChange) {
  Options options;
  options.environment = std::vector<std::string>{"ONE=1", "OTHER=2"};
  EXPECT_EQ(RunEntered(options,
                       [] {
                         const auto is = [](const char* name,
                                            const char* value) {
                           const char* const found = getenv(name);
                           return found != nullptr && strcmp(found, value) == 0;
                         };
                         if (!is("ONE", "1") || !is("OTHER", "2") ||
                             getenv("PATH") != nullptr) {
                           return 1;
                         }
                         setenv("NEW", "3", 1);
                         setenv("OTHER", "4", 1);
                         unsetenv("ONE");
                         return is("NEW", "3") && is("OTHER", "4") &&
                                        getenv("ONE") == nullptr
                                    ? 0
                                    : 2;
                       })
                .exit_code,
            0);
  EXPECT_EQ(getenv("NEW"), nullptr);
}

std::atomic<int> signals_handled{0};

// Traced by its parent, takes a signal. Returns whether that was handled.
bool TakeSignalTraced() {
  signal(SIGUSR1, [](int) { ++signals_handled; });
  const int before = signals_handled;
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) return false;
  syscall(SYS_tkill, syscall(SYS_gettid), SIGUSR1);
  return signals_handled == before + 1;
}

// PTRACE_TRACEME makes the parent a tracer, and stops tell it of signals.
TEST(EnterTest, AStopIsNoEnd) {
  EXPECT_TRUE(
      RunEntered(Options(), [] { return TakeSignalTraced() ? 0 : 1; }).ok());
  EXPECT_TRUE(RunEntered(Options(), [] {
                bool handled = false;
                std::thread([&] { handled = TakeSignalTraced(); }).join();
                return handled ? 0 : 1;
              }).ok());
  EXPECT_EQ(RunEntered(Options(),
                       [] {
                         if (!TakeSignalTraced()) return 1;
                         ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
                         raise(SIGTERM);
                         return 2;
                       })
                .signal,
            SIGTERM);
  EXPECT_TRUE(RunEntered(Options(), [] {
                ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
                execl("/bin/true", "true", nullptr);
                return 1;
              }).ok());
}

// CLONE_PARENT makes a child of the relay's, and once that is gone, of this
// process's if that is a reaper.
TEST(EnterTest, SiblingsAreReaped) {
  InFork([] {
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    const Result result = RunEntered(Options(), [] {
      const long ends = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr,
                                nullptr, nullptr, nullptr);
      if (ends == 0) _exit(1);
      const long stays = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr,
                                 nullptr, nullptr, nullptr);
      if (stays == 0) {
        for (;;) pause();
      }
      return ends > 0 && stays > 0 ? 7 : 0;
    });
    EXPECT_EQ(result.exit_code, 7);
    EXPECT_GE(result.leftover_count, 1);
    EXPECT_EQ(CountChildren(), 0);
  });
}

// A shell and eight programs, in a group of their own. Returns when they run.
pid_t StartGroup(const std::string& prefix) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    dup2(ends[1], 1);
    const std::string script =
        prefix +
        "for i in 1 2 3 4 5 6 7 8; do sleep 1000000 & done; echo; wait";
    execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
    _exit(1);
  }
  char byte;
  return read(ends[0], &byte, 1) == 1 ? pid : -1;
}

TEST(EnterTest, WhoIsAboutToDieIsNotLeftBehind) {
  const auto leave = [](const std::string& prefix) {
    return RunEntered(Options(), [&] {
      const pid_t group = StartGroup(prefix);
      if (group < 0 || kill(-group, SIGTERM) != 0) return 1;
      // The others are init's to reap.
      if (prefix.empty()) waitpid(group, nullptr, 0);
      return 0;
    });
  };
  for (int i = 0; i < 30; ++i) {
    const Result killed = leave("");
    EXPECT_TRUE(killed.ok());
    EXPECT_EQ(killed.leftover_count, 0) << i;
  }
  const Result stays = leave("trap '' TERM; ");
  EXPECT_TRUE(stays.ok());
  EXPECT_EQ(stays.leftover_count, 9);
}

TEST(EnterTest, AProcessWithoutItsFirstThreadIsLeftBehind) {
  const Result result = RunEntered(Options(), [] {
    const pid_t pid = fork();
    if (pid == 0) {
      std::thread([] {
        for (;;) pause();
      }).detach();
      syscall(SYS_exit, 0);  // of this thread alone
    }
    const std::string stat = absl::StrCat("/proc/", pid, "/stat");
    while (ReadAll(stat).find(") Z") == std::string::npos) sched_yield();
    return 0;
  });
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.leftover_count, 1);
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
    absl::StatusOr<absl::optional<Process>> child = Enter(Options());
    ASSERT_TRUE(child.ok()) << child.status();
    if (!child->has_value()) _exit(4);
    // Nor does a wait(2) for just any child find one.
    EXPECT_EQ(waitpid(-1, nullptr, 0), -1);
    EXPECT_EQ(errno, ECHILD);
    const Result result = (*child)->Wait();
    ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
    EXPECT_EQ(result.exit_code, 4);
    EXPECT_EQ(child_signals, 0);
  });
}

// As fork(2) would run them.
std::string forks;

TEST(EnterTest, ForkHandlersRunOnceOnEachSide) {
  InFork([] {
    pthread_atfork([] { forks += "prepare "; }, [] { forks += "parent"; },
                   [] { forks += "child"; });
    const auto body = [] { return forks == "prepare child" ? 0 : 1; };
    EXPECT_EQ(RunEntered(Options(), body).exit_code, 0);
    EXPECT_EQ(forks, "prepare parent");
  });
}

bool HasRseq() {
#ifdef SYS_rseq
  // A bad address is refused as such only if there is no area yet.
  return syscall(SYS_rseq, -32L, 32, 0, 0) != 0 && errno == EINVAL;
#else
  return false;
#endif
}

// What the kernel keeps for a thread that the C library has told it about.
TEST(EnterTest, TheChildsThreadIsWhatTheCallersWas) {
  const bool has_rseq = HasRseq();
  std::vector<char> memory(65536);
  stack_t stack = {};
  stack.ss_sp = memory.data();
  stack.ss_size = memory.size();
  stack_t before = {};
  ASSERT_EQ(sigaltstack(&stack, &before), 0);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &mask, nullptr);
  EXPECT_EQ(RunEntered(Options(),
                       [&] {
                         stack_t now = {};
                         sigset_t blocked;
                         sigaltstack(nullptr, &now);
                         pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
                         return (HasRseq() == has_rseq ? 0 : 1) |
                                (now.ss_sp == memory.data() ? 0 : 2) |
                                (sigismember(&blocked, SIGUSR1) == 1 ? 0 : 4) |
                                (sigismember(&blocked, SIGUSR2) == 0 ? 0 : 8) |
                                (pthread_kill(pthread_self(), 0) == 0 ? 0 : 16);
                       })
                .exit_code,
            0);
  pthread_sigmask(SIG_UNBLOCK, &mask, nullptr);
  sigaltstack(&before, nullptr);
}

// An allocator may have registered one of its own, which nobody else can find
// again.
TEST(EnterTest, AnUnknownRseqAreaIsInheritedAsWell) {
#if defined(SYS_rseq) && __GLIBC_PREREQ(2, 35)
  InFork([] {
    alignas(32) static char area[32] = {};
    char* const known =
        static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
    constexpr int kUnregister = 1;
    REQUIRE_HOST(
        syscall(SYS_rseq, known, sizeof(area), kUnregister, RSEQ_SIG) == 0,
        "no rseq area is registered, as under some sanitizers");
    ASSERT_EQ(syscall(SYS_rseq, area, sizeof(area), 0, RSEQ_SIG), 0);
    const auto body = [] {
      return syscall(SYS_rseq, area, sizeof(area), 0, RSEQ_SIG) != 0 &&
                     errno == EBUSY
                 ? 0
                 : 1;
    };
    EXPECT_EQ(RunEntered(Options(), body).exit_code, 0);
  });
#else
  GTEST_SKIP() << "this C library registers no rseq area";
#endif
}

TEST(EnterTest, AnyThreadMayEnterWhileOthersWork) {
  std::atomic<bool> stop = false;
  std::thread other([&] {
    while (!stop) delete new std::string(1000, 'x');
  });
  std::thread([] {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(RunEntered(Options(),
                           [] {
                             const std::string text(1000, 'y');
                             return text.size() == 1000 ? 3 : 4;
                           })
                    .exit_code,
                3);
    }
  }).join();
  stop = true;
  other.join();
}

// Not dumpable, nobody could debug the caller any more.
TEST(EnterTest, TheCallerKeepsItsOwnProcFiles) {
  EXPECT_EQ(RunEntered(Options(), [] { return 0; }).exit_code, 0);
  EXPECT_EQ(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 1);
}

TEST(EnterTest, ALostCallerEndsTheChild) {
  LoseCaller([] {
    absl::StatusOr<absl::optional<Process>> child = Enter(Options());
    if (!child.ok()) _exit(1);
    if (!child->has_value()) {
      for (;;) pause();
    }
    raise(SIGKILL);
  });
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
