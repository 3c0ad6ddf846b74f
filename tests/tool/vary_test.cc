// SPDX-License-Identifier: Apache-2.0
//
// --vary and --world, end to end.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tool.h"
#include "tool/vary/variations.h"
#include "tool/vary/world.h"

namespace encapsulate::tool {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kVaries = 121;

std::string Fragile() { return BuildPath("tests/tool/fragile"); }
std::string Suite() { return BuildPath("tests/tool/fragile_suite"); }

// The environment that the mistakes take for granted.
void BeAsTheDeveloper() {
  setenv("TZ", "UTC", 1);
  setenv("LC_ALL", "C.UTF-8", 1);
  setenv("SETTING_OF_A_DEVELOPER", "1", 1);
  // The last of them is Bazel's, and GoogleTest crashes if it can't be written.
  for (const char* name :
       {"GTEST_FILTER", "GTEST_OUTPUT", "TEST_PREMATURE_EXIT_FILE"}) {
    unsetenv(name);
  }
  const std::string path = ScratchPath() + "/input";
  std::ofstream(path) << "input";
  MustWork(dup2(open(path.c_str(), O_RDONLY), STDIN_FILENO), "dup2");
}

Finished Vary(const std::vector<std::string>& arguments) {
  return RunTool(arguments, BeAsTheDeveloper);
}

// The command line that a report offers.
std::string AgainCommand(const std::string& output) {
  for (absl::string_view line : absl::StrSplit(output, '\n')) {
    if (absl::ConsumePrefix(&line, "  again: encapsulate ")) {
      return absl::StrCat(ToolPath(), " ", line);
    }
  }
  return "false";
}

class VariationTest : public testing::TestWithParam<Variation> {};

// All but those that a program of its own can't tell from an ordinary day
// (busy), or that are about the order of tests.
std::vector<Variation> SingleVariations() {
  std::vector<Variation> variations;
  for (const Variation& variation : AllVariations()) {
    if (variation.kind == VariationKind::kBusy ||
        variation.kind == VariationKind::kShuffled) {
      continue;
    }
    variations.push_back(variation);
  }
  return variations;
}

TEST_P(VariationTest, IsFoundNamedAndShownAgain) {
  const std::string name(GetParam().name);
  const std::string why = WhyWithout(GetParam());
  if (!why.empty()) GTEST_SKIP() << why;
  // Others hold at the same time, and change nothing for it.
  const std::string others =
      GetParam().group == "hostname" || GetParam().group == "home"
          ? "umask,memory"
          : "hostname,home";
  const Finished finished =
      Vary({absl::StrCat("--vary=", others, ",", name), "", Fragile(), name});
  EXPECT_EQ(finished.exit_code, kVaries) << finished.output << finished.errors;
  EXPECT_THAT(finished.output,
              HasSubstr(absl::StrCat("\n", name, ": ", GetParam().does)));
  EXPECT_THAT(finished.output,
              HasSubstr("  the command exits with 0 as it is, and exits with 1 "
                        "here\n"));
  EXPECT_THAT(finished.output, HasSubstr("\n1 variation of "));

  const Finished again = RunProgram(
      {"/bin/sh", "-c", AgainCommand(finished.output)}, BeAsTheDeveloper);
  EXPECT_EQ(again.exit_code, kVaries) << again.output << again.errors;
  EXPECT_THAT(again.output, HasSubstr(absl::StrCat("\n", name, ": ")));

  // The terminal is the caller's there.
  if (GetParam().kind == VariationKind::kTerminal) return;
  EXPECT_EQ(
      Vary({absl::StrCat("--world=", name), "", Fragile(), name}).exit_code, 1);
  EXPECT_EQ(Vary({"--world=busy", "", Fragile(), name}).exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Each, VariationTest, testing::ValuesIn(SingleVariations()),
    [](const testing::TestParamInfo<Variation>& info) {
      return absl::StrReplaceAll(info.param.name, {{"-", "_"}});
    });

TEST(VaryTest, LeavesACorrectProgramAlone) {
  const Finished finished = Vary({"--vary", "", Fragile(), "correct"});
  EXPECT_EQ(finished.exit_code, 0) << finished.output;
  EXPECT_THAT(finished.output, HasSubstr("\nno variation of "));
}

TEST(VaryTest, PassesTheCommandsFailureOn) {
  const Finished finished =
      Vary({"--vary=umask", "", "/bin/sh", "-c", "exit 7"});
  EXPECT_EQ(finished.exit_code, 7);
  EXPECT_THAT(finished.output,
              HasSubstr("as it is: the command exits with 7; again the same"));
}

// --- Tests of GoogleTest
// ------------------------------------------------------

TEST(VaryTest, ComparesTestByTest) {
  const Finished finished =
      Vary({"--vary=timezone-west,home,memory,hostname", "", Suite()});
  EXPECT_EQ(finished.exit_code, kVaries) << finished.errors;
  EXPECT_THAT(
      finished.output,
      AllOf(HasSubstr("as it is: 7 tests pass, 1 fails, 1 is skipped; again "
                      "the same\n"),
            HasSubstr("\ntimezone-west: The time zone is UTC-9:30, with "
                      "daylight saving time.\n"
                      "  FragileTest.NeedsUtc passes as it is, and fails "
                      "here\n"),
            HasSubstr("<&\"]]>"),
            HasSubstr("  FragileTest.NeedsUtcAndHome passes as it is, and "
                      "fails here\n"),
            HasSubstr("\nhome: HOME names a directory that doesn't exist.\n"
                      "  FragileTest.NeedsUtcAndHome passes as it is, and "
                      "fails here\n"),
            HasSubstr("\n2 variations of 4 change results: home, "
                      "timezone-west (")));
  EXPECT_THAT(finished.output, Not(HasSubstr("AlwaysFails passes")));
  // Only the tests that the first finding names.
  const Finished again = RunProgram(
      {"/bin/sh", "-c", AgainCommand(finished.output)}, BeAsTheDeveloper);
  EXPECT_EQ(again.exit_code, kVaries);
  EXPECT_THAT(again.output, HasSubstr("as it is: 2 tests pass; again"));
  EXPECT_EQ(AgainCommand(again.output), AgainCommand(finished.output));
}

TEST(VaryTest, FindsTestsThatNeedAnOrder) {
  const Finished finished =
      Vary({"--vary=order,umask-077,home,memory", "", Suite()});
  EXPECT_EQ(finished.exit_code, kVaries);
  EXPECT_THAT(finished.output,
              HasSubstr("\norder: Tests of GoogleTest run in another order.\n"
                        "  OrderTest.NeedsTheFirst passes as it is, and fails "
                        "here\n"));
}

TEST(VaryTest, FindsWhatOnlyHappensTogether) {
  const Finished finished =
      Vary({"--vary=umask-077,memory,aslr,hostname", "", Suite()});
  EXPECT_EQ(finished.exit_code, kVaries);
  EXPECT_THAT(finished.output,
              HasSubstr("\numask-077,hostname: only together\n"
                        "  FragileTest.FailsWithUmaskAndHostNameTogether "
                        "passes as it is, and fails here\n"));
}

TEST(VaryTest, NamesACrash) {
  const Finished finished =
      Vary({"--vary=terminal,home", "--setenv=GTEST_ALSO_RUN_DISABLED_TESTS=1",
            "", Suite()});
  EXPECT_EQ(finished.exit_code, kVaries);
  EXPECT_THAT(
      finished.output,
      AllOf(
          HasSubstr("\nterminal: "),
          HasSubstr("  the command exits with 1 as it is, and is ended by "
                    "SIGABRT here\n"),
          HasSubstr(
              "    | [ RUN      ] CrashTest.DISABLED_CrashesInTheTerminal\n")));
}

TEST(VaryTest, TellsWhatDiffersByItself) {
  const std::string directory = ScratchPath() + "/flaky";
  std::filesystem::create_directory(directory);
  const Finished finished = Vary(
      {"--vary=umask", absl::StrCat("--setenv=FLAKY_DIRECTORY=", directory),
       directory, Suite()});
  EXPECT_EQ(finished.exit_code, kVaries);
  EXPECT_THAT(finished.output,
              AllOf(HasSubstr("\nagain as it is: other results, with nothing "
                              "varied\n  FlakyTest.Flaky passes"),
                    HasSubstr("\n0 variations of 2 change results (")));
  std::filesystem::remove_all(directory);
}

// --- Files
// --------------------------------------------------------------------

TEST(VaryTest, ComparesFiles) {
  const std::string tree = ScratchPath() + "/tree with a space";
  std::filesystem::create_directory(tree);
  const Finished finished = Vary(
      {"--vary=umask-077,timezone-east,home", "--vary-compare", tree, tree,
       "/bin/sh", "-c",
       absl::StrCat("cd '", tree,
                    "' && rm -rf ./* && date +%H -d @0 >built && mkdir sub && "
                    "ln -s \"$TZ\" link && echo same > sub/same")});
  EXPECT_EQ(finished.exit_code, kVaries) << finished.errors;
  EXPECT_THAT(
      finished.output,
      AllOf(HasSubstr(absl::StrCat("  '", tree,
                                   "/built' differs: line 1 is '00' as it is, "
                                   "and '14' here\n")),
            HasSubstr("/link' differs: line 1 is 'UTC' as it is, and "
                      "'<+14>-14' here\n"),
            HasSubstr(absl::StrCat("\numask-077: New files are for their owner "
                                   "alone.\n  '",
                                   tree,
                                   "/built' has mode 0644 as it is, and 0600 "
                                   "here\n")),
            HasSubstr("/sub' has mode 0755 as it is, and 0700 here\n")));
  std::filesystem::remove_all(tree);
}

// --- What the command finds
// ---------------------------------------------------

TEST(VaryTest, GivesEachRunATemporaryDirectoryOfItsOwn) {
  const std::string places = ScratchPath() + "/places";
  for (const char* flag : {"--hermetic", "--tmp", "--map-root"}) {
    std::ofstream(places, std::ios::trunc).close();
    const Finished finished =
        Vary({"--vary=paths,readdir,umask", "--chdir=/", flag, places,
              "/bin/sh", "-c",
              absl::StrCat("test -z \"$(ls -A \"$TMPDIR\")\" && "
                           "mkdir \"$TMPDIR/a\" && "
                           "touch \"$TEST_TMPDIR/a/b\" && "
                           "ln -s / \"$TMPDIR/a/link\" && "
                           "chmod 0 \"$TMPDIR/a\" && "
                           "echo \"$TMPDIR\" >> ",
                           places)});
    EXPECT_EQ(finished.exit_code, 0) << finished.output << finished.errors;
    std::ifstream file(places);
    std::set<std::string> seen;
    for (std::string place; std::getline(file, place);) {
      EXPECT_TRUE(seen.insert(place).second) << place;
      // Up to the tool's own directory, in /tmp or /var/tmp.
      const size_t end = place.find('/', place.find("/encapsulate-") + 1);
      EXPECT_NE(access(place.substr(0, end).c_str(), F_OK), 0) << place;
    }
    EXPECT_EQ(seen.size(), 4u) << flag;
  }
}

TEST(VaryTest, LeavesThisProcessAsItWas) {
  // The last run is in no world.
  const Finished finished =
      RunProgram({"/bin/sh", "-c",
                  absl::StrCat("exec <&-; ", ToolPath(), " --vary '' ",
                               Fragile(), " correct; ps -o comm= --ppid $$")},
                 BeAsTheDeveloper);
  EXPECT_THAT(finished.output, EndsWith("(4 runs)\nps\n"));
}

TEST(VaryTest, StopsWithTheCommand) {
  const Finished at_first =
      Vary({"--vary=umask", "", "/bin/sh", "-c", "kill -INT $$"});
  EXPECT_EQ(at_first.exit_code, 128 + SIGINT);
  EXPECT_EQ(at_first.output, "");
  EXPECT_EQ(at_first.errors, "encapsulate: stopped by SIGINT\n");
  const Finished later = Vary({"--vary=umask", "", "/bin/sh", "-c",
                               "test $(umask) = 0022 || kill -TERM $$"});
  EXPECT_EQ(later.exit_code, 128 + SIGTERM);
  EXPECT_THAT(later.output, EndsWith("\nworld 1 of 2: umask-077\n"));
}

// --- Bad input
// ----------------------------------------------------------------

TEST(VaryTest, SaysWhatIsWrong) {
  const struct {
    std::vector<std::string> arguments;
    std::string error;
  } kCases[] = {
      {{"--vary=timezon", "", "true"},
       "encapsulate: there is no variation 'timezon'; hint: did you mean "
       "timezone?\n"},
      {{"--vary=umask,", "", "true"},
       "encapsulate: there is no variation ''; hint: encapsulate --vary=help "
       "lists them\n"},
      {{"--vary=", "", "true"},
       "encapsulate: cannot use --vary='': must not be empty\n"},
      {{"--vary=umask"}, "encapsulate: there is no command to run; hint: "},
      {{"--vary=umask", "--learn", "true"},
       "encapsulate: cannot use --vary with --learn; hint: leave out "
       "--learn\n"},
      {{"--vary=umask", "--world=umask-077", "", "true"},
       "encapsulate: cannot use --vary with --world; hint: leave out "
       "--world\n"},
      {{"--vary-compare=/tmp", "", "true"},
       "encapsulate: cannot use --vary-compare: nothing is varied; hint: add "
       "--vary\n"},
      {{"--world=umask", "", "true"},
       "encapsulate: cannot use --world=umask: of each group one variation "
       "holds at a time\n"},
      {{"--world=terminal", "", "true"},
       "encapsulate: cannot use --world=terminal: standard output isn't a "
       "terminal\n"},
      {{"--vary=umask", "", "/nonexistent"},
       "encapsulate: cannot run '/nonexistent': "},
  };
  for (const auto& wrong : kCases) {
    const Finished finished = Vary(wrong.arguments);
    EXPECT_GE(finished.exit_code, 125) << wrong.error;
    EXPECT_THAT(finished.errors, testing::StartsWith(wrong.error));
    EXPECT_EQ(finished.output, "");
  }
}

TEST(VaryTest, ListsEveryVariation) {
  const Finished finished = RunTool({"--vary=help"});
  EXPECT_EQ(finished.exit_code, 0);
  for (const Variation& variation : AllVariations()) {
    EXPECT_THAT(finished.output,
                HasSubstr(absl::StrCat("\n  ", variation.name)));
  }
}

}  // namespace
}  // namespace encapsulate::tool
