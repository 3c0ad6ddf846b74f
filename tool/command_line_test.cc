// SPDX-License-Identifier: Apache-2.0

#include "tool/command_line.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "encapsulate/environment.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tool/flags.h"
#include "tool/request.h"

namespace encapsulate::tool {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::Pair;

using Action = CommandLine::Action;
using Arguments = std::vector<std::string>;

// Sets an environment variable while it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    const char* before = getenv(name);
    if (before != nullptr) before_ = before;
    had_ = before != nullptr;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (had_) {
      setenv(name_, before_.c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* const name_;
  std::string before_;
  bool had_;
};

class CommandLineTest : public testing::Test {
 protected:
  // Flags are reset after every test.
  CommandLine Parse(const Arguments& arguments) {
    absl::StatusOr<CommandLine> line = ParseCommandLine(arguments);
    EXPECT_TRUE(line.ok()) << line.status();
    return line.ok() ? *line : CommandLine();
  }

  Options Request(const Arguments& arguments) {
    absl::StatusOr<Options> options = MakeOptions(Parse(arguments));
    EXPECT_TRUE(options.ok()) << options.status();
    return options.ok() ? *options : Options();
  }

 private:
  absl::FlagSaver saver_;
};

TEST_F(CommandLineTest, TakesTheOriginalsLine) {
  const CommandLine line = Parse({"/tmp|/var/tmp", "ls", "-l", "--color"});
  EXPECT_EQ(line.action, Action::kRun);
  EXPECT_THAT(line.trees, ElementsAre("/tmp", "/var/tmp"));
  EXPECT_THAT(line.command, ElementsAre("ls", "-l", "--color"));
}

TEST_F(CommandLineTest, TakesNoTreesAtAll) {
  EXPECT_THAT(Parse({"", "true"}).trees, IsEmpty());
}

TEST_F(CommandLineTest, IgnoresEmptyTrees) {
  EXPECT_THAT(Parse({"|/a||/b|", "true"}).trees, ElementsAre("/a", "/b"));
  EXPECT_THAT(Parse({"|", "true"}).trees, IsEmpty());
}

TEST_F(CommandLineTest, TakesDashesInPlaceOfTrees) {
  const CommandLine line = Parse({"--tmp", "--", "/tmp", "--", "-x"});
  EXPECT_THAT(line.trees, IsEmpty());
  EXPECT_THAT(line.command, ElementsAre("/tmp", "--", "-x"));
}

TEST_F(CommandLineTest, TakesNoTreesWhereItLearns) {
  CommandLine line = Parse({"--learn", "--writable=/a", "make", "--", "-x"});
  EXPECT_THAT(line.trees, IsEmpty());
  EXPECT_THAT(line.command, ElementsAre("make", "--", "-x"));
  line = Parse({"--learn", "--", "make"});
  EXPECT_THAT(line.command, ElementsAre("make"));
}

TEST_F(CommandLineTest, WatchesOnRequest) {
  EXPECT_EQ(Request({"", "true"}).violations, Violations::kOff);
  EXPECT_EQ(Request({"--violations=report", "", "true"}).violations,
            Violations::kReport);
  EXPECT_EQ(Request({"--violations=enforce", "", "true"}).violations,
            Violations::kEnforce);
}

TEST_F(CommandLineTest, ReportsWhereItLearns) {
  EXPECT_EQ(Request({"--learn", "true"}).violations, Violations::kReport);
}

TEST_F(CommandLineTest, AllowsBesidesTheDefaults) {
  const Options options = Request({"--violations=report", "--allow=write:/a:b",
                                   "--allow=network:*:80", "", "true"});
  const size_t defaults = DefaultAllowed().size();
  ASSERT_EQ(options.allowed.size(), defaults + 2);
  EXPECT_EQ(options.allowed[defaults].rule, Rule::kWrite);
  EXPECT_EQ(options.allowed[defaults].target, "/a:b");
  EXPECT_EQ(options.allowed[defaults].reason, "--allow=write:/a:b");
  EXPECT_EQ(options.allowed[defaults + 1].rule, Rule::kNetwork);
  EXPECT_EQ(options.allowed[defaults + 1].target, "*:80");
}

TEST_F(CommandLineTest, TakesDashesAfterTrees) {
  const CommandLine line = Parse({"/tmp", "--", "ls", "--"});
  EXPECT_THAT(line.trees, ElementsAre("/tmp"));
  EXPECT_THAT(line.command, ElementsAre("ls", "--"));
}

TEST_F(CommandLineTest, LeavesTheCommandsFlagsAlone) {
  const CommandLine line = Parse({"", "ls", "--tmp", "--network=host"});
  EXPECT_FALSE(absl::GetFlag(FLAGS_tmp));
  EXPECT_THAT(line.command, ElementsAre("ls", "--tmp", "--network=host"));
}

TEST_F(CommandLineTest, CollectsRepeatedFlags) {
  const Options options =
      Request({"--writable=/a,b", "--writable", "/c|d", "/e", "true"});
  EXPECT_THAT(options.writable, ElementsAre("/e", "/a,b", "/c|d"));
}

TEST_F(CommandLineTest, TakesBothSpellingsAndOneDash) {
  Request({"--core-size=1K", "--open_files", "7", "-file-size=2", "", "true"});
  EXPECT_EQ(absl::GetFlag(FLAGS_core_size).bytes, 1024u);
  EXPECT_EQ(absl::GetFlag(FLAGS_open_files).number, 7u);
  EXPECT_EQ(absl::GetFlag(FLAGS_file_size).bytes, 2u);
}

TEST_F(CommandLineTest, TakesTheLastOfAFlagThatCountsOnce) {
  const Options options =
      Request({"--network=none", "--network=host", "", "true"});
  EXPECT_EQ(options.network, Network::kHost);
}

TEST_F(CommandLineTest, TakesSwitchesWithAValue) {
  Parse({"--tmp=false", "--verbose=true", "", "true"});
  EXPECT_FALSE(absl::GetFlag(FLAGS_tmp));
  EXPECT_TRUE(absl::GetFlag(FLAGS_verbose));
}

TEST_F(CommandLineTest, NeedsNoCommandForHelp) {
  EXPECT_EQ(Parse({"-h"}).action, Action::kHelp);
}

TEST_F(CommandLineTest, NeedsNoCommandForTheVersion) {
  EXPECT_EQ(Parse({"--version"}).action, Action::kVersion);
}

TEST_F(CommandLineTest, NeedsNoCommandForTheCheck) {
  EXPECT_EQ(Parse({"--check"}).action, Action::kCheck);
}

TEST_F(CommandLineTest, ChangesTheEnvironmentInTheOrderOfItsFlagsKinds) {
  const Variable a("ENCAPSULATE_A", "1");
  const Variable b("ENCAPSULATE_B", "1");
  const Options options =
      Request({"--setenv=ENCAPSULATE_A=x=y", "--unsetenv=ENCAPSULATE_A",
               "--unsetenv=ENCAPSULATE_B", "", "true"});
  ASSERT_TRUE(options.environment.has_value());
  EXPECT_THAT(*options.environment, Contains("ENCAPSULATE_A=x=y"));
  EXPECT_THAT(*options.environment, Not(Contains("ENCAPSULATE_B=1")));
}

TEST_F(CommandLineTest, StartsFromNothingWithACleanEnvironment) {
  EXPECT_THAT(*Request({"--clean-env", "--setenv=A=", "", "true"}).environment,
              ElementsAre("A="));
}

TEST_F(CommandLineTest, ShowsTheHermeticViewWithScratchOfItsOwn) {
  const Variable proxy("http_proxy", "http://proxy");
  const Options options = Request({"--hermetic", "", "true"});
  EXPECT_EQ(options.umask, 022u);
  EXPECT_THAT(
      *options.environment,
      IsSupersetOf({std::string("TZ=UTC"), std::string("HOME=/tmp/home"),
                    std::string("TEST_TMPDIR=/tmp/test")}));
  EXPECT_THAT(*options.environment, Not(Contains("http_proxy=http://proxy")));
  EXPECT_THAT(options.make_directories, ElementsAre("/tmp/home", "/tmp/test"));
  ASSERT_THAT(options.tmpfs, Not(IsEmpty()));
  EXPECT_EQ(options.tmpfs[0].path, "/tmp");
}

TEST_F(CommandLineTest, LetsTmpfsSayHowLargeAFreshTmpIs) {
  for (const char* preset : {"--tmp", "--hermetic"}) {
    const Options options = Request({preset, "--tmpfs=/tmp/.:1M", "", "true"});
    std::vector<std::pair<std::string, uint64_t>> fresh;
    for (const Tmpfs& tmpfs : options.tmpfs) {
      fresh.emplace_back(tmpfs.path, tmpfs.size);
    }
    EXPECT_THAT(fresh,
                ElementsAre(Pair("/tmp/.", 1 << 20), Pair("/var/tmp", 0)))
        << preset;
  }
}

TEST_F(CommandLineTest, SetsLimits) {
  const Limits limits =
      Request({"--timeout=1m", "--grace=2", "--cpu-time=3s", "--memory=1G",
               "--address-space=2G", "--processes=9", "--file-size=1M",
               "--open-files=20", "--core-size=4K", "", "true"})
          .limits;
  EXPECT_EQ(limits.timeout, absl::Minutes(1));
  EXPECT_EQ(limits.grace, absl::Seconds(2));
  EXPECT_EQ(limits.cpu_time, absl::Seconds(3));
  EXPECT_EQ(limits.memory, uint64_t{1} << 30);
  EXPECT_EQ(limits.address_space, uint64_t{2} << 30);
  EXPECT_EQ(limits.processes, 9u);
  EXPECT_EQ(limits.file_size, 1u << 20);
  EXPECT_EQ(limits.open_files, 20u);
  EXPECT_EQ(limits.core_size, 4096u);
}

TEST_F(CommandLineTest, LimitsNothingUnlessAsked) {
  const Limits limits = Request({"", "true"}).limits;
  EXPECT_EQ(limits.timeout, absl::InfiniteDuration());
  EXPECT_EQ(limits.core_size, 0u);
  EXPECT_FALSE(limits.memory.has_value());
}

// As Bazel calls it: the test's program is an argument, named as in
// TEST_BINARY, in a directory where a relative name leads to it.
class RunUnderTest : public CommandLineTest {
 protected:
  RunUnderTest()
      : scratch_(::testing::TempDir() + "run_under"),
        program_(scratch_ + "/program"),
        outputs_(scratch_ + "/outputs"),
        target_("TEST_TARGET", "//a:b"),
        sources_("TEST_SRCDIR", scratch_),
        binary_("TEST_BINARY", program_),
        undeclared_("TEST_UNDECLARED_OUTPUTS_DIR", outputs_),
        report_("XML_OUTPUT_FILE", outputs_ + "/xml/test.xml"),
        missing_("COVERAGE_DIR", scratch_ + "/missing") {
    mkdir(scratch_.c_str(), 0700);
    mkdir(outputs_.c_str(), 0700);
    mkdir((outputs_ + "/xml").c_str(), 0700);
    std::ofstream(program_) << "#!/bin/sh\n";
    chmod(program_.c_str(), 0700);
  }

  const std::string scratch_;
  const std::string program_;
  const std::string outputs_;

 private:
  const Variable target_;
  const Variable sources_;
  const Variable binary_;
  const Variable undeclared_;
  const Variable report_;
  const Variable missing_;
};

TEST_F(RunUnderTest, TakesTheProgramForTheCommand) {
  const CommandLine line = Parse({"--tmp", program_, "--flag"});
  EXPECT_THAT(line.trees, IsEmpty());
  EXPECT_THAT(line.command, ElementsAre(program_, "--flag"));
}

TEST_F(RunUnderTest, TakesTheProgramAfterDashes) {
  EXPECT_THAT(Parse({"--", program_}).command, ElementsAre(program_));
  EXPECT_TRUE(Parse({"--", program_}).runs_bazel_test);
}

TEST_F(RunUnderTest, TakesAWrapperOfTheProgram) {
  const CommandLine line = Parse({"/bin/sh", program_});
  EXPECT_THAT(line.command, ElementsAre("/bin/sh", program_));
  EXPECT_TRUE(line.runs_bazel_test);
}

TEST_F(RunUnderTest, TakesTreesBeforeTheProgram) {
  const CommandLine line = Parse({scratch_, program_});
  EXPECT_THAT(line.trees, ElementsAre(scratch_));
  EXPECT_THAT(line.command, ElementsAre(program_));
  EXPECT_TRUE(line.runs_bazel_test);
}

TEST_F(RunUnderTest, MakesWhatBazelCollectsWritable) {
  EXPECT_THAT(Request({program_}).writable,
              IsSupersetOf({outputs_, outputs_ + "/xml"}));
  EXPECT_THAT(Request({program_}).writable,
              Not(Contains(scratch_ + "/missing")));
}

TEST_F(RunUnderTest, IsNotMeantWhereATestStartsTheTool) {
  EXPECT_FALSE(Parse({scratch_, "/bin/true"}).runs_bazel_test);
  EXPECT_FALSE(Parse({"--", "/bin/true"}).runs_bazel_test);
  EXPECT_THAT(Request({"", "/bin/true"}).writable, IsEmpty());
}

TEST_F(RunUnderTest, GoesByTheProgramWhereBazelDoesNotNameIt) {
  const Variable unnamed("TEST_BINARY", "");
  EXPECT_THAT(Parse({program_, "x"}).command, ElementsAre(program_, "x"));
  EXPECT_THAT(Parse({scratch_, "x"}).command, ElementsAre("x"));
}

}  // namespace
}  // namespace encapsulate::tool
