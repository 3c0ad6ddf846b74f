// SPDX-License-Identifier: Apache-2.0

#include "tool/violation_report.h"

#include <string.h>  // NOLINT: strerrorname_np is GNU's

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/json.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/printable.h"
#include "encapsulate/symbolize.h"
#include "encapsulate/violation_text.h"
#include "encapsulate/violations.h"
#include "gtest_plugin/googletest/frames.h"
#include "tool/report.h"

namespace encapsulate::tool {
namespace {

// Of the summary; the report has everything.
constexpr size_t kGroups = 20;
constexpr size_t kViolationsOfAGroup = 10;
constexpr size_t kFrames = 3;

std::string Times(uint64_t count) {
  return absl::StrCat(count, count == 1 ? " time" : " times");
}

TextOptions TextOptionsOf(const Options& options) {
  TextOptions text;
  text.left_out = gtest_internals::GoogleTestFrames();
  for (const std::string& tree : options.writable) {
    text.writable.push_back(RealPathOrSame(tree));
  }
  for (const Tmpfs& tmpfs : options.tmpfs) {
    text.writable.push_back(RealPathOrSame(tmpfs.path));
  }
  for (const std::string& tree : options.overlay) {
    text.writable.push_back(RealPathOrSame(tree));
  }
  return text;
}

// Violations of one rule by one program.
struct Group {
  std::vector<const Violation*> violations;
  uint64_t count = 0;
};

std::vector<Group> GroupsOf(const std::vector<Violation>& violations) {
  std::map<std::pair<std::string, Rule>, size_t> places;
  std::vector<Group> groups;
  for (const Violation& violation : violations) {
    const auto added = places.emplace(
        std::make_pair(violation.program, violation.rule), groups.size());
    if (added.second) groups.emplace_back();
    Group& group = groups[added.first->second];
    group.violations.push_back(&violation);
    group.count += violation.count;
  }
  // Stable: what was tried as often stays in the order of the first attempt.
  for (Group& group : groups) {
    std::stable_sort(group.violations.begin(), group.violations.end(),
                     [](const Violation* a, const Violation* b) {
                       return a->count > b->count;
                     });
  }
  std::stable_sort(
      groups.begin(), groups.end(),
      [](const Group& a, const Group& b) { return a.count > b.count; });
  return groups;
}

// Below the line that it belongs to.
void AppendPart(absl::string_view label, absl::string_view text,
                std::vector<std::string>* lines) {
  if (text.empty()) return;
  lines->push_back(absl::StrCat("          ", PartLine(label, text)));
}

void AppendViolation(const Violation& violation, const TextOptions& options,
                     std::vector<std::string>* lines) {
  lines->push_back(absl::StrFormat("%6d x  %s: %s", violation.count,
                                   DescribeAttempt(violation),
                                   DescribeError(violation)));
  const std::vector<Frame> frames = FramesToShow(violation, options.left_out);
  for (size_t i = 0; i < std::min(frames.size(), kFrames); ++i) {
    AppendPart(i == 0 ? "from" : "", DescribeFrame(frames[i]), lines);
  }
  AppendPart("test", Printable(violation.test), lines);
  AppendPart("permit", PermitLine(violation, Language::kFlags), lines);
  AppendPart("ignore", IgnoreLine(violation, Language::kFlags), lines);
}

void AppendGroup(const Group& group, const TextOptions& options,
                 std::vector<std::string>* lines) {
  const Violation& first = *group.violations.front();
  lines->push_back(
      absl::StrCat(first.program.empty() ? "unknown program" : first.program,
                   ", ", RuleName(first.rule), ": ", DescribeRule(first.rule)));
  AppendPart("instead", DescribeInstead(first, options), lines);
  // The same for all of a program's.
  AppendPart("lines", WhyNoLines(first), lines);
  for (size_t i = 0; i < group.violations.size(); ++i) {
    if (i == kViolationsOfAGroup) {
      lines->push_back(absl::StrCat("          and ",
                                    group.violations.size() - i,
                                    " more; --report=FILE has them all"));
      return;
    }
    AppendViolation(*group.violations[i], options, lines);
  }
}

}  // namespace

std::vector<std::string> SummaryOf(const Result& result,
                                   const Options& options) {
  std::vector<std::string> lines;
  const std::vector<Group> groups = GroupsOf(result.record.violations);
  if (!groups.empty()) {
    uint64_t count = 0;
    for (const Group& group : groups) count += group.count;
    lines.push_back(
        absl::StrCat("violations: ", result.record.violations.size(),
                     ", tried ", Times(count)));
  }
  const TextOptions text = TextOptionsOf(options);
  for (size_t i = 0; i < groups.size(); ++i) {
    if (i == kGroups) {
      lines.push_back(absl::StrCat("and ", groups.size() - i,
                                   " more programs and rules; --report=FILE "
                                   "has them all"));
      break;
    }
    AppendGroup(groups[i], text, &lines);
  }
  if (result.record.beyond > 0) {
    lines.push_back(absl::StrCat("violations: other ones were tried ",
                                 Times(result.record.beyond),
                                 " beyond the first ", kMaxViolations));
  }
  if (result.record.unseen > 0) {
    lines.push_back(absl::StrCat(
        "violations: ", result.record.unseen,
        " calls could not be looked at, and any may have been one"));
  }
  return lines;
}

bool PrintViolations(const Result& result, const Options& options) {
  const std::vector<std::string> lines = SummaryOf(result, options);
  for (size_t i = 0; i < lines.size(); ++i) {
    i == 0 ? Complain(lines[i]) : Print(lines[i]);
  }
  return !lines.empty();
}

void SayIgnored(const Result& result) {
  for (const AllowedUse& use : result.record.allowed) {
    Print(absl::StrCat("ignored: ", RuleName(use.allowed.rule), " ",
                       Quote(use.allowed.target), ", tried ", Times(use.count),
                       " (", use.allowed.reason, ")"));
  }
}

}  // namespace encapsulate::tool
