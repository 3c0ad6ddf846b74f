// SPDX-License-Identifier: Apache-2.0

#include "tool/flag_types.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "encapsulate/base/error.h"

namespace encapsulate::tool {
namespace {

constexpr absl::string_view kSeparator("\0", 1);

bool IsNumber(absl::string_view text) {
  if (text.empty()) return false;
  for (char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

// The factor that a size's last letter stands for; 0 if it is no such letter.
uint64_t FactorOf(char letter) {
  switch (absl::ascii_toupper(static_cast<unsigned char>(letter))) {
    case 'K':
      return uint64_t{1} << 10;
    case 'M':
      return uint64_t{1} << 20;
    case 'G':
      return uint64_t{1} << 30;
    case 'T':
      return uint64_t{1} << 40;
    default:
      return 0;
  }
}

}  // namespace

bool AbslParseFlag(absl::string_view text, Values* values, std::string*) {
  values->values = absl::StrSplit(text, kSeparator);
  return true;
}

std::string AbslUnparseFlag(const Values& values) {
  return JoinValues(values.values);
}

std::string JoinValues(const std::vector<std::string>& values) {
  return absl::StrJoin(values, kSeparator);
}

bool AbslParseFlag(absl::string_view text, Size* size, std::string* error) {
  uint64_t factor = 1;
  absl::string_view digits = text;
  if (!text.empty() && FactorOf(text.back()) != 0) {
    factor = FactorOf(text.back());
    digits.remove_suffix(1);
  }
  uint64_t number;
  if (!IsNumber(digits)) {
    *error = "not a size such as 4096, 512K, 64M, 2G or 1T";
    return false;
  }
  if (!absl::SimpleAtoi(digits, &number) ||
      number > std::numeric_limits<uint64_t>::max() / factor) {
    *error = "more than 64 bits can hold";
    return false;
  }
  if (number == 0) {
    *error = "must be more than 0";
    return false;
  }
  size->bytes = number * factor;
  return true;
}

std::string AbslUnparseFlag(const Size& size) {
  return size.bytes.has_value() ? absl::StrCat(*size.bytes) : "";
}

bool AbslParseFlag(absl::string_view text, Count* count, std::string* error) {
  uint64_t number;
  if (!IsNumber(text)) {
    *error = "not a whole number";
    return false;
  }
  if (!absl::SimpleAtoi(text, &number)) {
    *error = "more than 64 bits can hold";
    return false;
  }
  if (number == 0) {
    *error = "must be more than 0";
    return false;
  }
  count->number = number;
  return true;
}

std::string AbslUnparseFlag(const Count& count) {
  return count.number.has_value() ? absl::StrCat(*count.number) : "";
}

bool AbslParseFlag(absl::string_view text, Time* time, std::string* error) {
  // SimpleAtod() takes spaces and hexadecimal numbers as well.
  const bool is_plain =
      text.find_first_not_of("0123456789.eE+-") == absl::string_view::npos;
  absl::Duration duration;
  double seconds;
  if (is_plain && absl::SimpleAtod(text, &seconds) && std::isfinite(seconds)) {
    duration = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &duration) ||
             duration == absl::InfiniteDuration() ||
             duration == -absl::InfiniteDuration()) {
    *error = "not a time such as 90, 1.5, 300ms, 1m30s or 2h";
    return false;
  }
  if (duration < absl::ZeroDuration()) {
    *error = "must not be negative";
    return false;
  }
  time->duration = duration;
  return true;
}

std::string AbslUnparseFlag(const Time& time) {
  return time.duration.has_value() ? absl::FormatDuration(*time.duration) : "";
}

bool AbslParseFlag(absl::string_view text, Descriptor* descriptor,
                   std::string* error) {
  if (IsNumber(text) && absl::SimpleAtoi(text, &descriptor->number)) {
    return true;
  }
  *error = "not a file descriptor's number";
  return false;
}

std::string AbslUnparseFlag(const Descriptor& descriptor) {
  return absl::StrCat(descriptor.number);
}

bool AbslParseFlag(absl::string_view text, IsolationChoice* choice,
                   std::string* error) {
  const absl::optional<Isolation> level = IsolationOfName(text);
  if (!level.has_value()) {
    *error = "must be namespaces, landlock, process or best";
    return false;
  }
  choice->isolation = *level;
  return true;
}

std::string AbslUnparseFlag(const IsolationChoice& choice) {
  return IsolationName(choice.isolation);
}

bool AbslParseFlag(absl::string_view text, NetworkChoice* choice,
                   std::string* error) {
  if (text == "loopback") {
    choice->network = Network::kLoopback;
  } else if (text == "none") {
    choice->network = Network::kNone;
  } else if (text == "host") {
    choice->network = Network::kHost;
  } else {
    *error = "must be loopback, none or host";
    return false;
  }
  return true;
}

std::string AbslUnparseFlag(const NetworkChoice& choice) {
  switch (choice.network) {
    case Network::kLoopback:
      return "loopback";
    case Network::kNone:
      return "none";
    case Network::kHost:
      return "host";
  }
  return "";
}

bool AbslParseFlag(absl::string_view text, ViolationsChoice* choice,
                   std::string* error) {
  if (text == "off") {
    choice->violations = Violations::kOff;
  } else if (text == "report") {
    choice->violations = Violations::kReport;
  } else if (text == "enforce") {
    choice->violations = Violations::kEnforce;
  } else {
    *error = "must be off, report or enforce";
    return false;
  }
  return true;
}

std::string AbslUnparseFlag(const ViolationsChoice& choice) {
  switch (choice.violations) {
    case Violations::kOff:
      return "off";
    case Violations::kReport:
      return "report";
    case Violations::kEnforce:
      return "enforce";
  }
  return "";
}

bool AbslParseFlag(absl::string_view text, LeftoversChoice* choice,
                   std::string* error) {
  choice->fail = text == "fail";
  if (choice->fail || text == "note") return true;
  *error = "must be note or fail";
  return false;
}

std::string AbslUnparseFlag(const LeftoversChoice& choice) {
  return choice.fail ? "fail" : "note";
}

bool AbslParseFlag(absl::string_view text, LearnChoice* choice,
                   std::string* error) {
  choice->permit = text == "permit";
  choice->learn = choice->permit || text == "true";
  if (choice->learn || text == "false") return true;
  *error = "takes no value but permit, true or false";
  return false;
}

std::string AbslUnparseFlag(const LearnChoice& choice) {
  return choice.permit ? "permit" : choice.learn ? "true" : "false";
}

bool AbslParseFlag(absl::string_view text, UserChoice* choice,
                   std::string* error) {
  // The kernel's last one means "unchanged".
  const auto parse = [](absl::string_view digits,
                        absl::optional<uint32_t>* id) {
    uint32_t number;
    if (!IsNumber(digits) || !absl::SimpleAtoi(digits, &number) ||
        number == std::numeric_limits<uint32_t>::max()) {
      return false;
    }
    *id = number;
    return true;
  };
  const size_t colon = text.find(':');
  const bool has_group = colon != absl::string_view::npos;
  if (parse(text.substr(0, colon), &choice->uid) &&
      (!has_group || parse(text.substr(colon + 1), &choice->gid))) {
    return true;
  }
  *error = "not UID or UID:GID, of numbers from 0 to 4294967294";
  return false;
}

std::string AbslUnparseFlag(const UserChoice& choice) {
  if (!choice.uid.has_value()) return "";
  return choice.gid.has_value() ? absl::StrCat(*choice.uid, ":", *choice.gid)
                                : absl::StrCat(*choice.uid);
}

bool ParseAllowed(absl::string_view text, Allowed* allowed,
                  std::string* error) {
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos || colon + 1 == text.size()) {
    *error = "not RULE:TARGET, such as write:/usr/share/*";
    return false;
  }
  const absl::optional<Rule> rule = RuleOfName(text.substr(0, colon));
  if (!rule.has_value()) {
    *error = absl::StrCat(
        "there is no rule ", Quote(text.substr(0, colon)), "; hint: one of ",
        absl::StrJoin(AllRules(), ", ", [](std::string* out, Rule known) {
          absl::StrAppend(out, RuleName(known));
        }));
    return false;
  }
  *allowed = {*rule, std::string(text.substr(colon + 1)),
              absl::StrCat("--allow=", text)};
  return true;
}

bool ParseTmpfs(absl::string_view text, Tmpfs* tmpfs, std::string* error) {
  tmpfs->path = std::string(text);
  tmpfs->size = 0;
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) return true;
  // A colon may be part of a name; what looks like a number after it is a size.
  const absl::string_view rest = text.substr(colon + 1);
  if (rest.empty() ||
      !absl::ascii_isdigit(static_cast<unsigned char>(rest[0]))) {
    return true;
  }
  Size size;
  if (!AbslParseFlag(rest, &size, error)) return false;
  tmpfs->path = std::string(text.substr(0, colon));
  tmpfs->size = *size.bytes;
  return true;
}

}  // namespace encapsulate::tool
