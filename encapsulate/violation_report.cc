// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/violation_report.h"

#include <string.h>  // NOLINT: strerrorname_np is GNU's

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/allow_pattern.h"
#include "encapsulate/base/json.h"
#include "encapsulate/base/printable.h"
#include "encapsulate/base/stable_hash.h"
#include "encapsulate/isolation.h"
#include "encapsulate/violation_report_html.h"
#include "encapsulate/violation_text.h"
#include "encapsulate/violations.h"

namespace encapsulate {
namespace {

// --- What formats have in common --------------------------------------------

std::string PathIn(const std::string& directory, const std::string& path) {
  if (directory.empty() || !absl::StartsWith(path, directory + "/")) {
    return path;
  }
  return path.substr(directory.size() + 1);
}

// The innermost frame of a source in the workspace; else OwnFrame(). Bazel
// names sources relative to it, and those of other repositories below
// external/.
const Frame* PlaceOf(const ViolationReport& report,
                     const Violation& violation) {
  for (const Frame& frame : violation.stack) {
    const std::string path = PathIn(report.directory, frame.file);
    if (!path.empty() && path[0] != '/' &&
        !absl::StartsWith(path, "external/")) {
      return &frame;
    }
  }
  return OwnFrame(violation, report.left_out);
}

TextOptions TextOptionsOf(const ViolationReport& report) {
  TextOptions options;
  options.left_out = report.left_out;
  return options;
}

// What isn't a violation, and yet isn't well.
std::vector<std::string> Doubts(const ViolationReport& report) {
  std::vector<std::string> doubts;
  if (report.record.beyond > 0) {
    doubts.push_back(absl::StrCat(report.record.beyond,
                                  " attempts beyond the first ", kMaxViolations,
                                  " have no line"));
  }
  if (report.record.unseen > 0) {
    doubts.push_back(
        absl::StrCat(report.record.unseen,
                     " calls could not be looked at, and any may have been a "
                     "violation"));
  }
  return doubts;
}

std::string Title(const Violation& violation) {
  return absl::StrCat("tried to ", Printable(DescribeAttempt(violation)), ": ",
                      DescribeError(violation));
}

std::string ProgramOf(const Violation& violation) {
  return violation.program.empty() ? "unknown program"
                                   : Printable(violation.program);
}

// --- JSON -------------------------------------------------------------------

std::string JsonOrNull(absl::string_view text) {
  return text.empty() ? "null" : JsonString(text);
}

std::string JsonOfFrame(const Frame& frame) {
  return absl::StrCat(
      "{\"object\":", JsonOrNull(frame.object), ",\"offset\":", frame.offset,
      ",\"function\":", JsonOrNull(frame.function),
      ",\"file\":", JsonOrNull(frame.file),
      ",\"line\":", frame.file.empty() ? "null" : absl::StrCat(frame.line),
      "}");
}

std::string JsonOfViolation(const Violation& violation, Language language) {
  const char* const error = strerrorname_np(violation.error);
  return absl::StrCat(
      "{\"type\":\"violation\",\"rule\":", JsonString(RuleName(violation.rule)),
      ",\"call\":", JsonString(violation.call),
      ",\"arguments\":", JsonString(violation.arguments),
      ",\"target\":", JsonString(violation.target), ",\"error\":",
      violation.error == 0 || error == nullptr ? "null" : JsonString(error),
      ",\"error_predicted\":", violation.error_predicted ? "true" : "false",
      ",\"pid\":", violation.pid, ",\"tid\":", violation.tid,
      ",\"program\":", JsonOrNull(violation.program),
      ",\"thread\":", JsonString(violation.thread),
      ",\"test\":", JsonOrNull(violation.test), ",\"count\":", violation.count,
      ",\"first\":",
      JsonString(absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", violation.first,
                                  absl::UTCTimeZone())),
      ",\"permit\":", JsonOrNull(PermitLine(violation, language)),
      ",\"ignore\":", JsonString(IgnoreLine(violation, language)),
      ",\"stack\":[",
      absl::StrJoin(violation.stack, ",",
                    [](std::string* out, const Frame& frame) {
                      absl::StrAppend(out, JsonOfFrame(frame));
                    }),
      "]}\n");
}

std::string WriteJson(const ViolationReport& report) {
  std::string lines;
  for (const Violation& violation : report.record.violations) {
    absl::StrAppend(&lines, JsonOfViolation(violation, report.language));
  }
  for (const AllowedUse& use : report.record.allowed) {
    absl::StrAppend(&lines, "{\"type\":\"ignored\",\"rule\":",
                    JsonString(RuleName(use.allowed.rule)),
                    ",\"target\":", JsonString(use.allowed.target),
                    ",\"reason\":", JsonString(use.allowed.reason),
                    ",\"count\":", use.count, "}\n");
  }
  absl::StrAppend(
      &lines,
      "{\"type\":\"sum\",\"violations\":", report.record.violations.size(),
      ",\"beyond\":", report.record.beyond,
      ",\"unseen\":", report.record.unseen,
      ",\"watched_outside\":", report.record.watched_outside ? "true" : "false",
      ",\"isolation\":", JsonString(IsolationName(report.isolation)), "}\n");
  return lines;
}

// --- JUnit ------------------------------------------------------------------

// XML 1.0 has no way to write control characters: Printable() took them out,
// and XML's own five are left.
std::string Xml(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"},
                                    {"<", "&lt;"},
                                    {">", "&gt;"},
                                    {"\"", "&quot;"},
                                    {"'", "&apos;"}});
}

