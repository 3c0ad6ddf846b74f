// SPDX-License-Identifier: Apache-2.0
//
// The table of flags, and that all that names flags agrees with it: the manual
// in settings.h, the macro encapsulated_cc_test and docs/gtest_plugin.md.
#include "gtest_plugin/shared/flags.h"

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "gtest_plugin/shared/settings.h"

namespace encapsulate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::UnorderedElementsAreArray;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool IsChoice(const Flag& flag) {
  return absl::StrContains(flag.value, '|') && flag.value != "TREE|TREE...";
}

std::vector<std::string> ChoicesOf(const Flag& flag) {
  return absl::StrSplit(flag.value, '|');
}

// "--encapsulate_mode=require|off"
std::string UsageOf(const Flag& flag) {
  return absl::StrCat(FlagName(flag), "=", flag.value);
}

absl::Status SetFlag(const Flag& flag, absl::string_view value,
                     Settings* settings) {
  return Set(flag.name, value, FlagName(flag), settings);
}

// A value that isn't the default of anything.
std::string ExampleOf(const Flag& flag) {
  if (IsChoice(flag)) return ChoicesOf(flag).back();
  return flag.value == "DURATION" ? "7s" : "7";
}

// --- The table itself -------------------------------------------------------

TEST(FlagsTest, EachHasANameOfItsOwnAndSentences) {
  std::set<std::string> names;
  for (const Flag& flag : AllFlags()) {
    EXPECT_TRUE(names.insert(std::string(flag.name)).second) << flag.name;
    EXPECT_EQ(FindFlag(flag.name), &flag);
    EXPECT_TRUE(absl::EndsWith(flag.help, ".")) << flag.name;
  }
  EXPECT_EQ(FindFlag("help"), nullptr);
  EXPECT_EQ(FindFlag(""), nullptr);
}

TEST(FlagsTest, NamesAreThoseOfFlagAndVariable) {
  const Flag* const flag = FindFlag("keep_scratch");
  ASSERT_NE(flag, nullptr);
  EXPECT_EQ(FlagName(*flag), "--encapsulate_keep_scratch");
  EXPECT_EQ(VariableName(*flag), "ENCAPSULATE_KEEP_SCRATCH");
}

TEST(FlagsTest, EveryWordOfAChoiceIsTakenAndNoOther) {
  for (const Flag& flag : AllFlags()) {
    if (!IsChoice(flag)) continue;
    for (const std::string& choice : ChoicesOf(flag)) {
      Settings settings;
      EXPECT_TRUE(SetFlag(flag, choice, &settings).ok())
          << flag.name << " " << choice;
    }
    for (const char* other : {"", "x", "0|1"}) {
      Settings settings;
      EXPECT_EQ(SetFlag(flag, other, &settings).message(),
                absl::StrCat("cannot set '", FlagName(flag), "': '", other,
                             "' is not one of ",
                             absl::StrReplaceAll(flag.value, {{"|", ", "}})));
    }
  }
}

TEST(FlagsTest, WordsStandForTheirValues) {
  Settings settings;
  const auto set = [&](const char* name, const char* value) {
    EXPECT_TRUE(Set(name, value, name, &settings).ok()) << name;
  };
  set("mode", "off");
  set("timeout", "1m30s");
  set("jobs", "3");
  set("alone", "a:b");
  set("durations", "file");
  set("progress", "0");
  set("slow", "inf");
  set("keep_scratch", "failed");
  set("working_directory", "overlay");
  set("isolation", "landlock");
  set("network", "none");
  set("leftovers", "note");
  set("violations", "report");
  set("report", "sarif:/a,/b");
  set("inputs", "/i");
  set("trace", "/t");
  set("exposed_executable", "note");
  set("reuse", "off");
  set("writable", "/a|/b");
  set("writable", "/c");
  set("verbose", "1");
  EXPECT_EQ(settings.mode, Mode::kOff);
  EXPECT_EQ(settings.timeout, absl::Seconds(90));
  EXPECT_EQ(settings.jobs, 3);
  EXPECT_THAT(settings.alone, ElementsAre("a", "b"));
  EXPECT_EQ(settings.durations, "file");
  EXPECT_EQ(settings.progress, false);
  EXPECT_EQ(settings.slow, absl::InfiniteDuration());
  EXPECT_EQ(settings.keep_scratch, KeepScratch::kFailed);
  EXPECT_EQ(settings.working_directory, WorkingDirectory::kOverlay);
  EXPECT_EQ(settings.isolation, Isolation::kLandlock);
  EXPECT_EQ(settings.network, Network::kNone);
  EXPECT_EQ(settings.leftovers, Leftovers::kNote);
  EXPECT_EQ(settings.violations, Violations::kReport);
  ASSERT_EQ(settings.reports.size(), 2);
  EXPECT_EQ(settings.reports[0].format, ReportFormat::kSarif);
  EXPECT_EQ(settings.reports[0].path, "/a");
  EXPECT_EQ(settings.reports[1].format, ReportFormat::kJson);
  EXPECT_EQ(settings.inputs, "/i");
  EXPECT_EQ(settings.trace, "/t");
  EXPECT_EQ(settings.exposed_executable, ExposedExecutable::kAllow);
  EXPECT_EQ(settings.reuse, Reuse::kOff);
  EXPECT_THAT(settings.writable, ElementsAre("/a", "/b", "/c"));
  EXPECT_EQ(settings.verbose, true);
  set("working_directory", "copy");
  EXPECT_EQ(settings.working_directory, WorkingDirectory::kCopy);
  set("violations", "off");
  EXPECT_EQ(settings.violations, Violations::kOff);
}

