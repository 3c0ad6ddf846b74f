// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/verdict.h"

#include <signal.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

using Account = Finding::Account;
using Kind = Finding::Kind;

// A test that has come to its end, and of which nothing is to be said.
Evidence Passed() {
  Evidence evidence;
  evidence.test = "Suite.Test";
  evidence.program = "/bin/test";
  evidence.directory = "/work";
  evidence.writable = {"/tmp/test"};
  evidence.done = true;
  return evidence;
}

// One that hasn't, and whose process has ended.
Evidence Unfinished() {
  Evidence evidence = Passed();
  evidence.done = false;
  return evidence;
}

Record RecordOf(RecordKind kind, int64_t a = 0, int64_t b = 0, int64_t c = 0) {
  Record record;
  record.kind = kind;
  record.numbers[0] = a;
  record.numbers[1] = b;
  record.numbers[2] = c;
  return record;
}

Violation WriteTo(const std::string& path) {
  Violation violation;
  violation.rule = Rule::kWrite;
  violation.call = "openat";
  violation.target = path;
  violation.error = EROFS;
  violation.program = "/bin/test";
  violation.count = 1;
  return violation;
}

template <typename Text>
auto Is(Kind kind, Text text) {
  return AllOf(Field("kind", &Finding::kind, kind),
               Field("text", &Finding::text, text));
}

// The one failure of `evidence`, which is fatal and has an account of the test.
std::string EndOf(const Evidence& evidence) {
  const std::vector<Finding> findings = Classify(evidence);
  EXPECT_THAT(findings, SizeIs(1));
  if (findings.size() != 1) return "";
  EXPECT_EQ(findings[0].kind, Kind::kFatalFailure);
  EXPECT_EQ(findings[0].account, Account::kAll);
  EXPECT_FALSE(findings[0].position.has_value());
  return findings[0].text;
}

TEST(VerdictTest, NothingIsSaidOfATestThatIsDone) {
  EXPECT_THAT(Classify(Passed()), IsEmpty());
  // Nor of its own failures, which have been told.
  Evidence failed = Passed();
  failed.failed = failed.failed_fatally = true;
  EXPECT_THAT(Classify(failed), IsEmpty());
}

TEST(VerdictTest, EndBeforeTheTestIsDoneFailsIt) {
  Evidence evidence = Unfinished();
  EXPECT_EQ(EndOf(evidence),
            "The test's process ended with the exit code 0, by _exit() or as "
            "another program that it executed, before the test was done.");
  evidence.end = RecordOf(RecordKind::kExit, 3);
  EXPECT_EQ(EndOf(evidence),
            "The test called exit(3) before the test was done.");
  evidence.end = RecordOf(RecordKind::kQuickExit);
  evidence.result.exit_code = 4;
  EXPECT_EQ(EndOf(evidence),
            "The test called quick_exit(4) before the test was done.");
  evidence.end = RecordOf(RecordKind::kDeath);
  EXPECT_EQ(EndOf(evidence),
            "A sanitizer ended the test's process before the test was done.");
}

TEST(VerdictTest, SignalsAreNamed) {
  Evidence evidence = Unfinished();
  evidence.result.outcome = Outcome::kSignaled;
  evidence.result.signal = SIGKILL;
  EXPECT_EQ(EndOf(evidence),
            "The test's process was ended by SIGKILL (Killed) before the test "
            "was done.");
  // What the process has told itself says more.
  evidence.end = RecordOf(RecordKind::kSignal, SIGSEGV, /*code=*/1, 0x10);
  EXPECT_EQ(EndOf(evidence),
            "The test's process was ended by SIGSEGV (Segmentation fault) at "
            "address 0x10 before the test was done.");
  // Sent by kill(2), it has no address.
  evidence.end = RecordOf(RecordKind::kSignal, SIGSEGV, /*code=*/0, 0x10);
  EXPECT_THAT(EndOf(evidence), Not(HasSubstr("address")));
}

TEST(VerdictTest, LimitsAreNamed) {
  Evidence evidence = Unfinished();
  evidence.result.limits_hit = {LimitHit::kCpuTime, LimitHit::kMemory};
  EXPECT_THAT(EndOf(evidence),
              HasSubstr("\nIt ran into its limit: cpu-time, memory."));
}

TEST(VerdictTest, TimeoutHasItsHint) {
  Evidence evidence = Unfinished();
  evidence.timed_out = true;
  evidence.timeout = absl::Seconds(90);
  evidence.timeout_hint = "\nMore of it.";
  evidence.result.signal = SIGKILL;
  EXPECT_EQ(EndOf(evidence),
            "The test still ran after 1m30s and was stopped.\nMore of it.");
  // It was done just before it was stopped.
  evidence.done = true;
  EXPECT_THAT(Classify(evidence),
              ElementsAre(Is(Kind::kFatalFailure,
                             "The test was done, but then its process was "
                             "ended by SIGKILL (Killed).")));
}

