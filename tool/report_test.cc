// SPDX-License-Identifier: Apache-2.0

#include "tool/report.h"

#include <signal.h>

#include <string>

#include "encapsulate/base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tool/exit_codes.h"

namespace encapsulate::tool {
namespace {

using ::testing::HasSubstr;

Result Ended(Outcome outcome, int exit_code, int signal) {
  Result result;
  result.outcome = outcome;
  result.exit_code = exit_code;
  result.signal = signal;
  return result;
}

TEST(ExitCodeTest, IsTheCommandsOwn) {
  EXPECT_EQ(ExitCodeOf(Ended(Outcome::kExited, 0, 0)), 0);
  EXPECT_EQ(ExitCodeOf(Ended(Outcome::kExited, 255, 0)), 255);
}

TEST(ExitCodeTest, Is128AndTheSignal) {
  EXPECT_EQ(ExitCodeOf(Ended(Outcome::kSignaled, 0, SIGSEGV)), 139);
}

TEST(ExitCodeTest, IsThatOfATimeoutHoweverItEnded) {
  EXPECT_EQ(ExitCodeOf(Ended(Outcome::kTimedOut, 0, SIGKILL)), kExitTimeout);
  EXPECT_EQ(ExitCodeOf(Ended(Outcome::kTimedOut, 3, 0)), kExitTimeout);
}

TEST(ExitCodeTest, IsOfViolationsOnlyIfTheCommandSucceeded) {
  Result result = Ended(Outcome::kExited, 0, 0);
  EXPECT_EQ(ExitCodeOf(result, {Violations::kEnforce}), 0);
  result.record.violations.emplace_back();
  EXPECT_EQ(ExitCodeOf(result, {Violations::kEnforce}), kExitViolations);
  EXPECT_EQ(ExitCodeOf(result, {Violations::kReport}), 0);
  result.exit_code = 3;
  EXPECT_EQ(ExitCodeOf(result, {Violations::kEnforce}), 3);
  result = Ended(Outcome::kTimedOut, 0, 0);
  result.record.violations.emplace_back();
  EXPECT_EQ(ExitCodeOf(result, {Violations::kEnforce}), kExitTimeout);
}

TEST(ExitCodeTest, IsOfLeftoversOnlyIfAskedAndTheCommandSucceeded) {
  Result result = Ended(Outcome::kExited, 0, 0);
  Judgement judgement;
  judgement.leftovers_fail = true;
  EXPECT_EQ(ExitCodeOf(result, judgement), 0);
  result.leftover_count = 1;
  EXPECT_EQ(ExitCodeOf(result), 0);
  EXPECT_EQ(ExitCodeOf(result, judgement), kExitLeftovers);
  // Files are, too.
  result.leftover_count = 0;
  result.temporary_files = {"/tmp/a"};
  EXPECT_EQ(ExitCodeOf(result), 0);
  EXPECT_EQ(ExitCodeOf(result, judgement), kExitLeftovers);
  judgement.violations = Violations::kEnforce;
  result.record.violations.emplace_back();
  EXPECT_EQ(ExitCodeOf(result, judgement), kExitViolations);
  result.exit_code = 3;
  EXPECT_EQ(ExitCodeOf(result, judgement), 3);
}

TEST(ExitCodeTest, IsOfViolationsIfOneMayHaveBeenMissed) {
  Result result = Ended(Outcome::kExited, 0, 0);
  result.record.unseen = 1;
  EXPECT_EQ(ExitCodeOf(result, {Violations::kEnforce}), kExitViolations);
  result.record.unseen = 0;
  result.record.beyond = 1;
  EXPECT_EQ(ExitCodeOf(result, {Violations::kEnforce}), kExitViolations);
}

TEST(ExitCodeTest, IsOfALostSandboxWhateverElseIsKnown) {
  Result result = Ended(Outcome::kLost, -1, 0);
  result.record.violations.emplace_back();
  EXPECT_EQ(ExitCodeOf(result, {Violations::kEnforce}), kExitLost);
  EXPECT_FALSE(result.ok());
}

TEST(ExitCodeTest, TellsFailuresApart) {
  const auto code = [](FailureKind kind) {
    return ExitCodeOf(MakeFailure({kind, "", "", "x"}));
  };
  EXPECT_EQ(code(FailureKind::kInvalidOptions), kExitFailed);
  EXPECT_EQ(code(FailureKind::kHostRefused), kExitFailed);
  EXPECT_EQ(code(FailureKind::kCommandNotUsable), kExitNotUsable);
  EXPECT_EQ(code(FailureKind::kCommandNotFound), kExitNotFound);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("x")), kExitFailed);
}

