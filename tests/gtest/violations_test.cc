// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a test that reaches out, in every mode. The tests are those
// of inner_violations.cc.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gtest/program.h"

namespace encapsulate {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

using Strings = std::vector<std::string>;

Output RunInner(const std::string& filter, const Strings& environment = {},
                const Strings& arguments = {}) {
  return RunTests("inner_violations", filter, environment, arguments);
}

// The line of inner_violations.cc that holds `text`.
std::string PlaceOf(const std::string& text) {
  const std::string file = "tests/gtest/inner_violations.cc";
  const Strings lines = absl::StrSplit(ReadFile(file), '\n');
  const auto found = std::find_if(
      lines.begin(), lines.end(),
      [&](const std::string& line) { return absl::StrContains(line, text); });
  EXPECT_NE(found, lines.end()) << text;
  return absl::StrCat(file, ":", found - lines.begin() + 1);
}

// Mask(), and the directories that each run has of its own.
std::string MaskPlaces(const std::string& text) {
  const std::string start = "/inner.";
  std::string masked = Mask(text);
  for (size_t at = masked.find(start); at != std::string::npos;
       at = masked.find(start, at)) {
    at += start.size();
    // In an exception that is offered it may be a pattern.
    const size_t end = masked.find_first_of("/'\"&;, \n", at);
    masked.erase(at, end == std::string::npos ? end : end - at);
  }
  return masked;
}

void ExpectPass(const std::string& filter, const Strings& environment = {}) {
  const Output output = RunInner(filter, environment);
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_THAT(output.console, Not(HasSubstr("tried to")));
}

// --- Failures ----------------------------------------------------------------

TEST(ViolationsTest, ShruggingItOffIsAFailure) {
  const Output output = RunInner("ReachTest.ShrugsItOff");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(
      output.console,
      HasSubstr(absl::StrCat(
          PlaceOf("= connect(fd"),
          ": Failure\n"
          "The test tried to connect to 192.0.2.1:80: network is unreachable "
          "(ENETUNREACH)\n"
          "  call     connect(")));
  EXPECT_THAT(
      output.console,
      AllOf(HasSubstr(absl::StrCat("TestBody() at ",
                                   PlaceOf("ReachTest, ShrugsItOff"), "\n")),
            HasSubstr("\n  ignore   options.allowed.push_back({encapsulate::"
                      "Rule::kNetwork, \"192.0.2.1:80\", \"why\"});\n"),
            HasSubstr("[  FAILED  ] ReachTest.ShrugsItOff")));
  EXPECT_THAT(output.xml, HasSubstr("<failure message=\""));
  EXPECT_THAT(output.xml, HasSubstr("The test tried to connect to 192.0.2.1"));
}

TEST(ViolationsTest, StayingInsideIsNone) { ExpectPass("ReachTest.Stays*"); }

TEST(ViolationsTest, EachIsAFailureBesidesTheTestsOwn) {
  const Output output = RunInner("ReachTest.FailsBesides");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_EQ(Count(output.xml, "<failure "), 3);
  EXPECT_THAT(output.console,
              AllOf(HasSubstr("its own"), HasSubstr("'/usr/first'"),
                    HasSubstr("'/usr/second'")));
  EXPECT_LT(output.console.find("/usr/first"),
            output.console.find("/usr/second"));
}

TEST(ViolationsTest, RepeatedOnesAreCounted) {
  const Output output = RunInner("ReachTest.TriesOften");
  EXPECT_EQ(Count(output.xml, "<failure "), 1);
  EXPECT_THAT(output.console, HasSubstr(", 0600), 3 times\n"));
}

TEST(ViolationsTest, SkippedTestsFailToo) {
  EXPECT_EQ(RunInner("ReachTest.IsSkipped").exit_code(), 1);
}

// There are no lines of the test's own; so it is the test's.
TEST(ViolationsTest, OfOtherProgramsAreAtTheTest) {
  const Output output = RunInner("ReachTest.RunsAProgram");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(
      output.console,
      ContainsRegex(absl::StrCat(
          PlaceOf("ReachTest, RunsAProgram"),
          ": Failure\nThe test tried to make the directory '/usr/made'(.|\n)*"
          "\n  program  /usr/bin/mkdir, pid ")));
}

TEST(ViolationsTest, OfThreadsAreAtTheirLine) {
  EXPECT_THAT(RunInner("ReachTest.HasAThread").console,
              HasSubstr(absl::StrCat(PlaceOf("const int fd = open"),
                                     ": Failure\nThe test tried")));
}

TEST(ViolationsTest, OfADeathTestFailTheTest) {
  const Output output = RunInner("ReachTest.DiesAsExpected");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_EQ(Count(output.xml, "<failure "), 1);
}

TEST(ViolationsTest, OnlySomeAreShown) {
  const Output output = RunInner("ReachTest.TriesManyThings");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_EQ(Count(output.xml, "<failure "), 21);
  EXPECT_THAT(output.console,
              HasSubstr("The test reached out in 10 more ways, which are not "
                        "shown."));
}

TEST(ViolationsTest, OfTestsThatComeToABadEndAreShown) {
  for (const char* end : {"Crashes", "Exits", "Hangs"}) {
    const Output output = RunInner(absl::StrCat("ReachTest.", end),
                                   {"ENCAPSULATE_TIMEOUT=500ms"});
    EXPECT_EQ(output.exit_code(), 1);
    EXPECT_EQ(Count(output.xml, "<failure "), 2) << output.console;
    EXPECT_THAT(output.console, HasSubstr("The test tried to open '/usr/"));
  }
}

// Of eleven paths, one of which was tried as often as all the others.
void ExpectAllRecorded(const Output& output, const std::string& path) {
  const std::string before = "tried ";
  const size_t at = output.console.find(before);
  ASSERT_NE(at, std::string::npos) << output.console;
  const int tried = atoi(output.console.c_str() + at + before.size());
  EXPECT_GE(tried, 10);
  EXPECT_EQ(Count(output.xml, "<failure "), 11) << output.console;
  EXPECT_THAT(output.console, ContainsRegex(absl::StrCat(
                                  "open(at)?\\(.*\"", path, "\".*, 0600\\), ",
                                  tried, " times\n")));
}

TEST(ViolationsTest, OfATestThatIsPausedAreAllRecorded) {
  ExpectAllRecorded(RunInner("ReachTest.IsPaused"), "/usr/paused");
}

TEST(ViolationsTest, OfATestThatIsDebuggedAreAllRecorded) {
  ExpectAllRecorded(RunInner("ReachTest.IsDebugged"), "/usr/debugged");
}

TEST(ViolationsTest, ASlowListenerLosesNone) {
  const std::string filter =
      "ReachTest.*:AllowedTest.*:ExpectTest.IsMet*:ExpectTest.IsUnmet*-*Hangs:"
      "*MakesASandbox:*RunsTests:*CannotBeLookedAt:*IsPaused:*IsDebugged";
  const Output quick = RunInner(filter);
  EXPECT_EQ(quick.exit_code(), 1);
  for (const char* jobs : {"ENCAPSULATE_JOBS=1", "ENCAPSULATE_JOBS=8"}) {
    const Output slow = RunInner(filter, {jobs, "INNER_SLOW_LISTENER=1"});
    EXPECT_EQ(quick.status, slow.status);
    EXPECT_EQ(MaskPlaces(quick.console), MaskPlaces(slow.console));
    EXPECT_EQ(MaskPlaces(quick.xml), MaskPlaces(slow.xml));
  }
}

TEST(ViolationsTest, InTheWorkingDirectoryOfferAnother) {
  const Output output = RunInner("ReachTest.WritesToItsDirectory");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console,
              HasSubstr("--encapsulate_working_directory=overlay"));
  ExpectPass("ReachTest.WritesToItsDirectory",
             {"ENCAPSULATE_WORKING_DIRECTORY=overlay"});
}

