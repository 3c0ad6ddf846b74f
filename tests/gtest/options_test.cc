// SPDX-License-Identifier: Apache-2.0
//
// Options, flags and hosts, seen from outside.
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gtest/program.h"

namespace encapsulate {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

using Strings = std::vector<std::string>;

// By default the program with GoogleTest's own main(), which knows variables
// only.
Output RunOptions(const std::string& filter, const Strings& environment = {},
                  const Strings& arguments = {},
                  const std::string& program = "inner_options") {
  return RunTests(program, filter, environment, arguments);
}

Output RunWithFlags(const std::string& filter, const Strings& flags) {
  return RunTests("inner_every", filter, {}, flags);
}

TEST(OptionsTest, OnlyOurFixtureIsEncapsulatedWithoutTheEnvironment) {
  const Output output = RunOptions("PlainTest.Says*:OrdinaryTest.*");
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_THAT(output.xml, HasSubstr("name=\"encapsulated\" value=\"yes\""));
}

TEST(OptionsTest, OffRunsInTheProgramAndSaysSo) {
  const Output output = RunOptions("PlainTest.Says*", {"ENCAPSULATE_MODE=off"});
  EXPECT_EQ(output.exit_code(), 0);
  EXPECT_THAT(output.xml, HasSubstr("name=\"encapsulated\" value=\"no\""));
  EXPECT_THAT(output.console,
              HasSubstr("encapsulate: tests run in this process and are not "
                        "encapsulated: the mode is off\n"));
}

TEST(OptionsTest, FlagsWinOverVariables) {
  const Output output =
      RunOptions("EndsTest.AfterAll", {"ENCAPSULATE_MODE=off"},
                 {"--encapsulate_mode=require"}, "inner_every");
  EXPECT_EQ(output.exit_code(), 0);
  EXPECT_THAT(output.console, Not(HasSubstr("encapsulate:")));
}

TEST(OptionsTest, MistakenSettingsAreErrors) {
  for (const char* flag :
       {"--encapsulate_mode=maybe", "--encapsulate_mode",
        "--encapsulate_timeout=0", "--encapsulate_colour=1"}) {
    const Output output = RunWithFlags("EndsTest.AfterAll", {flag});
    EXPECT_EQ(output.exit_code(), 2) << flag;
    EXPECT_THAT(output.console, HasSubstr("encapsulate: cannot set '--enc"));
  }
  const Output output =
      RunOptions("PlainTest.Says*", {"ENCAPSULATE_NETWORK=some"});
  EXPECT_EQ(output.exit_code(), 2);
  EXPECT_THAT(output.console,
              HasSubstr("encapsulate: cannot set 'ENCAPSULATE_NETWORK': 'some' "
                        "is not one of loopback, none, host\n"));
}

// A program that shares standard error has made it one that doesn't wait.
TEST(OptionsTest, MessagesWaitForSlowReaders) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  ASSERT_EQ(fcntl(writer.get(), F_SETFL, O_NONBLOCK), 0);
  size_t filled = 0;
  while (write(writer.get(), "x", 1) == 1) ++filled;
  const std::string path = ProgramPath("inner_every");
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(writer.get(), STDERR_FILENO);
    execl(path.c_str(), path.c_str(), "--encapsulate_mode=maybe", nullptr);
    _exit(127);
  }
  writer.Reset();
  const std::string stat = absl::StrCat("/proc/", pid, "/stat");
  const auto has_ended_or_waits = [&] {
    const std::string text = ReadFile(stat);
    return absl::StrContains(text, ") Z ") || absl::StrContains(text, ") S ");
  };
  while (!has_ended_or_waits()) sched_yield();
  std::string text;
  for (char byte; read(reader.get(), &byte, 1) == 1;) text += byte;
  int status = -1;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, W_EXITCODE(2, 0));
  EXPECT_THAT(text.substr(filled), HasSubstr("cannot set '--encapsulate_mode"));
}

TEST(OptionsTest, FlagsNeedNoMainOfOurs) {
  const Output output =
      RunOptions("PlainTest.Says*", {}, {"--encapsulate_mode=off"});
  EXPECT_EQ(output.exit_code(), 0);
  EXPECT_THAT(output.console, HasSubstr("the mode is off\n"));
  const Output mistaken =
      RunOptions("PlainTest.Says*", {}, {"--encapsulate_mode=maybe"});
  EXPECT_EQ(mistaken.exit_code(), 2);
}