TEST(JsonTest, HoldsEverythingOfAResult) {
  Result result = Ended(Outcome::kSignaled, 0, SIGKILL);
  result.wall_time = absl::Milliseconds(1500);
  result.usage.ru_maxrss = 2;
  result.limits_hit = {LimitHit::kMemory, LimitHit::kProcesses};
  result.leftovers = {{7, "sleep", "sleep 100"}};
  result.leftover_count = 1;
  result.overlay_changes = {{OverlayChange::Kind::kDeleted, "/a"},
                            {OverlayChange::Kind::kChangedDirectory, "/b"}};
  EXPECT_EQ(ToJson(result),
            "{\"outcome\":\"signaled\",\"exit_code\":null,"
            "\"signal\":\"SIGKILL\",\"status\":137,\"wall_seconds\":1.500000,"
            "\"user_seconds\":0.000000,\"system_seconds\":0.000000,"
            "\"max_resident_bytes\":2048,\"minor_faults\":0,"
            "\"major_faults\":0,\"blocks_read\":0,\"blocks_written\":0,"
            "\"voluntary_switches\":0,\"involuntary_switches\":0,"
            "\"limits_hit\":[\"memory\",\"processes\"],\"leftover_count\":1,"
            "\"leftovers\":[{\"pid\":7,\"name\":\"sleep\","
            "\"command\":\"sleep 100\"}],\"violations\":0,"
            "\"violations_beyond\":0,\"violations_unseen\":0,"
            "\"isolation\":\"namespaces\",\"temporary_files\":[],"
            "\"overlay_changes\":[{\"kind\":"
            "\"deleted\",\"path\":\"/a\"},{\"kind\":"
            "\"changed-directory\",\"path\":\"/b\"}]}");
}

TEST(JsonTest, TellsWhyACommandIsLost) {
  Result result = Ended(Outcome::kLost, -1, 0);
  result.lost = "cannot tell";
  EXPECT_THAT(ToJson(result),
              testing::StartsWith(
                  "{\"outcome\":\"lost\",\"message\":\"cannot tell\","
                  "\"exit_code\":null,\"signal\":null,\"status\":123,"));
}

TEST(JsonTest, TellsAFailure) {
  EXPECT_EQ(
      ToJson(MakeFailure({FailureKind::kCommandNotFound, "", "", "no 'x'"})),
      "{\"outcome\":\"failed\",\"failure\":\"command-not-found\","
      "\"message\":\"no 'x'\",\"status\":127}");
}

TEST(JsonTest, EscapesWhatJsonCannotHold) {
  Result result;
  result.overlay_changes = {
      {OverlayChange::Kind::kWritten, "\"\\\n\x01\x7f\xc3\xa4\xff\xe2\x82"}};
  EXPECT_THAT(ToJson(result),
              HasSubstr("\"path\":\"\\\"\\\\\\u000a\\u0001\\u007f\xc3\xa4"
                        "\\ufffd\\ufffd\\ufffd\""));
}

TEST(HostReportTest, NamesTheReasonAndTheFix) {
  EXPECT_EQ(
      HostReport({{"mounts", HostSupport::kOk, "", ""},
                  {"network", HostSupport::kRefused, "why", "do this"}},
                 {{Isolation::kNamespaces, false, "network: why", "do this", "",
                   "reports"},
                  {Isolation::kLandlock, true, "", "", "own ports", "UDP"},
                  {Isolation::kProcess, true, "", "", "files", ""}}),
      "ok           mounts\n"
      "refused      network\n"
      "             why\n"
      "             hint: do this\n"
      "unavailable  isolation level namespaces\n"
      "             network: why\n"
      "             hint: do this\n"
      "ok           isolation level landlock\n"
      "             doesn't keep: own ports\n"
      "             for honest code only: UDP\n"
      "ok           isolation level process\n"
      "             doesn't keep: files\n"
      "No sandbox can be made on this host.\n");
}

}  // namespace
}  // namespace encapsulate::tool
