// SPDX-License-Identifier: Apache-2.0
//
// What a user of GoogleTest must not be able to tell from an ordinary run, and
// what an encapsulated run does where an ordinary one would be lost.
//
// Every comparison runs the tests of inner.cc in an ordinary program, in one
// whose every test is encapsulated, and in one with our fixture.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
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

Output RunInner(const std::string& way, const Strings& arguments,
                const Strings& environment = {}) {
  Invocation invocation;
  invocation.program = "inner_" + way;
  invocation.arguments = arguments;
  invocation.environment = environment;
  return RunProgram(invocation);
}

void ExpectEqual(const Output& ordinary, const Output& encapsulated) {
  EXPECT_EQ(ordinary.status, encapsulated.status);
  EXPECT_EQ(Mask(ordinary.console), Mask(encapsulated.console));
  EXPECT_EQ(Mask(ordinary.xml), Mask(encapsulated.xml));
  EXPECT_EQ(Mask(ordinary.json), Mask(encapsulated.json));
  EXPECT_EQ(ordinary.events, encapsulated.events);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SKIP_WITH_SANITIZER() \
  GTEST_SKIP() << "the sanitizer handles the signals, and reports itself"
#else
#define SKIP_WITH_SANITIZER() static_cast<void>(0)
#endif

#if defined(__SANITIZE_THREAD__)
constexpr bool kIsThreadSanitizer = true;
#else
constexpr bool kIsThreadSanitizer = false;
#endif

// Of the ordinary program, which is the same for every parameter below.
const Output& RunOrdinary(const Strings& arguments,
                          const Strings& environment = {}) {
  static auto* const outputs =
      new std::map<std::pair<Strings, Strings>, Output>;
  const auto found =
      outputs->emplace(std::make_pair(arguments, environment), Output());
  if (found.second) {
    found.first->second = RunInner("ordinary", arguments, environment);
  }
  return found.first->second;
}

// In each way: "every" for all tests of the program, "fixture" for ours. With
// each number of tests that run at a time.
class Behaviours : public testing::TestWithParam<std::tuple<const char*, int>> {
 protected:
  static const char* Way() { return std::get<0>(GetParam()); }
  static int Jobs() { return std::get<1>(GetParam()); }

  static Output RunEncapsulated(const Strings& arguments,
                                Strings environment = {}) {
    environment.push_back(absl::StrCat("ENCAPSULATE_JOBS=", Jobs()));
    return RunInner(Way(), arguments, environment);
  }

  // Runs the tests called `filter` in both ways and compares everything.
  static void Compare(const std::string& filter, const Strings& more = {},
                      const Strings& environment = {}) {
    for (const char* report : {"xml:report.xml", "json:report.json"}) {
      SCOPED_TRACE(report);
      Strings arguments = {absl::StrCat("--gtest_filter=", filter),
                           absl::StrCat("--gtest_output=", report)};
      arguments.insert(arguments.end(), more.begin(), more.end());
      const Output& ordinary = RunOrdinary(arguments, environment);
      EXPECT_NE(ordinary.console, "");
      EXPECT_NE(ordinary.xml + ordinary.json, "");
      ExpectEqual(ordinary, RunEncapsulated(arguments, environment));
    }
  }

  static Output Run(const std::string& filter, const Strings& more = {},
                    const Strings& environment = {}) {
    Strings arguments = {absl::StrCat("--gtest_filter=", filter),
                         "--gtest_output=xml:report.xml"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunEncapsulated(arguments, environment);
  }
};

INSTANTIATE_TEST_SUITE_P(
    Of, Behaviours,
    testing::Combine(testing::Values("every", "fixture"),
                     testing::Values(1, 2, 16)),
    [](const testing::TestParamInfo<Behaviours::ParamType>& info) {
      return absl::StrCat(std::get<0>(info.param), "_", std::get<1>(info.param),
                          "_at_a_time");
    });

// 1, 2: every phase runs once, in the child; a fixture's own SetUp() doesn't
// call the base's.
TEST_P(Behaviours, B01NoCodeOfATestRunsInTheProgram) {
  Compare("PhasesTest.*");
  const Output output = Run("PhasesTest.*:EndsTest.ByUnderscoreExitZero");
  EXPECT_EQ(Count(output.console, "constructor\n"), 2);
  EXPECT_EQ(Count(output.console, "SetUp\n"), 2);
  EXPECT_EQ(Count(output.console, "destructor\n"), 2);
}

TEST_P(Behaviours, ResultsThatATestDropsDoNotCount) {
  Compare("ClearsTest.*");
  const Output output = Run("ClearsTest.AFailure:ClearsTest.AFatal*");
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_EQ(Count(output.console, "dropped\n"), 2);
}

TEST_P(Behaviours, B02FixtureWithoutTheBasesSetUpIsEncapsulated) {
  const Output output = Run("PhasesTest.SeesAndChangesWhatIsShared");
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  // What the test changed didn't reach TearDownTestSuite().
  EXPECT_THAT(output.calls, HasSubstr("suite torn down 41\n"));
}

TEST_P(Behaviours, B03ChildrenNeverReturnFromRunAllTests) {
  const std::string file = FreshDirectory() + "/premature";
  const Output output =
      Run("EndsTest.By*Exit*:EndsTest.AfterAll:ResultsTest.Fails", {},
          {"TEST_PREMATURE_EXIT_FILE=" + file, "INNER_ATEXIT=1"});
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_EQ(Count(output.console, "[==========] 6 tests"), 1);
  EXPECT_EQ(Count(output.xml, "<testsuites "), 1);
  EXPECT_EQ(Count(output.events, "program end"), 1);
  EXPECT_NE(access(file.c_str(), F_OK), 0);
}

TEST_P(Behaviours, B04EndWithoutADoneRecordIsAFailure) {
  SKIP_WITH_SANITIZER();
  const Output output =
      Run("EndsTest.*-*Hanging*:*WaitsForTheEnd:*LeavesAMock");
  EXPECT_EQ(output.exit_code(), 1);
  const std::string& text = output.console;
  EXPECT_THAT(text, HasSubstr("ended by SIGSEGV (Segmentation fault) at "
                              "address 0x8 before the test was done."));
  EXPECT_THAT(text, HasSubstr("The test's process was ended by SIGABRT"));
  EXPECT_THAT(text, HasSubstr("The test's process was ended by SIGKILL"));
  EXPECT_THAT(text, HasSubstr("The test called exit(0) before the test was "
                              "done.\nThe end of its output:\n"
                              "    before exit\n"));
  EXPECT_THAT(text, HasSubstr("The test called exit(3) before"));
  EXPECT_THAT(text, HasSubstr("ended with the exit code 0, by _exit()"));
  EXPECT_THAT(text, HasSubstr("[       OK ] EndsTest.AfterAll"));
  EXPECT_THAT(text, Not(HasSubstr("OK ] EndsTest.By")));
  EXPECT_THAT(text, HasSubstr("[  FAILED  ] EndsTest.ByIgnoringChildren"));
}

// A program that has its children reaped by the kernel learns all the same how
// they ended.
TEST_P(Behaviours, B04ProgramMayIgnoreItsChildren) {
  const Output output =
      Run("ResultsTest.Passes:ResultsTest.Fails:EndsTest.By*Exit*:EndsTest."
          "ByKill:EndsTest.AfterAll",
          {}, {"INNER_IGNORE_CHILDREN=1"});
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_EQ(Count(output.console, "[       OK ]"), 2);
  EXPECT_THAT(output.console,
              AllOf(HasSubstr("The test called exit(3) before"),
                    HasSubstr("ended with the exit code 0, by _exit()"),
                    HasSubstr("The test's process was ended by SIGKILL")));
}

TEST_P(Behaviours, B04CrashKeepsWhatCameBeforeIt) {
  SKIP_WITH_SANITIZER();
  const Output output = Run("EndsTest.BySegmentationFault");
  EXPECT_THAT(
      output.console,
      AllOf(HasSubstr("before the crash"), HasSubstr("unfinished line"),
            HasSubstr("The last result was recorded at tests/gtest/inner.cc:"),
            HasSubstr("Google Test trace:\ntests/gtest/inner.cc:"),
            HasSubstr("on the way\nStack trace:\n    @ 0x"),
            HasSubstr("EndsTest_BySegmentationFault_Test::TestBody()"),
            HasSubstr("\nThe end of its output:\n    unfinished line\n")));
  EXPECT_EQ(Count(output.console, "on the way"), 2);
  // The stack ends with the test.
  EXPECT_THAT(output.console, Not(HasSubstr("testing::")));
  EXPECT_THAT(output.xml, HasSubstr("name=\"before\" value=\"the end\""));
}

TEST_P(Behaviours, B04CrashKeepsAllThatWasPrintedBeforeIt) {
  const Output output = Run("EndsTest.ByAbortWithMuchUnwritten");
  EXPECT_EQ(Count(output.console, "\n" + std::string(90, '0')), 3000);
}

TEST_P(Behaviours, B04StackGoesThroughTheCLibrary) {
  const Output output = Run("EndsTest.ByAbort");
  EXPECT_THAT(output.console, HasSubstr("EndsTest_ByAbort_Test::TestBody()"));
}

TEST_P(Behaviours, B04OverflowOfTheStackIsReported) {
  SKIP_WITH_SANITIZER();
  const Output output = Run("EndsTest.ByOverflowOfTheStack");
  EXPECT_THAT(output.console,
              AllOf(HasSubstr("ended by SIGSEGV"),
                    HasSubstr("    (the stack overflowed)\n"),
                    HasSubstr("Recursion::Down"), HasSubstr(" in a row\n"),
                    // What began it.
                    MatchesRegex("(.|\n)*Test::TestBody\\(\\)\n(.|\n)*")));
}

TEST_P(Behaviours, B04CallsInTurnsAreShownOnce) {
  SKIP_WITH_SANITIZER();
  const Output output = Run("EndsTest.ByOverflowOfTheStackInTurns");
  EXPECT_THAT(output.console,
              AllOf(HasSubstr("    (the stack overflowed)\n"),
                    HasSubstr("    ... these 2 calls "),
                    MatchesRegex("(.|\n)*Test::TestBody\\(\\)\n(.|\n)*")));
  EXPECT_LT(Count(output.console, "Turns::First"), 48);
}

TEST_P(Behaviours, B04WaysToLeaveAreToldApart) {
  EXPECT_THAT(Run("EndsTest.ByQuickExit").console,
              HasSubstr("The test called quick_exit(0) before the test was "
                        "done."));
  const std::string others =
      "The test's process ended with the exit code 0, by _exit() or as another "
      "program that it executed, before the test was done.";
  EXPECT_THAT(Run("EndsTest.ByUnderscoreExitZero").console, HasSubstr(others));
  EXPECT_THAT(Run("EndsTest.ByExecutingAProgram").console, HasSubstr(others));
}

TEST_P(Behaviours, B04ResultsOutliveTheDescriptors) {
  const Output output = Run("EndsTest.ByClosingEverything");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console, AllOf(HasSubstr("after closing"),
                                    Not(HasSubstr("before the test was"))));
}

TEST_P(Behaviours, B04HangIsStoppedAndEveryThreadShown) {
  // Not the first one of its suite, so that it may run ahead.
  const Output output =
      Run("EndsTest.ByClosingEverything:EndsTest.ByHanging:EndsTest.AfterAll",
          {}, {"ENCAPSULATE_TIMEOUT=1s"});
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(
      output.console,
      AllOf(HasSubstr("before the hang"),
            HasSubstr("The test still ran after 1s and was stopped."),
            HasSubstr("EndsTest_ByHanging_Test::TestBody()"),
            MatchesRegex("(.|\n)*  thread [0-9]+ \\(second\\):\n(.|\n)*"),
            MatchesRegex("(.|\n)*  thread [0-9]+ \\(deaf\\):\n"
                         "    \\(blocks signals\\)\n(.|\n)*"),
            HasSubstr("\nThe end of its output:\n    an unfinished line\n"),
            HasSubstr("still runs after 250ms; it is stopped after 1s"),
            HasSubstr("[       OK ] EndsTest.AfterAll")));
  EXPECT_THAT(output.xml, HasSubstr("name=\"before\" value=\"the end\""));
  // With the failure before, and with the hang.
  EXPECT_EQ(Count(output.console, "on the way"), kIsThreadSanitizer ? 1 : 2);
}

TEST_P(Behaviours, B04HangShowsItsOtherProcesses) {
  const Output output =
      Run("EndsTest.ByHangingProcesses", {}, {"ENCAPSULATE_TIMEOUT=1s"});
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(
      output.console,
      AllOf(
          HasSubstr("EndsTest_ByHangingProcesses_Test::TestBody()"),
          MatchesRegex("(.|\n)*\n  process [0-9]+ \\(cat\\), child of [0-9]+, "
                       "waits in read of pipe:\\[[0-9]+\\] "
                       "\\(descriptor 0\\): cat -\n(.|\n)*"),
          MatchesRegex("(.|\n)*\n  process [0-9]+ \\(forever\\), child of "
                       "[0-9]+, waits in (pause|ppoll): [^\n]*\n"
                       "    @ [^\n]*WaitForever\\(int\\)(.|\n)*"),
          MatchesRegex("(.|\n)*\n  process [0-9]+ \\(inner_[a-z]+\\), child of "
                       "[0-9]+, has ended, and its parent hasn't waited for "
                       "it\n(.|\n)*")));
  // The test's own process has told where it stands itself; but the sanitizer
  // keeps the signal back for as long as it waits, and has a thread in it.
  const int own = kIsThreadSanitizer ? 1 : 0;
  EXPECT_EQ(Count(output.console, "\n  process "), 3 + own);
  EXPECT_EQ(Count(output.console, "\n  thread "), 1 + own);
}

TEST_P(Behaviours, B05MocksAreVerifiedInTheChild) { Compare("MocksTest.*"); }

TEST_P(Behaviours, B05LeakedMocksFailTheirTest) {
  const Output output = Run("EndsTest.LeavesAMock");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console,
              AllOf(HasSubstr("Expected: to be called once"),
                    HasSubstr("The test never deletes the mock object at 0x"),
                    HasSubstr("[  FAILED  ] EndsTest.LeavesAMock")));
  const Output allowed = Run("EndsTest.LeavesAMockOnPurpose:MocksTest.AreSat*");
  EXPECT_EQ(allowed.exit_code(), 0) << allowed.console;
  const Output off =
      Run("EndsTest.LeavesAMock", {"--gmock_catch_leaked_mocks=0"});
  EXPECT_EQ(off.exit_code(), 0) << off.console;
}

