// SPDX-License-Identifier: Apache-2.0
//
// Several tests of a program at a time, seen from outside. That they look like
// one at a time is behaviours_test's part.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gtest/program.h"

namespace encapsulate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

using Strings = std::vector<std::string>;

struct Ran {
  std::string directory;
  Output output;

  std::string Log() const { return ReadFile(directory + "/log"); }
};

Ran RunJobs(const std::string& filter, const Strings& arguments = {},
            const Strings& environment = {},
            const std::string& directory = FreshDirectory()) {
  Ran run = {directory, {}};
  Invocation invocation;
  invocation.program = "inner_jobs";
  invocation.directory = run.directory;
  invocation.arguments = {
      "--gtest_filter=" + filter, "--gtest_output=xml:report.xml",
      absl::StrCat("--encapsulate_writable=", run.directory)};
  invocation.arguments.insert(invocation.arguments.end(), arguments.begin(),
                              arguments.end());
  invocation.environment = environment;
  run.output = RunProgram(invocation);
  return run;
}

constexpr char kOneAtATime[] =
    "start A\nend A\nstart B\nend B\nstart C\nend C\n";

TEST(JobsTest, TestsOfASuiteMeet) {
  const Ran run = RunJobs("MeetTest.*", {"--encapsulate_jobs=2"});
  EXPECT_EQ(run.output.exit_code(), 0) << run.output.console;
}

TEST(JobsTest, OneAtATimeTheyDoNot) {
  const Ran run = RunJobs(
      "MeetTest.*", {"--encapsulate_jobs=1", "--encapsulate_timeout=500ms"});
  EXPECT_EQ(run.output.exit_code(), 1);
  EXPECT_THAT(run.output.console, AllOf(HasSubstr("FAILED  ] MeetTest.First"),
                                        HasSubstr("OK ] MeetTest.Second")));
}

TEST(JobsTest, UnderBazelOneAtATimeIsTheDefault) {
  for (const char* variable : {"TEST_TARGET=//some:test", "BAZEL_TEST=1"}) {
    const Ran run = RunJobs("OrderTest.*", {}, {variable});
    EXPECT_EQ(run.Log(), kOneAtATime);
    const Ran asked =
        RunJobs("MeetTest.*", {"--encapsulate_jobs=2"}, {variable});
    EXPECT_EQ(asked.output.exit_code(), 0) << asked.output.console;
  }
}

TEST(JobsTest, ATestRunsAlone) {
  const Ran run =
      RunJobs("OrderTest.*",
              {"--encapsulate_jobs=16", "--encapsulate_alone=X.*:OrderTest.B"});
  EXPECT_EQ(run.output.exit_code(), 0);
  EXPECT_EQ(run.Log(), kOneAtATime);
}

TEST(JobsTest, ASuiteRunsAlone) {
  const Ran run = RunJobs("OrderTest.*", {"--encapsulate_jobs=16"},
                          {"ENCAPSULATE_ALONE=OrderTest.?"});
  EXPECT_EQ(run.output.exit_code(), 0);
  EXPECT_EQ(run.Log(), kOneAtATime);
}

TEST(JobsTest, NothingRunsAheadOfAFirstFailureThatEndsAll) {
  const Ran run =
      RunJobs("FailingTest.*", {"--encapsulate_jobs=16", "--gtest_fail_fast"});
  EXPECT_EQ(run.output.exit_code(), 1);
  EXPECT_EQ(run.Log(), "start A\nend A\nstart B\nend B\n");
}

TEST(JobsTest, ElapsedTimeIsTheTestsOwn) {
  const Ran run = RunJobs("TimeTest.*", {"--encapsulate_jobs=2"});
  EXPECT_EQ(run.output.exit_code(), 0) << run.output.console;
  const std::string start = "<testcase name=\"Works\"";
  const std::string& xml = run.output.xml;
  const size_t test = xml.find(start);
  ASSERT_NE(test, std::string::npos) << xml;
  const size_t time = xml.find(" time=\"", test);
  ASSERT_NE(time, std::string::npos) << xml;
  EXPECT_GE(atof(xml.c_str() + time + 7), 0.05) << xml.substr(test, 200);
}

