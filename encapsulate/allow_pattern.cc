// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/allow_pattern.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "encapsulate/violations.h"

namespace encapsulate {
namespace {

constexpr size_t kManyDigits = 4;
constexpr size_t kManyHexDigits = 8;
// With digits in two places: of one case, and of both.
constexpr size_t kManyLetters = 8;
constexpr size_t kManyMixed = 6;

bool IsDigit(char c) {
  return absl::ascii_isdigit(static_cast<unsigned char>(c));
}
bool IsHex(char c) {
  return absl::ascii_isxdigit(static_cast<unsigned char>(c));
}
bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c));
}

bool IsNumber(absl::string_view text) {
  return !text.empty() && absl::c_all_of(text, IsDigit);
}

// How many characters at the start of `text` are like that.
template <typename Predicate>
size_t RunOf(absl::string_view text, Predicate predicate) {
  return static_cast<size_t>(
      std::find_if_not(text.begin(), text.end(), predicate) - text.begin());
}

// 8-4-4-4-12 hexadecimal digits at the start (RFC 9562).
size_t UuidSize(absl::string_view text) {
  size_t at = 0;
  for (size_t length : {8, 4, 4, 4, 12}) {
    if (at > 0 && (at >= text.size() || text[at++] != '-')) return 0;
    if (RunOf(text.substr(at), IsHex) < length) return 0;
    at += length;
  }
  return at == text.size() || !IsWordCharacter(text[at]) ? at : 0;
}

// Of letters and digits only, as all words here.
bool IsRandom(absl::string_view word) {
  if (word.size() >= kManyHexDigits && absl::c_all_of(word, IsHex) &&
      absl::c_any_of(word, IsDigit)) {
    return true;
  }
  size_t numbers = 0;
  for (size_t i = 0; i < word.size(); ++i) {
    if (IsDigit(word[i]) && (i == 0 || !IsDigit(word[i - 1]))) ++numbers;
  }
  if (numbers < 2) return false;
  return word.size() >= kManyLetters ||
         (word.size() >= kManyMixed &&
          absl::c_any_of(word, absl::ascii_isupper) &&
          absl::c_any_of(word, absl::ascii_islower));
}

// Where two of them have only a mark between them, one is enough.
void AppendStar(std::string* pattern) {
  const size_t size = pattern->size();
  if (size >= 2 && (*pattern)[size - 2] == '*' &&
      !IsWordCharacter(pattern->back())) {
    pattern->pop_back();
  }
  if (!absl::EndsWith(*pattern, "*")) *pattern += '*';
}

// Appends a word without its long numbers, and without one behind "pid".
// Returns whether there was a long one.
bool AppendWithoutNumbers(absl::string_view word, std::string* pattern) {
  bool is_long = false;
  while (!word.empty()) {
    const size_t digits = RunOf(word, IsDigit);
    const bool numbers_a_process =
        digits == word.size() && absl::EndsWithIgnoreCase(*pattern, "pid");
    if (digits >= kManyDigits || (digits > 0 && numbers_a_process)) {
      is_long = is_long || digits >= kManyDigits;
      AppendStar(pattern);
      word.remove_prefix(digits);
    } else {
      const size_t size = std::max<size_t>(digits, 1);
      absl::StrAppend(pattern, word.substr(0, size));
      word.remove_prefix(size);
    }
  }
  return is_long;
}

bool IsPartOfVersion(absl::string_view component, size_t at, size_t end) {
  const bool before =
      at >= 2 && component[at - 1] != '-' && IsDigit(component[at - 2]);
  const bool after = end + 1 < component.size() && component[end] != '-' &&
                     IsDigit(component[end + 1]);
  return before || after;
}

// `component` is what lies between two slashes.
std::string WithoutChance(absl::string_view component, bool short_numbers) {
  if (short_numbers && IsNumber(component)) return "*";
  std::string pattern;
  // Of a date, most likely: what follows is the rest of it.
  bool after_long_number = false;
  for (size_t at = 0; at < component.size();) {
    const absl::string_view rest = component.substr(at);
    const size_t uuid = UuidSize(rest);
    if (uuid > 0) {
      AppendStar(&pattern);
      at += uuid;
      continue;
    }
    const size_t size = RunOf(rest, IsWordCharacter);
    if (size == 0) {
      pattern += rest[0];
      ++at;
      continue;
    }
    const absl::string_view word = rest.substr(0, size);
    const bool after_mark =
        at > 0 && absl::StrContains("-_.", component.substr(at - 1, 1));
    if (IsRandom(word) ||
        (after_long_number && absl::c_any_of(word, IsDigit)) ||
        (short_numbers && after_mark && IsNumber(word) &&
         !IsPartOfVersion(component, at, at + size))) {
      after_long_number =
          after_long_number || (IsNumber(word) && word.size() >= kManyDigits);
      AppendStar(&pattern);
    } else if (AppendWithoutNumbers(word, &pattern)) {
      after_long_number = true;
    }
    at += size;
  }
  return pattern;
}

}  // namespace

std::string AllowPattern(Rule rule, absl::string_view target) {
  switch (rule) {
    case Rule::kSignal:
    case Rule::kTrace: {
      // "pid 4711", "process group 4711"
      const size_t digits = static_cast<size_t>(
          target.rend() -
          std::find_if_not(target.rbegin(), target.rend(), IsDigit));
      if (digits == target.size()) return std::string(target);
      return absl::StrCat(target.substr(0, digits), "*");
    }
    case Rule::kName:
      // The name of an address is a number.
      if (absl::EndsWith(target, ".arpa")) return std::string(target);
      return WithoutChance(target, /*short_numbers=*/false);
    case Rule::kWrite:
    case Rule::kHostSocket:
    case Rule::kFifo:
    case Rule::kDevice:
    case Rule::kPrivilege: {
      if (rule == Rule::kPrivilege && !absl::StartsWith(target, "/")) break;
      std::vector<std::string> components;
      for (absl::string_view component : absl::StrSplit(target, '/')) {
        components.push_back(WithoutChance(component, /*short_numbers=*/true));
      }
      return absl::StrJoin(components, "/");
    }
    default:
      break;
  }
  return std::string(target);
}

}  // namespace encapsulate
