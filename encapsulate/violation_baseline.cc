// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/violation_baseline.h"

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "encapsulate/allow_pattern.h"
#include "encapsulate/violations.h"

namespace encapsulate {
namespace {

constexpr absl::string_view kHeading =
    "# Known violations of `encapsulate --baseline`: RULE TARGET PROGRAM "
    "TEST\n";

// One word: spaces, what isn't ASCII and `%` as %XX, and nothing as `-`.
std::string Word(absl::string_view text) {
  if (text.empty()) return "-";
  std::string word;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool alone = text.size() == 1 && c == '-';
    if (absl::ascii_isgraph(byte) && c != '%' && !alone) {
      word += c;
    } else {
      absl::StrAppend(&word, "%", absl::Hex(byte, absl::kZeroPad2));
    }
  }
  return word;
}

std::string LineOf(const Violation& violation) {
  return absl::StrJoin({Word(RuleName(violation.rule)),
                        Word(AllowPattern(violation.rule, violation.target)),
                        Word(violation.program), Word(violation.test)},
                       " ");
}

}  // namespace

absl::StatusOr<Baseline> Baseline::Read(absl::string_view text) {
  Baseline baseline;
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.size() != 4 || !RuleOfName(words[0]).has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, " isn't RULE TARGET PROGRAM TEST"));
    }
    baseline.lines_.insert(absl::StrJoin(words, " "));
  }
  return baseline;
}

void Baseline::Add(const Violation& violation) {
  lines_.insert(LineOf(violation));
}

std::string Baseline::Write() const {
  std::string text(kHeading);
  for (const std::string& line : lines_) absl::StrAppend(&text, line, "\n");
  return text;
}

bool Baseline::Has(const Violation& violation) const {
  return lines_.count(LineOf(violation)) != 0;
}

std::vector<std::string> Baseline::Gone(
    const std::vector<Violation>& violations) const {
  std::set<std::string> gone = lines_;
  for (const Violation& violation : violations) gone.erase(LineOf(violation));
  return {gone.begin(), gone.end()};
}

}  // namespace encapsulate