// A flag that is nearly right does something or is an error.
TEST(OptionsTest, FlagsMayBeSpelledWithOtherDashes) {
  for (const char* flag : {"-encapsulate_mode=off", "--encapsulate-mode=off"}) {
    EXPECT_THAT(RunWithFlags("EndsTest.AfterAll", {flag}).console,
                HasSubstr("the mode is off\n"));
  }
  EXPECT_EQ(RunWithFlags("EndsTest.AfterAll", {"--encapsulate-x"}).exit_code(),
            2);
  const Output ended =
      RunWithFlags("EndsTest.AfterAll", {"--", "--encapsulate_mode=off"});
  EXPECT_EQ(ended.exit_code(), 0);
  EXPECT_THAT(ended.console, Not(HasSubstr("the mode is off")));
}

TEST(OptionsTest, HelpNamesEveryFlag) {
  const Output help = RunWithFlags("*", {"--help"});
  EXPECT_EQ(help.exit_code(), 0);
  EXPECT_THAT(help.console, HasSubstr("--gtest_filter="));
  const Output own = RunOptions("*", {}, {"--encapsulate_help"});
  EXPECT_EQ(own.exit_code(), 0);
  EXPECT_THAT(own.console, Not(HasSubstr("--gtest_filter=")));
  for (const char* name :
       {"mode", "timeout", "jobs", "alone", "durations", "progress", "slow",
        "keep_scratch", "working_directory", "network", "leftovers",
        "violations", "exposed_executable", "writable", "verbose"}) {
    const std::string flag = absl::StrCat("\n  --encapsulate_", name, "=");
    EXPECT_THAT(help.console, HasSubstr(flag));
    EXPECT_THAT(own.console, HasSubstr(flag));
  }
}

// --- The program's own file -------------------------------------------------

// One that this user may change.
std::string OwnCopy() {
  std::string copy =
      std::filesystem::canonical(FreshDirectory()).string() + "/copy";
  std::filesystem::copy_file(ProgramPath("inner_options"), copy);
  EXPECT_EQ(chmod(copy.c_str(), 0755), 0);
  return copy;
}

mode_t ModeOf(const std::string& path) {
  struct stat info = {};
  stat(path.c_str(), &info);
  return info.st_mode & 07777;
}

TEST(OptionsTest, ExecutableIsOutOfATestsReach) {
  const std::string copy = OwnCopy();
  for (const char* violations : {"off", "report"}) {
    for (const char* jobs : {"1", "2"}) {
      for (const char* threads : {"INNER_ALONE=1", "INNER_THREAD=1"}) {
        const Output output =
            RunOptions("ExecutableTest.*",
                       {absl::StrCat("ENCAPSULATE_VIOLATIONS=", violations),
                        absl::StrCat("ENCAPSULATE_JOBS=", jobs), threads},
                       {}, copy);
        EXPECT_EQ(output.exit_code(), 0) << output.console;
        EXPECT_EQ(ModeOf(copy), 0755U);
      }
    }
  }
  // What the test does if nobody keeps it from doing so.
  const Output off = RunOptions("ExecutableTest.CannotBeChanged",
                                {"ENCAPSULATE_MODE=off"}, {}, copy);
  EXPECT_EQ(off.exit_code(), 1);
  EXPECT_EQ(ModeOf(copy), 06777U);
}

TEST(OptionsTest, ExposedExecutableFailsTestsOrIsNamedOnce) {
  Invocation invocation;
  invocation.program = OwnCopy();
  invocation.arguments = {
      "--gtest_filter=OrdinaryTest.*:PlainTest.LeavesAFile*"
      "Passes:ExecutableTest.CanBeExecuted"};
  invocation.without_set_mm = true;
  const std::string why =
      absl::StrCat("cannot keep '", invocation.program,
                   "' out of the reach of what runs inside: ");
  const auto expect = [&](bool fails) {
    const Output output = RunProgram(invocation);
    EXPECT_EQ(output.exit_code(), fails ? 1 : 0) << output.console;
    EXPECT_EQ(Count(output.console, why), fails ? 2 : 1) << output.console;
    EXPECT_EQ(Count(output.console, "cannot encapsulate"), fails ? 2 : 0);
  };
  expect(/*fails=*/geteuid() == 0);
  invocation.environment = {"ENCAPSULATE_EXPOSED_EXECUTABLE=fail"};
  expect(/*fails=*/true);
  invocation.environment = {"ENCAPSULATE_EXPOSED_EXECUTABLE=note"};
  expect(/*fails=*/false);
}