TEST_P(Behaviours, B06OutputIsThatOfAnOrdinaryRun) {
  Compare("OutputTest.*-*OfAForkedProcess");
  // In an ordinary run the program's listeners are copied with the process,
  // and hear of what goes on in there; here they hear of the test only.
  const Strings arguments = {"--gtest_filter=OutputTest.OfAForkedProcess"};
  EXPECT_EQ(Mask(RunOrdinary(arguments).console),
            Mask(RunEncapsulated(arguments).console));
}

TEST_P(Behaviours, B07AtExitAndStaticDestructorsRunOnce) {
  const Output output =
      Run("ManyTest.*:EndsTest.ByExitZero", {}, {"INNER_ATEXIT=1"});
  EXPECT_EQ(Count(output.calls, "atexit"), 1);
  EXPECT_EQ(Count(output.calls, "static destroyed"), 1);
}

TEST_P(Behaviours, B08DeathTestsOfBothStyles) {
  // It starts one in every child, and GoogleTest warns of it.
  if (kIsThreadSanitizer) GTEST_SKIP() << "the sanitizer has a thread";
  Compare("InnerDeathTest.*");
}

TEST_P(Behaviours, B09CaptureAndTempDirWork) {
  const Output output = Run("OutputTest.IsCaptured:OutputTest.GoesToTempDir");
  EXPECT_EQ(output.exit_code(), 0) << output.console;
}