// The trace, as a program that reads JSON has it: "name job" of each event that
// lasts, in the order of the file.
std::string ReadTrace(const std::string& directory) {
  const std::string script = directory + "/read.py";
  std::ofstream(script) << R"py(import json, sys
trace = json.load(open(sys.argv[1], encoding="utf-8"))
ends = {}
for event in trace["traceEvents"]:
    if event["ph"] == "X":
        assert event["ts"] >= ends.get(event["tid"], 0), event
        ends[event["tid"]] = event["ts"] + event["dur"]
        print(event["name"], event["tid"])
    else:
        print(event["args"]["name"].rpartition("/")[2])
)py";
  const std::string out = directory + "/read";
  EXPECT_EQ(system(absl::StrCat("python3 ", script, " ", directory,
                                "/trace.json >", out)
                       .c_str()),
            0);
  return ReadFile(out);
}

TEST(JobsTest, ATraceHasATrackForEachJob) {
  const std::string directory = FreshDirectory();
  const std::string flag = "--encapsulate_trace=" + directory + "/trace.json";
  const Ran one =
      RunJobs("OrderTest.*", {"--encapsulate_jobs=1", flag}, {}, directory);
  EXPECT_EQ(one.output.exit_code(), 0) << one.output.console;
  EXPECT_EQ(ReadTrace(directory),
            "inner_jobs\njob 1\n"
            "set-up 0\nOrderTest.A 0\nwait 0\ncheck 0\n"
            "set-up 0\nOrderTest.B 0\nwait 0\ncheck 0\n"
            "set-up 0\nOrderTest.C 0\nwait 0\ncheck 0\n");
  // These end only if they run at the same time.
  const Ran two =
      RunJobs("MeetTest.*", {"--encapsulate_jobs=2", flag}, {}, directory);
  EXPECT_EQ(two.output.exit_code(), 0) << two.output.console;
  EXPECT_THAT(ReadTrace(directory),
              AllOf(HasSubstr("job 2\n"), HasSubstr("MeetTest.First 0\n"),
                    HasSubstr("MeetTest.Second 1\n")));
}

TEST(JobsTest, ATraceThatCannotBeWrittenIsSaidBeforeTheTests) {
  const Ran run =
      RunJobs("OrderTest.*", {"--encapsulate_trace=/no/such/trace.json"});
  EXPECT_EQ(run.output.exit_code(), 2);
  EXPECT_EQ(
      run.output.console,
      "encapsulate: cannot write the trace '/no/such/trace.json': no such "
      "file or directory (ENOENT)\n");
  EXPECT_EQ(run.Log(), "");
}

TEST(JobsTest, ALostHelperIsToldOnce) {
  const std::string notice =
      "encapsulate: sandboxes are made when tests need them, which takes "
      "longer: the process that makes sandboxes ahead of need has ended\n";
  // With more at a time, enough would be ready for all that come.
  const Ran lost =
      RunJobs("OrderTest.*:HelperTest.*", {"--encapsulate_jobs=1"});
  EXPECT_EQ(lost.output.exit_code(), 0) << lost.output.console;
  EXPECT_EQ(lost.Log(), absl::StrCat(kOneAtATime, kOneAtATime));
  const size_t told = lost.output.console.find(notice);
  EXPECT_NE(told, std::string::npos) << lost.output.console;
  EXPECT_EQ(lost.output.console.find(notice, told + 1), std::string::npos);
  const Ran run = RunJobs("OrderTest.*");
  EXPECT_THAT(run.output.console, Not(HasSubstr("encapsulate: ")));
}

TEST(JobsTest, OutputBeyondWhatIsHeldWaitsForItsTurn) {
  const Ran run = RunJobs("OutputTest.*", {"--encapsulate_jobs=3"});
  EXPECT_EQ(run.output.exit_code(), 0);
  const std::string& console = run.output.console;
  EXPECT_EQ(std::count(console.begin(), console.end(), 'x'), 48 * 1048575);
  EXPECT_LT(console.rfind('x'), console.find("behind\n"));
}

TEST(JobsTest, NoTestGetsAnothersDescriptors) {
  const Ran serial = RunJobs("DescriptorsTest.*", {"--encapsulate_jobs=1"});
  const Ran parallel = RunJobs(
      "DescriptorsTest.*",
      {"--encapsulate_jobs=2", "--encapsulate_alone=DescriptorsTest.Last"},
      {"INNER_WAITS=1"});
  EXPECT_THAT(serial.output.xml, HasSubstr("name=\"open\" value=\"0 1 2 "));
  EXPECT_EQ(Mask(serial.output.xml), Mask(parallel.output.xml));
}