// Any of them may have been a violation. Root may look all the same.
TEST(ViolationsTest, UnseenCallsFailTheTest) {
  const std::string filter = "ReachTest.CannotBeLookedAt";
  const std::string unseen =
      "The test made 1 system call that may have reached out and couldn't be "
      "looked at, because its process forbids it (PR_SET_DUMPABLE, "
      "memfd_secret).";
  const std::string seen = "The test tried to open '/usr/unseen'";
  const Output output = RunInner(filter);
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_EQ(Count(output.xml, "<failure "), 1);
  EXPECT_THAT(output.console, HasSubstr(geteuid() == 0 ? seen : unseen));
  const Output reported = RunInner(filter, {"ENCAPSULATE_VIOLATIONS=report"});
  EXPECT_EQ(reported.exit_code(), 0);
  EXPECT_THAT(reported.console,
              HasSubstr(absl::StrCat("encapsulate: ", filter, ": ",
                                     geteuid() == 0 ? seen : unseen)));
  ExpectPass(filter, {"ENCAPSULATE_VIOLATIONS=off"});
}

// Reading isn't watched, and what it executes may be looked at.
TEST(ViolationsTest, TestsThatForbidLookingMayStayInside) {
  ExpectPass("ReachTest.ForbidsLookingAndStaysInside");
}