TEST_P(Behaviours, B10TracesAndPlacesComeOnce) {
  Compare("ResultsTest.HasTraces:ResultsTest.FailsTwiceAndFatally");
}

TEST_P(Behaviours, B11ResultsInUnknownPlacesSurvive) {
  Compare("ResultsTest.FailsInAnUnknownPlace:BodyThrowsTest.*");
}

TEST_P(Behaviours, B12EveryKindOfResultReachesListeners) {
  Compare("ResultsTest.*");
  const Output output = Run("ResultsTest.*");
  for (const char* kind : {"part 0 ", "part 1 ", "part 2 ", "part 3 "}) {
    EXPECT_THAT(output.events, HasSubstr(kind));
  }
}

TEST_P(Behaviours, B13InterceptedFailuresAreNotReported) {
  Compare("ResultsTest.*Intercept*");
}

// GoogleTest holds its mutex while it hands a result on.
TEST_P(Behaviours, B14ResultsOfManyThreadsAllArrive) {
  Compare("ResultsTest.FailsOnManyThreads");
  const Output output = Run("ResultsTest.FailsOnManyThreads");
  EXPECT_EQ(Count(output.events, "one of many, in FailsOnManyThreads"), 200)
      << "as summary and as message";
}

TEST_P(Behaviours, B15SkipsInEveryPhase) {
  Compare("*SkipsTest.*:ResultsTest.Skips*");
  Compare("ManyTest.*", {}, {"INNER_ENVIRONMENT=skip"});
  Compare("ManyTest.*", {}, {"INNER_ENVIRONMENT=fail"});
}

