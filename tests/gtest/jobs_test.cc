// Several tests of a program at a time, seen from outside. That they look like
// one at a time is behaviours_test's part.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gtest/program.h"

namespace encapsulate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

using Strings = std::vector<std::string>;

struct Ran {
  std::string directory = FreshDirectory();
  Output output;

  std::string Log() const { return ReadFile(directory + "/log"); }
};

Ran RunJobs(const std::string& filter, const Strings& arguments = {},
            const Strings& environment = {}) {
  Ran run;
  Invocation invocation;
  invocation.program = "inner_jobs";
  invocation.directory = run.directory;
  invocation.arguments = {
      "--gtest_filter=" + filter, "--gtest_output=xml:report.xml",
      absl::StrCat("--encapsulate_writable=", run.directory)};
  invocation.arguments.insert(invocation.arguments.end(), arguments.begin(),
                              arguments.end());
  invocation.environment = environment;
  run.output = RunProgram(invocation);
  return run;
}

constexpr char kOneAtATime[] =
    "start A\nend A\nstart B\nend B\nstart C\nend C\n";

TEST(JobsTest, TestsOfASuiteMeet) {
  const Ran run = RunJobs("MeetTest.*", {"--encapsulate_jobs=2"});
  EXPECT_EQ(run.output.exit_code(), 0) << run.output.console;
}

TEST(JobsTest, OneAtATimeTheyDoNot) {
  const Ran run = RunJobs(
      "MeetTest.*", {"--encapsulate_jobs=1", "--encapsulate_timeout=500ms"});
  EXPECT_EQ(run.output.exit_code(), 1);
  EXPECT_THAT(run.output.console, AllOf(HasSubstr("FAILED  ] MeetTest.First"),
                                        HasSubstr("OK ] MeetTest.Second")));
}

TEST(JobsTest, UnderBazelOneAtATimeIsTheDefault) {
  for (const char* variable : {"TEST_TARGET=//some:test", "BAZEL_TEST=1"}) {
    const Ran run = RunJobs("OrderTest.*", {}, {variable});
    EXPECT_EQ(run.Log(), kOneAtATime);
    const Ran asked =
        RunJobs("MeetTest.*", {"--encapsulate_jobs=2"}, {variable});
    EXPECT_EQ(asked.output.exit_code(), 0) << asked.output.console;
  }
}

TEST(JobsTest, ATestRunsAlone) {
  const Ran run =
      RunJobs("OrderTest.*",
              {"--encapsulate_jobs=16", "--encapsulate_alone=X.*:OrderTest.B"});
  EXPECT_EQ(run.output.exit_code(), 0);
  EXPECT_EQ(run.Log(), kOneAtATime);
}

TEST(JobsTest, ASuiteRunsAlone) {
  const Ran run = RunJobs("OrderTest.*", {"--encapsulate_jobs=16"},
                          {"ENCAPSULATE_ALONE=OrderTest.?"});
  EXPECT_EQ(run.output.exit_code(), 0);
  EXPECT_EQ(run.Log(), kOneAtATime);
}

TEST(JobsTest, NothingRunsAheadOfAFirstFailureThatEndsAll) {
  const Ran run =
      RunJobs("FailingTest.*", {"--encapsulate_jobs=16", "--gtest_fail_fast"});
  EXPECT_EQ(run.output.exit_code(), 1);
  EXPECT_EQ(run.Log(), "start A\nend A\nstart B\nend B\n");
}

TEST(JobsTest, ElapsedTimeIsTheTestsOwn) {
  const Ran run = RunJobs("TimeTest.*", {"--encapsulate_jobs=2"});
  EXPECT_EQ(run.output.exit_code(), 0) << run.output.console;
  const std::string start = "<testcase name=\"Works\"";
  const std::string& xml = run.output.xml;
  const size_t test = xml.find(start);
  ASSERT_NE(test, std::string::npos) << xml;
  const size_t time = xml.find(" time=\"", test);
  ASSERT_NE(time, std::string::npos) << xml;
  EXPECT_GE(atof(xml.c_str() + time + 7), 0.05) << xml.substr(test, 200);
}

TEST(JobsTest, OutputBeyondWhatIsHeldWaitsForItsTurn) {
  const Ran run = RunJobs("OutputTest.*", {"--encapsulate_jobs=3"});
  EXPECT_EQ(run.output.exit_code(), 0);
  const std::string& console = run.output.console;
  EXPECT_EQ(std::count(console.begin(), console.end(), 'x'), 48 * 1048575);
  EXPECT_LT(console.rfind('x'), console.find("behind\n"));
}

TEST(JobsTest, NoTestGetsAnothersDescriptors) {
  const Ran serial = RunJobs("DescriptorsTest.*", {"--encapsulate_jobs=1"});
  const Ran parallel =
      RunJobs("DescriptorsTest.*", {"--encapsulate_jobs=2"}, {"INNER_WAITS=1"});
  EXPECT_THAT(serial.output.xml, HasSubstr("name=\"open\" value=\"0 1 2 "));
  EXPECT_EQ(Mask(serial.output.xml), Mask(parallel.output.xml));
}

// Tests that run ahead write to pipes of the program's, but its stdin is theirs
// too: a pipe that nobody could read any more once all are gone.
TEST(JobsTest, NothingOutlivesTheProgram) {
  for (int signal : {SIGINT, SIGKILL}) {
    const std::string directory = FreshDirectory();
    const std::string program = ProgramPath("inner_jobs");
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const int events = inotify_init1(IN_CLOEXEC);
    ASSERT_GE(inotify_add_watch(events, directory.c_str(), IN_CREATE), 0);
    const pid_t pid = fork();
    if (pid == 0) {
      dup2(ends[0], STDIN_FILENO);
      if (chdir(directory.c_str()) != 0) _exit(126);
      for (const char* name : {"TEST_TOTAL_SHARDS", "TEST_SHARD_INDEX",
                               "GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX"}) {
        unsetenv(name);
      }
      const std::string tree = "--encapsulate_writable=" + directory;
      execl(program.c_str(), program.c_str(), "--gtest_filter=EndlessTest.*",
            "--encapsulate_jobs=2", tree.c_str(), nullptr);
      _exit(127);
    }
    close(ends[0]);
    char buffer[4096];
    while (access((directory + "/both").c_str(), F_OK) != 0) {
      ASSERT_GT(read(events, buffer, sizeof(buffer)), 0);
    }
    kill(pid, signal);
    int status;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFSIGNALED(status));
    struct pollfd gone = {ends[1], 0, 0};
    EXPECT_EQ(poll(&gone, 1, -1), 1);
    close(ends[1]);
    close(events);
  }
}

TEST(JobsTest, MistakesAreErrors) {
  for (const char* flag : {"--encapsulate_jobs=-1", "--encapsulate_jobs=129",
                           "--encapsulate_jobs=many", "--encapsulate_jobs="}) {
    const Ran run = RunJobs("MeetTest.*", {flag});
    EXPECT_EQ(run.output.exit_code(), 2) << flag;
    EXPECT_THAT(run.output.console, HasSubstr("is not a number from 0 to 128"));
  }
  const Ran run = RunJobs("MeetTest.*", {"--encapsulate_alone="});
  EXPECT_EQ(run.output.exit_code(), 2);
}

}  // namespace
}  // namespace encapsulate