TEST(ViolationsTest, ASandboxInATestLeavesWatchingToTheTest) {
  const Output output = RunInner("ReachTest.MakesASandbox");
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  if (geteuid() != 0) return;
  EXPECT_THAT(output.console, HasSubstr("cannot map the user"));
}

TEST(ViolationsTest, AProgramOfTestsInATestLeavesWatchingToTheTest) {
  const Output output = RunInner("ReachTest.RunsTests");
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  if (geteuid() == 0) return;  // root inside can't make any sandbox
  EXPECT_THAT(output.console, HasSubstr("are reported by the sandbox around"));
}

// --- Reports -----------------------------------------------------------------

TEST(ViolationsTest, AreReportedWithTheirTests) {
  for (const char* jobs : {"ENCAPSULATE_JOBS=1", "ENCAPSULATE_JOBS=8"}) {
    const std::string directory = FreshDirectory();
    const Output output = RunInner(
        "ReachTest.ShrugsItOff:ReachTest.StaysInside:AllowedTest.UsesIt",
        {jobs, absl::StrCat("ENCAPSULATE_REPORT=", directory,
                            "/report,junit:", directory, "/junit")});
    EXPECT_EQ(output.exit_code(), 1) << output.console;
    const std::string json = ReadFile(directory + "/report");
    EXPECT_THAT(json, HasSubstr("\"test\":\"ReachTest.ShrugsItOff\""));
    EXPECT_THAT(json, HasSubstr("\"function\":\"encapsulate::(anonymous "
                                "namespace)::ReachTest_ShrugsItOff_Test::"
                                "TestBody()\""));
    EXPECT_THAT(json, HasSubstr("\"type\":\"ignored\""));
    EXPECT_THAT(json, HasSubstr("\"type\":\"sum\",\"violations\":1,"));
    EXPECT_THAT(ReadFile(directory + "/junit"),
                HasSubstr("classname=\"ReachTest.ShrugsItOff\""));
  }
}

TEST(ViolationsTest, AReportThatCannotBeWrittenIsToldBeforeTheTests) {
  const Output output = RunInner("ReachTest.StaysInside",
                                 {"ENCAPSULATE_REPORT=html:/missing/report"});
  EXPECT_EQ(output.exit_code(), 2);
  EXPECT_THAT(output.console,
              HasSubstr("cannot write the report '/missing/report': no such "
                        "file or directory (ENOENT)"));
  EXPECT_THAT(output.console, Not(HasSubstr("[ RUN")));
}

// --- What others chose -------------------------------------------------------

TEST(ViolationsTest, NamesMoveNoCursorAndForgeNoLine) {
  for (const char* name : {"Reaches", "LeavesAProcessBehind", "Hangs"}) {
    const Output output = RunInner(absl::StrCat("ForeignTextTest.", name),
                                   {"ENCAPSULATE_TIMEOUT=500ms"});
    EXPECT_EQ(output.exit_code(), 1) << name;
    EXPECT_THAT(output.console, HasSubstr("\\033[2J\\n"));
    EXPECT_THAT(output.console, Not(HasSubstr("\nforged")));
    for (const std::string& text : {output.console, output.xml}) {
      for (const char* bytes : {"\033", "\xc2\x9b", "\xe2\x80\xae"}) {
        EXPECT_THAT(text, Not(HasSubstr(bytes))) << name;
      }
    }
    EXPECT_THAT(output.xml, HasSubstr("\\033[2J\\n"));
  }
}