TEST_P(Behaviours, B16FailuresInEveryPhase) {
  Compare("*FailsTest.*:*FailsFatallyTest.*");
}

TEST_P(Behaviours, B17Properties) { Compare("PropertiesTest.*"); }

#if GTEST_HAS_EXCEPTIONS
TEST_P(Behaviours, B18ExceptionsKeepTheirPlace) {
  Compare("*ThrowsTest.*");
  const Output output =
      Run("BodyThrowsTest.AnInt", {"--gtest_catch_exceptions=0"});
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console, HasSubstr("ended by SIGABRT"));
}

TEST_P(Behaviours, B18ListenersMayThrow) {
  Compare("ThrowListenerTest.*", {}, {"INNER_THROW_LISTENER=1"});
  Compare("ThrowListenerTest.*");
}
#endif  // GTEST_HAS_EXCEPTIONS

TEST_P(Behaviours, B19BreakOnFailureRunsInTheProgram) {
  const Output output = Run("ResultsTest.Passes", {"--gtest_break_on_failure"});
  EXPECT_EQ(output.exit_code(), 0);
  EXPECT_EQ(Count(output.console,
                  "encapsulate: tests run in this process and are not "
                  "encapsulated: --gtest_break_on_failure is given\n"),
            1);
}

TEST_P(Behaviours, B19ThrowOnFailureEndsOnlyTheTest) {
  const Output output =
      Run("ResultsTest.Fails:ResultsTest.Passes", {"--gtest_throw_on_failure"});
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console,
              AllOf(HasSubstr("OK ] ResultsTest.Passes"),
                    HasSubstr("FAILED  ] ResultsTest.Fails"),
                    HasSubstr("2 tests from 1 test suite ran")));
}