TEST(OptionsTest, MistakeOfAFixtureNamesIt) {
  const Output output = RunOptions("Mistaken*");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(
      output.console,
      AllOf(HasSubstr("cannot encapsulate MistakenTest.NeverRuns: in the "
                      "options of the test suite MistakenTest: cannot make "
                      "writable '/there/is/no/such/tree': "),
            HasSubstr("in the options of the test suite MistakenTimeoutTest: "
                      "cannot use Limits::timeout for a test"),
            Not(HasSubstr("it runs"))));
}

TEST(OptionsTest, MistakeOfTheCommandLineIsNotTheFixturesOnly) {
  const Output output = RunOptions("PlainTest.Says*:ShortTest.*", {},
                                   {"--encapsulate_writable=/no/such/tree"});
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(
      output.console,
      AllOf(HasSubstr("in the options of the program or of the command line or "
                      "environment: cannot make writable '/no/such/tree': "),
            HasSubstr("in the options of the test suite ShortTest or of the "
                      "command line or environment: cannot make writable ")));
}

TEST(OptionsTest, HiddenOperatorNewIsNoticed) {
  const Output output = RunOptions("HidingTest.*");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console,
              AllOf(HasSubstr("its fixture has an operator new of its own"),
                    Not(HasSubstr("it runs"))));
}

TEST(OptionsTest, FixturesTimeout) {
  const Output output = RunOptions("ShortTest.*");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console, HasSubstr("still ran after 100ms and was"));
  // What is asked for on the command line wins.
  const Output longer =
      RunOptions("ShortTest.*", {"ENCAPSULATE_TIMEOUT=200ms"});
  EXPECT_THAT(longer.console, HasSubstr("still ran after 200ms and was"));
}

TEST(OptionsTest, SlowTestsAreNamed) {
  const Output output = RunOptions(
      "ShortTest.*", {"ENCAPSULATE_SLOW=10ms", "ENCAPSULATE_TIMEOUT=2s"});
  EXPECT_THAT(output.console,
              HasSubstr("encapsulate: ShortTest.Hangs still runs after 10ms; "
                        "it is stopped after 2s\n"));
  // Also where the program gets no processor until it is too late.
  const Output late = RunOptions("ShortTest.*", {"ENCAPSULATE_SLOW=199999us",
                                                 "ENCAPSULATE_TIMEOUT=200ms"});
  EXPECT_THAT(late.console,
              HasSubstr("encapsulate: ShortTest.Hangs still runs after "
                        "199.999ms; it is stopped after 200ms\n"));
}

TEST(OptionsTest, NetworkMayBeTheHosts) {
  const std::string host = absl::StrCat(
      "name=\"network\" value=\"",
      std::filesystem::read_symlink("/proc/self/ns/net").string(), "\"");
  EXPECT_THAT(
      RunOptions("PlainTest.Says*").xml,
      AllOf(HasSubstr("name=\"network\" value=\"net:["), Not(HasSubstr(host))));
  EXPECT_THAT(RunOptions("PlainTest.Says*", {"ENCAPSULATE_NETWORK=host"}).xml,
              HasSubstr(host));
}

TEST(OptionsTest, TimeoutFitsIntoBazels) {
  const Output output =
      RunOptions("EndsTest.ByHanging", {"TEST_TIMEOUT=2"}, {}, "inner_every");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console,
              HasSubstr("still ran after 1s and was stopped.\nThat is what was "
                        "left of Bazel's TEST_TIMEOUT, less a tenth"));
}