// --- The program itself ------------------------------------------------------

TEST(ViolationsTest, NobodyWatchesSetUpTestSuite) {
  ExpectPass("SuiteTest.Passes");
}

TEST(ViolationsTest, DyingInSetUpTestSuiteIsNoHang) {
  EXPECT_EQ(RunInner("ReachTest.StaysInside:DyingSuiteTest.*").exit_code(), 7);
}

// --- Modes -------------------------------------------------------------------

TEST(ViolationsTest, ReportOnlyPrints) {
  const Output output =
      RunInner("ReachTest.ShrugsItOff", {"ENCAPSULATE_VIOLATIONS=report"});
  EXPECT_EQ(output.exit_code(), 0);
  EXPECT_THAT(output.console,
              AllOf(HasSubstr("encapsulate: ReachTest.ShrugsItOff: The test "
                              "tried to connect to 192.0.2.1:80: "),
                    HasSubstr("[       OK ] ReachTest.ShrugsItOff")));
  EXPECT_THAT(output.xml, Not(HasSubstr("<failure ")));
}

TEST(ViolationsTest, AFixtureMayChooseTheMode) {
  const Output output = RunInner("ReportingTest.*");
  EXPECT_EQ(output.exit_code(), 0);
  EXPECT_THAT(output.console, HasSubstr("tried to open '/usr/reported'"));
  // What is asked for on the command line wins.
  const Output enforced =
      RunInner("ReportingTest.*", {}, {"--encapsulate_violations=enforce"});
  EXPECT_EQ(enforced.exit_code(), 1);
}

TEST(ViolationsTest, OffIsSilent) {
  ExpectPass("ReachTest.ShrugsItOff:ReachTest.TriesOften",
             {"ENCAPSULATE_VIOLATIONS=off"});
}

TEST(ViolationsTest, NoOtherModeIsTaken) {
  const Output output = RunInner("*", {"ENCAPSULATE_VIOLATIONS=on"});
  EXPECT_EQ(output.exit_code(), 2);
  EXPECT_THAT(output.console,
              HasSubstr("encapsulate: cannot set 'ENCAPSULATE_VIOLATIONS': "
                        "'on' is not one of off, report, enforce\n"));
}

// --- Exceptions --------------------------------------------------------------

TEST(ViolationsTest, ReasonsOfUsedExceptionsAreShown) {
  const Output output = RunInner("AllowedTest.UsesIt");
  EXPECT_EQ(output.exit_code(), 0);
  EXPECT_THAT(output.console,
              HasSubstr("encapsulate: AllowedTest.UsesIt was blocked, which is "
                        "allowed: write '/usr/cache-*', 2 times: the cache; it "
                        "does without\n"));
  EXPECT_THAT(RunInner("ReachTest.Stays*").console, Not(HasSubstr("allowed")));
}

TEST(ViolationsTest, DefaultExceptionsAreShownWhenAskedFor) {
  EXPECT_THAT(
      RunInner("AllowedTest.UsesADefault").console,
      AllOf(Not(HasSubstr("encapsulate: ")), HasSubstr("[       OK ]")));
  EXPECT_THAT(
      RunInner("AllowedTest.UsesADefault", {"ENCAPSULATE_VERBOSE=1"}).console,
      HasSubstr("'*/__pycache__', 1 time: Python compiles anew"));
}

TEST(ViolationsTest, ExceptionsTakeOnlyWhatFits) {
  EXPECT_EQ(RunInner("AllowedTest.DoesMore").exit_code(), 1);
}

TEST(ViolationsTest, ExpectationsComeBeforeExceptions) {
  const Output output = RunInner("AllowedTest.ExpectsIt");
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_THAT(output.console, Not(HasSubstr("which is allowed")));
}

// --- ExpectBlocked -----------------------------------------------------------

TEST(ExpectBlockedTest, IsMetByWhatFits) {
  ExpectPass(
      "ExpectTest.IsMet*:ExpectTest.NestedScopes*:ExpectTest.TakesWhat*:"
      "ExpectTest.WorksInThreads:ExpectTest.IsCheapToRepeat:ScopedFixture.*");
}