TEST_P(Behaviours, B20RepeatShuffleAndFailFast) {
  Compare("ManyTest.*:MoreTest.*", {"--gtest_repeat=3"});
  Compare(
      "ManyTest.*:MoreTest.*",
      {"--gtest_repeat=2", "--gtest_recreate_environments_when_repeating=0"});
  Compare("ManyTest.*:MoreTest.*:ParametersTest/*",
          {"--gtest_shuffle", "--gtest_random_seed=7", "--gtest_repeat=2"});
  Compare("ManyTest.*:MoreTest.*", {"--gtest_fail_fast"});
}

TEST_P(Behaviours, B20ScratchIsFreshForEachTestAndRepetition) {
  const Output output =
      Run("ManyTest.*-*C", {"--gtest_repeat=3"}, {"INNER_FRESH=1"});
  EXPECT_EQ(output.exit_code(), 0) << output.console;
}

TEST_P(Behaviours, B20OrdinaryRunSharesItsScratch) {
  const Output output =
      RunInner("ordinary", {"--gtest_filter=ManyTest.*-*C"}, {"INNER_FRESH=1"});
  EXPECT_EQ(output.exit_code(), 1);
}

// 21: Compare() looks at both reports; a long one with every kind of character
// in it.
TEST_P(Behaviours, B21ReportsAreEqual) {
  Compare("ResultsTest.HasALongMessage");
  Compare(absl::StrCat("*-EndsTest.*:OutputTest.OfAForkedProcess",
                       kIsThreadSanitizer ? ":InnerDeathTest.*" : ""));
}

TEST_P(Behaviours, B22ShardsFiltersAndFlags) {
  for (const char* index : {"0", "1", "2"}) {
    Compare(
        "ManyTest.*:MoreTest.*", {},
        {"GTEST_TOTAL_SHARDS=3", absl::StrCat("GTEST_SHARD_INDEX=", index)});
  }
  const std::string file = FreshDirectory() + "/status";
  Run("ManyTest.A", {}, {"GTEST_SHARD_STATUS_FILE=" + file});
  EXPECT_EQ(access(file.c_str(), F_OK), 0);
  Compare("ResultsTest.*Disabled", {"--gtest_also_run_disabled_tests"});
  Compare("ResultsTest.*", {"--gtest_brief=1"});
  Compare("ResultsTest.*-*Long*", {"--gtest_color=yes"});
  const Strings list = {"--gtest_list_tests"};
  ExpectEqual(RunOrdinary(list), RunEncapsulated(list));
}

