// SPDX-License-Identifier: Apache-2.0
//
// The man page and the completions, as they are installed.
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "encapsulate/violations.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tool/exit_codes.h"
#include "tool/flags.h"

namespace encapsulate::tool {
namespace {

using ::testing::HasSubstr;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

struct Finished {
  int status;
  std::string output;
};

Finished Shell(const std::string& command) {
  Finished finished;
  FILE* pipe = popen(command.c_str(), "r");
  char buffer[4096];
  for (size_t size; (size = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
    finished.output.append(buffer, size);
  }
  finished.status = WEXITSTATUS(pclose(pipe));
  return finished;
}

bool Has(const std::string& program) {
  return Shell(absl::StrCat("command -v ", program)).status == 0;
}

// Ends a test that needs a program that isn't here. Where REQUIRE_ALL_TESTS is
// 1, the host is known to have it, and the test fails.
#define REQUIRE_PROGRAM(program)                      \
  if (!Has(program)) {                                \
    const char* all = getenv("REQUIRE_ALL_TESTS");    \
    if (all != nullptr && std::string(all) == "1") {  \
      FAIL() << (program) << " is not installed";     \
    }                                                 \
    GTEST_SKIP() << (program) << " is not installed"; \
  }                                                   \
  static_assert(true, "")

// A line, with the cursor at its end, and the part of it that is the command's
// to complete; none if that is for the tool.
struct Line {
  std::vector<std::string> words;
  std::string command;
};

const std::vector<Line>& Lines() {
  static const auto* const lines = new std::vector<Line>{
      {{"--ne"}, ""},
      {{"/us"}, ""},
      {{"''", "probe", "x"}, "probe x"},
      {{"--tmp", "/a", "probe", "-b", "x"}, "probe -b x"},
      {{"--hide=/a", "''", "probe", "x"}, "probe x"},
      {{"--hide", "/a", "''", "probe", "x"}, "probe x"},
      {{"--hide", "/a", "x"}, ""},
      {{"--tmpfs=/a:1M", "--setenv=A=b", "/a", "probe", "x"}, "probe x"},
      {{"--writable=/a", "--", "probe", "x"}, "probe x"},
      {{"''", "probe", "--", "x"}, "probe -- x"},
      {{"--tmp", "--learn", "probe", "x"}, "probe x"},
      {{"--learn", "--ne"}, ""},
      {{"--learn=permit", "probe", "x"}, "probe x"},
  };
  return *lines;
}

// What a shell's script says, called with the words, without the last newline.
std::string Answer(const std::string& call, const Line& line) {
  std::string words;
  for (const std::string& word : line.words) {
    absl::StrAppend(&words, " \"", word, "\"");
  }
  const Finished finished = Shell(absl::StrCat(call, words, " 2>&1"));
  EXPECT_EQ(finished.status, 0);
  return std::string(absl::StripSuffix(finished.output, "\n"));
}

size_t CountOf(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

constexpr char kManPage[] = "tool/encapsulate.1";

TEST(ManPageTest, ExplainsEveryFlagOnce) {
  const std::string page = ReadAll(kManPage);
  for (const FlagEntry& flag : AllFlags()) {
    const std::string name = absl::StrCat(
        ".BR ", absl::StrReplaceAll(Spelling(flag), {{"-", "\\-"}}));
    EXPECT_EQ(CountOf(page, absl::StrCat(name, " ")) +
                  CountOf(page, absl::StrCat(name, "\n")),
              1u)
        << flag.name;
  }
}

TEST(ManPageTest, RendersWithoutWarnings) {
  REQUIRE_PROGRAM("man");
  const Finished man = Shell(absl::StrCat("man --warnings -E UTF-8 -l -Tutf8 ",
                                          kManPage, " 2>&1 >/dev/null"));
  EXPECT_EQ(man.status, 0);
  EXPECT_EQ(man.output, "");
}

TEST(ReferenceTest, HasARowForEveryFlagRuleAndExitCode) {
  const std::string page = ReadAll("tool/reference_tool.md");
  for (const FlagEntry& flag : AllFlags()) {
    EXPECT_EQ(CountOf(page, absl::StrCat("\n| `", Usage(flag),
                                         flag.repeatable ? "..." : "", "` | ")),
              1u)
        << flag.name;
  }
  for (Rule rule : AllRules()) {
    EXPECT_EQ(CountOf(page, absl::StrCat("\n| `", RuleName(rule), "` | ")), 1u);
  }
  for (const ExitCode& code : kExitCodes) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat("\n| `", code.code)));
  }
}

TEST(ManPageTest, ExplainsEveryRule) {
  const std::string page = ReadAll(kManPage);
  for (Rule rule : AllRules()) {
    EXPECT_EQ(CountOf(page, absl::StrCat("\n.B ",
                                         absl::StrReplaceAll(RuleName(rule),
                                                             {{"-", "\\-"}}),
                                         "\n")),
              1u);
  }
}

TEST(BashCompletionTest, OffersEveryFlag) {
  const std::string script = ReadAll("tool/encapsulate.bash");
  for (const FlagEntry& flag : AllFlags()) {
    EXPECT_THAT(script, HasSubstr(Spelling(flag)));
  }
}

TEST(BashCompletionTest, LeavesTheCommandToItsOwnCompletion) {
  REQUIRE_PROGRAM("bash");
  // In place of what bash-completion has. Bash cuts words at '=' and ':'.
  const std::string call = R"sh(bash -c '
      compopt() { :; }
      _get_comp_words_by_ref() {
        words=("${given[@]}") cword=$((${#given[@]} - 1))
        cur=${words[cword]} prev=${words[cword - 1]}
      }
      _command_offset() { echo "${COMP_WORDS[*]:$1}"; }
      given=("$@")
      for word; do
        while [[ $word =~ ^([^=:]*)([=:]+)(.*)$ ]]; do
          COMP_WORDS+=(${BASH_REMATCH[1]} ${BASH_REMATCH[2]})
          word=${BASH_REMATCH[3]}
        done
        COMP_WORDS+=($word)
      done
      COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
      . tool/encapsulate.bash
      _encapsulate' bash encapsulate)sh";
  for (const Line& line : Lines()) {
    EXPECT_EQ(Answer(call, line), line.command)
        << absl::StrJoin(line.words, " ");
  }
}

TEST(CompletionTest, OffersTheWordsThatAFlagTakes) {
  for (const char* words : {"loopback none host", "off report enforce"}) {
    for (const char* file : {"tool/encapsulate.bash", "tool/_encapsulate",
                             "tool/encapsulate.fish"}) {
      EXPECT_EQ(CountOf(ReadAll(file), words), 1U) << file << ": " << words;
    }
  }
}

TEST(ZshCompletionTest, OffersEveryFlag) {
  const std::string script = ReadAll("tool/_encapsulate");
  for (const FlagEntry& flag : AllFlags()) {
    EXPECT_THAT(script, HasSubstr(Spelling(flag)));
  }
}

TEST(ZshCompletionTest, LeavesTheCommandToItsOwnCompletion) {
  REQUIRE_PROGRAM("zsh");
  const std::string call = R"sh(zsh -fc '
      _arguments() { :; }
      _normal() { print -r -- $words[1,CURRENT]; }
      words=("$@") CURRENT=$#
      . tool/_encapsulate' zsh encapsulate)sh";
  for (const Line& line : Lines()) {
    EXPECT_EQ(Answer(call, line), line.command)
        << absl::StrJoin(line.words, " ");
  }
}

TEST(FishCompletionTest, OffersEveryFlag) {
  const std::string script = ReadAll("tool/encapsulate.fish");
  for (const FlagEntry& flag : AllFlags()) {
    EXPECT_THAT(script,
                HasSubstr(absl::StrCat("-l ", Spelling(flag).substr(2))));
  }
}

TEST(FishCompletionTest, LeavesTheCommandToItsOwnCompletion) {
  REQUIRE_PROGRAM("fish");
  // The probe's completion tells the words before the one to complete.
  const std::string call = R"sh(HOME=$TEST_TMPDIR fish --no-config -c '
      complete -c probe -xa "(string join -- _ x (commandline -opc))"
      source tool/encapsulate.fish
      complete -C "encapsulate $argv"' -- )sh";
  for (const Line& line : Lines()) {
    SCOPED_TRACE(absl::StrJoin(line.words, " "));
    const std::string answer = Answer(call, line);
    if (line.command.empty()) {
      EXPECT_THAT(answer, testing::Not(HasSubstr("x_")));
      continue;
    }
    const std::string before = line.command.substr(0, line.command.rfind(' '));
    EXPECT_EQ(answer,
              absl::StrCat("x_", absl::StrReplaceAll(before, {{" ", "_"}})));
  }
}

// The version is written down for Bazel and for the program.
TEST(VersionTest, IsTheModules) {
  const std::string module = ReadAll("MODULE.bazel");
  const std::string before = "version = \"";
  const size_t begin = module.find(before);
  ASSERT_NE(begin, std::string::npos);
  const size_t from = begin + before.size();
  const std::string version =
      module.substr(from, module.find('"', from) - from);
  EXPECT_EQ(Shell("tool/encapsulate --version").output,
            absl::StrCat("encapsulate ", version, "\n"));
  EXPECT_THAT(ReadAll("tool/encapsulate.1"),
              HasSubstr(absl::StrCat("\"encapsulate ", version, "\"")));
}

TEST(ExitCodesTest, AreInTheManPageAsTheToolHasThem) {
  const std::string page = ReadAll("tool/encapsulate.1");
  for (const ExitCode& code : kExitCodes) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat(".B ", code.code)));
  }
  EXPECT_THAT(page, HasSubstr(".B 128+N\nsignal N ended the command"));
}

}  // namespace
}  // namespace encapsulate::tool