TEST(ExpectBlockedTest, WorksWhereViolationsAreReported) {
  ExpectPass("ExpectTest.IsMet", {"ENCAPSULATE_VIOLATIONS=report"});
  EXPECT_EQ(RunInner("ExpectTest.IsUnmet", {"ENCAPSULATE_VIOLATIONS=report"})
                .exit_code(),
            1);
}

TEST(ExpectBlockedTest, FailsWhenNothingWasBlocked) {
  const Output output = RunInner("ExpectTest.IsUnmet");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console,
              ContainsRegex("inner_violations.cc:[0-9]+: Failure\n"
                            "Expected to be blocked: network '192.0.2.1:.'\n"
                            "  Actual: nothing that fits was\n"));
  for (const char* name :
       {"IsUnmetByWhatSucceeds", "InnerScopeTakesWhatFits"}) {
    const Output other = RunInner(absl::StrCat("ExpectTest.", name));
    EXPECT_EQ(other.exit_code(), 1);
    EXPECT_EQ(Count(other.xml, "<failure "), 1);
  }
}

// What it doesn't take is a violation as ever.
TEST(ExpectBlockedTest, TakesNothingElse) {
  for (const char* name : {"IsUnmetByAnotherRule", "IsUnmetByAnotherTarget",
                           "IsUnmetByWhatCameBefore"}) {
    const Output output = RunInner(absl::StrCat("ExpectTest.", name));
    EXPECT_EQ(output.exit_code(), 1);
    EXPECT_EQ(Count(output.xml, "<failure "), 2);
  }
  const Output after = RunInner("ExpectTest.TakesNothingAfterIt");
  EXPECT_EQ(Count(after.xml, "<failure "), 1);
  EXPECT_THAT(after.console, Not(HasSubstr(" times")));
}

TEST(ExpectBlockedTest, FailuresHaveTheirTraces) {
  EXPECT_THAT(RunInner("ExpectTest.HasTraces").console,
              HasSubstr("Google Test trace:\ntests/gtest/inner_violations.cc"));
}

TEST(ExpectBlockedTest, HasToEnd) {
  const Output output = RunInner("ExpectTest.OutlivesItsTest");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(
      output.console,
      HasSubstr(absl::StrCat(PlaceOf("new ExpectBlocked"),
                             ": Failure\nThe test ended within the scope of "
                             "this ExpectBlocked.")));
}

TEST(ExpectBlockedTest, CannotBeMetWithoutDescriptors) {
  const Output output = RunInner("ExpectTest.LosesTheWay");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console,
              HasSubstr("Cannot tell whether anything was blocked that fits "
                        "write '/usr/lost': "));
}

TEST(ExpectBlockedTest, DoesNothingWhereNobodyWatches) {
  ExpectPass("OrdinaryTest.*");
  ExpectPass("ExpectTest.IsUnmet", {"ENCAPSULATE_VIOLATIONS=off"});
  const Output output =
      RunInner("ExpectTest.IsUnmet", {"ENCAPSULATE_MODE=off"});
  EXPECT_EQ(output.exit_code(), 0);
}

// --- Several at a time -------------------------------------------------------

TEST(ViolationsTest, SeveralTestsAtATimeLookLikeOne) {
  const std::string filter =
      "ReachTest.*:ReportingTest.*:AllowedTest.*:ExpectTest.IsUnmet*-*Hangs:"
      "*MakesASandbox:*RunsTests:*CannotBeLookedAt:*IsPaused:*IsDebugged";
  const Output one = RunInner(filter, {"ENCAPSULATE_JOBS=1"});
  EXPECT_EQ(one.exit_code(), 1);
  for (const char* jobs : {"ENCAPSULATE_JOBS=2", "ENCAPSULATE_JOBS=16"}) {
    const Output several = RunInner(filter, {jobs});
    EXPECT_EQ(one.status, several.status);
    EXPECT_EQ(MaskPlaces(one.console), MaskPlaces(several.console));
    EXPECT_EQ(MaskPlaces(one.xml), MaskPlaces(several.xml));
  }
}

TEST(ViolationsTest, TestsHoldNothingOfOthers) {
  ExpectPass("ReachTest.StaysInside:ReachTest.HoldsNoListener",
             {"ENCAPSULATE_JOBS=8"});
}

}  // namespace
}  // namespace encapsulate
