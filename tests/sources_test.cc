// SPDX-License-Identifier: Apache-2.0
//
// Laws of what is shipped, which its sources can be searched for.
#include "tests/support/sources.h"

#include <algorithm>
#include <functional>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

using testing::Contains;
using testing::IsEmpty;

// See :shipped_sources of the build file.
constexpr char kFiles[] = "tests/shipped_sources.files";

// "path:line: text" of every line that `is_wanted` says so of.
std::vector<std::string> Find(
    const std::function<bool(const std::string&)>& is_wanted) {
  const std::vector<std::string> files = LinesOf(kFiles);
  // Of every part, so that none is left out.
  for (const char* part :
       {"encapsulate/base/error.cc", "encapsulate/plan/plan.cc",
        "encapsulate/host_check.cc", "encapsulate/launch/fork_server_main.cc",
        "tool/main.cc", "gtest_plugin/program/test_run.cc"}) {
    EXPECT_THAT(files, Contains(part));
  }
  std::vector<std::string> found;
  for (const std::string& file : files) {
    int number = 0;
    for (const std::string& line : LinesOf(file)) {
      ++number;
      if (is_wanted(line)) {
        found.push_back(absl::StrCat(file, ":", number, ": ", line));
      }
    }
  }
  return found;
}

// Without those that lie in one of `places`, each of which has some.
std::vector<std::string> Without(std::vector<std::string> lines,
                                 const std::vector<std::string>& places) {
  for (const std::string& place : places) {
    const size_t before = lines.size();
    lines.erase(std::remove_if(lines.begin(), lines.end(),
                               [&](const std::string& line) {
                                 return line.find(place + ":") == 0;
                               }),
                lines.end());
    EXPECT_LT(lines.size(), before) << place;
  }
  return lines;
}

// --- Messages ---------------------------------------------------------------

// Whether a literal of the line begins a message. Comments quote messages, too.
bool BeginsMessage(absl::string_view line) {
  return absl::StrContains(CodeOf(line), "\"cannot ");
}

TEST(MessagesTest, AreKnownAsSuch) {
  EXPECT_TRUE(BeginsMessage("  return Invalid(\"cannot \", verb);"));
  EXPECT_TRUE(BeginsMessage("  Say(\"cannot read\");  // nobody may"));
  EXPECT_FALSE(BeginsMessage("  // of the form \"cannot ...\""));
  EXPECT_FALSE(BeginsMessage("  std::string lost;  // \"cannot tell\""));
}

// What can't be done is said in one form, "cannot VERB 'OBJECT': REASON; hint:
// HINT".
TEST(MessagesTest, ArePutTogetherInOnePlace) {
  EXPECT_THAT(Without(Find(BeginsMessage), {"encapsulate/base/error.cc"}),
              IsEmpty())
      << "make it a Failure (base/error.h)";
}

// --- Processes --------------------------------------------------------------

bool MakesProcess(absl::string_view line) {
  static const auto* const kCalls = new std::regex(
      "\\b(__clone|clone|Clone3|fork|vfork|_Fork|posix_spawnp?|popen|system|"
      "daemon|forkpty|wordexp)\\(|\\bSYS_v?fork\\b|\\bSYS_clone3?\\b");
  return std::regex_search(std::string(CodeOf(line)), *kCalls);
}

TEST(ProcessesTest, AreKnownAsSuch) {
  EXPECT_TRUE(MakesProcess("  const pid_t pid = fork();"));
  EXPECT_TRUE(MakesProcess("  pid = __clone(&Main, stack, flags, job);"));
  EXPECT_TRUE(MakesProcess("      SYS_clone, flags, nullptr, nullptr));"));
  EXPECT_TRUE(MakesProcess("  system(\"true\");"));
  EXPECT_FALSE(MakesProcess("  // between clone(2) and execve(2), or fork()"));
  EXPECT_FALSE(MakesProcess("  pool.Fork(job); AfterFork(); CloneCopy(0);"));
}

// The tool has one thread, and no program around it.
TEST(ProcessesTest, AreMadeInOnePlaceOfTheLibrary) {
  std::vector<std::string> others = Without(
      Find(MakesProcess),
      {"encapsulate/kernel/new_process.h", "encapsulate/kernel/syscalls.h",
       // With the C library's handlers, for Enter()'s child.
       "encapsulate/launch/relay.cc", "encapsulate/launch/persistent_relay.cc",
       // Tables of calls.
       "encapsulate/plan/syscall_table.cc",
       "encapsulate/inspect/sandboxed_processes.cc"});
  others.erase(std::remove_if(others.begin(), others.end(),
                              [](const std::string& line) {
                                return absl::StartsWith(line, "tool/");
                              }),
               others.end());
  EXPECT_THAT(others, IsEmpty()) << "use kernel/new_process.h";
}

}  // namespace
}  // namespace encapsulate
