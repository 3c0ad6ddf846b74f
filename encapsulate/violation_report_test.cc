// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/violation_report.h"

#include <cerrno>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "encapsulate/violation_baseline.h"
#include "encapsulate/violations.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/violation.h"

namespace encapsulate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Frame FrameAt(const std::string& function, const std::string& file, int line) {
  Frame frame;
  frame.object = "/bin/a";
  frame.function = function;
  frame.file = file;
  frame.line = line;
  return frame;
}

// One with a place in the workspace, below a frame of a library.
ViolationReport Placed() {
  ViolationReport report;
  report.directory = "/home/me/src";
  report.record.violations = {MakeViolation(
      Rule::kNetwork, "connect", "192.0.2.1:80", ENETUNREACH, "/bin/a", 3)};
  report.record.violations[0].test = "StoreTest.Syncs";
  report.record.violations[0].stack = {
      FrameAt("connect", "/usr/src/lib/connect.c", 9),
      FrameAt("Store::Sync()", "/home/me/src/a b/store.cc", 12)};
  return report;
}

// Each character that some format treats as its own.
constexpr char kHostile[] =
    "<b>&\"'%0A::error::,;\n\r\t\033[2J]]>\xff\xe2\x80\xae\\</script>";

ViolationReport Hostile() {
  ViolationReport report;
  report.record.violations = {
      MakeViolation(Rule::kWrite, "openat", kHostile, EROFS, kHostile, 1)};
  report.record.violations[0].arguments = kHostile;
  report.record.violations[0].test = kHostile;
  report.record.violations[0].thread = kHostile;
  report.record.violations[0].stack = {FrameAt(kHostile, kHostile, 1)};
  report.record.allowed = {{{Rule::kWrite, kHostile, kHostile}, 1}};
  return report;
}

TEST(JsonReportTest, HoldsEverything) {
  ViolationReport report;
  report.record.violations = {
      MakeViolation(Rule::kWrite, "unlink", "/a\"b", EROFS, "/bin/a", 2),
      MakeViolation(Rule::kNetwork, "connect", "192.0.2.1:80", 0, "", 1)};
  report.record.violations[0].arguments = "\"/a\\\"b\"";
  report.record.violations[0].pid = 3;
  report.record.violations[0].tid = 4;
  report.record.violations[0].thread = "a";
  report.record.violations[0].test = "A.B";
  Frame frame;
  frame.object = "/bin/a";
  frame.offset = 17;
  frame.function = "f()";
  frame.file = "a.c";
  frame.line = 5;
  report.record.violations[0].stack = {frame, {}};
  report.record.violations[1].error_predicted = true;
  report.record.allowed = {{{Rule::kName, "x", "why"}, 2}};
  report.record.beyond = 5;
  report.record.unseen = 6;
  EXPECT_EQ(
      WriteReport(ReportFormat::kJson, report),
      "{\"type\":\"violation\",\"rule\":\"write\",\"call\":\"unlink\","
      "\"arguments\":\"\\\"/a\\\\\\\"b\\\"\",\"target\":\"/a\\\"b\","
      "\"error\":\"EROFS\",\"error_predicted\":false,\"pid\":3,\"tid\":4,"
      "\"program\":\"/bin/a\",\"thread\":\"a\",\"test\":\"A.B\","
      "\"count\":2,"
      "\"first\":\"1970-01-01T00:00:01.500000Z\",\"permit\":null,"
      "\"ignore\":\"--allow='write:/a\\\"b'\",\"stack\":["
      "{\"object\":\"/bin/a\",\"offset\":17,\"function\":\"f()\","
      "\"file\":\"a.c\",\"line\":5},{\"object\":null,\"offset\":0,"
      "\"function\":null,\"file\":null,\"line\":null}]}\n"
      "{\"type\":\"violation\",\"rule\":\"network\",\"call\":\"connect\","
      "\"arguments\":\"\",\"target\":\"192.0.2.1:80\",\"error\":null,"
      "\"error_predicted\":true,\"pid\":0,\"tid\":0,\"program\":null,"
      "\"thread\":\"\",\"test\":null,\"count\":1,\"first\":\"1970-01-01T00:00:"
      "01.500000Z\","
      "\"permit\":\"--network=host\",\"ignore\":\"--allow=network:192.0.2.1:80"
      "\",\"stack\":[]}\n"
      "{\"type\":\"ignored\",\"rule\":\"name\",\"target\":\"x\","
      "\"reason\":\"why\",\"count\":2}\n"
      "{\"type\":\"sum\",\"violations\":2,\"beyond\":5,\"unseen\":6,\"watched_"
      "outside\":false,\"isolation\":\"namespaces\"}\n");
}

