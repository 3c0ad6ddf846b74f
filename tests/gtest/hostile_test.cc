// SPDX-License-Identifier: Apache-2.0
//
// Tests that attack the program that runs them: they fail, and nothing else
// changes.
#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gtest/program.h"

namespace encapsulate {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

// What is shown of one test, between its name and its result.
std::string Shown(const std::string& console, const std::string& test) {
  const size_t begin = console.find("[ RUN      ] " + test + "\n");
  if (begin == std::string::npos) return "";
  return console.substr(begin, console.find(" ms)\n", begin) - begin);
}

class HostileTest : public testing::TestWithParam<int> {
 protected:
  Output Run(const std::string& filter, const std::string& timeout) const {
    return RunTests("inner_hostile", filter, {},
                    {absl::StrCat("--encapsulate_jobs=", GetParam()),
                     "--encapsulate_timeout=" + timeout});
  }
};
INSTANTIATE_TEST_SUITE_P(Jobs, HostileTest, testing::Values(1, 8));

void ExpectHonestResults(const Output& output) {
  EXPECT_EQ(output.exit_code(), 1) << output.console;
  for (int i = 1; i <= 5; ++i) {
    const std::string test = absl::StrCat("ChannelTest.Honest", i);
    EXPECT_THAT(Shown(output.console, test + "Passes"),
                HasSubstr("[       OK ] "));
    EXPECT_THAT(output.xml, HasSubstr(absl::StrCat("name=\"property", i,
                                                   "\" value=\"value", i)));
    const std::string failed = Shown(output.console, test + "Fails");
    EXPECT_THAT(failed, HasSubstr(absl::StrCat("as test ", i, " means to\n")));
    EXPECT_THAT(failed, Not(HasSubstr("damaged")));
  }
}

TEST_P(HostileTest, DamagedResultsFailTheirTest) {
  const Output output = Run("ChannelTest.*", "100s");
  ExpectHonestResults(output);
  struct Case {
    const char* test;
    const char* damage;
  };
  for (const Case& one : std::vector<Case>{
           {"CommitRecordOfSizeZero", "bytes of records at byte "},
           {"CommitBeyondTheEnd", "bytes of records at byte "},
           {"CommitNothingAgain", "there can't be "},
           {"CommitTextOf120MiB", "there is a text of 125829120 bytes"},
           {"CommitTextOf1TiB", "there is a text of 1099511627776 bytes"},
           {"CommitRecordOfNoKind", "there is a record of no kind"},
           {"ExpectWithoutEnd",
            "there are more ExpectBlocked than can be looked at"},
           {"FillWithOnes", "bytes of records"},
           {"FillWithNoise", "bytes of records"},
       }) {
    const std::string shown =
        Shown(output.console, absl::StrCat("ChannelTest.", one.test));
    EXPECT_THAT(shown, HasSubstr("The results of the test are damaged: "));
    EXPECT_THAT(shown, HasSubstr(one.damage));
    EXPECT_THAT(shown, HasSubstr("[  FAILED  ] "));
  }
  for (const char* test : {"SendsDescriptors", "RingsAndTakesNoAnswer"}) {
    EXPECT_THAT(Shown(output.console, absl::StrCat("ChannelTest.", test)),
                HasSubstr("[       OK ] "));
  }
}

TEST_P(HostileTest, ABellThatRingsForEverIsStoppedInTime) {
  const Output output = Run("HangingTest.*", "3s");
  EXPECT_EQ(output.exit_code(), 1) << output.console;
  for (const char* test : {"PassesBefore", "PassesBehind"}) {
    EXPECT_THAT(Shown(output.console, absl::StrCat("HangingTest.", test)),
                HasSubstr("[       OK ] "));
  }
  for (const char* test : {"RingForEver", "AnnounceForEver"}) {
    const std::string shown =
        Shown(output.console, absl::StrCat("HangingTest.", test));
    EXPECT_THAT(shown, HasSubstr("The test still ran after 3s and was "
                                 "stopped."));
    EXPECT_THAT(shown, Not(HasSubstr("damaged")));
  }
}

// A directory of the host that tests have no business with.
class Victim {
 public:
  Victim() {
    std::ofstream(path_ + "/file") << "precious";
    std::filesystem::create_directory(path_ + "/inner");
    chmod((path_ + "/inner").c_str(), 0500);
    chmod(path_.c_str(), 0500);
  }
  ~Victim() {
    chmod(path_.c_str(), 0700);
    chmod((path_ + "/inner").c_str(), 0700);
  }
  const std::string& path() const { return path_; }