// Tests that run ahead write to pipes of the program's, but its stdin is theirs
// too: a pipe that nobody could read any more once all are gone.
TEST(JobsTest, NothingOutlivesTheProgram) {
  for (int signal : {SIGINT, SIGKILL}) {
    const std::string directory = FreshDirectory();
    const std::string program = ProgramPath("inner_jobs");
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const int events = inotify_init1(IN_CLOEXEC);
    ASSERT_GE(inotify_add_watch(events, directory.c_str(), IN_CREATE), 0);
    const pid_t pid = fork();
    if (pid == 0) {
      dup2(ends[0], STDIN_FILENO);
      if (chdir(directory.c_str()) != 0) _exit(126);
      for (const char* name : {"TEST_TOTAL_SHARDS", "TEST_SHARD_INDEX",
                               "GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX"}) {
        unsetenv(name);
      }
      const std::string tree = "--encapsulate_writable=" + directory;
      execl(program.c_str(), program.c_str(), "--gtest_filter=EndlessTest.*",
            "--encapsulate_jobs=2", tree.c_str(), nullptr);
      _exit(127);
    }
    close(ends[0]);
    char buffer[4096];
    while (access((directory + "/both").c_str(), F_OK) != 0) {
      ASSERT_GT(read(events, buffer, sizeof(buffer)), 0);
    }
    kill(pid, signal);
    int status;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFSIGNALED(status));
    struct pollfd gone = {ends[1], 0, 0};
    EXPECT_EQ(poll(&gone, 1, -1), 1);
    close(ends[1]);
    close(events);
  }
}

// The words of a line of /proc/PID/status; none if the process is gone.
Strings StatusOf(const std::string& pid, const std::string& name) {
  const std::string status = ReadFile(absl::StrCat("/proc/", pid, "/status"));
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    if (absl::ConsumePrefix(&line, name + ":")) {
      return absl::StrSplit(line, absl::ByAnyChar("\t "), absl::SkipEmpty());
    }
  }
  return {};
}

Strings ChildrenOf(const std::string& pid) {
  return absl::StrSplit(
      ReadFile(absl::StrCat("/proc/", pid, "/task/", pid, "/children")), ' ',
      absl::SkipEmpty());
}

// The inits of sandboxes that are children of the process `parent`.
Strings InitsOf(const std::string& parent) {
  const size_t level = StatusOf(parent, "NSpid").size();
  Strings inits;
  for (const std::string& child : ChildrenOf(parent)) {
    const Strings numbers = StatusOf(child, "NSpid");
    if (numbers.size() == level + 1 && numbers.back() == "1") {
      inits.push_back(child);
    }
  }
  return inits;
}

void KillAndAwaitTheEnd(const std::string& pid) {
  int number = 0;
  ASSERT_TRUE(absl::SimpleAtoi(pid, &number));
  struct pollfd ends = {static_cast<int>(syscall(SYS_pidfd_open, number, 0)),
                        POLLIN, 0};
  ASSERT_GE(ends.fd, 0);
  EXPECT_EQ(kill(number, SIGKILL), 0);
  EXPECT_EQ(poll(&ends, 1, -1), 1);
  close(ends.fd);
}

// The first test's sandbox is made in line, by the program itself, and the
// second one's ahead, by the helper.
enum class Made { kInLine, kAhead };

void EndSandboxes(const std::string& directory, Made made) {
  const int events = inotify_init1(IN_CLOEXEC);
  ASSERT_GE(inotify_add_watch(events, directory.c_str(), IN_CREATE), 0);
  char buffer[4096];
  for (const char* file : {"/first", "/second"}) {
    while (access((directory + file).c_str(), F_OK) != 0) {
      ASSERT_GT(read(events, buffer, sizeof(buffer)), 0);
    }
  }
  close(events);
  const Strings programs = ChildrenOf(absl::StrCat(getpid()));
  ASSERT_EQ(programs.size(), 1U);
  Strings inits = InitsOf(programs[0]);
  EXPECT_EQ(inits.size(), 1U);
  if (made == Made::kAhead) {
    inits.clear();
    for (const std::string& reaper : ChildrenOf(programs[0])) {
      for (const std::string& helper : ChildrenOf(reaper)) {
        const Strings those = InitsOf(helper);
        inits.insert(inits.end(), those.begin(), those.end());
      }
    }
    EXPECT_GE(inits.size(), 1U);
  }
  for (const std::string& init : inits) KillAndAwaitTheEnd(init);
}

