// SPDX-License-Identifier: Apache-2.0
//
// Sandboxes in sandboxes, where the outer one watches: the tool around a
// program of encapsulated tests, and around itself.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "encapsulate/base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kViolated = 122;

struct Output {
  int exit_code = -1;
  std::string text;  // of both streams
};

Output RunCommand(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const std::string& word : command) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  const UniqueFd file(memfd_create("output", MFD_CLOEXEC));
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    dup2(file.get(), 1);
    dup2(file.get(), 2);
    // Nothing of Bazel's: the trees that it wants written aren't shown.
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char* const environment[] = {path, nullptr};
    execve(argv[0], argv.data(), environment);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  Output output;
  if (WIFEXITED(status)) output.exit_code = WEXITSTATUS(status);
  output.text = ReadAll(absl::StrCat("/proc/self/fd/", file.get()));
  return output;
}

class CompositionTest : public testing::Test {
 protected:
  // The kernel lets root without capabilities map no root (user_namespaces(7)),
  // so that root inside can't make a sandbox. That has to be said.
  void SetUp() override {
    const Output inner = Inside({ToolPath(), "", "true"});
    if (inner.exit_code == 0) return;
    ASSERT_EQ(geteuid(), 0) << inner.text;
    EXPECT_THAT(inner.text, HasSubstr("mapping root needs CAP_SETFCAP"));
    GTEST_SKIP() << "root in a sandbox makes no other; an ordinary user does";
  }

  // In a sandbox that watches.
  Output Inside(const std::vector<std::string>& command) const {
    std::vector<std::string> words = {ToolPath(), "--violations=enforce",
                                      absl::StrCat("--report=", Report()),
                                      "/tmp"};
    words.insert(words.end(), command.begin(), command.end());
    return RunCommand(words);
  }

  Output RunTests(const std::string& filter,
                  const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> words = {
        BuildPath("tests/tool/composed"),
        absl::StrCat("--gtest_filter=ComposedTest.", filter)};
    words.insert(words.end(), flags.begin(), flags.end());
    return Inside(words);
  }

  std::string Report() const { return scratch_ / "report"; }

  const Scratch scratch_;
};

TEST_F(CompositionTest, TestsThatReachNowherePass) {
  const Output output = RunTests("StaysInside");
  EXPECT_EQ(output.exit_code, 0) << output.text;
  EXPECT_THAT(output.text, HasSubstr("are reported by the sandbox around"));
  EXPECT_THAT(ReadAll(Report()), HasSubstr("\"violations\":0"));
}

TEST_F(CompositionTest, TheOuterReportNamesTheTestsThatReachOut) {
  for (const char* jobs : {"--encapsulate_jobs=1", "--encapsulate_jobs=4"}) {
    const Output output =
        RunTests("Shrugs*:*.RunsAProgram:*.Forks:*.StaysInside", {jobs});
    EXPECT_EQ(output.exit_code, kViolated) << output.text;
    EXPECT_THAT(output.text, HasSubstr("[  PASSED  ] 5 tests"));
    EXPECT_THAT(output.text, HasSubstr("test     ComposedTest.ShrugsItOff\n"));
    EXPECT_THAT(output.text,
                HasSubstr("test     ComposedTest.ShrugsItOffToo\n"));
    EXPECT_THAT(output.text, HasSubstr("test     ComposedTest.RunsAProgram\n"));
    EXPECT_THAT(output.text, HasSubstr("test     ComposedTest.Forks\n"));
    EXPECT_THAT(output.text, Not(HasSubstr("test     ComposedTest.Stays")));
    EXPECT_THAT(ReadAll(Report()),
                HasSubstr("\"test\":\"ComposedTest.ShrugsItOff\""));
  }
}

// The inner filter leaves to the outer one what both refuse.
TEST_F(CompositionTest, WhatAFilterRefusesIsReportedAsWell) {
  const Output output = RunTests("MakesARing");
  EXPECT_EQ(output.exit_code, kViolated) << output.text;
  EXPECT_THAT(output.text, HasSubstr("[  PASSED  ] 1 test"));
  EXPECT_THAT(output.text, HasSubstr("use io_uring by io_uring_setup"));
  EXPECT_THAT(output.text, HasSubstr("test     ComposedTest.MakesARing\n"));
}