TEST(VerdictTest, EndAfterTheTestIsDoneFailsItToo) {
  Evidence evidence = Passed();
  evidence.result.exit_code = 66;
  const std::vector<Finding> findings = Classify(evidence);
  ASSERT_THAT(findings,
              ElementsAre(Is(Kind::kFatalFailure,
                             "The test was done, but then its process ended "
                             "with the exit code 66.")));
  EXPECT_EQ(findings[0].account, Account::kOutput);
}

TEST(VerdictTest, DamageFailsATestThatIsDone) {
  Evidence evidence = Passed();
  evidence.damage = "there is half a record at byte 0";
  EXPECT_THAT(EndOf(evidence), StartsWith("The results of the test are damaged:"
                                          " there is half a record at byte 0"));
  // Nobody knows whether it was done.
  evidence.done = false;
  EXPECT_THAT(EndOf(evidence), StartsWith("The results of the test are"));
}

TEST(VerdictTest, ViolationsAreNoEndOfATestWithDamagedResults) {
  Evidence evidence = Unfinished();
  evidence.damage = "there is half a record at byte 0";
  evidence.result.record.violations = {WriteTo("/etc/a")};
  evidence.result.enforced = true;
  EXPECT_THAT(Classify(evidence),
              ElementsAre(Is(Kind::kFatalFailure,
                             StartsWith("The results of the test are")),
                          Is(Kind::kNonFatalFailure, HasSubstr("/etc/a"))));
}

TEST(VerdictTest, DamageComesBehindTheEndAndHasNoAccountOfItsOwn) {
  Evidence evidence = Unfinished();
  evidence.damage = "there is half a record at byte 0";
  evidence.result.outcome = Outcome::kSignaled;
  evidence.result.signal = SIGSEGV;
  const std::vector<Finding> findings = Classify(evidence);
  ASSERT_THAT(
      findings,
      ElementsAre(
          Is(Kind::kFatalFailure, StartsWith("The test's process was ended")),
          Is(Kind::kFatalFailure, StartsWith("The results of the test are"))));
  EXPECT_EQ(findings[0].account, Account::kAll);
  EXPECT_EQ(findings[1].account, Account::kNone);
}

TEST(VerdictTest, LostSandboxFailsTheTest) {
  Evidence evidence = Unfinished();
  evidence.result.outcome = Outcome::kLost;
  evidence.result.lost = "init was killed";
  evidence.result.exit_code = -1;
  EXPECT_EQ(EndOf(evidence),
            "The test was lost with its sandbox: init was killed.");
  // What was recorded is shown; what init would have told isn't known.
  evidence.result.record.violations = {WriteTo("/etc/a")};
  evidence.result.leftover_count = 1;
  EXPECT_THAT(Classify(evidence),
              ElementsAre(Is(Kind::kFatalFailure, StartsWith("The test was")),
                          Is(Kind::kNonFatalFailure, HasSubstr("/etc/a"))));
}

TEST(VerdictTest, StraysAndLostResultsFailTheTest) {
  Evidence evidence = Passed();
  evidence.strays = {RecordOf(RecordKind::kStray, 7)};
  evidence.strays[0].texts[0] = "the test";
  evidence.overflowed = true;
  EXPECT_THAT(
      Classify(evidence),
      ElementsAre(Is(Kind::kFatalFailure,
                     "Process 7, forked by the test, returned from the test; "
                     "it has to end by _exit() or exec()."),
                  Is(Kind::kFatalFailure,
                     "The test's results are larger than 48 MiB; the rest is "
                     "lost.")));
}

TEST(VerdictTest, ViolationsFailTheTest) {
  Evidence evidence = Passed();
  evidence.result.record.violations = {WriteTo("/etc/a")};
  const std::vector<Finding> findings = Classify(evidence);
  ASSERT_THAT(findings, ElementsAre(Is(Kind::kNonFatalFailure,
                                       StartsWith("The test tried to "))));
  EXPECT_FALSE(findings[0].position.has_value());
}

TEST(VerdictTest, ViolationIsAtTheLineOfTheTestsCode) {
  Evidence evidence = Passed();
  Violation violation = WriteTo("/etc/a");
  Frame frame;
  frame.object = "/bin/test";
  frame.function = "Save()";
  frame.file = "store.cc";
  frame.line = 31;
  violation.stack = {frame};
  evidence.result.record.violations = {violation};
  std::vector<Finding> findings = Classify(evidence);
  ASSERT_THAT(findings, SizeIs(1));
  ASSERT_TRUE(findings[0].position.has_value());
  EXPECT_EQ(findings[0].position->file, "store.cc");
  EXPECT_EQ(findings[0].position->line, 31);
  // Lines of other programs aren't the test's.
  evidence.result.record.violations[0].program = "/bin/other";
  findings = Classify(evidence);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_FALSE(findings[0].position.has_value());
}

TEST(VerdictTest, ViolationsAreNotedWhereTheyAreReportedOnly) {
  Evidence evidence = Passed();
  evidence.violations = Violations::kReport;
  evidence.result.record.violations = {WriteTo("/etc/a")};
  evidence.result.record.unseen = 1;
  EXPECT_THAT(
      Classify(evidence),
      ElementsAre(
          Is(Kind::kNote, StartsWith("Suite.Test: The test tried to ")),
          Is(Kind::kNote, StartsWith("Suite.Test: The test made 1 system call "
                                     "that may have reached out"))));
}

