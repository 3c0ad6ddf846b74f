// SPDX-License-Identifier: Apache-2.0
//
// Private names of GoogleTest's, and of glibc's stdio, are in
// gtest_plugin/googletest/ and nowhere else in what is shipped, so that a new
// version of either is looked at in one place.
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sources.h"

namespace encapsulate {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr char kRoom[] = "gtest_plugin/googletest/";
// See :shipped of the build file.
constexpr char kFiles[] = "tests/gtest/shipped.files";
constexpr char kLinkOptions[] = "tests/gtest/shipped.linkopts";

constexpr absl::string_view kPrivate[] = {
    // Namespaces, and functions as they are named in a stack or by the linker.
    "testing::internal", "namespace testing", "testing::Test::Run(",
    "testing::TestInfo::Run(", "testing::TestSuite::Run(", "_ZN7testing",
    "_ZNK7testing",
    // A flag, and a text that is found again in messages.
    "internal_run_death_test", "Google Test trace",
    // Members of FILE.
    "->_IO_"};

// The first private name in `line`; "" if there is none.
std::string PrivateName(const std::string& line) {
  for (absl::string_view name : kPrivate) {
    if (absl::StrContains(line, name)) return std::string(name);
  }
  // Macros, whose names end so if they are private. Ours are guards of headers.
  static const auto* const kMacro =
      new std::regex("\\bG(TEST|MOCK)_(?!PLUGIN_)\\w*_\\b");
  std::smatch match;
  return (absl::StrContains(line, "GTEST_") ||
          absl::StrContains(line, "GMOCK_")) &&
                 std::regex_search(line, match, *kMacro)
             ? match.str()
             : "";
}

// "path:line: name" for each private name in the files and options.
std::vector<std::string> FindIn(const std::string& path) {
  std::vector<std::string> found;
  int number = 0;
  for (const std::string& line : LinesOf(path)) {
    ++number;
    const std::string name = PrivateName(line);
    if (!name.empty()) {
      found.push_back(absl::StrCat(path, ":", number, ": ", name));
    }
  }
  return found;
}

TEST(PrivateNamesTest, AreKnownAsSuch) {
  EXPECT_EQ(PrivateName("new testing::internal::Mutex"), "testing::internal");
  EXPECT_EQ(PrivateName("-Wl,--wrap=_ZN7testing4Mock9AllowLeakEPKv"),
            "_ZN7testing");
  EXPECT_EQ(PrivateName("GTEST_MESSAGE_AT_(file, line)"), "GTEST_MESSAGE_AT_");
  EXPECT_EQ(PrivateName("stdout->_IO_write_ptr"), "->_IO_");
  EXPECT_EQ(PrivateName("\"testing::Test::Run(\""), "testing::Test::Run(");
  EXPECT_EQ(PrivateName("#ifndef GTEST_PLUGIN_CHANNEL_H_"), "");
  EXPECT_EQ(PrivateName("testing::UnitTest::GetInstance()"), "");
  EXPECT_EQ(PrivateName("#if GTEST_HAS_EXCEPTIONS"), "");
}

TEST(PrivateNamesTest, AreInOneRoomOnly) {
  const std::vector<std::string> files = LinesOf(kFiles);
  // Of every part of what is shipped, so that none is left out.
  for (const char* part :
       {"encapsulate/child/", "encapsulate/launch/fork_server_main.cc",
        "gtest_plugin/program/", "gtest_plugin/main.cc", "gtest_plugin/shared/",
        "tool/"}) {
    EXPECT_THAT(files, Contains(StartsWith(part)));
  }
  std::vector<std::string> in_room;
  for (const std::string& file : files) {
    const std::vector<std::string> found = FindIn(file);
    if (absl::StartsWith(file, kRoom)) {
      in_room.insert(in_room.end(), found.begin(), found.end());
      continue;
    }
    EXPECT_THAT(found, IsEmpty()) << "belongs into " << kRoom;
  }
  EXPECT_THAT(in_room, Contains(HasSubstr("frames.cc")));
  EXPECT_THAT(in_room, Contains(HasSubstr("internals.cc")));
  EXPECT_THAT(in_room, Contains(HasSubstr("mocks.cc")));
  EXPECT_THAT(in_room, Contains(HasSubstr("stdio.cc")));
}

TEST(PrivateNamesTest, AreAskedOfTheLinkerByOneRoomOnly) {
  std::vector<std::string> wrapped;
  for (const std::string& line : LinesOf(kLinkOptions)) {
    if (PrivateName(line).empty()) continue;
    EXPECT_THAT(line, StartsWith("//gtest_plugin/googletest:googletest "));
    wrapped.push_back(line);
  }
  EXPECT_THAT(wrapped, Not(IsEmpty()));
}

}  // namespace
}  // namespace encapsulate