// The name server is that of the inner network.
TEST_F(CompositionTest, NamesAreReportedInside) {
  const Output output = RunTests("AsksForAName");
  EXPECT_EQ(output.exit_code, 1) << output.text;
  EXPECT_THAT(output.text, HasSubstr("look up the name 'www.example.com'"));
}

TEST_F(CompositionTest, WhatATestExpectsIsNoViolation) {
  const Output output = RunTests("ExpectsIt:*.ExpectsAName");
  EXPECT_EQ(output.exit_code, 0) << output.text;
  EXPECT_THAT(ReadAll(Report()),
              HasSubstr("expected by ComposedTest.ExpectsIt"));
}

TEST_F(CompositionTest, WhatATestExpectsInVainFailsIt) {
  const Output output = RunTests("ExpectsItInVain");
  EXPECT_EQ(output.exit_code, 1) << output.text;
  EXPECT_THAT(output.text, HasSubstr("nothing that fits was"));
}

// Whoever is inside can say so, and it is never silent.
TEST_F(CompositionTest, WhatIsExpectedWithoutAnEndIsListed) {
  const Output output = RunTests("AttemptsAndNeverEndsItsScope");
  EXPECT_EQ(output.exit_code, 1) << output.text;
  EXPECT_THAT(output.text,
              HasSubstr("ignored: write '/usr/*', tried 1 time (expected by "
                        "ComposedTest.AttemptsAndNeverEndsItsScope)"));
}

TEST_F(CompositionTest, WhatATestExpectsEndsWithIt) {
  const Output output =
      RunTests("EndsWithinItsScope:*.ComesNext", {"--encapsulate_jobs=1"});
  EXPECT_EQ(output.exit_code, 1) << output.text;
  EXPECT_THAT(output.text, HasSubstr("test     ComposedTest.ComesNext\n"));
}

TEST_F(CompositionTest, WhatATestExpectsCoversNoOther) {
  const Output output =
      Inside({BuildPath("tests/tool/composed"), "--gtest_filter=PairTest.*",
              "--encapsulate_jobs=2"});
  EXPECT_EQ(output.exit_code, kViolated) << output.text;
  EXPECT_THAT(output.text, HasSubstr("[  PASSED  ] 2 tests"));
  EXPECT_THAT(output.text, HasSubstr("open '/usr/of-the-second' for writing"));
  EXPECT_THAT(output.text, Not(HasSubstr("'/usr/of-the-first'")));
}

TEST_F(CompositionTest, TheToolInsideLeavesWatchingToTheOneOutside) {
  const Output output =
      Inside({ToolPath(), "--violations=enforce",
              absl::StrCat("--report=", scratch_ / "inner"), scratch_.path(),
              "/bin/sh", "-c", "touch /usr/by-a-command; exit 7"});
  EXPECT_EQ(output.exit_code, 7) << output.text;
  EXPECT_THAT(output.text,
              HasSubstr("the sandbox around this one watches and reports"));
  EXPECT_THAT(output.text, HasSubstr("open '/usr/by-a-command' for writing"));
  EXPECT_THAT(ReadAll(scratch_ / "inner"),
              HasSubstr("\"violations\":0,\"beyond\":0,\"unseen\":0,"
                        "\"watched_outside\":true"));
}

// Where the outer one doesn't watch, the inner one does.
TEST_F(CompositionTest, TheInnerOneWatchesIfTheOuterOneDoesNot) {
  const Output output = RunCommand(
      {ToolPath(), scratch_.path(), ToolPath(), "--violations=enforce",
       scratch_.path(), "/bin/sh", "-c", "touch /usr/by-a-command; exit 0"});
  EXPECT_EQ(output.exit_code, kViolated) << output.text;
  EXPECT_THAT(output.text, Not(HasSubstr("the sandbox around this one")));
}

// --- Other isolation levels --------------------------------------------------

