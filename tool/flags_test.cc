// SPDX-License-Identifier: Apache-2.0

#include "tool/flags.h"

#include <set>
#include <string>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tool/help.h"

namespace encapsulate::tool {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(AllFlagsTest, HoldsEveryFlagOfTheToolOnce) {
  std::multiset<std::string> listed;
  for (const FlagEntry& flag : AllFlags()) {
    listed.insert(std::string(flag.name));
  }
  std::multiset<std::string> declared;
  for (const auto& flag : absl::GetAllFlags()) {
    if (absl::EndsWith(flag.second->Filename(), "tool/flags.cc")) {
      declared.insert(std::string(flag.first));
    }
  }
  EXPECT_EQ(listed, declared);
}

TEST(AllFlagsTest, HasASentenceOfHelpForEach) {
  for (const FlagEntry& flag : AllFlags()) {
    EXPECT_TRUE(absl::EndsWith(HelpOf(flag), ".")) << flag.name;
  }
}

TEST(AllFlagsTest, TakesNoValueExactlyForSwitches) {
  for (const FlagEntry& flag : AllFlags()) {
    EXPECT_EQ(flag.value.empty(),
              absl::FindCommandLineFlag(flag.name)->IsOfType<bool>())
        << flag.name;
    EXPECT_EQ(flag.repeatable,
              absl::FindCommandLineFlag(flag.name)->IsOfType<Values>())
        << flag.name;
  }
}

TEST(HelpTextTest, ShowsEveryFlagAndSectionOnce) {
  const std::string help = HelpText();
  for (const FlagEntry& flag : AllFlags()) {
    const std::string line =
        absl::StrCat("\n  ", Usage(flag), flag.repeatable ? "..." : "");
    size_t count = 0;
    for (size_t at = help.find(line); at != std::string::npos;
         at = help.find(line, at + 1)) {
      const char next = help[at + line.size()];
      if (next == ' ' || next == '\n') ++count;
    }
    EXPECT_EQ(count, 1u) << flag.name;
  }
  for (Section section : kSections) {
    EXPECT_THAT(help, HasSubstr(absl::StrCat("\n", TitleOf(section), ":\n")));
  }
}

TEST(HelpTextTest, FitsATerminal) {
  const std::string help = HelpText();
  size_t begin = 0;
  while (begin < help.size()) {
    const size_t end = help.find('\n', begin);
    EXPECT_LE(end - begin, 79u) << help.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST(HelpTextTest, ListsEveryRule) {
  const std::string help = HelpText();
  for (Rule rule : AllRules()) {
    EXPECT_THAT(help, HasSubstr(absl::StrCat("\n  ", RuleName(rule), " ")));
    EXPECT_THAT(help, HasSubstr(std::string(DescribeRule(rule))));
  }
}

TEST(UsageTest, ShowsWhatMayBeLeftOut) {
  EXPECT_EQ(Usage(*FindFlag("learn")), "--learn[=permit]");
  EXPECT_EQ(Usage(*FindFlag("keep-fd")), "--keep-fd=N");
  EXPECT_EQ(Usage(*FindFlag("tmp")), "--tmp");
}

TEST(FindFlagTest, TakesDashesAndUnderscores) {
  ASSERT_NE(FindFlag("keep-fd"), nullptr);
  EXPECT_EQ(FindFlag("keep-fd"), FindFlag("keep_fd"));
  EXPECT_EQ(FindFlag("keepfd"), nullptr);
  EXPECT_EQ(FindFlag(""), nullptr);
  // Abseil's own flags are not ours.
  EXPECT_EQ(FindFlag("undefok"), nullptr);
}

TEST(NearestFlagTest, ForgivesASlip) {
  EXPECT_EQ(NearestFlag("hermitic"), "--hermetic");
  EXPECT_EQ(NearestFlag("write-able"), "--writable");
  EXPECT_EQ(NearestFlag("keepfd"), "--keep-fd");
  EXPECT_EQ(NearestFlag("xyzzy"), "");
}

struct Case {
  std::string text;
  std::string expected;  // unparsed, or the error
};

template <typename T>
std::string ParseAs(const std::string& text) {
  T value;
  std::string error;
  return AbslParseFlag(text, &value, &error) ? AbslUnparseFlag(value) : error;
}

constexpr char kNoSize[] = "not a size such as 4096, 512K, 64M, 2G or 1T";
constexpr char kNoTime[] = "not a time such as 90, 1.5, 300ms, 1m30s or 2h";
constexpr char kTooMuch[] = "more than 64 bits can hold";
constexpr char kNothing[] = "must be more than 0";

TEST(UserTest, TakesIdsThatTheKernelHas) {
  constexpr char kNoUser[] =
      "not UID or UID:GID, of numbers from 0 to 4294967294";
  for (const Case& c : std::initializer_list<Case>{
           {"0", "0"},
           {"1000:100", "1000:100"},
           {"4294967294", "4294967294"},
           {"4294967295", kNoUser},
           {"1:4294967296", kNoUser},
           {"", kNoUser},
           {":1", kNoUser},
           {"1:", kNoUser},
           {"1:2:3", kNoUser},
           {"-1", kNoUser},
           {"root", kNoUser},
       }) {
    EXPECT_EQ(ParseAs<UserChoice>(c.text), c.expected) << c.text;
  }
}

TEST(SizeTest, TakesBytesAndPowersOf1024) {
  for (const Case& c : std::initializer_list<Case>{
           {"1", "1"},
           {"4096", "4096"},
           {"512K", "524288"},
           {"1m", "1048576"},
           {"2G", "2147483648"},
           {"1T", "1099511627776"},
           {"18446744073709551615", "18446744073709551615"},
           {"16777215T", "18446742974197923840"},
           {"18446744073709551616", kTooMuch},
           {"16777216T", kTooMuch},
           {"0", kNothing},
           {"0G", kNothing},
           {"", kNoSize},
           {"K", kNoSize},
           {"-1", kNoSize},
           {"+1", kNoSize},
           {" 1", kNoSize},
           {"1.5G", kNoSize},
           {"1KB", kNoSize},
           {"0x10", kNoSize},
           {"ten", kNoSize},
       }) {
    EXPECT_EQ(ParseAs<Size>(c.text), c.expected) << c.text;
  }
}

TEST(TimeTest, TakesSecondsAndUnits) {
  for (const Case& c : std::initializer_list<Case>{
           {"90", "1m30s"},
           {"0.5", "500ms"},
           {"300ms", "300ms"},
           {"1m30s", "1m30s"},
           {"2h", "2h"},
           {"0", "0"},
           {"-1", "must not be negative"},
           {"-1s", "must not be negative"},
           {"", kNoTime},
           {"inf", kNoTime},
           {"-inf", kNoTime},
           {"nan", kNoTime},
           {"1e999", kNoTime},
           {"5 s", kNoTime},
           {"1d", kNoTime},
           {"soon", kNoTime},
       }) {
    EXPECT_EQ(ParseAs<Time>(c.text), c.expected) << c.text;
  }
}

TEST(CountTest, TakesWholeNumbersAboveZero) {
  for (const Case& c : std::initializer_list<Case>{
           {"1", "1"},
           {"18446744073709551615", "18446744073709551615"},
           {"18446744073709551616", kTooMuch},
           {"0", kNothing},
           {"-1", "not a whole number"},
           {"1.0", "not a whole number"},
           {"", "not a whole number"},
           {"1K", "not a whole number"},
       }) {
    EXPECT_EQ(ParseAs<Count>(c.text), c.expected) << c.text;
  }
}

TEST(DescriptorTest, TakesNumbersOfDescriptors) {
  constexpr char kNone[] = "not a file descriptor's number";
  for (const Case& c : std::initializer_list<Case>{{"0", "0"},
                                                   {"2147483647", "2147483647"},
                                                   {"2147483648", kNone},
                                                   {"-1", kNone},
                                                   {"+1", kNone},
                                                   {"1.0", kNone},
                                                   {"", kNone},
                                                   {"stderr", kNone}}) {
    EXPECT_EQ(ParseAs<Descriptor>(c.text), c.expected) << c.text;
  }
}

TEST(NetworkChoiceTest, TakesThreeWords) {
  for (const Case& c : std::initializer_list<Case>{
           {"loopback", "loopback"},
           {"none", "none"},
           {"host", "host"},
           {"Host", "must be loopback, none or host"},
           {"", "must be loopback, none or host"},
       }) {
    EXPECT_EQ(ParseAs<NetworkChoice>(c.text), c.expected) << c.text;
  }
}

TEST(ViolationsChoiceTest, TakesThreeWords) {
  constexpr char kWrong[] = "must be off, report or enforce";
  for (const Case& c : std::initializer_list<Case>{
           {"off", "off"},
           {"report", "report"},
           {"enforce", "enforce"},
           {"on", kWrong},
           {"", kWrong},
       }) {
    EXPECT_EQ(ParseAs<ViolationsChoice>(c.text), c.expected) << c.text;
  }
}

TEST(ValuesTest, SurviveCommasSpacesAndEmptyParts) {
  const std::vector<std::string> values = {"a,b", " ", "", "c\nd"};
  Values parsed;
  std::string error;
  ASSERT_TRUE(AbslParseFlag(JoinValues(values), &parsed, &error));
  EXPECT_THAT(parsed.values, ElementsAre("a,b", " ", "", "c\nd"));
}

TEST(ParseTmpfsTest, TakesASizeAfterTheLastColon) {
  Tmpfs tmpfs;
  std::string error;
  ASSERT_TRUE(ParseTmpfs("/a:64M", &tmpfs, &error));
  EXPECT_EQ(tmpfs.path, "/a");
  EXPECT_EQ(tmpfs.size, 64u << 20);
  ASSERT_TRUE(ParseTmpfs("/a:b", &tmpfs, &error));
  EXPECT_EQ(tmpfs.path, "/a:b");
  EXPECT_EQ(tmpfs.size, 0u);
  ASSERT_TRUE(ParseTmpfs("/a:1:2", &tmpfs, &error));
  EXPECT_EQ(tmpfs.path, "/a:1");
  EXPECT_EQ(tmpfs.size, 2u);
  EXPECT_FALSE(ParseTmpfs("/a:1x", &tmpfs, &error));
  EXPECT_EQ(error, kNoSize);
  EXPECT_FALSE(ParseTmpfs("/a:0", &tmpfs, &error));
  EXPECT_EQ(error, kNothing);
}

TEST(SetFlagTest, SaysWhatIsWrong) {
  const absl::FlagSaver saver;
  std::string error;
  EXPECT_FALSE(SetFlag(*FindFlag("memory"), "x; y", &error));
  EXPECT_EQ(error, kNoSize);
  EXPECT_FALSE(SetFlag(*FindFlag("status-fd"), "x; y", &error));
  EXPECT_EQ(error, "not a file descriptor's number");
  EXPECT_TRUE(SetFlag(*FindFlag("memory"), "1K", &error));
  EXPECT_EQ(absl::GetFlag(FLAGS_memory).bytes, 1024u);
}

}  // namespace
}  // namespace encapsulate::tool
