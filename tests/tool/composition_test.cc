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

}  // namespace
}  // namespace encapsulate
