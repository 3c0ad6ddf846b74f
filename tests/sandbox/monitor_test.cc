// SPDX-License-Identifier: Apache-2.0
//
// The monitor under bad conditions, and what it tells beside the call itself.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/violations.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

Options Watching(const std::vector<std::string>& writable = {}) {
  Options options = Writable(writable);
  options.violations = Violations::kReport;
  return options;
}

Result Runs(const Options& options, const std::vector<std::string>& command) {
  Ran ran = RunIn(options, command);
  EXPECT_TRUE(ran.status.ok()) << ran.status;
  return std::move(ran.result);
}

// "/usr/nothing-1": where nobody can make a directory.
std::string Outside(int number) {
  return absl::StrCat("/usr/nothing-", number);
}

// Whether the attempt fails as it has to.
bool Attempt(int number) {
  return mkdir(Outside(number).c_str(), 0755) != 0 && errno == EROFS;
}

// The errno of connect(2); a leading '@' stands for an abstract name.
int ConnectTo(const std::string& name, int type = SOCK_STREAM) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, name.data(),
         std::min(name.size(), sizeof(address.sun_path) - 1));
  const bool abstract = name[0] == '@';
  if (abstract) address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                           name.size() + (abstract ? 0 : 1));
  const int fd = socket(AF_UNIX, type, 0);
  const int result = connect(fd, reinterpret_cast<sockaddr*>(&address), size);
  const int error = errno;
  close(fd);
  return result == 0 ? 0 : error;
}

// "rule target ERRNO", one for each.
std::vector<std::string> Describe(const std::vector<Violation>& violations) {
  std::vector<std::string> lines;
  lines.reserve(violations.size());
  for (const Violation& violation : violations) {
    lines.push_back(absl::StrCat(RuleName(violation.rule), " ",
                                 violation.target, " ",
                                 strerrorname_np(violation.error)));
  }
  return lines;
}

bool CanCompile() { return system("g++ --version >/dev/null 2>&1") == 0; }

// --- Bad conditions ----------------------------------------------------------