TEST(FlagsTest, BadValuesAreRefused) {
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"timeout", "0s"},
                                          {"slow", "-1s"},
                                          {"jobs", "129"},
                                          {"alone", ":"},
                                          {"durations", ""},
                                          {"inputs", ""},
                                          {"trace", ""},
                                          {"report", "html:,b"},
                                          {"writable", "|"},
                                          {"no_such", "1"}}) {
    Settings settings;
    EXPECT_THAT(std::string(Set(name, value, name, &settings).message()),
                testing::StartsWith(absl::StrCat("cannot set '", name, "': ")));
  }
}

TEST(FlagsTest, ExactlyThoseWithAnOptionChangeOptions) {
  for (const Flag& flag : AllFlags()) {
    EXPECT_EQ(flag.apply != nullptr, !flag.option.empty()) << flag.name;
    Settings settings;
    EXPECT_FALSE(settings.ChangeOptions());
    ASSERT_TRUE(SetFlag(flag, ExampleOf(flag), &settings).ok()) << flag.name;
    EXPECT_EQ(settings.ChangeOptions(), !flag.option.empty()) << flag.name;
  }
}

TEST(FlagsTest, OptionsAreReplacedAndListsGrow) {
  TestOptions options;
  options.alone = {"x"};
  options.writable = {"/x"};
  Settings settings;
  const TestOptions same = Apply(settings, options);
  EXPECT_EQ(same.timeout, absl::nullopt);
  EXPECT_EQ(same.network, Network::kLoopback);
  EXPECT_THAT(same.alone, ElementsAre("x"));
  for (const Flag& flag : AllFlags()) {
    ASSERT_TRUE(SetFlag(flag, ExampleOf(flag), &settings).ok()) << flag.name;
  }
  const TestOptions changed = Apply(settings, options);
  EXPECT_EQ(changed.timeout, absl::Seconds(7));
  EXPECT_EQ(changed.working_directory, WorkingDirectory::kCopy);
  EXPECT_EQ(changed.isolation, Isolation::kBest);
  EXPECT_EQ(changed.network, Network::kHost);
  EXPECT_EQ(changed.leftovers, Leftovers::kNote);
  EXPECT_EQ(changed.violations, Violations::kEnforce);
  EXPECT_THAT(changed.alone, ElementsAre("x", "7"));
  EXPECT_THAT(changed.writable, ElementsAre("/x", "7"));
}

TEST(FlagsTest, HelpHasEachOnceAndFitsATerminal) {
  std::vector<std::string> shown;
  for (absl::string_view line : absl::StrSplit(HelpText(), '\n')) {
    EXPECT_LE(line.size(), 80) << line;
    if (absl::ConsumePrefix(&line, "  --")) {
      shown.push_back(absl::StrCat("--", line));
    }
  }
  std::vector<std::string> expected;
  for (const Flag& flag : AllFlags()) expected.push_back(UsageOf(flag));
  expected.emplace_back("--encapsulate_help");
  EXPECT_EQ(shown, expected);
}

// --- What else names them ---------------------------------------------------

TEST(FlagsTest, HeaderHasEachInItsOrderWithItsVariable) {
  std::vector<std::string> found;
  for (absl::string_view line :
       absl::StrSplit(ReadFile("gtest_plugin/settings.h"), '\n')) {
    static const auto* const kFlag =
        new std::regex("//   (--encapsulate_\\S+)? *(ENCAPSULATE_\\S+)?");
    std::cmatch match;
    if (!std::regex_match(line.begin(), line.end(), match, *kFlag)) continue;
    for (int i : {1, 2}) {
      if (match[i].matched) found.push_back(match.str(i));
    }
  }
  std::vector<std::string> expected;
  for (const Flag& flag : AllFlags()) {
    expected.push_back(UsageOf(flag));
    expected.push_back(VariableName(flag));
  }
  expected.emplace_back("--encapsulate_help");
  EXPECT_EQ(found, expected);
}

// The members of TestOptions, by their declarations.
std::vector<std::string> OptionNames() {
  const std::string header = ReadFile("gtest_plugin/test_options.h");
  const size_t begin = header.find("struct TestOptions {");
  const std::string body =
      header.substr(begin, header.find("\n};", begin) - begin);
  std::vector<std::string> names;
  for (absl::string_view line : absl::StrSplit(body, '\n')) {
    static const auto* const kMember =
        new std::regex("  [A-Za-z][\\w:<>]* (\\w+)( = .*)?;");
    std::cmatch match;
    if (std::regex_match(line.begin(), line.end(), match, *kMember)) {
      names.push_back(match.str(1));
    }
  }
  return names;
}