std::string WriteJunit(const ViolationReport& report) {
  const std::vector<std::string> doubts = Doubts(report);
  const size_t failures = report.record.violations.size() + doubts.size();
  const size_t tests = failures == 0 ? 1 : failures;
  std::string xml = absl::StrCat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"", tests,
      "\" failures=\"", failures,
      "\">\n  <testsuite name=\"encapsulate\" tests=\"", tests,
      "\" failures=\"", failures,
      "\" errors=\"0\" skipped=\"0\">\n    <properties>\n      <property "
      "name=\"isolation\" value=\"",
      IsolationName(report.isolation), "\"/>\n    </properties>\n");
  const TextOptions options = TextOptionsOf(report);
  for (const Violation& violation : report.record.violations) {
    const Frame* const own = PlaceOf(report, violation);
    absl::StrAppend(&xml, "    <testcase classname=\"",
                    Xml(violation.test.empty() ? ProgramOf(violation)
                                               : Printable(violation.test)),
                    "\" name=\"",
                    Xml(absl::StrCat(RuleName(violation.rule), ": ",
                                     Printable(DescribeAttempt(violation)))),
                    "\"");
    if (own != nullptr) {
      absl::StrAppend(&xml, " file=\"",
                      Xml(Printable(PathIn(report.directory, own->file))),
                      "\" line=\"", own->line, "\"");
    }
    absl::StrAppend(&xml, ">\n      <failure type=\"", RuleName(violation.rule),
                    "\" message=\"", Xml(Title(violation)), "\">",
                    Xml(DescribeViolation(violation, options)),
                    "</failure>\n    </testcase>\n");
  }
  for (const std::string& doubt : doubts) {
    absl::StrAppend(&xml,
                    "    <testcase classname=\"encapsulate\" name=\"what could "
                    "not be seen\">\n      <failure type=\"unseen\" message=\"",
                    Xml(doubt), "\"/>\n    </testcase>\n");
  }
  if (failures == 0) {
    absl::StrAppend(&xml,
                    "    <testcase classname=\"encapsulate\" name=\"no "
                    "violation\"/>\n");
  }
  return absl::StrCat(xml, "  </testsuite>\n</testsuites>\n");
}

// --- SARIF ------------------------------------------------------------------

// A path as a URI reference (RFC 3986).
std::string Uri(absl::string_view path) {
  constexpr absl::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/+@";
  std::string uri = absl::StartsWith(path, "/") ? "file://" : "";
  for (char byte : path) {
    if (absl::StrContains(kUnreserved, byte)) {
      uri += byte;
    } else {
      constexpr char kDigits[] = "0123456789ABCDEF";
      const auto value = static_cast<uint8_t>(byte);
      uri += '%';
      uri += kDigits[value >> 4];
      uri += kDigits[value & 0xf];
    }
  }
  return uri;
}

std::string SarifPlace(const ViolationReport& report, const Frame& frame) {
  return absl::StrCat(
      "\"physicalLocation\":{\"artifactLocation\":{\"uri\":",
      JsonString(Uri(PathIn(report.directory, frame.file))), "}",
      frame.line > 0
          ? absl::StrCat(",\"region\":{\"startLine\":", frame.line, "}")
          : "",
      "}");
}

