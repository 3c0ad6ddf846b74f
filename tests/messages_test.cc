// SPDX-License-Identifier: Apache-2.0
//
// What can't be done is said in one form, "cannot VERB 'OBJECT': REASON; hint:
// HINT", and base/error.cc alone puts it together.
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

// See :shipped_sources of the build file.
constexpr char kFiles[] = "tests/shipped_sources.files";
constexpr char kPlace[] = "encapsulate/base/error.cc";

std::vector<std::string> Lines(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// Whether a literal of the line begins a message. Comments quote messages, too.
bool BeginsMessage(absl::string_view line) {
  const size_t begin = line.find("\"cannot ");
  return begin != absl::string_view::npos && line.find("//") > begin;
}

TEST(MessagesTest, AreKnownAsSuch) {
  EXPECT_TRUE(BeginsMessage("  return Invalid(\"cannot \", verb);"));
  EXPECT_TRUE(BeginsMessage("  Say(\"cannot read\");  // nobody may"));
  EXPECT_FALSE(BeginsMessage("  // of the form \"cannot ...\""));
  EXPECT_FALSE(BeginsMessage("  std::string lost;  // \"cannot tell\""));
}

TEST(MessagesTest, ArePutTogetherInOnePlace) {
  const std::vector<std::string> files = Lines(kFiles);
  for (const char* part :
       {kPlace, "encapsulate/plan/plan.cc", "encapsulate/host_check.cc",
        "tool/main.cc", "gtest_plugin/program/test_run.cc"}) {
    ASSERT_THAT(files, testing::Contains(part));
  }
  bool found = false;
  for (const std::string& file : files) {
    int number = 0;
    for (const std::string& line : Lines(file)) {
      ++number;
      if (!BeginsMessage(line)) continue;
      found |= file == kPlace;
      EXPECT_EQ(file, kPlace)
          << file << ":" << number << ": make it a Failure (base/error.h)";
    }
  }
  EXPECT_TRUE(found);
}

}  // namespace
