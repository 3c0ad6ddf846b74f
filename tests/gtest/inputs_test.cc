// SPDX-License-Identifier: Apache-2.0
//
// --encapsulate_inputs: a line for each test, with what it read and no other
// one did.
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gtest/program.h"

namespace encapsulate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

using Strings = std::vector<std::string>;

// What the inner program reads, in a directory whose only entry is a link.
class InputsTest : public testing::Test {
 protected:
  InputsTest() {
    // Not where every test has a directory of its own.
    std::ofstream(data_ + "/source.cc") << "content";
    std::ofstream(data_ + "/program") << "#!/bin/sh\n";
    chmod((data_ + "/program").c_str(), 0755);
    mkdir((data_ + "/tree").c_str(), 0755);
    std::ofstream(data_ + "/tree/entry") << "content";
    EXPECT_EQ(
        symlink((data_ + "/source.cc").c_str(), (here_ + "/data").c_str()), 0);
  }

  Output Run(const std::string& filter, const Strings& arguments) const {
    Invocation invocation;
    invocation.program = "inner_inputs";
    invocation.directory = here_;
    invocation.arguments = arguments;
    invocation.arguments.push_back("--gtest_filter=" + filter);
    invocation.environment = {"INNER_DATA=" + data_};
    return RunProgram(invocation);
  }

  Strings Lines() const {
    return absl::StrSplit(ReadFile(file_), '\n', absl::SkipEmpty());
  }

  // The lists of the test's line.
  std::string Of(const std::string& test) const {
    const std::string start =
        absl::StrCat(R"({"type":"inputs","test":"InputsTest.)", test, R"(",)");
    for (const std::string& line : Lines()) {
      if (absl::StartsWith(line, start)) return line.substr(start.size());
    }
    ADD_FAILURE() << "nothing of " << test;
    return "";
  }

  static std::string Directory() {
    return std::filesystem::canonical(FreshDirectory());
  }

  const std::string data_ = Directory();
  const std::string here_ = Directory();
  const std::string file_ = FreshDirectory() + "/inputs.json";
  const std::string flag_ = "--encapsulate_inputs=" + file_;
};

// The parts of a line, in their order.
std::string Lists(const std::string& directory, const std::string& read,
                  const std::string& absent = "",
                  const std::string& listed = "",
                  const std::string& links = "") {
  return absl::StrCat(R"("directory":")", directory, R"(","read":[)", read,
                      R"(],"absent":[)", absent, R"(],"listed":[)", listed,
                      R"(],"links":[)", links, R"(],"executed":[],)",
                      R"("beyond":0,"unseen":0,"watched_outside":false})");
}

TEST_F(InputsTest, EachTestHasALineWithWhatItRead) {
  for (const char* jobs : {"1", "4"}) {
    const Output output =
        Run("-*.Executes", {flag_, absl::StrCat("--encapsulate_jobs=", jobs)});
    EXPECT_EQ(output.exit_code(), 1) << output.console;
    EXPECT_THAT(output.console, HasSubstr("1 FAILED TEST\n"));
    const auto in_data = [&](const char* name) {
      return absl::StrCat("\"", data_, "/", name, "\"");
    };
    EXPECT_EQ(Lines().size(), 9u);
    EXPECT_EQ(Of("Nothing"), Lists(here_, ""));
    EXPECT_EQ(Of("OwnFiles"), Lists(here_, ""));
    EXPECT_EQ(Of("BySource"), Lists(here_, in_data("source.cc")));
    EXPECT_EQ(Of("ByLinkInTheDirectory"), Lists(here_, "\"data\""));
    Strings missing = {"\"/opt/no/such/tool\"", in_data(".gitconfig")};
    std::sort(missing.begin(), missing.end());
    EXPECT_EQ(Of("Missing"), Lists(here_, "", absl::StrJoin(missing, ",")));
    EXPECT_EQ(Of("Machine"), Lists(here_, "\"/proc/cpuinfo\""));
    EXPECT_EQ(Of("Lists"), Lists(here_, "", "", in_data("tree")));
    EXPECT_EQ(Of("ReadsALink"), Lists(here_, "", "", "", "\"data\""));
    EXPECT_THAT(Of("Fails"), HasSubstr("\"/etc/passwd\""));
    const Strings lines = Lines();
    EXPECT_TRUE(std::is_sorted(lines.begin(), lines.end()));
  }
}

TEST_F(InputsTest, ProgramsAreNamedWithWhatTheyRead) {
  const Output output = Run("*.Executes:*.Nothing", {flag_});
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_THAT(Of("Executes"),
              HasSubstr(absl::StrCat("\"", data_, "/program\"")));
  EXPECT_THAT(Of("Executes"), HasSubstr("libc.so.6"));
  EXPECT_EQ(Of("Nothing"), Lists(here_, ""));
}

TEST_F(InputsTest, NobodyNeedsToWatchForViolations) {
  const Output output =
      Run("*.BySource", {flag_, "--encapsulate_violations=off"});
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_THAT(Of("BySource"), HasSubstr("/source.cc\""));
}

TEST_F(InputsTest, SandboxesArentUsedAgain) {
  const Output output =
      Run("*.Nothing:*.Machine",
          {flag_, "--encapsulate_reuse=on", "--encapsulate_verbose=1"});
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_THAT(output.console, HasSubstr("its sandbox isn't used again: what is "
                                        "read inside is recorded"));
  EXPECT_EQ(Of("Machine"), Lists(here_, "\"/proc/cpuinfo\""));
}

TEST_F(InputsTest, WithoutTheFlagNothingIsWritten) {
  const Output output = Run("*.BySource", {});
  EXPECT_EQ(output.exit_code(), 0) << output.console;
  EXPECT_EQ(access(file_.c_str(), F_OK), -1);
}

TEST_F(InputsTest, AFileThatCannotBeWrittenIsSaidBeforeTheTests) {
  for (const auto& [path, why] :
       std::vector<std::pair<std::string, std::string>>{
           {"/no/such/inputs", "no such file or directory (ENOENT)"},
           {here_, "is a directory (EISDIR)"}}) {
    const Output output = Run("*.Fails", {"--encapsulate_inputs=" + path});
    EXPECT_EQ(output.exit_code(), 2);
    EXPECT_EQ(output.console,
              absl::StrCat("encapsulate: cannot write the inputs '", path,
                           "': ", why, "\n"));
  }
  const Output empty = Run("*.Fails", {"--encapsulate_inputs="});
  EXPECT_EQ(empty.exit_code(), 2);
  EXPECT_THAT(empty.console, AllOf(HasSubstr("'' is not the path of a file"),
                                   Not(HasSubstr("[ RUN"))));
}

}  // namespace
}  // namespace encapsulate