TEST(VerdictTest, ManyViolationsAreCounted) {
  Evidence evidence = Passed();
  for (size_t i = 0; i < kMostShownViolations + 1; ++i) {
    evidence.result.record.violations.push_back(
        WriteTo(absl::StrCat("/etc/", i)));
  }
  evidence.result.record.beyond = 5;
  const std::vector<Finding> findings = Classify(evidence);
  ASSERT_THAT(findings, SizeIs(kMostShownViolations + 1));
  EXPECT_THAT(findings.back(),
              Is(Kind::kNonFatalFailure,
                 "The test reached out in 6 more ways, which are not shown."));
}

TEST(VerdictTest, OpenExpectationsFailATestThatIsDone) {
  Evidence evidence = Passed();
  evidence.open_expectations = {{"a.cc", 5}};
  const std::vector<Finding> findings = Classify(evidence);
  ASSERT_THAT(findings,
              ElementsAre(Is(Kind::kNonFatalFailure,
                             "The test ended within the scope of this "
                             "ExpectBlocked.")));
  ASSERT_TRUE(findings[0].position.has_value());
  EXPECT_EQ(findings[0].position->file, "a.cc");
  EXPECT_EQ(findings[0].position->line, 5);
  evidence.done = false;
  EXPECT_THAT(Classify(evidence), SizeIs(1));  // the end's
}

TEST(VerdictTest, AllowedAttemptsAreNotedUnlessByDefault) {
  Evidence evidence = Passed();
  AllowedUse own;
  own.allowed = {Rule::kWrite, "/a", "does without"};
  own.count = 2;
  AllowedUse by_default;
  by_default.allowed = DefaultAllowed().front();
  by_default.count = 1;
  evidence.result.record.allowed = {own, by_default};
  EXPECT_THAT(Classify(evidence),
              ElementsAre(Is(Kind::kNote,
                             "Suite.Test was blocked, which is allowed: write "
                             "'/a', 2 times: does without")));
  evidence.verbose = true;
  EXPECT_THAT(Classify(evidence), SizeIs(2));
}

TEST(VerdictTest, FilesThatWereLeftAreNamed) {
  Evidence evidence = Passed();
  for (int i = 0; i < 12; ++i) {
    evidence.result.temporary_files.push_back("/tmp/a\n" + std::to_string(i));
  }
  const std::vector<Finding> findings = Classify(evidence);
  ASSERT_EQ(findings.size(), 11U);
  for (const Finding& finding : findings) {
    EXPECT_EQ(finding.kind, Kind::kNote);
  }
  EXPECT_THAT(findings[0].text, HasSubstr(" left '/tmp/a\\n0', which has been "
                                          "removed"));
  EXPECT_THAT(findings[10].text, HasSubstr(" left 2 more such files"));
}

TEST(VerdictTest, LeftoversFailATestThatIsDone) {
  Evidence evidence = Passed();
  evidence.result.leftovers = {{5, "a\n", "a -b"}};
  evidence.result.leftover_count = 1;
  EXPECT_THAT(Classify(evidence),
              ElementsAre(Is(Kind::kNonFatalFailure,
                             StartsWith("The test left 1 process behind:\n"
                                        "  5 a\\n: a -b\nhint: "))));
  evidence.leftovers = Leftovers::kNote;
  EXPECT_THAT(Classify(evidence),
              ElementsAre(Is(Kind::kNote,
                             "Suite.Test: The test left 1 process behind:\n"
                             "  5 a\\n: a -b")));
  evidence.done = false;
  EXPECT_THAT(Classify(evidence), SizeIs(1));  // the end's
}

TEST(VerdictTest, WorkingDirectoryIsOfferedWhereNobodyWatches) {
  Evidence evidence = Passed();
  evidence.failed = true;
  evidence.tells_read_only = true;
  evidence.violations = Violations::kOff;
  EXPECT_THAT(
      Classify(evidence),
      ElementsAre(Is(Kind::kNote,
                     HasSubstr("--encapsulate_working_directory=overlay"))));

  Evidence passed = evidence;
  passed.failed = false;
  EXPECT_THAT(Classify(passed), IsEmpty());
  Evidence other = evidence;
  other.tells_read_only = false;
  EXPECT_THAT(Classify(other), IsEmpty());
  Evidence watched = evidence;
  watched.violations = Violations::kEnforce;
  EXPECT_THAT(Classify(watched), IsEmpty());
  Evidence overlay = evidence;
  overlay.working_directory = WorkingDirectory::kOverlay;
  EXPECT_THAT(Classify(overlay), IsEmpty());

  // What the verdict itself finds fails a test, too.
  Evidence found = passed;
  found.result.exit_code = 1;
  EXPECT_THAT(Classify(found), SizeIs(2));
}

}  // namespace
}  // namespace encapsulate