// Of root, too: these levels map no ids.
class LevelCompositionTest : public testing::Test {
 protected:
  // Runs a command in a sandbox of the tool's.
  Output RunIn(std::vector<std::string> flags,
               const std::vector<std::string>& command) const {
    flags.insert(flags.begin(), ToolPath());
    if (absl::StrContains(absl::StrJoin(flags, " "), "--violations=")) {
      flags.push_back(absl::StrCat("--report=", Report()));
    }
    flags.emplace_back("/tmp");
    flags.insert(flags.end(), command.begin(), command.end());
    return RunCommand(flags);
  }

  // Tests at level process, in a sandbox that watches.
  Output RunTests(const std::string& outer, const std::string& filter,
                  const char* jobs = "1") const {
    return RunIn({"--isolation=" + outer, "--violations=enforce"},
                 {BuildPath("tests/tool/composed"),
                  absl::StrCat("--gtest_filter=", filter),
                  "--encapsulate_isolation=process",
                  absl::StrCat("--encapsulate_jobs=", jobs)});
  }

  // A shell's script in the tool in the tool.
  Output RunInBoth(const std::vector<std::string>& outer,
                   const std::vector<std::string>& inner,
                   const std::string& script) const {
    std::vector<std::string> command = {ToolPath()};
    command.insert(command.end(), inner.begin(), inner.end());
    command.insert(command.end(), {scratch_.path(), "/bin/sh", "-c", script});
    return RunIn(outer, command);
  }

  std::string Report() const { return scratch_ / "report"; }

  const Scratch scratch_;
};

TEST_F(LevelCompositionTest, TestsAtLevelProcessAreWatchedFromOutside) {
  for (const char* outer : {"namespaces", "landlock", "process"}) {
    SCOPED_TRACE(outer);
    const Output staying = RunTests(outer, "ComposedTest.StaysInside");
    EXPECT_EQ(staying.exit_code, 0) << staying.text;
    EXPECT_THAT(staying.text, HasSubstr("isolation level process, which"));
    EXPECT_THAT(staying.text, HasSubstr("are reported by the sandbox around"));
    EXPECT_THAT(ReadAll(Report()), HasSubstr("\"violations\":0"));
    const Output output = RunTests(
        outer, "ComposedTest.Shrugs*:*.RunsAProgram:*.Forks:*.StaysInside",
        "4");
    EXPECT_EQ(output.exit_code, kViolated) << output.text;
    EXPECT_THAT(output.text, HasSubstr("[  PASSED  ] 5 tests"));
    for (const char* test :
         {"ShrugsItOff", "ShrugsItOffToo", "RunsAProgram", "Forks"}) {
      EXPECT_THAT(output.text, HasSubstr(absl::StrCat("test     ComposedTest.",
                                                      test, "\n")));
    }
    EXPECT_THAT(output.text, Not(HasSubstr("test     ComposedTest.Stays")));
  }
}

TEST_F(LevelCompositionTest, WhatATestAtLevelProcessExpectsCoversNoOther) {
  const Output expected = RunTests("namespaces", "ComposedTest.ExpectsIt");
  EXPECT_EQ(expected.exit_code, 0) << expected.text;
  EXPECT_THAT(ReadAll(Report()),
              HasSubstr("expected by ComposedTest.ExpectsIt"));
  const Output output = RunTests("namespaces", "PairTest.*", "2");
  EXPECT_EQ(output.exit_code, kViolated) << output.text;
  EXPECT_THAT(output.text, HasSubstr("open '/usr/of-the-second' for writing"));
  EXPECT_THAT(output.text, Not(HasSubstr("'/usr/of-the-first'")));
}

TEST_F(LevelCompositionTest, LevelProcessLeavesWatchingToTheOneOutside) {
  const Output output =
      RunInBoth({"--violations=enforce"},
                {"--isolation=process", "--violations=enforce",
                 absl::StrCat("--report=", scratch_ / "inner")},
                "touch /usr/by-a-command 2>/dev/null; exit 7");
  EXPECT_EQ(output.exit_code, 7) << output.text;
  EXPECT_THAT(output.text,
              HasSubstr("the sandbox around this one watches and reports"));
  EXPECT_THAT(output.text, HasSubstr("open '/usr/by-a-command' for writing"));
  EXPECT_THAT(ReadAll(scratch_ / "inner"),
              HasSubstr("\"watched_outside\":true"));
}

