// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/test_results.h"

#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace encapsulate::tool {
namespace {

// A tag: <name attribute="value" .../>
struct Tag {
  absl::string_view name;
  std::map<absl::string_view, absl::string_view> attributes;
  bool is_empty = false;  // ends itself, with "/>"
};

// Takes the tags of a document off its front, one by one.
class Tags {
 public:
  explicit Tags(absl::string_view xml) : rest_(xml) {}

  // False at the end of the document.
  bool Next(Tag* tag) {
    constexpr absl::string_view kData = "<![CDATA[";
    for (;;) {
      const size_t start = rest_.find('<');
      if (start == absl::string_view::npos) return false;
      rest_.remove_prefix(start);
      if (!absl::StartsWith(rest_, kData)) break;
      const size_t end = rest_.find("]]>", kData.size());
      if (end == absl::string_view::npos) return false;
      rest_.remove_prefix(end);
    }
    rest_.remove_prefix(1);
    *tag = Tag();
    tag->name = TakeUntil(" \t\n\r>");
    if (absl::EndsWith(tag->name, "/")) {
      tag->name.remove_suffix(1);
      tag->is_empty = true;
    }
    return TakeAttributes(tag);
  }

 private:
  absl::string_view TakeUntil(absl::string_view any) {
    const absl::string_view taken = rest_.substr(0, rest_.find_first_of(any));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  bool TakeAttributes(Tag* tag) {
    for (;;) {
      rest_ = absl::StripLeadingAsciiWhitespace(rest_);
      if (rest_.empty()) return false;
      if (rest_[0] == '>') return true;
      if (rest_[0] == '/' || rest_[0] == '?') {
        tag->is_empty = true;
        rest_.remove_prefix(1);
        continue;
      }
      const absl::string_view name = TakeUntil("=>");
      if (!absl::StartsWith(rest_, "=")) continue;
      rest_.remove_prefix(1);
      if (rest_.empty() || (rest_[0] != '"' && rest_[0] != '\'')) continue;
      const char quote[] = {rest_[0], '\0'};
      rest_.remove_prefix(1);
      tag->attributes[name] = TakeUntil(quote);
      if (rest_.empty()) return false;
      rest_.remove_prefix(1);
    }
  }

  absl::string_view rest_;
};

// With the references that GoogleTest writes replaced.
std::string Unescape(absl::string_view text) {
  constexpr struct {
    absl::string_view reference;
    char character;
  } kNamed[] = {
      {"&amp;", '&'},  {"&lt;", '<'},    {"&gt;", '>'},
      {"&quot;", '"'}, {"&apos;", '\''},
  };
  constexpr absl::string_view kNumbered = "&#x";
  constexpr size_t kDigits = 8;  // and the semicolon behind them
  std::string out;
  while (!text.empty()) {
    size_t size = 1;
    char character = text[0];
    for (const auto& named : kNamed) {
      if (!absl::StartsWith(text, named.reference)) continue;
      character = named.character;
      size = named.reference.size();
    }
    if (absl::StartsWith(text, kNumbered)) {
      const absl::string_view number = text.substr(kNumbered.size(), kDigits);
      const size_t end = number.find(';');
      int code = 0;
      if (end != absl::string_view::npos &&
          absl::SimpleHexAtoi(number.substr(0, end), &code) && code > 0 &&
          code < 0x80) {
        character = static_cast<char>(code);
        size = kNumbered.size() + end + 1;
      }
    }
    out.push_back(character);
    text.remove_prefix(size);
  }
  return out;
}

}  // namespace

std::map<std::string, TestResult> ReadTestResults(absl::string_view xml) {
  std::map<std::string, TestResult> results;
  Tags tags(xml);
  TestResult* test = nullptr;
  for (Tag tag; tags.Next(&tag);) {
    if (tag.name == "testcase") {
      test = nullptr;
      if (tag.attributes["status"] != "run") continue;
      test = &results[absl::StrCat(Unescape(tag.attributes["classname"]), ".",
                                   Unescape(tag.attributes["name"]))];
      if (tag.attributes["result"] == "skipped") {
        test->state = TestResult::State::kSkipped;
      }
      if (tag.is_empty) test = nullptr;
    } else if (tag.name == "/testcase") {
      test = nullptr;
    } else if (tag.name == "failure" && test != nullptr) {
      test->state = TestResult::State::kFailed;
      if (test->message.empty()) {
        test->message = Unescape(tag.attributes["message"]);
      }
    }
  }
  return results;
}

absl::string_view StateName(TestResult::State state) {
  switch (state) {
    case TestResult::State::kPassed:
      return "passes";
    case TestResult::State::kFailed:
      return "fails";
    case TestResult::State::kSkipped:
      return "is skipped";
  }
  return "";
}

}  // namespace encapsulate::tool