TEST(FlagsTest, OptionsAreMembersOfTestOptions) {
  std::vector<std::string> options;
  for (const Flag& flag : AllFlags()) {
    if (!flag.option.empty()) options.emplace_back(flag.option);
  }
  EXPECT_THAT(options, Not(IsEmpty()));
  EXPECT_THAT(OptionNames(), IsSupersetOf(options));
}

// The cells of each row of the manual's table.
std::vector<std::vector<std::string>> ManualsTable() {
  std::vector<std::vector<std::string>> rows;
  bool in_table = false;
  for (absl::string_view line :
       absl::StrSplit(ReadFile("docs/gtest_plugin.md"), '\n')) {
    if (absl::StartsWith(line, "| flag |")) {
      in_table = true;
    } else if (in_table && !absl::StartsWith(line, "|")) {
      break;
    } else if (in_table && !absl::StartsWith(line, "|---")) {
      std::vector<std::string> cells;
      // In there a bar that ends no cell is escaped.
      for (absl::string_view cell :
           absl::StrSplit(absl::StrReplaceAll(line, {{"\\|", "\n"}}), '|')) {
        cells.push_back(absl::StrReplaceAll(absl::StripAsciiWhitespace(cell),
                                            {{"\n", "|"}, {"`", ""}}));
      }
      // Before the first bar, and behind the last one.
      EXPECT_EQ(cells.size(), 6) << line;
      if (cells.size() == 6)
        rows.emplace_back(cells.begin() + 1, cells.end() - 1);
    }
  }
  return rows;
}

TEST(FlagsTest, ManualHasEachInItsOrderWithAllThatGoesWithIt) {
  std::vector<std::vector<std::string>> rows = ManualsTable();
  ASSERT_EQ(rows.size(), AllFlags().size() + 1);
  std::vector<std::string> options;
  for (size_t i = 0; i < AllFlags().size(); ++i) {
    const Flag& flag = AllFlags()[i];
    // A flag that is no choice is shown with a value that it might have.
    absl::string_view usage = rows[i][0];
    ASSERT_TRUE(absl::ConsumePrefix(&usage, absl::StrCat(FlagName(flag), "=")))
        << usage;
    if (IsChoice(flag)) {
      EXPECT_EQ(usage, flag.value);
    } else {
      Settings settings;
      EXPECT_TRUE(SetFlag(flag, usage, &settings).ok()) << usage;
    }
    EXPECT_EQ(rows[i][1], VariableName(flag));
    EXPECT_EQ(rows[i][2], flag.option) << flag.name;
    EXPECT_EQ(rows[i][3], flag.attribute) << flag.name;
    if (!flag.option.empty()) options.emplace_back(flag.option);
  }
  // Below them, the options that no flag sets.
  for (absl::string_view option : absl::StrSplit(rows.back()[2], ", ")) {
    options.emplace_back(option);
  }
  EXPECT_THAT(options, UnorderedElementsAreArray(OptionNames()));
}

TEST(FlagsTest, MacroHasTheAttributesAndSetsTheirFlags) {
  const std::string macro = ReadFile("gtest_plugin/encapsulated_cc_test.bzl");
  const size_t begin = macro.find("def encapsulated_cc_test(");
  const size_t end = macro.find("**kwargs", begin);
  ASSERT_NE(end, std::string::npos);
  std::set<std::string> attributes;
  for (absl::string_view line :
       absl::StrSplit(macro.substr(begin, end - begin), '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" =,"), absl::SkipEmpty());
    if (!absl::StartsWith(line, "        ") || words.empty()) continue;
    attributes.emplace(words[0]);
  }
  std::set<std::string> expected = {"name", "deps", "args"};
  for (const Flag& flag : AllFlags()) {
    if (flag.attribute.empty()) continue;
    expected.emplace(flag.attribute);
    EXPECT_THAT(macro, testing::AnyOf(
                           HasSubstr(absl::StrCat("\"", flag.name,
                                                  "\": ", flag.attribute, ",")),
                           HasSubstr(absl::StrCat(FlagName(flag), "="))))
        << flag.name;
    // Its documentation, with every choice.
    const size_t text =
        macro.find(absl::StrCat("\n      ", flag.attribute, ": "));
    ASSERT_NE(text, std::string::npos) << flag.attribute;
    const std::string line =
        macro.substr(text + 1, macro.find('\n', text + 1) - text - 1);
    if (!IsChoice(flag)) continue;
    for (const std::string& choice : ChoicesOf(flag)) {
      EXPECT_THAT(line, HasSubstr(absl::StrCat("\"", choice, "\"")));
    }
  }
  EXPECT_EQ(attributes, expected);
}

}  // namespace
}  // namespace encapsulate