TEST(ReportTest, PlacesAViolationInTheWorkspace) {
  const ViolationReport report = Placed();
  EXPECT_THAT(WriteReport(ReportFormat::kJunit, report),
              HasSubstr("classname=\"StoreTest.Syncs\" name=\"network: connect "
                        "to 192.0.2.1:80\" file=\"a b/store.cc\" "
                        "line=\"12\""));
  EXPECT_THAT(WriteReport(ReportFormat::kSarif, report),
              HasSubstr("\"artifactLocation\":{\"uri\":\"a%20b/store.cc\"},"
                        "\"region\":{\"startLine\":12}"));
  EXPECT_THAT(
      WriteReport(ReportFormat::kGithub, report),
      HasSubstr("::error file=a b/store.cc,line=12,title=StoreTest.Syncs "
                "violates network::tried to connect to 192.0.2.1:80: "
                "network is unreachable (ENETUNREACH)%0A"));
  EXPECT_THAT(WriteReport(ReportFormat::kGitlab, report),
              HasSubstr("\"location\":{\"path\":\"a b/store.cc\",\"lines\":{"
                        "\"begin\":12}}"));
  EXPECT_THAT(WriteReport(ReportFormat::kHtml, report),
              HasSubstr("<h2>StoreTest.Syncs</h2>"));
}

TEST(ReportTest, KeepsFilesElsewhereAbsolute) {
  ViolationReport report = Placed();
  report.directory = "/home/me/sr";
  EXPECT_THAT(WriteReport(ReportFormat::kSarif, report),
              HasSubstr("\"uri\":\"file:///home/me/src/a%20b/store.cc\""));
}

// An interpreter, say, with debug information of its own.
TEST(ReportTest, PrefersSourcesOfTheWorkspace) {
  ViolationReport report = Placed();
  report.record.violations[0].stack = {
      FrameAt("call", "/build/python/call.c", 7),
      FrameAt("lib", "external/lib/lib.cc", 8), FrameAt("own", "src/own.cc", 9),
      FrameAt("main", "src/main.cc", 10)};
  EXPECT_THAT(WriteReport(ReportFormat::kGithub, report),
              HasSubstr("file=src/own.cc,line=9,"));
  report.record.violations[0].stack.resize(2);
  EXPECT_THAT(WriteReport(ReportFormat::kGithub, report),
              HasSubstr("file=/build/python/call.c,line=7,"));
}

TEST(ReportTest, LeavesAFrameworkOutButInJson) {
  ViolationReport report = Placed();
  report.record.violations[0].stack.push_back(
      FrameAt("framework::Run()", "/opt/framework.cc", 3));
  for (const std::string& name : ReportFormatNames()) {
    const ReportFormat format = *ReportFormatOfName(name);
    report.left_out = {};
    const std::string whole = WriteReport(format, report);
    EXPECT_EQ(absl::StrContains(whole, "framework::Run()"), name != "gitlab")
        << name;
    report.left_out = {{}, {"framework::Run("}};
    const std::string shown = WriteReport(format, report);
    EXPECT_EQ(absl::StrContains(shown, "framework::Run()"), name == "json")
        << name;
    EXPECT_EQ(absl::StrContains(shown, "Store::Sync()"), name != "gitlab")
        << name;
  }
}

TEST(ReportTest, SaysThatNothingHappened) {
  const ViolationReport report;
  EXPECT_THAT(WriteReport(ReportFormat::kJunit, report),
              HasSubstr("failures=\"0\""));
  EXPECT_EQ(WriteReport(ReportFormat::kGithub, report), "");
  EXPECT_EQ(WriteReport(ReportFormat::kGitlab, report), "[]\n");
  EXPECT_THAT(WriteReport(ReportFormat::kHtml, report),
              HasSubstr("Nothing tried to reach out"));
}

// What wasn't seen may have been a violation, so no format is silent about it.
TEST(ReportTest, TellsInEveryFormatWhatWasNotSeen) {
  ViolationReport report;
  report.record.unseen = 77;
  for (const std::string& name : ReportFormatNames()) {
    EXPECT_THAT(WriteReport(*ReportFormatOfName(name), report), HasSubstr("77"))
        << name;
  }
  EXPECT_THAT(WriteReport(ReportFormat::kJunit, report),
              HasSubstr("failures=\"1\""));
}

TEST(ReportTest, TellsWhatIsolated) {
  ViolationReport report;
  report.isolation = Isolation::kLandlock;
  EXPECT_THAT(WriteReport(ReportFormat::kJson, report),
              HasSubstr(",\"isolation\":\"landlock\"}\n"));
  EXPECT_THAT(WriteReport(ReportFormat::kJunit, report),
              HasSubstr("skipped=\"0\">\n    <properties>\n      <property "
                        "name=\"isolation\" value=\"landlock\"/>\n    "
                        "</properties>\n    <testcase "));
  EXPECT_THAT(WriteReport(ReportFormat::kSarif, report),
              HasSubstr("],\"properties\":{\"isolation\":\"landlock\"}}]}\n"));
  EXPECT_THAT(WriteReport(ReportFormat::kHtml, report),
              HasSubstr("<p>Isolation level: landlock</p>"));
}

