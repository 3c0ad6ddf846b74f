// SPDX-License-Identifier: Apache-2.0
//
// Sanitizers in encapsulated tests: each report is that of the test that made
// it, fails that test, and the next one runs.
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gtest/program.h"

namespace encapsulate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Output RunSanitized(const std::string& sanitizer, const std::string& test,
                    std::vector<std::string> environment = {}) {
  Invocation invocation;
  invocation.program = "inner_" + sanitizer;
  invocation.arguments = {
      absl::StrCat("--gtest_filter=*.PassesBefore:*.PassesAfter:*.", test)};
  invocation.environment = std::move(environment);
  return RunProgram(invocation);
}

void ExpectOnlyFails(const Output& output, const std::string& test) {
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(
      output.console,
      AllOf(HasSubstr("OK ] SanitizedTest.PassesBefore"),
            HasSubstr(absl::StrCat("[  FAILED  ] SanitizedTest.", test, " (")),
            HasSubstr("OK ] SanitizedTest.PassesAfter")));
}

TEST(SanitizersTest, AddressSanitizersReportFailsItsTest) {
  const Output output = RunSanitized("asan", "ReadsBeyondTheEnd");
  ExpectOnlyFails(output, "ReadsBeyondTheEnd");
  EXPECT_THAT(output.console,
              AllOf(HasSubstr("AddressSanitizer: heap-buffer-overflow"),
                    HasSubstr("\nprinted before it, "),
                    HasSubstr("\nThe end of its output:\n"),
                    HasSubstr("A sanitizer ended the test's process before the "
                              "test was done.")));
}

TEST(SanitizersTest, LeakFailsTheTestThatLeaked) {
  const Output output = RunSanitized("asan", "Leaks");
  ExpectOnlyFails(output, "Leaks");
  EXPECT_THAT(output.console,
              AllOf(HasSubstr("Direct leak of "),
                    HasSubstr("LeakSanitizer found memory that the test "
                              "leaked; its report is on stderr")));
}

TEST(SanitizersTest, LeaksMayBeAllowed) {
  const Output output =
      RunSanitized("asan", "Leaks", {"ASAN_OPTIONS=detect_leaks=0"});
  EXPECT_EQ(output.exit_code(), 0) << output.console;
}

TEST(SanitizersTest, UndefinedBehaviorSanitizersReportFailsItsTest) {
  const Output output = RunSanitized("asan", "Overflows");
  ExpectOnlyFails(output, "Overflows");
  EXPECT_THAT(output.console,
              HasSubstr("runtime error: signed integer overflow"));
}

TEST(SanitizersTest, ReportsMayGoToFiles) {
  const std::string directory = FreshDirectory();
  const Output output =
      RunSanitized("asan", "ReadsBeyondTheEnd",
                   {absl::StrCat("ASAN_OPTIONS=log_path=", directory, "/log")});
  ExpectOnlyFails(output, "ReadsBeyondTheEnd");
  EXPECT_THAT(output.console, Not(HasSubstr("heap-buffer-overflow")));
  std::string logs;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    logs += ReadFile(entry.path().string());
  }
  EXPECT_THAT(logs, HasSubstr("heap-buffer-overflow"));
}

TEST(SanitizersTest, ThreadSanitizersReportFailsItsTest) {
  const Output output = RunSanitized("tsan", "Races");
  ExpectOnlyFails(output, "Races");
  EXPECT_THAT(output.console, HasSubstr("ThreadSanitizer: data race"));
}

// ThreadSanitizer would kill the child of such a fork at its next thread.
TEST(SanitizersTest, ThreadSanitizerAndAThreadOfTheProgramAreRefused) {
  const Output output = RunSanitized("tsan", "Races", {"INNER_THREADS=1"});
  EXPECT_EQ(output.exit_code(), 1);
  EXPECT_THAT(
      output.console,
      AllOf(HasSubstr("cannot encapsulate SanitizedTest.PassesBefore: "
                      "ThreadSanitizer can't follow a fork of a program with "
                      "several threads; hint: start threads in the test "),
            Not(HasSubstr("OK ]"))));
}

}  // namespace
}  // namespace encapsulate