// 23: inner.cc's own listener writes down what it hears, and every comparison
// covers it.
TEST_P(Behaviours, B23ListenersHearEverythingOnceAndInOrder) {
  Compare("ManyTest.*:ResultsTest.*");
  EXPECT_EQ(Count(Run("ManyTest.C").events, "part "), 1);
}

TEST_P(Behaviours, B24SuitesAndEnvironmentsAreSetUpOnce) {
  const Output output = Run("PhasesTest.*");
  EXPECT_EQ(output.calls,
            "environment set up\nsuite set up\nsuite torn down 41\n"
            "environment torn down\nstatic destroyed\n");
}

TEST_P(Behaviours, B25ParametersTypesAndRegisteredTests) {
  Compare("*/ParametersTest.*:TypesTest/*:RegisteredTest.*:MixedTest.*");
}

TEST_P(Behaviours, B26ThreadsOfTheProgramAreNamed) {
  if (kIsThreadSanitizer) GTEST_SKIP() << "the plugin refuses the fork";
  const Output output = Run("ManyTest.*", {}, {"INNER_THREADS=1"});
  EXPECT_EQ(Count(output.console,
                  "encapsulate: warning: the test program has 1 more thread "
                  "(inner-helper) when ManyTest.A is forked from it;"),
            1)
      << output.console;
  EXPECT_THAT(Run("ManyTest.*").console, Not(HasSubstr("warning")));
}

TEST_P(Behaviours, B28ProcessesLeftBehindAreNamedAndFail) {
  const Output output = Run("EndsTest.LeavesAProcess:EndsTest.AfterAll");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(
      output.console,
      AllOf(HasSubstr("The test left 1 process behind:\n  "),
            HasSubstr(" left-behind: "), HasSubstr("\nhint: end them in the "),
            HasSubstr("OK ] EndsTest.AfterAll")));
  const Output noted =
      Run("EndsTest.LeavesAProcess", {}, {"ENCAPSULATE_LEFTOVERS=note"});
  EXPECT_EQ(noted.exit_code(), 0);
  EXPECT_THAT(noted.console, HasSubstr("The test left 1 process behind:"));
}

TEST_P(Behaviours, B28ForkedProcessThatReturnsFailsTheTest) {
  const Output output = Run("EndsTest.ForkedProcessReturns");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console,
              HasSubstr("forked by the test, returned from the test;"));
  EXPECT_EQ(Count(output.console, "[==========] 1 test "), 1);
}

// 29: whatever ends the program ends the test. Its stdin is theirs too: a pipe
// that nobody can read any more once all are gone. And 3: no test that has
// ended before took the file along that says that the program didn't end well.
TEST_P(Behaviours, B29NothingOutlivesTheProgram) {
  for (int signal : {SIGINT, SIGKILL}) {
    const std::string program = ProgramPath(absl::StrCat("inner_", Way()));
    int in[2];
    int out[2];
    ASSERT_EQ(pipe2(in, O_CLOEXEC), 0);
    ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
    const std::string premature = FreshDirectory() + "/premature";
    const pid_t pid = fork();
    if (pid == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      dup2(out[1], STDERR_FILENO);
      setenv("ENCAPSULATE_JOBS", absl::StrCat(Jobs()).c_str(), 1);
      // This program's shards aren't those of that one.
      for (const char* name : {"TEST_TOTAL_SHARDS", "TEST_SHARD_INDEX",
                               "GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX"}) {
        unsetenv(name);
      }
      setenv("TEST_PREMATURE_EXIT_FILE", premature.c_str(), 1);
      execl(program.c_str(), program.c_str(),
            "--gtest_filter=ResultsTest.Passes:EndsTest.ByExitZero:EndsTest."
            "WaitsForTheEnd",
            nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    // The line after that of its start is the test's own.
    const std::string start = "[ RUN      ] EndsTest.WaitsForTheEnd\n";
    std::string text;
    char byte;
    for (size_t at = std::string::npos;
         at == std::string::npos ||
         text.find('\n', at + start.size()) == std::string::npos;
         at = text.find(start)) {
      ASSERT_EQ(read(out[0], &byte, 1), 1) << text;
      text += byte;
    }
    kill(pid, signal);
    int status;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(access(premature.c_str(), F_OK), 0);
    struct pollfd gone = {in[1], 0, 0};
    EXPECT_EQ(poll(&gone, 1, -1), 1);
    close(in[1]);
    close(out[0]);
  }
}

}  // namespace
}  // namespace encapsulate