TEST(JobsTest, ALostSandboxFailsItsTestAndNoOther) {
  for (Made made : {Made::kInLine, Made::kAhead}) {
    // Whoever loses its parent becomes a child of this process.
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    const std::string directory = FreshDirectory();
    std::thread killer([&] {
      EndSandboxes(directory, made);
      std::ofstream(directory + "/go") << "";
    });
    const Ran run =
        RunJobs("LostTest.*", {"--encapsulate_jobs=2"}, {}, directory);
    // Of a program that never got there.
    for (const char* file : {"/first", "/second"}) {
      std::ofstream(directory + file) << "";
    }
    killer.join();
    const std::string& text = run.output.console;
    EXPECT_EQ(run.output.exit_code(), 1);
    const bool is_first = made == Made::kInLine;
    const std::string lost = is_first ? "LostTest.First" : "LostTest.Second";
    const std::string other = is_first ? "LostTest.Second" : "LostTest.First";
    EXPECT_THAT(text, AllOf(HasSubstr(absl::StrCat("FAILED  ] ", lost, " (")),
                            HasSubstr(absl::StrCat("OK ] ", other, " (")),
                            HasSubstr("OK ] LostTest.Third (")));
    EXPECT_THAT(text,
                HasSubstr(absl::StrCat(
                    "The test was lost with its sandbox: cannot tell how the "
                    "command ended: the sandbox's init was killed from "
                    "outside.\nThe end of its output:\n    ",
                    is_first ? "first" : "second", " at work\n")));
    EXPECT_EQ(waitpid(-1, nullptr, 0), -1) << "a process is left";
  }
}

// The tests that ran while LongestTest.Waits did, in the order of their start.
std::string Started(const Ran& run) {
  Strings names;
  for (absl::string_view line : absl::StrSplit(run.Log(), '\n')) {
    if (absl::ConsumePrefix(&line, "start ") && line != "Waits") {
      names.emplace_back(line);
    }
  }
  return absl::StrJoin(names, " ");
}

// Without a file, and for tests that aren't in it, the order is GoogleTest's.
TEST(JobsTest, LongestIsStartedFirst) {
  const std::string file = FreshDirectory() + "/durations";
  const Strings flags = {"--encapsulate_jobs=2",
                         "--encapsulate_durations=" + file};
  const Ran first = RunJobs("LongestTest.*", flags);
  EXPECT_EQ(first.output.exit_code(), 0) << first.output.console;
  EXPECT_EQ(Started(first), "A B C Ends");
  const std::string remembered = ReadFile(file);
  for (const char* name : {"Waits", "A", "B", "C", "Ends"}) {
    EXPECT_THAT(remembered,
                MatchesRegex(absl::StrCat("(.|\n)*[0-9][mun]?s LongestTest.",
                                          name, "\n(.|\n)*")));
  }

  std::ofstream(file) << "3ms LongestTest.A\n1h LongestTest.B\n"
                         "1.5s LongestTest.C\n1ms LongestTest.Ends\n"
                         "2s OtherTest.Of another program\n";
  const Ran second = RunJobs("LongestTest.*", flags);
  EXPECT_EQ(second.output.exit_code(), 0) << second.output.console;
  EXPECT_EQ(Started(second), "B C A Ends");
  EXPECT_EQ(Mask(first.output.xml), Mask(second.output.xml));
  EXPECT_EQ(Mask(first.output.console), Mask(second.output.console));
  EXPECT_THAT(ReadFile(file),
              AllOf(HasSubstr("\n2s OtherTest.Of another program\n"),
                    Not(HasSubstr("1h "))));

  std::ofstream(file) << "1h LongestTest.Ends\n1s LongestTest.A\n";
  EXPECT_EQ(Started(RunJobs("LongestTest.*", flags)), "B C Ends A");
}

