// SPDX-License-Identifier: Apache-2.0
//
// Processes, signals and inter-process communication; how a command ends.
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

std::vector<std::string> Probe(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), ProbePath());
  return arguments;
}

// A command whose output is read while it runs.
class Running {
 public:
  Running(const Options& options, const std::vector<std::string>& arguments) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    reader_ = UniqueFd(ends[0]);
    UniqueFd writer(ends[1]);
    const UniqueFd saved(fcntl(1, F_DUPFD_CLOEXEC, 3));
    fflush(stdout);
    dup2(writer.get(), 1);
    process_ = Spawn(options, Probe(arguments));
    dup2(saved.get(), 1);
    EXPECT_TRUE(process_.ok()) << process_.status();
  }

  // Up to the next line's end, or all there is.
  std::string ReadLine() {
    std::string line;
    for (char byte; read(reader_.get(), &byte, 1) == 1 && byte != '\n';) {
      line += byte;
    }
    return line;
  }

  Process& process() { return *process_; }

 private:
  UniqueFd reader_;
  absl::StatusOr<Process> process_ = absl::UnknownError("");
};

TEST(ProcessesTest, ProcessesOutsideCannotBeSignalled) {
  const std::string self = absl::StrCat(getpid());
  EXPECT_EQ(Inside(Options(), {"kill", self}), "ESRCH");
  EXPECT_EQ(Outside({"kill", self}), "ok");
  EXPECT_EQ(Inside(Options(), {"kill", "1"}), "ok") << "its own init";
  // Nobody else but init is there, and init is out of -1's reach.
  EXPECT_EQ(Inside(Options(), {"kill", "-1", "9"}), "ESRCH");
  EXPECT_EQ(Inside(Options(), {"kill", "0", "9"}), "<SIGKILL>")
      << "the group is the command's own";
}

// What is known of a shell and its child, a program that reads.
void ExpectProcessesToBeSeen() {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const UniqueFd saved(fcntl(0, F_DUPFD_CLOEXEC, 3));
  dup2(reader.get(), 0);
  absl::StatusOr<Process> process =
      Spawn(Options(), {"/bin/sh", "-c", "cat -; exit 5"});
  dup2(saved.get(), 0);
  ASSERT_TRUE(process.ok()) << process.status();
  const std::string pipe = "read of pipe:[";
  std::vector<SandboxedProcess> seen;
  do {
    seen = process->Processes();
    ASSERT_FALSE(seen.empty());
  } while (seen.size() != 2 || seen[0].threads[0].waits_in != "wait4" ||
           seen[1].threads[0].waits_in.compare(0, pipe.size(), pipe) != 0 ||
           // A busy machine lets them go to sleep later.
           seen[0].threads[0].state != 'S' || seen[1].threads[0].state != 'S');
  EXPECT_EQ(seen[0].parent, 1);
  EXPECT_EQ(seen[0].command, "/bin/sh -c cat -; exit 5");
  EXPECT_EQ(seen[1].parent, seen[0].pid);
  EXPECT_EQ(seen[1].command, "cat -");
  for (const SandboxedProcess& one : seen) {
    ASSERT_EQ(one.threads.size(), 1U);
    EXPECT_EQ(one.threads[0].tid, one.pid);
    EXPECT_FALSE(one.threads[0].stack.empty());
  }
  EXPECT_EQ(seen[1].threads[0].name, "cat");
  // They go on.
  writer.Reset();
  EXPECT_EQ(process->Wait().exit_code, 5);
}

TEST(ProcessesTest, ProcessesAreSeenFromOutside) { ExpectProcessesToBeSeen(); }

// Of init, whom an ordinary user may not trace, such a /proc shows nothing.
TEST(ProcessesTest, ProcessesAreSeenWhereProcHidesProcesses) {
  for (const char* options : {"hidepid=1", "hidepid=2"}) {
    OnHostWithProc(options, [&] {
      SCOPED_TRACE(options);
      ExpectProcessesToBeSeen();
    });
  }
}

