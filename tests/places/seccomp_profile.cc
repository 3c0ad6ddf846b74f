// SPDX-License-Identifier: Apache-2.0

#include "tests/places/seccomp_profile.h"

#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace encapsulate::places {
namespace {

const std::map<std::string, long>& Numbers() {
  static const auto* const numbers = new std::map<std::string, long>{
#include "tests/places/call_numbers.inc"
  };
  return *numbers;
}

// Of JSON what profiles consist of; a string has no escapes.
struct Json {
  enum class Kind { kNumber, kText, kList, kObject };
  Kind kind = Kind::kNumber;
  int64_t number = 0;
  std::string text;
  std::vector<Json> list;
  std::vector<std::pair<std::string, Json>> members;
};

class JsonReader {
 public:
  explicit JsonReader(absl::string_view text) : rest_(text) {}

  // Whether all of the text is one value.
  bool ReadAll(Json* value) {
    if (!ReadValue(value)) return false;
    rest_ = absl::StripLeadingAsciiWhitespace(rest_);
    return rest_.empty();
  }

  // What follows the place where it went wrong.
  absl::string_view rest() const { return rest_; }

 private:
  bool Take(char character) {
    rest_ = absl::StripLeadingAsciiWhitespace(rest_);
    if (rest_.empty() || rest_[0] != character) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool ReadText(std::string* text) {
    if (!Take('"')) return false;
    const size_t end = rest_.find('"');
    if (end == absl::string_view::npos) return false;
    *text = std::string(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return text->find('\\') == std::string::npos;
  }

  bool ReadValue(Json* value) {
    if (Take('{')) {
      value->kind = Json::Kind::kObject;
      if (Take('}')) return true;
      do {
        value->members.emplace_back();
        if (!ReadText(&value->members.back().first) || !Take(':') ||
            !ReadValue(&value->members.back().second)) {
          return false;
        }
      } while (Take(','));
      return Take('}');
    }
    if (Take('[')) {
      value->kind = Json::Kind::kList;
      if (Take(']')) return true;
      do {
        value->list.emplace_back();
        if (!ReadValue(&value->list.back())) return false;
      } while (Take(','));
      return Take(']');
    }
    if (!rest_.empty() && rest_[0] == '"') {
      value->kind = Json::Kind::kText;
      return ReadText(&value->text);
    }
    const size_t size =
        std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    const bool read = absl::SimpleAtoi(rest_.substr(0, size), &value->number);
    rest_.remove_prefix(size);
    return read;
  }

  absl::string_view rest_;
};

// SCMP_CMP_MASKED_EQ has the mask in `value`, and is understood where nothing
// of it may be set.
bool ReadComparison(const Json& argument, int* index, CallFilter::Is* is,
                    uint32_t* value) {
  for (const auto& [name, member] : argument.members) {
    if (name == "index") {
      *index = static_cast<int>(member.number);
    } else if (name == "value") {
      *value = static_cast<uint32_t>(member.number);
      if (member.number != *value) return false;
    } else if (name == "op" && member.text == "SCMP_CMP_EQ") {
      *is = CallFilter::Is::kEqual;
    } else if (name == "op" && member.text == "SCMP_CMP_LT") {
      *is = CallFilter::Is::kLess;
    } else if (name == "op" && member.text == "SCMP_CMP_MASKED_EQ") {
      *is = CallFilter::Is::kWithNoneOf;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

long CallNumber(absl::string_view name) {
  const auto found = Numbers().find(std::string(name));
  return found == Numbers().end() ? -1 : found->second;
}

bool SeccompProfile::Read(absl::string_view text, std::string* error) {
  Json document;
  JsonReader reader(text);
  if (!reader.ReadAll(&document)) {
    *error = absl::StrCat("no JSON before: ", reader.rest().substr(0, 40));
    return false;
  }
  for (const auto& [name, value] : document.members) {
    if (name == "archMap") continue;
    if (name == "defaultAction" && value.text == "SCMP_ACT_ERRNO") continue;
    if (name == "defaultErrnoRet") {
      otherwise_ = static_cast<int>(value.number);
      continue;
    }
    if (name != "syscalls") {
      *error = absl::StrCat("unknown: ", name, " ", value.text);
      return false;
    }
    for (const Json& entry : value.list) {
      Rule rule;
      for (const auto& [key, member] : entry.members) {
        if (key == "comment") continue;
        if (key == "action" && member.text == "SCMP_ACT_ALLOW") continue;
        if (key == "names") {
          for (const Json& one : member.list) rule.names.push_back(one.text);
          continue;
        }
        rule.compares =
            key == "args" && member.list.size() == 1 &&
            ReadComparison(member.list[0], &rule.index, &rule.is, &rule.value);
        if (!rule.compares) {
          *error = absl::StrCat("unknown: ", key, " ", member.text);
          return false;
        }
      }
      rules_.push_back(std::move(rule));
    }
  }
  if (otherwise_ == 0 || rules_.empty()) {
    *error = "no errno for what isn't allowed, or nothing that is";
    return false;
  }
  return true;
}

CallFilter SeccompProfile::Filter() const {
  CallFilter filter;
  for (const Rule& rule : rules_) {
    for (const std::string& name : rule.names) {
      const long number = CallNumber(name);
      if (number < 0) continue;
      if (rule.compares) {
        filter.AllowIf(number, rule.index, rule.is, rule.value);
      } else {
        filter.Allow({number});
      }
    }
  }
  long latest = 0;
  for (const auto& [name, number] : Numbers()) {
    latest = std::max(latest, number);
  }
  filter.FailAbove(latest, ENOSYS);
  filter.FailOthers(otherwise_);
  return filter;
}

bool SeccompProfile::Forbid(const std::string& name) {
  bool found = false;
  for (Rule& rule : rules_) {
    const auto end = std::remove(rule.names.begin(), rule.names.end(), name);
    found |= end != rule.names.end();
    rule.names.erase(end, rule.names.end());
  }
  return found;
}

}  // namespace encapsulate::places