// None of its threads takes a signal, so it is looked at from outside.
TEST(OptionsTest, DeafTestIsStoppedAndShown) {
  const Output output =
      RunOptions("EndsTest.ByHangingDeafly", {"ENCAPSULATE_TIMEOUT=1s"}, {},
                 "inner_every");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(
      output.console,
      AllOf(HasSubstr("still ran after 1s and was stopped."),
            MatchesRegex("(.|\n)*\nStack trace:\n  process [0-9]+ "
                         "\\(forever\\), waits in (pause|ppoll): [^\n]*\n"
                         "    @ [^\n]*WaitForever\\(int\\)(.|\n)*")));
}

// Bazel would end the program before its report is written.
TEST(OptionsTest, DeafTestIsStoppedInBazelsTime) {
  const auto started = std::chrono::steady_clock::now();
  const Output output = RunOptions("EndsTest.ByHangingDeafly",
                                   {"TEST_TIMEOUT=2"}, {}, "inner_every");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console, HasSubstr("\nStack trace:\n  process "));
  EXPECT_LT(std::chrono::steady_clock::now() - started,
            std::chrono::seconds(10));
}

TEST(OptionsTest, ScratchOfAFailedTestIsKept) {
  const std::string outputs = FreshDirectory();
  const Output output = RunOptions("PlainTest.LeavesAFile*",
                                   {"ENCAPSULATE_KEEP_SCRATCH=failed",
                                    "TEST_UNDECLARED_OUTPUTS_DIR=" + outputs});
  EXPECT_EQ(output.exit_code(), 1);
  Strings kept;
  for (const auto& entry : std::filesystem::directory_iterator(outputs)) {
    kept.push_back(entry.path().string());
  }
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_THAT(output.console,
              HasSubstr(absl::StrCat("encapsulate: scratch directory of "
                                     "PlainTest.LeavesAFileAndFails: ",
                                     kept[0], "\n")));
  EXPECT_EQ(ReadFile(kept[0] + "/evidence"), "text");
}

TEST(OptionsTest, ScratchIsGoneByDefault) {
  const std::string outputs = FreshDirectory();
  RunOptions("PlainTest.LeavesAFile*",
             {"TEST_UNDECLARED_OUTPUTS_DIR=" + outputs});
  EXPECT_TRUE(std::filesystem::is_empty(outputs));
}

TEST(OptionsTest, RefusedWriteOffersAnotherWorkingDirectory) {
  const Output refused = RunWithFlags("EndsTest.WritesToItsDirectory", {});
  EXPECT_EQ(refused.exit_code(), 1);
  // In the failure, and so in every report.
  for (const std::string& text : {refused.console, refused.xml}) {
    EXPECT_THAT(text, HasSubstr("and throw that away: "
                                "--encapsulate_working_directory=overlay, "));
  }
  EXPECT_THAT(refused.console,
              Not(HasSubstr("encapsulate: EndsTest.WritesToItsDirectory")));
  for (const char* way : {"overlay", "copy"}) {
    const Output allowed =
        RunWithFlags("EndsTest.WritesToItsDirectory",
                     {absl::StrCat("--encapsulate_working_directory=", way)});
    EXPECT_EQ(allowed.exit_code(), 0) << allowed.console;
  }
}

// Nobody watches, and only the output says why it failed.
TEST(OptionsTest, RefusedWriteOfAProgramOffersAnotherWorkingDirectory) {
  const Strings unwatched = {"ENCAPSULATE_VIOLATIONS=off"};
  const Output refused = RunOptions("PlainTest.LetsAProgramWrite", unwatched);
  EXPECT_EQ(refused.exit_code(), 1);
  EXPECT_THAT(refused.console,
              HasSubstr("encapsulate: PlainTest.LetsAProgramWrite wrote to "
                        "something that is read-only for a test; hint: "));
  EXPECT_THAT(RunOptions("PlainTest.WritesToItsDirectory", unwatched).console,
              Not(HasSubstr("hint: ")));
}

TEST(OptionsTest, WritableTreesStay) {
  const std::string tree = FreshDirectory();
  Invocation invocation;
  invocation.program = "inner_options";
  invocation.arguments = {"--gtest_filter=PlainTest.WritesToItsDirectory"};
  invocation.directory = tree;
  EXPECT_EQ(RunProgram(invocation).exit_code(), 1);
  EXPECT_NE(access((tree + "/written").c_str(), F_OK), 0);
  invocation.environment = {"ENCAPSULATE_WRITABLE=" + tree};
  EXPECT_EQ(RunProgram(invocation).exit_code(), 0);
  EXPECT_EQ(access((tree + "/written").c_str(), F_OK), 0);
}

