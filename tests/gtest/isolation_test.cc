// SPDX-License-Identifier: Apache-2.0
//
// Tests that run where namespaces are forbidden, seen from outside.
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gtest/program.h"

namespace encapsulate {
namespace {

using testing::HasSubstr;
using testing::Not;

Output RunAt(const std::string& level, const std::string& filter,
             const std::string& program = "inner_isolation") {
  Invocation invocation;
  invocation.program = program;
  invocation.without_namespaces = true;
  invocation.environment = {"ENCAPSULATE_ISOLATION=" + level};
  invocation.arguments = {"--gtest_filter=" + filter,
                          "--gtest_output=xml:report.xml",
                          "--encapsulate_report=report.json"};
  return RunProgram(invocation);
}

TEST(IsolationTest, RunsTestsAtEveryLevelThatWorks) {
  for (const char* level : {"landlock", "process"}) {
    const Output output = RunAt(level, "LevelTest.*-*.Fails*:*.Leaves*");
    EXPECT_EQ(output.exit_code(), 0) << output.console;
    EXPECT_THAT(output.console,
                HasSubstr(absl::StrCat("encapsulate: isolation level ", level,
                                       ", which doesn't keep: ")));
    EXPECT_THAT(output.xml, HasSubstr(absl::StrCat("encapsulate_isolation=\"",
                                                   level, "\"")));
    EXPECT_THAT(output.json,
                HasSubstr(absl::StrCat("\"isolation\":\"", level, "\"}")));
  }
}

// Also where what would be named otherwise is writable.
TEST(IsolationTest, TestsHaveFreshDirectories) {
  for (const char* level : {"landlock", "process"}) {
    Invocation invocation;
    invocation.program = "inner_isolation";
    invocation.without_namespaces = true;
    const std::string tree = FreshDirectory();
    std::ofstream(tree + "/file") << "x";
    invocation.environment = {absl::StrCat("ENCAPSULATE_ISOLATION=", level),
                              "ENCAPSULATE_WRITABLE=" + tree, "HOME=" + tree,
                              "TMPDIR=" + tree, "TEST_TMPDIR=" + tree};
    invocation.arguments = {
        "--gtest_filter=LevelTest.WritesToItsScratch:*.FindsNothingOfAnother*",
        "--gtest_repeat=2"};
    const Output output = RunProgram(invocation);
    EXPECT_EQ(output.exit_code(), 0) << output.console;
    EXPECT_EQ(Count(output.console, "[  PASSED  ] 2 tests."), 2);
  }
}

// Never by itself.
TEST(IsolationTest, IsNamespacesUnlessNamed) {
  const Output output = RunAt(
      "namespaces", "LevelTest.WritesToItsScratch:LevelTest.RunsPrograms");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console, HasSubstr("cannot make namespaces"));
  EXPECT_THAT(output.console, Not(HasSubstr("isolation level")));
  // Once, what works.
  EXPECT_EQ(Count(output.console,
                  "encapsulate: level landlock works on this host "
                  "(--encapsulate_isolation=landlock), but doesn't keep: "),
            1)
      << output.console;
}

TEST(IsolationTest, BestIsTheStrongestThatWorks) {
  const Output output = RunAt("best", "LevelTest.WritesToItsScratch");
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_THAT(output.console, HasSubstr("isolation level landlock"));
}

TEST(IsolationTest, FailsTestsThatReachOut) {
  const Output output = RunAt("landlock", "LevelTest.FailsFor*");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console, HasSubstr("write: nothing changes outside"));
  EXPECT_THAT(output.console, HasSubstr("network: nothing is reached"));
  EXPECT_EQ(Count(output.console, "[  FAILED  ] LevelTest.FailsForAFile"), 2)
      << output.console;
}

TEST(IsolationTest, EndsWhatTestsLeave) {
  const Output output = RunAt("landlock", "LevelTest.FailsLeaving*");
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console, HasSubstr("sleep"));
}

TEST(IsolationTest, RemovesAndNamesWhatTestsLeaveInTmp) {
  const Output output = RunAt("landlock", "LevelTest.LeavesAFile*");
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_THAT(output.console,
              HasSubstr("encapsulate: LevelTest.LeavesAFileInTmp left "
                        "'/tmp/left-by-inner-isolation', which has been "
                        "removed"));
  EXPECT_NE(access("/tmp/left-by-inner-isolation", F_OK), 0);
}

TEST(IsolationTest, RefusesWhatTheLevelCannotKeep) {
  Invocation invocation;
  invocation.program = "inner_isolation";
  invocation.environment = {"ENCAPSULATE_ISOLATION=landlock",
                            "ENCAPSULATE_WORKING_DIRECTORY=overlay"};
  invocation.arguments = {"--gtest_filter=LevelTest.WritesToItsScratch"};
  const Output output = RunProgram(invocation);
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(output.console, HasSubstr("level landlock mounts nothing"));
}

}  // namespace
}  // namespace encapsulate
