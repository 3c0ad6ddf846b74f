// SPDX-License-Identifier: Apache-2.0

#include "tool/violation_report.h"

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "encapsulate/options.h"
#include "encapsulate/result.h"
#include "encapsulate/violations.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/violation.h"

namespace encapsulate::tool {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SummaryTest, IsEmptyIfThereWasNothing) {
  Result result;
  EXPECT_THAT(SummaryOf(result, {}), IsEmpty());
}

TEST(SummaryTest, GroupsByProgramAndRuleMostFrequentFirst) {
  Result result;
  result.record.violations = {
      MakeViolation(Rule::kSignal, "kill", "pid 9", ESRCH, "/bin/a", 1),
      MakeViolation(Rule::kWrite, "unlink", "/one", EROFS, "/bin/a", 1),
      MakeViolation(Rule::kWrite, "unlink", "/b/two", EROFS, "/bin/b", 2),
      MakeViolation(Rule::kWrite, "rmdir", "/c/three", EROFS, "/bin/a", 3),
  };
  Frame frame;
  frame.object = "/bin/a";
  for (int i = 1; i < 6; ++i) {
    frame.function = absl::StrCat("f", i, "()");
    frame.file = "a.c";
    frame.line = i;
    result.record.violations[3].stack.push_back(frame);
  }
  Options options;
  options.tmpfs = {{"/nowhere", 0}};
  EXPECT_THAT(
      SummaryOf(result, options),
      ElementsAre(
          "violations: 4, tried 7 times",
          "/bin/a, write: nothing changes outside writable trees",
          "          instead  write below '/nowhere'",
          "     3 x  remove the directory '/c/three': read-only file system "
          "(EROFS)",
          "          from     f1() at a.c:1",
          "                   f2() at a.c:2",
          "                   f3() at a.c:3",
          "          permit   --writable=/c",
          "          ignore   --allow=write:/c/three",
          "     1 x  remove '/one': read-only file system (EROFS)",
          "          ignore   --allow=write:/one",
          "/bin/b, write: nothing changes outside writable trees",
          "          instead  write below '/nowhere'",
          "     2 x  remove '/b/two': read-only file system (EROFS)",
          "          permit   --writable=/b",
          "          ignore   --allow=write:/b/two",
          "/bin/a, signal: processes outside get no signals",
          "          instead  a process that was started inside",
          "     1 x  send a signal to pid 9, which isn't inside: no such "
          "process (ESRCH)",
          "          ignore   --allow='signal:pid *'"));
}

TEST(SummaryTest, StaysShort) {
  Result result;
  for (int i = 0; i < 1000; ++i) {
    result.record.violations.push_back(MakeViolation(
        Rule::kWrite, "unlink", absl::StrCat("/", i), EROFS, "/bin/a", 1));
    result.record.violations.push_back(MakeViolation(
        Rule::kWrite, "unlink", "/x", EROFS, absl::StrCat("/bin/b", i), 1));
  }
  const std::vector<std::string> lines = SummaryOf(result, {});
  EXPECT_LT(lines.size(), 100U);
  EXPECT_THAT(lines, testing::Contains(
                         "          and 990 more; --report=FILE has them all"));
  EXPECT_EQ(lines.back(),
            "and 981 more programs and rules; --report=FILE has them all");
}

TEST(SummaryTest, NamesTheTest) {
  Result result;
  result.record.violations = {
      MakeViolation(Rule::kWrite, "unlink", "/a", EROFS, "/bin/a", 1)};
  result.record.violations[0].test = "A.B";
  EXPECT_THAT(SummaryOf(result, {}),
              testing::Contains("          test     A.B"));
}

TEST(SummaryTest, TellsWhatWasNotSeen) {
  Result result;
  result.record.beyond = 1;
  result.record.unseen = 2;
  EXPECT_THAT(
      SummaryOf(result, {}),
      ElementsAre("violations: other ones were tried 1 time beyond the first "
                  "10000",
                  "violations: 2 calls could not be looked at, and any may "
                  "have been one"));
}

}  // namespace
}  // namespace encapsulate::tool