TEST(MonitorTest, EightThreadsAreToldApart) {
  constexpr int kThreads = 8;
  constexpr int kAttempts = 100;
  const Scratch scratch;
  const Result result = RunEntered(Watching({scratch.path()}), [&] {
    std::atomic<bool> failed{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        const std::string mine = scratch / absl::StrCat("file", i);
        for (int j = 0; j < kAttempts; ++j) {
          const int fd = open(mine.c_str(), O_WRONLY | O_CREAT, 0644);
          if (fd < 0 || close(fd) != 0 || !Attempt(i)) failed = true;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return failed ? 1 : 0;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.record.violations.size(), size_t{kThreads});
  for (const Violation& violation : result.record.violations) {
    EXPECT_EQ(violation.count, uint64_t{kAttempts}) << violation.target;
    EXPECT_NE(violation.pid, violation.tid);
  }
}

TEST(MonitorTest, SignalsAtAHighRateInterruptNothing) {
  constexpr int kAttempts = 300;
  const Result result = RunEntered(Watching(), [] {
    static volatile sig_atomic_t signals = 0;
    struct sigaction action = {};
    action.sa_handler = [](int) { signals = signals + 1; };
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, nullptr);
    const itimerval kilohertz = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &kilohertz, nullptr);
    // As many as there are, and until enough signals have come.
    int made = 0;
    for (; made < kAttempts; ++made) {
      if (!Attempt(made)) return 1;
    }
    while (signals < 50) {
      if (!Attempt(0)) return 2;
    }
    return 0;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.record.violations.size(), size_t{kAttempts});
}

TEST(MonitorTest, AForkStormIsCounted) {
  constexpr int kProcesses = 200;
  const Result result = RunEntered(Watching(), [] {
    for (int i = 0; i < kProcesses; ++i) {
      const pid_t child = fork();
      if (child < 0) return 1;
      if (child == 0) _exit(Attempt(0) ? 0 : 1);
    }
    int status = 0;
    while (wait(&status) > 0) {
      if (status != 0) return 2;
    }
    return 0;
  });
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_EQ(result.record.violations.size(), 1U);
  EXPECT_EQ(result.record.violations[0].count, uint64_t{kProcesses});
}

TEST(MonitorTest, ExecutionInTheMidstOfACallHarmsNobody) {
  for (int i = 0; i < 20; ++i) {
    const Result result = RunEntered(Watching(), [i] {
      std::atomic<bool> ready{false};
      std::thread other([&] {
        for (int number = 0;; ++number) {
          Attempt(number % 1000);
          ready = true;
        }
      });
      while (!ready) sched_yield();
      // Every second time the one that is stopped is not the one that executes.
      if (i % 2 == 0) Attempt(2000);
      execl("/bin/true", "true", nullptr);
      return 1;
    });
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.signal, 0);
    EXPECT_GE(result.record.violations.size(), 1U);
  }
}

TEST(MonitorTest, DeathInTheMidstOfACallHarmsNobody) {
  const Result result = RunEntered(Watching(), [] {
    for (int i = 0; i < 50; ++i) {
      int ready[2];
      if (pipe(ready) != 0) return 1;
      const pid_t child = fork();
      if (child == 0) {
        std::thread([] {
          for (int number = 0;; ++number) Attempt(number);
        }).detach();
        for (int number = 0;; ++number) {
          Attempt(number);
          if (write(ready[1], "x", 1) != 1) _exit(1);
        }
      }
      close(ready[1]);
      char byte;
      if (read(ready[0], &byte, 1) != 1) return 2;
      kill(child, SIGKILL);
      close(ready[0]);
      if (waitpid(child, nullptr, 0) != child) return 3;
    }
    return 0;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.signal, 0);
}

TEST(MonitorTest, StoppedProcessesStayStoppedAndGoOn) {
  const Result result = RunEntered(Watching(), [] {
    const pid_t child = fork();
    if (child == 0) {
      for (int number = 0;; ++number) {
        if (!Attempt(number % 100)) _exit(1);
      }
    }
    for (int i = 0; i < 50; ++i) {
      int status = 0;
      kill(child, SIGSTOP);
      if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) {
        return 1;
      }
      kill(child, SIGCONT);
      if (waitpid(child, &status, WCONTINUED) != child ||
          !WIFCONTINUED(status)) {
        return 2;
      }
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return 0;
  });
  EXPECT_EQ(result.exit_code, 0);
}

TEST(MonitorTest, NothingIsLeftWhenTheCallerIsKilled) {
  int alive[2];
  ASSERT_EQ(pipe(alive), 0);
  const pid_t caller = fork();
  if (caller == 0) {
    close(alive[0]);
    RunEntered(Watching(), [&] {
      for (int number = 0;; ++number) {
        Attempt(number % 10);
        if (number == 5 && write(alive[1], "x", 1) != 1) return 1;
      }
    });
    _exit(1);
  }
  close(alive[1]);
  char byte;
  ASSERT_EQ(read(alive[0], &byte, 1), 1);
  kill(caller, SIGKILL);
  waitpid(caller, nullptr, 0);
  // The end of the file: nobody inside has the pipe any more.
  EXPECT_EQ(read(alive[0], &byte, 1), 0);
  close(alive[0]);
}

TEST(MonitorTest, ATracedProcessIsRecordedWithoutItsStack) {
  const Result result = RunEntered(Watching(), [] {
    const pid_t child = fork();
    if (child == 0) {
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      raise(SIGSTOP);
      _exit(Attempt(1) ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ptrace(PTRACE_CONT, child, nullptr, nullptr);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
  });
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_EQ(result.record.violations.size(), 1U);
  EXPECT_EQ(result.record.violations[0].error, EROFS);
  EXPECT_TRUE(result.record.violations[0].error_predicted);
  EXPECT_TRUE(result.record.violations[0].stack.empty());
}

TEST(MonitorTest, AnUndumpableProcessIsSeenOrCounted) {
  const Result result = RunEntered(Watching(), [] {
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return Attempt(1) ? 0 : 1;
  });
  EXPECT_EQ(result.exit_code, 0);
  // Root may look all the same.
  EXPECT_EQ(result.record.violations.size() + result.record.unseen, 1U);
}

TEST(MonitorTest, ASandboxInsideLeavesWatchingToTheOneOutside) {
  const Result result = RunEntered(Watching(), [] {
    const absl::StatusOr<Result> inner =
        encapsulate::Run(Watching(), {"/bin/true"});
    if (geteuid() == 0) return 0;  // it can't make any: see SECURITY.md
    return inner.ok() && inner->ok() && inner->record.watched_outside ? 0 : 1;
  });
  EXPECT_EQ(result.exit_code, 0);
}

TEST(MonitorTest, ASandboxInsideIsWatchedFromOutside) {
  if (geteuid() == 0) GTEST_SKIP() << "root can't make one: see SECURITY.md";
  const Result result = RunEntered(Watching(), [] {
    const absl::StatusOr<Result> inner = encapsulate::Run(
        Options(), {"/bin/sh", "-c", "mkdir /usr/nothing 2>/dev/null"});
    return inner.ok() && inner->exit_code == 1 ? 0 : 1;
  });
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_EQ(result.record.violations.size(), 1U);
  EXPECT_EQ(result.record.violations[0].target, "/usr/nothing");
  // The sandbox inside leaves its session keyring, as this one did.
  ASSERT_EQ(result.record.allowed.size(), 1U);
  EXPECT_EQ(result.record.allowed[0].allowed.target, "new session keyring");
}

TEST(MonitorTest, MemoryIsBounded) {
  constexpr int kMore = 50;
  constexpr int kAll = static_cast<int>(kMaxViolations) + kMore;
  const Result result = RunEntered(Watching(), [] {
    for (int number = 0; number < kAll; ++number) {
      if (!Attempt(number)) return 1;
    }
    return Attempt(0) ? 0 : 1;
  });
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_EQ(result.record.violations.size(), kMaxViolations);
  EXPECT_EQ(result.record.beyond, uint64_t{kMore});
  EXPECT_EQ(result.record.violations[0].count, 2U);
}

TEST(MonitorTest, ACallerThatReapsAnyChildGetsItsRecords) {
  std::atomic<bool> done{false};
  std::thread reaper([&] {
    while (!done) {
      while (waitpid(-1, nullptr, __WALL | WNOHANG | WUNTRACED) > 0) {
      }
      sched_yield();
    }
  });
  const Result result = Runs(
      Watching(), {"/bin/sh", "-c",
                   "for i in 1 2 3 4 5; do mkdir /usr/nothing-$i; done 2>&-"});
  done = true;
  reaper.join();
  EXPECT_EQ(result.record.violations.size(), 5U);
}

TEST(MonitorTest, ACallerThatIgnoresSigchldGetsItsRecords) {
  InFork([] {
    signal(SIGCHLD, SIG_IGN);
    const Result result =
        RunEntered(Watching(), [] { return Attempt(1) ? 0 : 1; });
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.record.violations.size(), 1U);
  });
}

// --- Programs ----------------------------------------------------------------

TEST(MonitorTest, ExecutedProgramsAreNamed) {
  const Scratch scratch;
  struct Program {
    const char* name;  // the last part of its executable's path
    std::vector<std::string> command;
  };
  const Program programs[] = {
      {"sh", {"/bin/sh", "-c", "echo x > /usr/nothing"}},
      {"python", {"python3", "-c", "open('/usr/nothing', 'w')"}},
      {"perl", {"perl", "-e", "open(F, '>', '/usr/nothing')"}},
      {"the probe", {ProbePath(), "write", "/usr/nothing"}},
  };
  for (const Program& program : programs) {
    SCOPED_TRACE(program.name);
    Options options = Watching();
    // Interpreters ask for the user's name.
    options.allowed = {{Rule::kHostSocket, "*", "the C library's"}};
    Result result = Runs(options, program.command);
    ASSERT_EQ(result.record.violations.size(), 1U);
    const Violation& violation = result.record.violations[0];
    EXPECT_EQ(violation.rule, Rule::kWrite);
    EXPECT_EQ(violation.target, "/usr/nothing");
    EXPECT_EQ(violation.error, EROFS);
    EXPECT_EQ(violation.pid, 2);
    EXPECT_EQ(violation.tid, 2);
    EXPECT_FALSE(violation.program.empty());
    EXPECT_EQ(violation.stack.size() >= 3U, HasStacks());
  }
}

TEST(MonitorTest, StacksHaveFunctionsAndLines) {
  if (!HasStacks()) GTEST_SKIP() << "this kernel has none";
  REQUIRE_HOST(CanCompile(), "no g++ here");
  const Scratch scratch;
  const std::string source =
      scratch.File("program.cc",
                   "#include <sys/stat.h>\n"
                   "__attribute__((noinline)) int Innermost() {\n"
                   "  return mkdir(\"/usr/nothing\", 0755) + 1;\n"
                   "}\n"
                   "__attribute__((noinline)) int Middle(int n) {\n"
                   "  return n == 0 ? Innermost() + 1 : Middle(n - 1) + 1;\n"
                   "}\n"
                   "int main() { return Middle(2) > 100; }\n");
  for (const char* flags :
       {"-O0", "-O1", "-O2 -fomit-frame-pointer -static", "-O0 -no-pie"}) {
    SCOPED_TRACE(flags);
    const std::string program = scratch / "program";
    ASSERT_EQ(
        system(absl::StrCat("g++ -g ", flags, " -fno-optimize-sibling-calls ",
                            "-fno-inline -o ", program, " ", source)
                   .c_str()),
        0);
    Result result = Runs(Watching(), {program});
    ASSERT_EQ(result.record.violations.size(), 1U);
    Symbolize(&result.record.violations);
    std::vector<std::string> calls;
    for (const Frame& frame : result.record.violations[0].stack) {
      if (frame.object != program || frame.file != source) continue;
      calls.push_back(absl::StrCat(frame.function, ":", frame.line));
    }
    const std::vector<std::string> wanted = {"Innermost():3", "Middle(int):6",
                                             "Middle(int):6", "Middle(int):6",
                                             "main:8"};
    EXPECT_EQ(calls, wanted);
  }
}

// In a signal handler, on another stack.
int attempts_in_handler = 0;
__attribute__((noinline)) void AttemptInHandler(int) {
  attempts_in_handler += Attempt(1) ? 1 : 0;
}
__attribute__((noinline)) void RaiseIt() {
  raise(SIGUSR1);
  attempts_in_handler += 1;  // no tail call
}

TEST(MonitorTest, StacksGoThroughSignalHandlers) {
  if (!HasStacks()) GTEST_SKIP() << "this kernel has none";
  Result result = RunEntered(Watching(), [] {
    static char stack[65536];
    const stack_t other = {stack, 0, sizeof(stack)};
    sigaltstack(&other, nullptr);
    struct sigaction action = {};
    action.sa_handler = AttemptInHandler;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, nullptr);
    RaiseIt();
    return attempts_in_handler == 2 ? 0 : 1;
  });
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_EQ(result.record.violations.size(), 1U);
  Symbolize(&result.record.violations);
  std::string functions;
  for (const Frame& frame : result.record.violations[0].stack) {
    absl::StrAppend(&functions, frame.function, "\n");
  }
  // main() and the C library's part around it.
  EXPECT_TRUE(absl::StrContains(functions, "__libc_start_main")) << functions;
  EXPECT_TRUE(absl::StrContains(functions, "AttemptInHandler")) << functions;
  EXPECT_TRUE(absl::StrContains(functions, "RaiseIt")) << functions;
  EXPECT_TRUE(absl::StrContains(functions, "main\n")) << functions;
}

// --- What is no violation ----------------------------------------------------

TEST(MonitorTest, WhatFailsForOtherReasonsIsSilent) {
  const Scratch scratch;
  Options options = Watching({scratch.path()});
  const Result result = RunEntered(options, [&] {
    mkdir("/usr", 0755);
    mkdir("/usr/bin", 0755);
    rmdir("/usr/nothing");
    unlink("/usr/nothing");
    open("/usr/nothing/nowhere", O_WRONLY | O_CREAT, 0644);
    open("/usr/nothing", O_WRONLY);
    open("/usr/bin", O_WRONLY);
    open("/usr/bin/env", O_RDONLY | O_CREAT, 0644);
    open("/usr/bin/env", O_WRONLY | O_CREAT | O_EXCL, 0644);
    open("/usr/bin/env/x", O_WRONLY | O_CREAT, 0644);
    open("/dev/null", O_WRONLY);
    open("/dev/stderr", O_WRONLY);
    open("/proc/self/comm", O_WRONLY);
    open("/dev/shm/file", O_WRONLY | O_CREAT, 0600);
    access("/usr/bin", W_OK);
    truncate("/usr/nothing", 0);
    const int route = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(0xc0000201);
    static_cast<void>(
        connect(route, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
    ConnectTo(scratch / "nothing.sock");
    ConnectTo(scratch / "nothing/nothing.sock");
    ConnectTo("/dev/shm/nothing.sock");
    ConnectTo("@encapsulate nothing");
    // A child that has ended.
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
    kill(child, SIGTERM);
    kill(-child, SIGTERM);
    unshare(CLONE_NEWUSER);
    return 0;
  });
  EXPECT_EQ(result.exit_code, 0);
  for (const Violation& violation : result.record.violations) {
    ADD_FAILURE() << violation.call << "(" << violation.arguments << ") "
                  << violation.target << " " << violation.error;
  }
}

void ReachForSocketsAndFifos() {
  const Scratch scratch;
  const std::string inside = scratch.Directory("inside");
  const UnixServer masked(scratch / "masked");
  const std::string fifo = scratch / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0666), 0);
  const UnixServer named(absl::StrCat(inside, "/named"));
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  absl::StatusOr<absl::optional<Process>> child = Enter(Watching({inside}));
  ASSERT_TRUE(child.ok()) << child.status();
  if (!child->has_value()) {
    const auto connects = [&](const std::string& path) {
      sockaddr_un address = {};
      address.sun_family = AF_UNIX;
      strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
      const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
      return connect(fd, reinterpret_cast<sockaddr*>(&address),
                     sizeof(address)) == 0;
    };
    const auto opens = [&](const std::string& path) {
      return open(path.c_str(), O_WRONLY | O_NONBLOCK) >= 0;
    };
    char byte;
    if (read(go[0], &byte, 1) != 1) _exit(1);
    const bool reached = connects(scratch / "masked") || opens(fifo) ||
                         connects(scratch / "late") ||
                         opens(scratch / "late-fifo");
    _exit(!reached && connects(absl::StrCat(inside, "/named")) ? 0 : 2);
  }
  // What comes later than the masks is found by the monitor.
  const UnixServer late(scratch / "late");
  const std::string late_fifo = scratch / "late-fifo";
  ASSERT_EQ(mkfifo(late_fifo.c_str(), 0666), 0);
  const int reader = open(late_fifo.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_EQ(write(go[1], "x", 1), 1);
  const Result result = (*child)->Wait();
  for (int fd : {reader, go[0], go[1]}) close(fd);
  ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
  EXPECT_EQ(result.exit_code, 0);
  const std::vector<std::string> wanted = {
      absl::StrCat("host-socket ", scratch / "masked", " EACCES"),
      absl::StrCat("fifo ", fifo, " EACCES"),
      absl::StrCat("host-socket ", scratch / "late", " ECONNREFUSED"),
      absl::StrCat("fifo ", late_fifo, " EACCES"),
  };
  EXPECT_EQ(Describe(result.record.violations), wanted);
}

// What is moved and where it goes are both outside.
TEST(MonitorTest, AnExceptionForOnePathOfACallSaysNothingOfTheOther) {
  const Scratch scratch;
  const std::string from = scratch.File("from", "");
  const std::string to = scratch / "to";
  const auto body = [&] {
    if (rename(from.c_str(), to.c_str()) == 0 || errno != EROFS) return 1;
    return link(from.c_str(), to.c_str()) != 0 && errno == EROFS ? 0 : 2;
  };
  const std::string of_from = absl::StrCat("write ", from, " EROFS");
  const std::string of_to = absl::StrCat("write ", to, " EROFS");
  Options options = Watching();
  EXPECT_EQ(Describe(RunEntered(options, body).record.violations),
            (std::vector<std::string>{of_from, of_to}));
  options.allowed.push_back({Rule::kWrite, from, "for the test"});
  EXPECT_EQ(Describe(RunEntered(options, body).record.violations),
            (std::vector<std::string>{of_to, of_to}));
  options.allowed.push_back({Rule::kWrite, to, "for the test"});
  const Result result = RunEntered(options, body);
  EXPECT_EQ(Describe(result.record.violations), std::vector<std::string>());
  EXPECT_EQ(result.exit_code, 0);
}

TEST(MonitorTest, SocketsAndFifosOfTheHostAreRefused) {
  ReachForSocketsAndFifos();
  InFork([] {
    ForgetStacks();
    ReachForSocketsAndFifos();
  });
}

// They may be there on another machine, and the program depends on it.
TEST(MonitorTest, SocketsThatTheHostHasNotAreNamed) {
  const Scratch scratch;
  const std::string inside = scratch.Directory("inside");
  scratch.Directory("outside");
  ASSERT_EQ(symlink("outside", (scratch / "link").c_str()), 0);
  Options options = Watching({inside});
  options.tmpfs.push_back({scratch.Directory("fresh")});
  const Result result = RunEntered(options, [&] {
    const std::vector<std::string> missing = {
        scratch / "outside/none", scratch / "outside/none/none/none",
        scratch / "link/none/../none", "/dev/log"};
    for (const std::string& path : missing) {
      if (ConnectTo(path) != ENOENT) return 1;
    }
    if (ConnectTo(scratch / "outside/datagram", SOCK_DGRAM) != ENOENT) return 2;
    // Room for a server inside, and what every program tries.
    for (const char* name :
         {"inside/none", "inside/none/none", "fresh/none", "fresh/none/none"}) {
      if (ConnectTo(scratch / name) != ENOENT) return 3;
    }
    ConnectTo("/var/run/nscd/socket");
    return 0;
  });
  EXPECT_EQ(result.exit_code, 0);
  const std::string outside =
      absl::StrCat("host-socket ", scratch / "outside/");
  EXPECT_EQ(
      Describe(result.record.violations),
      (std::vector<std::string>{absl::StrCat(outside, "none ENOENT"),
                                absl::StrCat(outside, "none/none/none ENOENT"),
                                absl::StrCat(outside, "none/../none ENOENT"),
                                "host-socket /dev/log ENOENT",
                                absl::StrCat(outside, "datagram ENOENT")}));
  EXPECT_EQ(result.record.allowed.size(), 0U) << "it isn't there";
}

TEST(MonitorTest, WhatEveryProgramTriesIsNamedWithoutExceptions) {
  struct stat info;
  REQUIRE_HOST(lstat("/run/nscd/socket", &info) != 0,
               "the host has a name cache");
  Options options = Watching();
  const auto body = [] {
    return ConnectTo("/run/nscd/socket") == ENOENT ? 0 : 1;
  };
  EXPECT_EQ(Describe(RunEntered(options, body).record.violations),
            std::vector<std::string>());
  options.allowed.clear();
  EXPECT_EQ(Describe(RunEntered(options, body).record.violations),
            std::vector<std::string>{"host-socket /run/nscd/socket ENOENT"});
}

// A desktop's, a database's: another process would have been reached outside.
TEST(MonitorTest, HostSocketsBehindPrivatePlacesAreNamed) {
  const Scratch scratch;
  const UnixServer server(scratch / "server");
  const UnixServer served(scratch / "served");
  const std::string name = absl::StrCat("@encapsulate ", getpid());
  const UnixServer abstract(name);
  const UnixServer taken(absl::StrCat(name, " taken"));
  Options options = Watching();
  options.tmpfs.push_back({scratch.path()});
  const auto body = [&] {
    const UnixServer own(scratch / "served");
    const UnixServer own_abstract(absl::StrCat(name, " taken"));
    if (ConnectTo(scratch / "server") != ENOENT) return 1;
    if (ConnectTo(name) != ECONNREFUSED) return 2;
    if (ConnectTo(scratch / "served") != 0) return 3;
    if (ConnectTo(absl::StrCat(name, " taken")) != 0) return 4;
    if (ConnectTo(scratch / "nobody") != ENOENT) return 5;
    if (ConnectTo(absl::StrCat(name, " nobody")) != ECONNREFUSED) return 6;
    return 0;
  };
  const Result result = RunEntered(options, body);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Describe(result.record.violations),
            (std::vector<std::string>{
                absl::StrCat("host-socket ", scratch / "server", " ENOENT"),
                absl::StrCat("host-socket ", name, " ECONNREFUSED")}));

  // There, abstract names are the host's.
  options.network = Network::kHost;
  const Result on_host =
      RunEntered(options, [&] { return ConnectTo(name) == 0 ? 0 : 1; });
  EXPECT_EQ(on_host.exit_code, 0);
  EXPECT_EQ(Describe(on_host.record.violations), std::vector<std::string>());
}

// The host needn't have them.
TEST(MonitorTest, WellKnownSocketsAreNamedWhereNobodyServesThem) {
  Options options = Watching();
  options.tmpfs.push_back({"/tmp"});
  options.directory = "/";
  const Result result = RunEntered(options, [] {
    for (const char* name :
         {"/tmp/.X11-unix/X0", "@/tmp/.X11-unix/X0", "/tmp/.s.PGSQL.5432",
          "/tmp/ssh-XXXX/agent.1", "/tmp/.X11-unix/X98", "/tmp/agent.1"}) {
      if (ConnectTo(name) == 0) return 1;
    }
    mkdir("/tmp/.X11-unix", 0755);
    const UnixServer own("/tmp/.X11-unix/X0");
    return ConnectTo("/tmp/.X11-unix/X0") == 0 ? 0 : 2;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(
      Describe(result.record.violations),
      (std::vector<std::string>{"host-socket /tmp/.X11-unix/X0 ENOENT",
                                "host-socket @/tmp/.X11-unix/X0 ECONNREFUSED",
                                "host-socket /tmp/.s.PGSQL.5432 ENOENT",
                                "host-socket /tmp/ssh-XXXX/agent.1 ENOENT"}));
}

TEST(MonitorTest, ExceptionsAreCounted) {
  Options options = Watching();
  options.allowed = {{Rule::kWrite, "/usr/nothing-?", "a test's own"},
                     {Rule::kNetwork, "*", "never used"}};
  const Result result = RunEntered(
      options, [] { return Attempt(1) && Attempt(2) && Attempt(10) ? 0 : 1; });
  EXPECT_EQ(result.exit_code, 0) << "the calls fail all the same";
  ASSERT_EQ(result.record.violations.size(), 1U);
  EXPECT_EQ(result.record.violations[0].target, "/usr/nothing-10");
  ASSERT_EQ(result.record.allowed.size(), 1U);
  EXPECT_EQ(result.record.allowed[0].count, 2U);
  EXPECT_EQ(result.record.allowed[0].allowed.reason, "a test's own");
}

TEST(MonitorTest, EveryDefaultExceptionHasAReasonAndAName) {
  for (const Allowed& allowed : DefaultAllowed()) {
    EXPECT_FALSE(allowed.reason.empty()) << allowed.target;
    EXPECT_EQ(RuleOfName(RuleName(allowed.rule)), allowed.rule);
  }
  EXPECT_EQ(RuleOfName("nothing"), absl::nullopt);
}

TEST(MonitorTest, ACallersOwnLoopSeesThemAsTheyHappen) {
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  absl::StatusOr<absl::optional<Process>> child = Enter(Watching());
  ASSERT_TRUE(child.ok()) << child.status();
  if (!child->has_value()) {
    char byte;
    _exit(Attempt(1) && read(go[0], &byte, 1) == 1 ? 0 : 1);
  }
  Process& process = **child;
  while (process.violations().empty()) {
    struct pollfd event = {process.event_descriptor(), POLLIN, 0};
    ASSERT_EQ(poll(&event, 1, -1), 1);
    ASSERT_TRUE(process.Handle()) << "the child waits";
  }
  EXPECT_EQ(process.violations()[0].target, "/usr/nothing-1");
  ASSERT_EQ(write(go[1], "x", 1), 1);
  while (process.Handle()) {
    struct pollfd event = {process.event_descriptor(), POLLIN, 0};
    poll(&event, 1, -1);
  }
  const Result result = process.Wait();
  ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.record.violations.size(), 1U);
}

TEST(MonitorTest, ExpectationsTakeWhatFitsWhileTheyLast) {
  int asks[2];
  int answers[2];
  ASSERT_EQ(pipe(asks), 0);
  ASSERT_EQ(pipe(answers), 0);
  absl::StatusOr<absl::optional<Process>> child = Enter(Watching());
  ASSERT_TRUE(child.ok()) << child.status();
  if (!child->has_value()) {
    const auto ask = [&] {
      char byte = '?';
      if (write(asks[1], &byte, 1) != 1 || read(answers[0], &byte, 1) != 1) {
        _exit(2);
      }
    };
    Attempt(1);
    ask();  // "*" and, within, "*-2"
    Attempt(1);
    Attempt(2);
    Attempt(2);
    ask();  // the inner one ends
    Attempt(2);
    ask();  // the outer one ends
    Attempt(2);
    _exit(0);
  }
  Process& process = **child;
  int outer = 0;
  int inner = 0;
  std::vector<Violation> seen_by_outer;
  std::vector<Violation> seen_by_inner;
  for (int asked = 0; process.Handle();) {
    std::vector<struct pollfd> events = {{asks[0], POLLIN, 0}};
    process.AppendEvents(&events);
    ASSERT_GT(poll(events.data(), events.size(), -1), 0);
    if (events[0].revents == 0) continue;
    char byte;
    ASSERT_EQ(read(asks[0], &byte, 1), 1);
    switch (++asked) {
      case 1:
        outer = process.BeginExpected(Rule::kWrite, "*");
        inner = process.BeginExpected(Rule::kWrite, "*-2");
        // Of another rule, so it gets nothing.
        process.BeginExpected(Rule::kNetwork, "*");
        break;
      case 2:
        seen_by_inner = process.EndExpected(inner);
        break;
      default:
        seen_by_outer = process.EndExpected(outer);
    }
    ASSERT_EQ(write(answers[1], &byte, 1), 1);
  }
  ASSERT_EQ(seen_by_inner.size(), 1U);
  EXPECT_EQ(seen_by_inner[0].target, Outside(2));
  EXPECT_EQ(seen_by_inner[0].count, 2U);
  EXPECT_EQ(seen_by_inner[0].error, EROFS);
  ASSERT_EQ(seen_by_outer.size(), 2U);
  EXPECT_EQ(seen_by_outer[0].target, Outside(1));
  EXPECT_EQ(seen_by_outer[1].target, Outside(2));
  EXPECT_TRUE(process.EndExpected(inner).empty());
  const Result result = process.Wait();
  ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
  ASSERT_EQ(result.record.violations.size(), 2U);
  EXPECT_EQ(result.record.violations[0].target, Outside(1));
  EXPECT_EQ(result.record.violations[0].count, 1U);
  EXPECT_EQ(result.record.violations[1].target, Outside(2));
}

TEST(MonitorTest, WhatWasRecordedOutlivesASandboxThatIsLost) {
  Options options = Watching();
  options.allowed = {{Rule::kWrite, Outside(2), "a test's own"}};
  absl::StatusOr<absl::optional<Process>> child = Enter(options);
  ASSERT_TRUE(child.ok()) << child.status();
  if (!child->has_value()) {
    Attempt(2);
    Attempt(1);
    for (;;) pause();
  }
  Process& process = **child;
  while (process.violations().empty()) {
    struct pollfd event = {process.event_descriptor(), POLLIN, 0};
    ASSERT_EQ(poll(&event, 1, -1), 1);
    process.Handle();
  }
  ASSERT_EQ(kill(process.init_pid(), SIGKILL), 0);
  const Result recorded = process.Wait();
  EXPECT_EQ(recorded.outcome, Outcome::kLost);
  EXPECT_EQ(recorded.exit_code, -1);
  EXPECT_EQ(recorded.lost,
            "cannot tell how the command ended: the sandbox's init was killed "
            "from outside");
  ASSERT_EQ(recorded.record.violations.size(), 1U);
  EXPECT_EQ(recorded.record.violations[0].target, Outside(1));
  ASSERT_EQ(recorded.record.allowed.size(), 1U);
  EXPECT_EQ(recorded.record.allowed[0].count, 1U);
}

TEST(MonitorTest, ARunWithViolationsFailsOnlyIfTheyAreEnforced) {
  Options options = Watching();
  const auto attempt = [] { return Attempt(1) ? 0 : 1; };
  for (Violations mode : {Violations::kReport, Violations::kEnforce}) {
    options.violations = mode;
    const Result result = RunEntered(options, attempt);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_TRUE(result.violated());
    EXPECT_EQ(result.ok(), mode == Violations::kReport);
    EXPECT_TRUE(RunEntered(options, [] { return 0; }).ok());
  }
}

// Not among tests/attempts.cc: the kernel looks at the mount first, and a guess
// doesn't.
TEST(MonitorTest, QuotasByADescriptorAreAPrivilege) {
  constexpr long kQuotactlFd = 443;
  constexpr unsigned kQuotaOff = 0x80000300;
  const Result result = RunEntered(Watching(), [&] {
    const int usr = open("/usr", O_RDONLY | O_DIRECTORY);
    return syscall(kQuotactlFd, usr, kQuotaOff, 0, nullptr) == 0 ? 0 : errno;
  });
  const int error = result.exit_code;
  if (error == ENOSYS) GTEST_SKIP() << "this kernel has no quotactl_fd(2)";
  EXPECT_EQ(error, EROFS);
  ASSERT_EQ(result.record.violations.size(), 1U);
  EXPECT_EQ(result.record.violations[0].call, "quotactl_fd");
  EXPECT_EQ(result.record.violations[0].rule, Rule::kPrivilege);
  EXPECT_EQ(result.record.violations[0].error, EROFS);
}

TEST(MonitorTest, NobodyWatchesUnlessAsked) {
  const Result result =
      RunEntered(Options(), [] { return Attempt(1) ? 0 : 1; });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.record.violations.empty());
}

}  // namespace
}  // namespace encapsulate