  void ExpectUnharmed() const {
    for (const std::string& path : {path_, path_ + "/inner"}) {
      struct stat info = {};
      EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
      EXPECT_EQ(info.st_mode & 07777, 0500U) << path;
    }
    EXPECT_EQ(ReadFile(path_ + "/file"), "precious");
  }

 private:
  const std::string path_ = FreshDirectory();
};

Output RunWithScratch(const std::string& filter, const std::string& outputs,
                      const Victim& victim) {
  return RunTests("inner_hostile", filter,
                  {"TEST_UNDECLARED_OUTPUTS_DIR=" + outputs,
                   "INNER_VICTIM=" + victim.path()},
                  {"--encapsulate_jobs=2", "--encapsulate_keep_scratch=failed",
                   "--encapsulate_timeout=100s"});
}

TEST(ScratchTest, ALinkInPlaceOfAScratchDirectoryIsNotFollowed) {
  const Victim victim;
  const std::string outputs = FreshDirectory();
  const Output output = RunWithScratch("ScratchTest.*", outputs, victim);
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_THAT(output.console,
              ContainsRegex("encapsulate: cannot remove '[^']*WaitsForALink"
                            "[^']*': a test has put something else in its "
                            "place\n"));
  victim.ExpectUnharmed();
}

TEST(ScratchTest, ADeepTreeIsRemovedWhateverItForbids) {
  const Victim victim;
  const std::string outputs = FreshDirectory();
  const Output output = RunWithScratch("DeepScratchTest.*", outputs, victim);
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_THAT(output.console, Not(HasSubstr("encapsulate: cannot")));
  EXPECT_TRUE(std::filesystem::is_empty(outputs));
  victim.ExpectUnharmed();
}

TEST(ReportTest, WhatATestPutsInItsPlaceIsNotWritten) {
  for (const char* test : {"PutsAFifoThere", "PutsALinkThere"}) {
    const Victim victim;
    Invocation invocation;
    invocation.program = "inner_hostile";
    invocation.directory = FreshDirectory();
    const std::string file = invocation.directory + "/report";
    invocation.arguments = {absl::StrCat("--gtest_filter=ReportTest.", test),
                            "--encapsulate_report=html:" + file,
                            "--encapsulate_writable=" + invocation.directory};
    invocation.environment = {"INNER_VICTIM=" + victim.path() + "/file"};
    const Output output = RunProgram(invocation);
    EXPECT_THAT(output.console,
                HasSubstr(absl::StrCat("[       OK ] ReportTest.", test)));
    EXPECT_THAT(output.console,
                HasSubstr(absl::StrCat(
                    "encapsulate: cannot write the report '", file,
                    "': a test has put something else in its place\n")));
    victim.ExpectUnharmed();
  }
  Invocation invocation;
  invocation.program = "inner_hostile";
  invocation.directory = FreshDirectory();
  const std::string file = invocation.directory + "/report";
  invocation.arguments = {"--gtest_filter=ReportTest.LeavesItAlone",
                          "--encapsulate_report=html:" + file,
                          "--encapsulate_writable=" + invocation.directory};
  EXPECT_EQ(RunProgram(invocation).exit_code(), 0);
  EXPECT_GT(std::filesystem::file_size(file), 0U);
}

TEST(DurationsTest, WhatATestPutsInTheirPlaceIsNotUsed) {
  struct Case {
    const char* test;
    const char* why;
  };
  for (const Case& one :
       {Case{"PutsAFifoThere", "it isn't a regular file\n"},
        Case{"PutsALinkThere", "it has become a symbolic link\n"}}) {
    const Victim victim;
    Invocation invocation;
    invocation.program = "inner_hostile";
    invocation.directory = FreshDirectory();
    const std::string file = invocation.directory + "/durations";
    invocation.arguments = {
        absl::StrCat("--gtest_filter=DurationsTest.", one.test),
        "--encapsulate_durations=" + file,
        "--encapsulate_writable=" + invocation.directory};
    invocation.environment = {"INNER_VICTIM=" + victim.path() + "/file"};
    const Output output = RunProgram(invocation);
    EXPECT_EQ(output.exit_code(), 0) << output.console;
    EXPECT_THAT(output.console,
                HasSubstr(absl::StrCat(
                    "encapsulate: cannot remember durations of tests in '",
                    file, "': ", one.why)));
    victim.ExpectUnharmed();
  }
}

}  // namespace
}  // namespace encapsulate