TEST(ReportTest, LetsNoTextLeaveItsPlace) {
  const ViolationReport report = Hostile();
  for (const std::string& name : ReportFormatNames()) {
    const std::string text = WriteReport(*ReportFormatOfName(name), report);
    for (const char* bytes : {"\033", "\r", "\xff", "\xe2\x80\xae"}) {
      EXPECT_THAT(text, Not(HasSubstr(bytes))) << name;
    }
  }
  const std::string junit = WriteReport(ReportFormat::kJunit, report);
  EXPECT_THAT(junit, Not(HasSubstr("<b>")));
  EXPECT_THAT(junit, Not(HasSubstr("]]>")));
  const std::string html = WriteReport(ReportFormat::kHtml, report);
  EXPECT_THAT(html, Not(HasSubstr("<b>")));
  const std::string github = WriteReport(ReportFormat::kGithub, report);
  EXPECT_EQ(github.find('\n'), github.size() - 1);
  EXPECT_THAT(github, HasSubstr("%250A"));
}

// --- Targets ----------------------------------------------------------------

TEST(ReportTargetTest, HasAFormatOrIsAPath) {
  EXPECT_EQ(ParseReportTarget("sarif:a:b")->format, ReportFormat::kSarif);
  EXPECT_EQ(ParseReportTarget("sarif:a:b")->path, "a:b");
  EXPECT_EQ(ParseReportTarget("other:a")->format, ReportFormat::kJson);
  EXPECT_EQ(ParseReportTarget("other:a")->path, "other:a");
  EXPECT_EQ(ParseReportTarget("report")->path, "report");
  EXPECT_FALSE(ParseReportTarget("").has_value());
  EXPECT_FALSE(ParseReportTarget("html:").has_value());
}

// --- Fingerprints and baselines
// -----------------------------------------------

TEST(FingerprintTest, IsTheSameInEveryRun) {
  const Violation one = MakeViolation(Rule::kWrite, "openat", "/var/log/a.1234",
                                      EROFS, "/bin/a", 1);
  Violation other = MakeViolation(Rule::kWrite, "openat", "/var/log/a.5678",
                                  EROFS, "/bin/a", 9);
  EXPECT_EQ(FingerprintOf(one), FingerprintOf(other));
  other.test = "A.B";
  EXPECT_NE(FingerprintOf(one), FingerprintOf(other));
}

TEST(BaselineTest, KnowsWhatItWasMadeOf) {
  const Violation known = MakeViolation(
      Rule::kWrite, "openat", "/var/log/a.1234", EROFS, "/bin/a b", 1);
  const Violation again = MakeViolation(
      Rule::kWrite, "mkdir", "/var/log/a.5678", EROFS, "/bin/a b", 1);
  Violation fresh = known;
  fresh.test = "A.B";
  Baseline baseline;
  baseline.Add(known);
  baseline.Add(again);
  EXPECT_EQ(baseline.size(), 1);
  const absl::StatusOr<Baseline> read = Baseline::Read(baseline.Write());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->Write(), baseline.Write());
  EXPECT_TRUE(read->Has(known));
  EXPECT_TRUE(read->Has(again));
  EXPECT_FALSE(read->Has(fresh));
  EXPECT_THAT(read->Gone({again}), IsEmpty());
  EXPECT_THAT(read->Gone({fresh}),
              ElementsAre("write /var/log/a.* /bin/a%20b -"));
}

TEST(BaselineTest, HoldsAnyText) {
  for (const std::string& text :
       {std::string("-"), std::string("a\n# b"), std::string("%20"),
        std::string("\xff\0 x", 4), std::string(kHostile)}) {
    Violation violation =
        MakeViolation(Rule::kHostSocket, "connect", text, 0, text, 1);
    violation.test = text;
    Baseline baseline;
    baseline.Add(violation);
    const absl::StatusOr<Baseline> read = Baseline::Read(baseline.Write());
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(read->Has(violation)) << text;
    violation.test.clear();
    EXPECT_FALSE(read->Has(violation)) << text;
  }
}

TEST(BaselineTest, RefusesWhatIsNone) {
  EXPECT_TRUE(Baseline::Read("").ok());
  EXPECT_TRUE(Baseline::Read("# a comment\n\n  write /a - -\r\n").ok());
  EXPECT_THAT(
      std::string(
          Baseline::Read("write /a - -\nwrite /a -").status().message()),
      "line 2 isn't RULE TARGET PROGRAM TEST");
  EXPECT_FALSE(Baseline::Read("no-rule /a - -").ok());
  EXPECT_FALSE(Baseline::Read(std::string("\x7f"
                                          "ELF\0\0",
                                          6))
                   .ok());
}

}  // namespace
}  // namespace encapsulate
