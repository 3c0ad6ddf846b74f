// SPDX-License-Identifier: Apache-2.0
//
// Reports of violations for programs and for pages of CI systems.
//
//   encapsulate::ViolationReport report;
//   report.record = result.record;  // symbolized
//   WriteAll(fd, WriteReport(encapsulate::ReportFormat::kSarif, report));
//
// Every format has each violation once, with its test if it is known, and with
// its place: the innermost frame of a source in the working directory, else
// that of OwnFrame(). What programs chose is escaped as the format asks.
#ifndef ENCAPSULATE_VIOLATION_REPORT_H_
#define ENCAPSULATE_VIOLATION_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/isolation.h"
#include "encapsulate/violation_text.h"
#include "encapsulate/violations.h"

namespace encapsulate {

// How a report is written.
enum class ReportFormat {
  kJson,    // "json": an object a line, see docs/violations.md
  kJunit,   // "junit": XML, a failed test case for each violation
  kSarif,   // "sarif": SARIF 2.1.0 (OASIS), for code scanning
  kGithub,  // "github": workflow commands that annotate lines
  kGitlab,  // "gitlab": GitLab's code quality report
  kHtml,    // "html": one page for a browser, nothing else is loaded
};

// "json", "junit" ...; in the order above.
const std::vector<std::string>& ReportFormatNames();
// The format of such a name; nullopt if there is none.
absl::optional<ReportFormat> ReportFormatOfName(absl::string_view name);

// Where a report goes.
struct ReportTarget {
  ReportFormat format = ReportFormat::kJson;  // how it is written
  std::string path;                           // of the file
};

// Of "FORMAT:FILE"; what doesn't begin with a format's name is the path of a
// report in JSON. Fails without a path.
absl::optional<ReportTarget> ParseReportTarget(absl::string_view text);

// What is reported.
struct ViolationReport {
  ViolationRecord record;  // symbolized
  // Of the lines that would permit or ignore a violation.
  Language language = Language::kFlags;
  // Files in here are named relative to it. Absolute; empty for none.
  std::string directory;
  // Of every stack, but in JSON, where they are whole.
  FramesLeftOut left_out;
  // What isolated; the weakest, if several did. In JSON, JUnit, SARIF and HTML.
  Isolation isolation = Isolation::kNamespaces;
};

// The whole file.
std::string WriteReport(ReportFormat format, const ViolationReport& report);

// A number in hexadecimal that a violation has in every run and on every host:
// it stands for its rule, test, program, call and AllowPattern().
std::string FingerprintOf(const Violation& violation);

}  // namespace encapsulate

#endif  // ENCAPSULATE_VIOLATION_REPORT_H_