std::string SarifStack(const ViolationReport& report,
                       const Violation& violation) {
  const std::vector<Frame> frames = FramesToShow(violation, report.left_out);
  if (frames.empty()) return "";
  std::vector<std::string> texts;
  texts.reserve(frames.size());
  for (const Frame& frame : frames) {
    texts.push_back(absl::StrCat(
        "{\"location\":{",
        frame.file.empty() ? "" : SarifPlace(report, frame) + ",",
        "\"message\":{\"text\":", JsonString(DescribeFrame(frame)), "}}}"));
  }
  return absl::StrCat(",\"stacks\":[{\"frames\":[", absl::StrJoin(texts, ","),
                      "]}]");
}

std::string SarifResult(const ViolationReport& report,
                        const Violation& violation) {
  const Frame* const own = PlaceOf(report, violation);
  std::vector<std::string> place;
  if (own != nullptr) place.push_back(SarifPlace(report, *own));
  if (!violation.test.empty()) {
    place.push_back(
        absl::StrCat("\"logicalLocations\":[{\"fullyQualifiedName\":",
                     JsonString(violation.test), ",\"kind\":\"function\"}]"));
  }
  return absl::StrCat(
      "{\"ruleId\":", JsonString(RuleName(violation.rule)),
      ",\"level\":\"error\",\"message\":{\"text\":",
      JsonString(absl::StrCat(ProgramOf(violation), " ", Title(violation))),
      "}",
      place.empty()
          ? ""
          : absl::StrCat(",\"locations\":[{", absl::StrJoin(place, ","), "}]"),
      ",\"partialFingerprints\":{\"encapsulate/v1\":",
      JsonString(FingerprintOf(violation)),
      "},\"occurrenceCount\":", violation.count, SarifStack(report, violation),
      ",\"properties\":{\"call\":", JsonString(violation.call),
      ",\"target\":", JsonString(violation.target),
      ",\"program\":", JsonString(violation.program),
      ",\"permit\":", JsonString(PermitLine(violation, report.language)),
      ",\"ignore\":", JsonString(IgnoreLine(violation, report.language)), "}}");
}

std::string WriteSarif(const ViolationReport& report) {
  std::vector<std::string> rules;
  for (Rule rule : AllRules()) {
    rules.push_back(absl::StrCat("{\"id\":", JsonString(RuleName(rule)),
                                 ",\"shortDescription\":{\"text\":",
                                 JsonString(DescribeRule(rule)), "}}"));
  }
  std::vector<std::string> results;
  for (const Violation& violation : report.record.violations) {
    results.push_back(SarifResult(report, violation));
  }
  std::vector<std::string> notes;
  for (const std::string& doubt : Doubts(report)) {
    notes.push_back(absl::StrCat("{\"level\":\"error\",\"message\":{\"text\":",
                                 JsonString(doubt), "}}"));
  }
  return absl::StrCat(
      "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\","
      "\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{\"name\":"
      "\"Encapsulate\",\"rules\":[",
      absl::StrJoin(rules, ","),
      "]}},\"invocations\":[{\"executionSuccessful\":true,"
      "\"toolExecutionNotifications\":[",
      absl::StrJoin(notes, ","), "]}],\"results\":[\n",
      absl::StrJoin(results, ",\n"), "\n],\"properties\":{\"isolation\":",
      JsonString(IsolationName(report.isolation)), "}}]}\n");
}

// --- GitHub -----------------------------------------------------------------

// https://docs.github.com/actions/reference/workflow-commands-for-github-actions
std::string GithubText(absl::string_view text) {
  return absl::StrReplaceAll(text,
                             {{"%", "%25"}, {"\r", "%0D"}, {"\n", "%0A"}});
}

std::string GithubProperty(absl::string_view text) {
  return absl::StrReplaceAll(GithubText(text), {{":", "%3A"}, {",", "%2C"}});
}

