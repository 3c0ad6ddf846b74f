// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/violation_report_html.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/printable.h"
#include "encapsulate/isolation.h"
#include "encapsulate/violation_report.h"
#include "encapsulate/violation_text.h"
#include "encapsulate/violations.h"

namespace encapsulate {
namespace {

// Nothing is loaded, so that the page can be kept and sent around.
constexpr absl::string_view kHead = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Violations</title>
<style>
:root { color-scheme: light dark; --line: #8885; --soft: #8881; --bad: #c62828; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; }
h1 { font-size: 1.5rem; margin: 0.5rem 0; }
h2 { font-size: 1.1rem; margin: 1.5rem 0 0.5rem; overflow-wrap: anywhere; }
code, pre { font: 0.9em/1.5 ui-monospace, monospace; }
pre { margin: 0.5rem 0; overflow-x: auto; }
input { box-sizing: border-box; font: inherit; padding: 0.4rem 0.6rem; width: 100%; }
article { border: 1px solid var(--line); border-radius: 6px; margin: 0.5rem 0; padding: 0.6rem 0.8rem; }
article p { margin: 0.2rem 0; overflow-wrap: anywhere; }
.rule { background: var(--bad); border-radius: 4px; color: #fff; font-size: 0.8rem; padding: 0.1rem 0.4rem; }
.meta { opacity: 0.75; font-size: 0.9rem; }
.flag { align-items: center; display: flex; gap: 0.5rem; }
.flag code { background: var(--soft); overflow-wrap: anywhere; padding: 0.1rem 0.3rem; white-space: pre-wrap; }
.flag span { flex: none; width: 3.5rem; }
button { flex: none; font: inherit; font-size: 0.8rem; }
.doubt { border-left: 4px solid var(--bad); padding-left: 0.6rem; }
[hidden] { display: none; }
</style>
</head>
<body>
)html";

constexpr absl::string_view kTail = R"html(<script>
const search = document.querySelector('input');
const show = () => {
  const words = search.value.toLowerCase().split(/\s+/);
  for (const section of document.querySelectorAll('section')) {
    let shown = 0;
    for (const article of section.querySelectorAll('article')) {
      const text = (section.dataset.who + ' ' + article.textContent).toLowerCase();
      article.hidden = !words.every((word) => text.includes(word));
      if (!article.hidden) ++shown;
    }
    section.hidden = shown === 0;
  }
};
if (search) search.addEventListener('input', show);
document.addEventListener('click', async (event) => {
  if (event.target.tagName !== 'BUTTON') return;
  const code = event.target.parentElement.querySelector('code');
  try {
    await navigator.clipboard.writeText(code.textContent);
    event.target.textContent = 'copied';
  } catch (error) {
    getSelection().selectAllChildren(code);
    event.target.textContent = 'selected';
  }
});
</script>
</body>
</html>
)html";

std::string Html(absl::string_view text) {
  return absl::StrReplaceAll(Printable(text), {{"&", "&amp;"},
                                               {"<", "&lt;"},
                                               {">", "&gt;"},
                                               {"\"", "&quot;"},
                                               {"'", "&#39;"}});
}

std::string Times(uint64_t count) {
  return absl::StrCat(count, count == 1 ? " time" : " times");
}

void AppendFlag(absl::string_view label, const std::string& flag,
                std::string* html) {
  if (flag.empty()) return;
  absl::StrAppend(html, "<p class=\"flag\"><span>", label, "</span><code>",
                  Html(flag),
                  "</code><button type=\"button\">copy</button></p>\n");
}

void AppendViolation(const ViolationReport& report, const Violation& violation,
                     std::string* html) {
  absl::StrAppend(html, "<article>\n<p><span class=\"rule\">",
                  RuleName(violation.rule), "</span> <strong>",
                  Html(DescribeAttempt(violation)),
                  "</strong>: ", Html(DescribeError(violation)),
                  "</p>\n<p class=\"meta\">", Times(violation.count), " by ",
                  Html(violation.program.empty() ? "an unknown program"
                                                 : violation.program),
                  "; ", Html(DescribeRule(violation.rule)), "</p>\n");
  const std::vector<Frame> frames = FramesToShow(violation, report.left_out);
  if (!frames.empty()) {
    const Frame* const own = OwnFrame(violation, report.left_out);
    absl::StrAppend(html, "<details><summary>",
                    Html(DescribeFrame(own != nullptr ? *own : frames.front())),
                    "</summary><pre>");
    for (const Frame& frame : frames) {
      absl::StrAppend(html, Html(DescribeFrame(frame)), "\n");
    }
    absl::StrAppend(html, "</pre></details>\n");
  }
  absl::StrAppend(html, "<p class=\"meta\"><code>", Html(violation.call), "(",
                  Html(violation.arguments), ")</code></p>\n");
  AppendFlag("permit", PermitLine(violation, report.language), html);
  AppendFlag("ignore", IgnoreLine(violation, report.language), html);
  absl::StrAppend(html, "</article>\n");
}

}  // namespace

std::string WriteHtml(const ViolationReport& report,
                      const std::vector<std::string>& doubts) {
  // By test, else by program, in the order of their first attempts.
  std::vector<std::pair<std::string, std::vector<const Violation*>>> groups;
  std::map<std::string, size_t> places;
  uint64_t attempts = 0;
  for (const Violation& violation : report.record.violations) {
    attempts += violation.count;
    const std::string who = !violation.test.empty()      ? violation.test
                            : !violation.program.empty() ? violation.program
                                                         : "unknown program";
    const auto added = places.emplace(who, groups.size());
    if (added.second) groups.push_back({who, {}});
    groups[added.first->second].second.push_back(&violation);
  }
  std::string html(kHead);
  absl::StrAppend(&html, "<h1>Violations: ", report.record.violations.size(),
                  "</h1>\n");
  for (const std::string& doubt : doubts) {
    absl::StrAppend(&html, "<p class=\"doubt\">", Html(doubt), "</p>\n");
  }
  if (report.record.violations.empty()) {
    absl::StrAppend(&html,
                    "<p>Nothing tried to reach out of the sandbox.</p>\n");
  } else {
    absl::StrAppend(&html, "<p>Attempted ", Times(attempts),
                    ". Each failed.</p>\n<input type=\"search\" "
                    "placeholder=\"Search tests, programs, rules, targets\" "
                    "aria-label=\"Search\">\n");
  }
  if (report.isolation != Isolation::kNamespaces) {
    absl::StrAppend(&html,
                    "<p>Isolation level: ", IsolationName(report.isolation),
                    "</p>\n");
  }
  for (const auto& group : groups) {
    absl::StrAppend(&html, "<section data-who=\"", Html(group.first),
                    "\">\n<h2>", Html(group.first), "</h2>\n");
    for (const Violation* violation : group.second) {
      AppendViolation(report, *violation, &html);
    }
    absl::StrAppend(&html, "</section>\n");
  }
  if (!report.record.allowed.empty()) {
    absl::StrAppend(&html,
                    "<details><summary>Ignored: ", report.record.allowed.size(),
                    "</summary><ul>\n");
    for (const AllowedUse& use : report.record.allowed) {
      absl::StrAppend(&html, "<li><code>", RuleName(use.allowed.rule), ":",
                      Html(use.allowed.target), "</code>, ", Times(use.count),
                      ": ", Html(use.allowed.reason), "</li>\n");
    }
    absl::StrAppend(&html, "</ul></details>\n");
  }
  return absl::StrCat(html, kTail);
}

}  // namespace encapsulate