// Bazel's output base may be elsewhere than the checkout that runfiles lead to.
TEST(OptionsTest, RunfilesThatLeadIntoTmpAreThere) {
  char checkout[] = "/tmp/options_test.XXXXXX";
  ASSERT_NE(mkdtemp(checkout), nullptr);
  const std::string data = absl::StrCat(checkout, "/data");
  std::ofstream(data) << "text";
  const std::string runfiles = FreshDirectory();
  const std::string outputs = FreshDirectory();
  std::filesystem::create_symlink(data, outputs + "/data");
  std::filesystem::create_directory(runfiles + "/project");
  std::filesystem::create_symlink(outputs + "/data",
                                  runfiles + "/project/data");
  Invocation invocation;
  invocation.program = "inner_options";
  invocation.arguments = {"--gtest_filter=PlainTest.ReadsItsData"};
  char other[] = "/tmp/options_test.XXXXXX";
  ASSERT_NE(mkdtemp(other), nullptr);
  invocation.environment = {"TEST_SRCDIR=" + runfiles,
                            absl::StrCat("INNER_OTHER=", other)};
  invocation.directory = runfiles + "/project";
  const Output output = RunProgram(invocation);
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  std::filesystem::remove_all(checkout);
  std::filesystem::remove_all(other);
}

TEST(OptionsTest, VerboseShowsWhatASandboxTakes) {
  const Output output =
      RunWithFlags("EndsTest.AfterAll", {"--encapsulate_verbose=1"});
  EXPECT_EQ(output.exit_code(), 0);
  EXPECT_THAT(
      output.console,
      MatchesRegex("(.|\n)*\nencapsulate: EndsTest.AfterAll: sandbox made in "
                   "[0-9]+\\.[0-9][0-9] ms: ([a-z /]+ [0-9.]+, ){4}"
                   "[0-9]+ more steps [0-9.]+\n(.|\n)*"));
}

// That isn't the test's fault, and never a pass.
TEST(OptionsTest, HostThatRefusesIsAnInfrastructureFailure) {
  const std::string file = FreshDirectory() + "/infrastructure";
  Invocation invocation;
  invocation.program = "inner_every";
  invocation.arguments = {"--gtest_filter=EndsTest.AfterAll"};
  invocation.environment = {"TEST_INFRASTRUCTURE_FAILURE_FILE=" + file};
  invocation.without_namespaces = true;
  const Output output = RunProgram(invocation);
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console,
              HasSubstr("cannot encapsulate EndsTest.AfterAll: cannot "));
  EXPECT_THAT(output.console, HasSubstr("[  FAILED  ] EndsTest.AfterAll"));
  const std::string said = ReadFile(file);
  EXPECT_EQ(said.substr(0, 12), "encapsulate\n");
  EXPECT_THAT(output.console, HasSubstr(said.substr(12)));
}

TEST(OptionsTest, WhatATestMissesIsToldOnce) {
  const Output output = RunOptions("ServerTest.*");
  EXPECT_EQ(output.exit_code(), 1);
  const std::string begin =
      "\nencapsulate: ServerTest.FindsNothing may have missed something: ";
  EXPECT_THAT(
      output.console,
      AllOf(HasSubstr(begin + "the test program has started 1 process "
                              "(server), and a test's processes and network "
                              "are its own; hint: start it in the test's "
                              "SetUp()\n"),
            HasSubstr(begin + "the test program listens at port "),
            ContainsRegex("may have missed something: '[^']*/made_by_suite' is "
                          "there for the test program, ")));
  EXPECT_EQ(Count(output.console, "may have missed something"), 3);
  EXPECT_THAT(RunOptions("ServerTest.MissesNothing").console,
              Not(HasSubstr("may have missed")));
  // Another failure has nothing to do with it.
  EXPECT_THAT(RunOptions("PlainTest.LeavesAFileAndFails").console,
              Not(HasSubstr("may have missed")));
}

}  // namespace
}  // namespace encapsulate
