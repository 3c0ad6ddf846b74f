// Tests that attack the program that runs them: they fail, and nothing else
// changes.
#include <cstddef>
#include <regex>
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

}  // namespace
}  // namespace encapsulate