// Whoever records nothing doesn't count as watching.
TEST_F(LevelCompositionTest, NothingIsLeftToASandboxThatReportsNothing) {
  const Output refused =
      RunInBoth({"--isolation=landlock"},
                {"--isolation=process", "--violations=enforce"}, "true");
  EXPECT_EQ(refused.exit_code, 125) << refused.text;
  EXPECT_THAT(refused.text, HasSubstr("cannot watch for violations"));
  EXPECT_THAT(refused.text, HasSubstr("--violations=off for the inner one"));
  const Output output =
      RunInBoth({"--isolation=landlock"}, {"--isolation=process"}, "exit 3");
  EXPECT_EQ(output.exit_code, 3) << output.text;
}

TEST_F(LevelCompositionTest, LevelLandlockWorksWhereNobodyWatches) {
  const Output output =
      RunInBoth({}, {"--isolation=landlock", "--violations=enforce"},
                "touch /usr/by-a-command 2>/dev/null; exit 0");
  EXPECT_EQ(output.exit_code, kViolated) << output.text;
  EXPECT_THAT(output.text, HasSubstr("open '/usr/by-a-command' for writing"));
  const Output staying =
      RunInBoth({}, {"--isolation=landlock", "--violations=enforce"},
                "touch $TMPDIR/x && exit 5");
  EXPECT_EQ(staying.exit_code, 5) << staying.text;
}

TEST_F(LevelCompositionTest, LevelLandlockIsRefusedWhereSomebodyWatches) {
  for (const std::vector<std::string>& outer :
       std::vector<std::vector<std::string>>{
           {"--violations=enforce"},
           {"--isolation=landlock"},
           {"--isolation=process", "--violations=enforce"}}) {
    SCOPED_TRACE(outer.front());
    const Output refused =
        RunInBoth(outer, {"--isolation=landlock"}, "echo it ran");
    EXPECT_EQ(refused.exit_code, 125) << refused.text;
    EXPECT_THAT(
        refused.text,
        HasSubstr("cannot use level landlock: it needs a listener of system "
                  "calls: a program around this one watches its system calls, "
                  "and the kernel allows one that does: device or resource "
                  "busy (EBUSY); hint: use level process: "));
    EXPECT_THAT(refused.text, Not(HasSubstr("it ran")));
    // What the hint says works.
    const Output output =
        RunInBoth(outer, {"--isolation=process"}, "echo it ran; exit 3");
    EXPECT_EQ(output.exit_code, 3) << output.text;
    EXPECT_THAT(output.text, HasSubstr("it ran"));
  }
}

TEST_F(LevelCompositionTest, BestIsWhatTheOneAroundLeaves) {
  for (const std::vector<std::string>& outer :
       std::vector<std::vector<std::string>>{
           {"--isolation=landlock"},
           {"--isolation=landlock", "--violations=enforce"},
           {"--isolation=process", "--violations=enforce"}}) {
    SCOPED_TRACE(outer.back());
    const Output output = RunInBoth(outer, {"--isolation=best"}, "echo it ran");
    EXPECT_EQ(output.exit_code, 0) << output.text;
    EXPECT_THAT(output.text, HasSubstr("isolation level process, which"));
    EXPECT_THAT(output.text, HasSubstr("it ran"));
  }
  const Output refused = RunInBoth({"--isolation=landlock"}, {}, "echo it ran");
  EXPECT_EQ(refused.exit_code, 125) << refused.text;
  EXPECT_THAT(refused.text,
              HasSubstr("level process works on this host "
                        "(--isolation=process), but doesn't keep: "));
  EXPECT_THAT(refused.text, Not(HasSubstr("it ran")));
}

}  // namespace
}  // namespace encapsulate
