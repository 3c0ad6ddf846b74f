// The man page and the completions, as they are installed.
#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
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
  if (!Has("man")) GTEST_SKIP() << "man-db is not installed";
  const Finished man = Shell(absl::StrCat("man --warnings -E UTF-8 -l -Tutf8 ",
                                          kManPage, " 2>&1 >/dev/null"));
  EXPECT_EQ(man.status, 0);
  EXPECT_EQ(man.output, "");
}

TEST(BashCompletionTest, OffersEveryFlag) {
  const std::string script = ReadAll("tool/encapsulate.bash");
  for (const FlagEntry& flag : AllFlags()) {
    EXPECT_THAT(script, HasSubstr(Spelling(flag)));
  }
  if (!Has("bash")) GTEST_SKIP() << "bash is not installed";
  EXPECT_EQ(Shell("bash -n tool/encapsulate.bash 2>&1").output, "");
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
  if (!Has("zsh")) GTEST_SKIP() << "zsh is not installed";
  EXPECT_EQ(Shell("zsh -n tool/_encapsulate 2>&1").output, "");
}

TEST(FishCompletionTest, OffersEveryFlag) {
  const std::string script = ReadAll("tool/encapsulate.fish");
  for (const FlagEntry& flag : AllFlags()) {
    EXPECT_THAT(script,
                HasSubstr(absl::StrCat("-l ", Spelling(flag).substr(2))));
  }
  if (!Has("fish")) GTEST_SKIP() << "fish is not installed";
  EXPECT_EQ(Shell("fish -n tool/encapsulate.fish 2>&1").output, "");
}

}  // namespace
}  // namespace encapsulate::tool