// How many there are, and how long their arguments, is the choice of who is
// inside.
TEST(ProcessesTest, ProcessesWithoutEndAreListedInPart) {
  constexpr int kMany = 300;
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  absl::StatusOr<absl::optional<Process>> child = Enter(Options());
  ASSERT_TRUE(child.ok()) << child.status();
  if (!child->has_value()) {
    for (int i = 0; i < kMany; ++i) {
      if (fork() == 0) {
        if (write(ready[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
      }
    }
    const std::string argument(100000, 'x');
    execl("/bin/sh", "sh", "-c", "sleep 1000; true", "sh", argument.c_str(),
          nullptr);
    _exit(1);
  }
  char byte;
  for (int i = 0; i < kMany; ++i) ASSERT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  close(ready[1]);
  std::vector<SandboxedProcess> seen;
  do {
    seen = (*child)->Processes();
    ASSERT_EQ(seen.size(), 256U);
  } while (seen[0].command.find("sleep 1000") == std::string::npos);
  EXPECT_EQ(seen[0].command.size(), 4096U);
  (*child)->Kill();
  EXPECT_EQ((*child)->Wait().signal, SIGKILL);
}

TEST(ProcessesTest, InitCannotBeKilledFromInside) {
  const Result result =
      RunIn(Options(), {"/bin/sh", "-c",
                        "for s in KILL STOP TERM SEGV ABRT HUP CHLD; do "
                        "kill -$s 1; done; exit 5"})
          .result;
  EXPECT_EQ(result.exit_code, 5);
}

// What the probe says where each call that changes a process gets `answer`.
std::string Changes(const std::string& answer) {
  std::string text = "prlimit-get ok";
  for (const char* call : {"prlimit", "setaffinity", "setparam", "setscheduler",
                           "setattr", "setpriority", "ioprio"}) {
    absl::StrAppend(&text, "\n", call, " ", answer);
  }
  return text;
}

TEST(ProcessesTest, InitCannotBeChangedFromInside) {
  const std::string refused = absl::StrCat(
      Changes("EPERM"), "\nuser-priority EPERM\nuser-ioprio EPERM");
  for (Violations violations : {Violations::kOff, Violations::kReport}) {
    Options options;
    options.violations = violations;
    EXPECT_EQ(Inside(options, {"change-process", "1"}), refused);
    EXPECT_EQ(Inside(options, {"nested-change-process", "1"}), refused);
    EXPECT_EQ(Inside(options, {"change-process", "self"}), Changes("ok"));
  }
  EXPECT_EQ(Outside({"change-process", "self"}), Changes("ok"));
}

TEST(ProcessesTest, FilesOfInitCannotBeWritten) {
  for (const char* name : {"oom_score_adj", "autogroup", "coredump_filter"}) {
    const std::string own = absl::StrCat("/proc/self/", name);
    if (access(own.c_str(), F_OK) != 0) continue;
    EXPECT_EQ(Inside(Options(), {"open-write", absl::StrCat("/proc/1/", name)}),
              geteuid() == 0 ? "EROFS" : "EACCES")
        << name;
    EXPECT_EQ(Inside(Options(), {"open-write", own}), "ok") << name;
  }
}

TEST(ProcessesTest, WhatTheCommandLeavesBehindIsKilledAndNamed) {
  const Ran ran = RunIn(Options(), Probe({"daemon"}));
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_TRUE(ran.result.ok());
  ASSERT_EQ(ran.result.leftovers.size(), 1U);
  EXPECT_EQ(ran.result.leftover_count, 1);
  EXPECT_EQ(ran.result.leftovers[0].name, "probe");
  EXPECT_EQ(ran.result.leftovers[0].command,
            absl::StrCat(ProbePath(), " daemon"));
  EXPECT_EQ(CountChildren(), 0);
  EXPECT_TRUE(RunIn(Options(), {"/bin/true"}).result.leftovers.empty());
}

// PTRACE_TRACEME makes the parent a tracer, and stops tell it of signals.
TEST(ProcessesTest, AStopIsNoEnd) {
  const auto traced = [](const std::string& what) {
    const Result result = RunIn(Options(), Probe({"traceme", what})).result;
    return std::make_pair(result.exit_code, result.signal);
  };
  EXPECT_EQ(traced("handled"), std::make_pair(0, 0));
  EXPECT_EQ(traced("thread"), std::make_pair(0, 0));
  EXPECT_EQ(traced("exec"), std::make_pair(0, 0));
  EXPECT_EQ(traced("term"), std::make_pair(0, SIGTERM));
  EXPECT_EQ(traced("trap"), std::make_pair(0, SIGTRAP));
  EXPECT_EQ(traced("sibling"), std::make_pair(0, 0));
}

TEST(ProcessesTest, RunReturnsWhenEveryoneIsGone) {
  // The daemon holds the pipe's other end for as long as it lives.
  Running running(Options(), {"daemon"});
  EXPECT_EQ(running.ReadLine(), "ok");
  ASSERT_TRUE(running.process().Wait().ok());
  EXPECT_EQ(running.ReadLine(), "") << "end of file";
}

// The kernel counts a parent as dead when the thread that called clone(2) is.
TEST(ProcessesTest, TheThreadThatStartedACommandMayEnd) {
  absl::optional<Running> running;
  std::thread([&] {
    running.emplace(Options(), std::vector<std::string>{"await-signal",
                                                        absl::StrCat(SIGTERM)});
  }).join();
  ASSERT_EQ(running->ReadLine(), "ready");
  ASSERT_TRUE(running->process().Signal(SIGTERM).ok());
  EXPECT_EQ(running->ReadLine(), absl::StrCat(SIGTERM));
  const Result result = running->process().Wait();
  ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
  EXPECT_EQ(result.outcome, Outcome::kExited);
}

TEST(ProcessesTest, ForgettingAProcessKillsIt) {
  UniqueFd reader;
  {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    reader = UniqueFd(ends[0]);
    const UniqueFd writer(ends[1]);
    Options options;
    options.keep_descriptors = {writer.get()};
    const absl::StatusOr<Process> process =
        Spawn(options, Probe({"await-signal", "10"}));
    ASSERT_TRUE(process.ok()) << process.status();
  }
  char byte;
  EXPECT_EQ(read(reader.get(), &byte, 1), 0) << "nobody holds it any more";
  EXPECT_EQ(CountChildren(), 0);
}

TEST(ProcessesTest, TheCommandIsAnOrdinaryProcess) {
  EXPECT_EQ(Inside(Options(), {"die", absl::StrCat(SIGABRT)}), "<SIGABRT>");
  EXPECT_EQ(Inside(Options(), {"die", absl::StrCat(SIGTERM)}), "<SIGTERM>");
  EXPECT_EQ(Inside(Options(), {"die", absl::StrCat(SIGINT)}), "<SIGINT>");
  EXPECT_EQ(Outside({"die", absl::StrCat(SIGABRT)}), "<SIGABRT>");
  EXPECT_EQ(Inside(Options(), {"orphans", "50"}), "ok") << "no zombies pile up";
}

TEST(ProcessesTest, EveryEndIsToldTruthfully) {
  for (int code : {0, 1, 77, 255}) {
    const Ran ran = RunIn(Options(), Probe({"exit", absl::StrCat(code)}));
    ASSERT_TRUE(ran.status.ok());
    EXPECT_EQ(ran.result.outcome, Outcome::kExited);
    EXPECT_EQ(ran.result.exit_code, code);
    EXPECT_EQ(ran.result.ok(), code == 0);
  }
  const Result killed =
      RunIn(Options(), Probe({"die", absl::StrCat(SIGKILL)})).result;
  EXPECT_EQ(killed.outcome, Outcome::kSignaled);
  EXPECT_EQ(killed.signal, SIGKILL);
  EXPECT_FALSE(killed.ok());

  const Scratch scratch;
  const std::string plain = scratch.File("plain", "#!/bin/true\n");
  const std::string orphan = scratch.File("orphan", "#!/no/interpreter\n");
  chmod(orphan.c_str(), 0755);
  // A directory in PATH that can't be searched would change the answer.
  Options options;
  options.environment = {{"PATH=/usr/bin:/bin"}};
  const auto kind = [&options](const std::string& command) {
    return FailureKindOf(RunIn(options, {command}).status);
  };
  EXPECT_EQ(kind("no-such-command"), FailureKind::kCommandNotFound);
  EXPECT_EQ(kind("/no/such/command"), FailureKind::kCommandNotFound);
  EXPECT_EQ(kind(plain), FailureKind::kCommandNotUsable);
  EXPECT_EQ(kind(orphan), FailureKind::kCommandNotUsable);
  EXPECT_EQ(kind(scratch.path()), FailureKind::kCommandNotUsable);
  EXPECT_EQ(kind(""), FailureKind::kCommandNotFound);
  chmod(plain.c_str(), 0755);
  EXPECT_EQ(kind(plain), FailureKind::kNone);
}

TEST(ProcessesTest, SignalsReachTheCommand) {
  for (int signal :
       {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH}) {
    Running running(Options(), {"await-signal", absl::StrCat(signal)});
    ASSERT_EQ(running.ReadLine(), "ready");
    ASSERT_TRUE(running.process().Signal(signal).ok());
    EXPECT_EQ(running.ReadLine(), absl::StrCat(signal));
    const Result result = running.process().Wait();
    ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
    EXPECT_TRUE(result.ok());
    EXPECT_FALSE(running.process().Signal(signal).ok()) << "it has ended";
  }
}

TEST(ProcessesTest, AForegroundCommandGetsTheCallersSignals) {
  InFork([] {
    Options options;
    options.attachment = Attachment::kForeground;
    Running running(options, {"await-signal", absl::StrCat(SIGTERM)});
    ASSERT_EQ(running.ReadLine(), "ready");
    kill(getpid(), SIGTERM);
    const Result result = running.process().Wait();
    ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
    EXPECT_TRUE(result.ok());
    EXPECT_EQ(running.ReadLine(), absl::StrCat(SIGTERM));
  });
}

TEST(ProcessesTest, TimeoutsEndEverything) {
  Options options;
  options.limits.timeout = absl::Milliseconds(20);
  options.limits.grace = absl::ZeroDuration();
  const Result polite = RunIn(options, Probe({"wait"})).result;
  EXPECT_EQ(polite.outcome, Outcome::kTimedOut);
  EXPECT_EQ(polite.signal, SIGTERM);
  InFork([&] {
    signal(SIGTERM, SIG_IGN);  // as the command will
    const Result stubborn = RunIn(options, Probe({"wait"})).result;
    EXPECT_EQ(stubborn.outcome, Outcome::kTimedOut);
    EXPECT_EQ(stubborn.signal, SIGKILL);
  });
  options.limits.timeout = absl::Hours(1);
  EXPECT_EQ(RunIn(options, {"/bin/true"}).result.outcome, Outcome::kExited);
  EXPECT_EQ(CountChildren(), 0);
}

// Whatever keeps init from its work; here, the caller itself.
TEST(ProcessesTest, ALateInitDelaysNoEnd) {
  Options options;
  options.limits.timeout = absl::Milliseconds(300);
  options.limits.grace = absl::ZeroDuration();
  for (bool polls : {false, true}) {
    absl::StatusOr<Process> process = Spawn(options, {"/bin/sleep", "1000000"});
    ASSERT_TRUE(process.ok()) << process.status();
    ASSERT_EQ(kill(process->init_pid(), SIGSTOP), 0);
    struct pollfd event = {process->event_descriptor(), POLLIN, 0};
    while (polls && process->Handle()) poll(&event, 1, -1);
    const Result result = process->Wait();
    ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
    EXPECT_EQ(result.outcome, Outcome::kTimedOut);
    EXPECT_GE(result.wall_time, options.limits.timeout);
  }
  absl::StatusOr<absl::optional<Process>> child = Enter(options);
  ASSERT_TRUE(child.ok()) << child.status();
  if (!child->has_value()) {
    for (;;) pause();
  }
  ASSERT_EQ(kill((*child)->init_pid(), SIGSTOP), 0);
  const Result result = (*child)->Wait();
  ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
  EXPECT_EQ(result.outcome, Outcome::kTimedOut);
}

// Signals and orphans for init without end.
TEST(ProcessesTest, ABusyInitKeepsTheTime) {
  Options options;
  options.limits.timeout = absl::Milliseconds(100);
  options.limits.grace = absl::Milliseconds(100);
  const Ran ran = RunIn(options, {"/bin/sh", "-c",
                                  "trap '' TERM; (while :; do kill -CHLD 1; "
                                  "done) & while :; do (:&); done"});
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.result.outcome, Outcome::kTimedOut);
  EXPECT_EQ(ran.result.signal, SIGKILL);
}

TEST(ProcessesTest, AnIgnoredSigchldOfTheCallersChangesNothing) {
  InFork([] {
    signal(SIGCHLD, SIG_IGN);
    const Ran ran = RunIn(Options(), Probe({"exit", "3"}));
    EXPECT_TRUE(ran.status.ok()) << ran.status;
    EXPECT_EQ(ran.result.exit_code, 3);
    EXPECT_EQ(Inside(Options(), {"daemon"}), "ok");
  });
}

// By what the kernel keeps for a session, and anybody in it may change: the
// nice value of its autogroup (sched(7)).
TEST(ProcessesTest, TheSessionIsItsOwn) {
  const std::string file = "/proc/self/autogroup";
  const std::string before = ReadAll(file);
  REQUIRE_HOST(before != "<none>", "no autogroups here");
  for (Attachment attachment :
       {Attachment::kDetached, Attachment::kForeground}) {
    if (attachment == Attachment::kForeground && isatty(0) != 0) continue;
    InFork([&] {
      Options options;
      options.attachment = attachment;
      // The kernel takes some values a second from everybody together.
      EXPECT_EQ(ShellInside(options, "until echo 7 > " + file +
                                         "; do :; done 2> /dev/null; grep -o "
                                         "'nice.*' " +
                                         file),
                "nice 7");
      EXPECT_EQ(RunEntered(options,
                           [&] {
                             const int fd = open(file.c_str(), O_WRONLY);
                             while (write(fd, "6", 1) != 1) {
                               if (errno != EAGAIN) return 1;
                             }
                             return ReadAll(file).find("nice 6") !=
                                            std::string::npos
                                        ? 0
                                        : 2;
                           })
                    .exit_code,
                0);
    });
  }
  EXPECT_EQ(ReadAll(file), before);
}

TEST(ProcessesTest, TheCommandIgnoresWhatTheCallerIgnores) {
  for (int signal_number : {SIGCHLD, SIGHUP}) {
    SCOPED_TRACE(signal_number);
    for (const bool ignored : {false, true}) {
      InFork([&] {
        signal(signal_number, ignored ? SIG_IGN : SIG_DFL);
        const Ran ran = RunIn(Options(), {"/bin/sed", "-n", "s/^SigIgn:.//p",
                                          "/proc/self/status"});
        const uint64_t mask = strtoull(ran.output.c_str(), nullptr, 16);
        EXPECT_EQ((mask >> (signal_number - 1)) & 1, ignored ? 1 : 0)
            << ran.output;
      });
    }
  }
}

TEST(ProcessesTest, InterProcessCommunicationIsItsOwn) {
  const auto key = static_cast<key_t>(0x45000000 + getpid());
  const int segment = shmget(key, 4096, IPC_CREAT | 0666);
  ASSERT_GE(segment, 0);
  EXPECT_EQ(Inside(Options(), {"shm", absl::StrCat(key)}), "ENOENT");
  EXPECT_EQ(Outside({"shm", absl::StrCat(key)}), "ok");
  shmctl(segment, IPC_RMID, nullptr);

  const std::string name =
      absl::StrCat("/encapsulate-test-", getpid(), "-", geteuid());
  const mqd_t queue = mq_open(name.c_str(), O_CREAT | O_RDWR, 0666, nullptr);
  REQUIRE_HOST(queue >= 0, "no POSIX message queues here");
  EXPECT_EQ(Inside(Options(), {"mq", name}), "ENOENT");
  EXPECT_EQ(Outside({"mq", name}), "ok");
  mq_close(queue);
  mq_unlink(name.c_str());
}

}  // namespace
}  // namespace encapsulate