TEST(JobsTest, FileOfDurationsThatIsNoneStaysAsItIs) {
  const std::string file = FreshDirectory() + "/precious";
  for (const char* text : {"#!/bin/sh\n", "1s\n", "1s \n", "long Test.A\n"}) {
    std::ofstream(file) << text;
    const Ran run = RunJobs("OrderTest.*", {"--encapsulate_durations=" + file});
    EXPECT_EQ(run.output.exit_code(), 2);
    EXPECT_THAT(run.output.console,
                HasSubstr(absl::StrCat(
                    "encapsulate: cannot remember durations of tests in '",
                    file, "': line 1 is not like '")));
    EXPECT_EQ(ReadFile(file), text);
  }
  const Ran nowhere = RunJobs(
      "OrderTest.*", {"--encapsulate_durations=/there/is/no/such/directory"});
  EXPECT_EQ(nowhere.output.exit_code(), 0);
  EXPECT_THAT(nowhere.output.console,
              HasSubstr("encapsulate: cannot write '/there/is/no/such/"
                        "directory': no such file or directory (ENOENT)\n"));
}

// What a terminal is shown by a run of ProgressTest, which goes on when `until`
// is in it.
std::string OnTerminal(const Strings& arguments, const std::string& until,
                       unsigned short columns) {
  const std::string directory = FreshDirectory();
  const std::string program = ProgramPath("inner_jobs");
  const int ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_EQ(grantpt(ours) + unlockpt(ours), 0);
  const int terminal = open(ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_GE(terminal, 0);
  const winsize size = {24, columns, 0, 0};
  EXPECT_EQ(ioctl(terminal, TIOCSWINSZ, &size), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(terminal, STDOUT_FILENO);
    dup2(terminal, STDERR_FILENO);
    if (chdir(directory.c_str()) != 0) _exit(126);
    const std::string tree = "--encapsulate_writable=" + directory;
    std::vector<const char*> argv = {program.c_str(), tree.c_str(),
                                     "--gtest_filter=ProgressTest.*",
                                     "--gtest_color=no"};
    for (const std::string& argument : arguments) {
      argv.push_back(argument.c_str());
    }
    argv.push_back(nullptr);
    const char* const environment[] = {"TERM=xterm", nullptr};
    execve(program.c_str(), const_cast<char**>(argv.data()),
           const_cast<char**>(environment));
    _exit(127);
  }
  close(terminal);
  std::string shown;
  char byte;
  bool goes_on = false;
  while (read(ours, &byte, 1) == 1) {
    shown += byte;
    if (goes_on || shown.find(until) == std::string::npos) continue;
    goes_on = true;
    close(open((directory + "/go").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC,
               0600));
  }
  close(ours);
  int status;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << shown;
  return shown;
}

TEST(JobsTest, TerminalShowsWhatRuns) {
  const std::string line =
      "\rencapsulate: 0 more done, running: ProgressTest.Second (";
  const std::string shown = OnTerminal({"--encapsulate_jobs=2"}, line, 200);
  EXPECT_THAT(shown, HasSubstr(line));
  EXPECT_THAT(shown, HasSubstr("s), ProgressTest.Third ("));
  // Nothing is left of it.
  const std::string without_lines = std::regex_replace(
      shown, std::regex("\rencapsulate: [^\x1b]*\r\x1b\\[K"), "");
  EXPECT_EQ(
      Mask(without_lines),
      Mask(OnTerminal({"--encapsulate_jobs=2", "--encapsulate_progress=0"},
                      "[ RUN      ] ProgressTest.Second\r\n", 200)));
  EXPECT_THAT(without_lines, Not(HasSubstr("encapsulate: ")));
}

TEST(JobsTest, WhatRunsFitsIntoALine) {
  const std::string line = "\rencapsulate: 0 more done, running: Prog";
  EXPECT_THAT(OnTerminal({"--encapsulate_jobs=2"}, line + "\r", 40),
              HasSubstr(line + "\r\x1b[K"));
}

TEST(JobsTest, MistakesAreErrors) {
  for (const char* flag : {"--encapsulate_jobs=-1", "--encapsulate_jobs=129",
                           "--encapsulate_jobs=many", "--encapsulate_jobs="}) {
    const Ran run = RunJobs("MeetTest.*", {flag});
    EXPECT_EQ(run.output.exit_code(), 2) << flag;
    EXPECT_THAT(run.output.console, HasSubstr("is not a number from 0 to 128"));
  }
  for (const char* flag : {"--encapsulate_alone=", "--encapsulate_durations=",
                           "--encapsulate_progress=2"}) {
    const Ran run = RunJobs("MeetTest.*", {flag});
    EXPECT_EQ(run.output.exit_code(), 2) << flag;
  }
}

}  // namespace
}  // namespace encapsulate