std::string WriteGithub(const ViolationReport& report) {
  const TextOptions options = TextOptionsOf(report);
  std::string lines;
  for (const Violation& violation : report.record.violations) {
    const Frame* const own = PlaceOf(report, violation);
    std::vector<std::string> properties;
    if (own != nullptr) {
      properties.push_back(absl::StrCat(
          "file=",
          GithubProperty(Printable(PathIn(report.directory, own->file)))));
      properties.push_back(absl::StrCat("line=", own->line));
    }
    properties.push_back(absl::StrCat(
        "title=", GithubProperty(absl::StrCat(
                      violation.test.empty() ? ProgramOf(violation)
                                             : Printable(violation.test),
                      " violates ", RuleName(violation.rule)))));
    absl::StrAppend(&lines, "::error ", absl::StrJoin(properties, ","),
                    "::", GithubText(DescribeViolation(violation, options)),
                    "\n");
  }
  for (const std::string& doubt : Doubts(report)) {
    absl::StrAppend(&lines, "::error title=Violations that were not seen::",
                    GithubText(doubt), "\n");
  }
  return lines;
}

// --- GitLab -----------------------------------------------------------------

// https://docs.gitlab.com/ci/testing/code_quality/: every entry has a path.
std::string WriteGitlab(const ViolationReport& report) {
  std::vector<std::string> entries;
  const auto add = [&](const std::string& description, const std::string& check,
                       const std::string& fingerprint, const std::string& path,
                       int line) {
    entries.push_back(absl::StrCat(
        "{\"description\":", JsonString(description), ",\"check_name\":",
        JsonString(check), ",\"fingerprint\":", JsonString(fingerprint),
        ",\"severity\":\"major\",\"location\":{\"path\":", JsonString(path),
        ",\"lines\":{\"begin\":", line, "}}}"));
  };
  for (const Violation& violation : report.record.violations) {
    const Frame* const own = PlaceOf(report, violation);
    const std::string who = violation.test.empty() ? ProgramOf(violation)
                                                   : Printable(violation.test);
    add(absl::StrCat(who, " ", Title(violation)), RuleName(violation.rule),
        FingerprintOf(violation),
        own != nullptr ? Printable(PathIn(report.directory, own->file))
                       : ProgramOf(violation),
        own != nullptr && own->line > 0 ? own->line : 1);
  }
  for (const std::string& doubt : Doubts(report)) {
    add(doubt, "unseen", "encapsulate-unseen", "unknown program", 1);
  }
  return absl::StrCat("[", absl::StrJoin(entries, ",\n"), "]\n");
}

}  // namespace

std::string FingerprintOf(const Violation& violation) {
  StableHash hash;
  const auto add = [&](absl::string_view text) {
    hash.Add(text);
    hash.Add(absl::string_view("\0", 1));
  };
  add(RuleName(violation.rule));
  add(violation.test);
  add(violation.program);
  add(violation.call);
  add(AllowPattern(violation.rule, violation.target));
  return absl::StrCat(absl::Hex(hash.value(), absl::kZeroPad16));
}

const std::vector<std::string>& ReportFormatNames() {
  static const auto* const names = new std::vector<std::string>{
      "json", "junit", "sarif", "github", "gitlab", "html"};
  return *names;
}

absl::optional<ReportFormat> ReportFormatOfName(absl::string_view name) {
  const std::vector<std::string>& names = ReportFormatNames();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<ReportFormat>(i);
  }
  return absl::nullopt;
}

absl::optional<ReportTarget> ParseReportTarget(absl::string_view text) {
  ReportTarget target;
  const size_t colon = text.find(':');
  if (colon != absl::string_view::npos) {
    const absl::optional<ReportFormat> format =
        ReportFormatOfName(text.substr(0, colon));
    if (format.has_value()) {
      target.format = *format;
      text.remove_prefix(colon + 1);
    }
  }
  if (text.empty()) return absl::nullopt;
  target.path = std::string(text);
  return target;
}

std::string WriteReport(ReportFormat format, const ViolationReport& report) {
  switch (format) {
    case ReportFormat::kJson:
      return WriteJson(report);
    case ReportFormat::kJunit:
      return WriteJunit(report);
    case ReportFormat::kSarif:
      return WriteSarif(report);
    case ReportFormat::kGithub:
      return WriteGithub(report);
    case ReportFormat::kGitlab:
      return WriteGitlab(report);
    case ReportFormat::kHtml:
      return WriteHtml(report, Doubts(report));
  }
  return "";
}

}  // namespace encapsulate
