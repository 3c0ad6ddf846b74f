// SPDX-License-Identifier: Apache-2.0
//
// What the tool does for people and scripts, end to end.
#include "tests/support/tool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate::tool {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class ToolTest : public testing::Test {
 protected:
  void SetUp() override {
    tree_ = ScratchPath() + "/tree";
    std::filesystem::create_directory(tree_);
  }
  void TearDown() override { std::filesystem::remove_all(tree_); }

  std::string tree_;
};

// --- Exit codes
// -----------------------------------------------------------------

TEST_F(ToolTest, ExitsWithTheCommandsCode) {
  EXPECT_EQ(RunTool({"", "/bin/true"}).exit_code, 0);
  EXPECT_EQ(RunTool({"", "/bin/sh", "-c", "exit 255"}).exit_code, 255);
}

TEST_F(ToolTest, ExitsWith128AndTheSignal) {
  EXPECT_EQ(RunTool({"", "/bin/sh", "-c", "kill -9 $$"}).exit_code, 137);
  EXPECT_EQ(RunTool({"", "/bin/sh", "-c", "kill -ABRT $$"}).exit_code, 134);
}

TEST_F(ToolTest, ExitsWith124AfterATimeout) {
  const Finished finished =
      RunTool({"--timeout=0.01", "", "/bin/sleep", "1000"});
  EXPECT_EQ(finished.exit_code, 124);
  EXPECT_THAT(finished.errors,
              StartsWith("encapsulate: the command was ended by --timeout"));
}

TEST_F(ToolTest, KillsWhatIgnoresTheTimeout) {
  const Finished finished =
      RunTool({"--timeout=0.01", "--grace=0.01", "", "/bin/sh", "-c",
               "trap '' TERM; while :; do sleep 1000; done"});
  EXPECT_EQ(finished.exit_code, 124);
}

// The tool stops with its command, and a script's or an orphan's is continued
// by nobody.
TEST_F(ToolTest, EndsAStoppedCommandAfterATimeout) {
  for (const char* script : {"kill -STOP $$", "kill -TSTP $$; kill -STOP $$",
                             "trap 'kill -STOP $$' TERM; kill -STOP $$",
                             "while :; do kill -STOP $$; done"}) {
    for (bool orphaned : {false, true}) {
      const Finished finished = RunTool(
          {"--timeout=0.2", "--grace=0.1", "", "/bin/sh", "-c", script}, [=] {
            if (orphaned) MustWork(setsid(), "setsid");
          });
      EXPECT_EQ(finished.exit_code, 124) << script;
    }
  }
}

TEST_F(ToolTest, KeepsTheTimeWhateverRunsInside) {
  const Finished finished = RunTool(
      {"--timeout=0.5", "--grace=0.1", "", "/bin/sh", "-c",
       "trap '' TERM; renice -n 19 -p 1; chrt -i -p 0 1; taskset -p 1 1; "
       "ionice -c 3 -p 1; prlimit --pid=1 --nofile=0:0; while :; do :; done"});
  EXPECT_EQ(finished.exit_code, 124);
}

TEST_F(ToolTest, TakesATimeoutOfThousandsOfYears) {
  EXPECT_EQ(
      RunTool({"--timeout=9000000000000", "--grace=1e300", "", "/bin/true"})
          .exit_code,
      0);
}

// --- The view
// -------------------------------------------------------------------

TEST_F(ToolTest, LetsTheCommandWriteToTheTreesOnly) {
  const std::string other = ScratchPath() + "/other";
  const Finished finished =
      RunTool({tree_, "/bin/sh", "-c",
               "echo x > " + tree_ + "/in && echo wrote; echo x > " + other});
  EXPECT_EQ(finished.output, "wrote\n");
  EXPECT_THAT(finished.errors, HasSubstr("Read-only file system"));
  EXPECT_TRUE(std::filesystem::exists(tree_ + "/in"));
  EXPECT_FALSE(std::filesystem::exists(other));
}

TEST_F(ToolTest, TakesATreeWithABarByFlag) {
  const std::string tree = tree_ + "/a|b, c";
  std::filesystem::create_directory(tree);
  EXPECT_EQ(RunTool({"--writable=" + tree, "--", "/usr/bin/touch", tree + "/x"})
                .exit_code,
            0);
  EXPECT_TRUE(std::filesystem::exists(tree + "/x"));
}

TEST_F(ToolTest, ShowsFreshTemporaryDirectories) {
  std::ofstream(tree_ + "/x") << "x";
  const Finished finished =
      RunTool({"--tmp", "--chdir=/", "", "/bin/sh", "-c",
               "ls -A /tmp /var/tmp; touch /tmp/a /var/tmp/b && echo wrote"});
  EXPECT_EQ(finished.output, "/tmp:\n\n/var/tmp:\nwrote\n");
  EXPECT_FALSE(std::filesystem::exists("/var/tmp/b"));
}

TEST_F(ToolTest, ShowsAHermeticView) {
  const Finished finished = RunTool(
      {"--hermetic", "--chdir=/", "", "/bin/sh", "-c",
       // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one script
       "echo $HOME $TMPDIR $TEST_TMPDIR $TZ $LC_ALL [$http_proxy] [$KEPT]; "
       "umask; touch $HOME/a $TMPDIR/b $TEST_TMPDIR/c /var/tmp/d && "
       "echo wrote"},
      [] {
        setenv("http_proxy", "x", 1);
        setenv("KEPT", "kept", 1);
        umask(0);
      });
  EXPECT_EQ(finished.output,
            "/tmp/home /tmp /tmp/test UTC C.UTF-8 [] [kept]\n0022\nwrote\n");
  EXPECT_EQ(finished.errors, "");
}

// What lies in /tmp is needed there: a build directory, the programs that
// `go test` has built.
TEST_F(ToolTest, ShowsTheCommandAndItsDirectoryInAFreshTmp) {
  // In a directory of /tmp, as all that these tests have.
  const std::string program = tree_ + "/program";
  std::filesystem::copy_file("/bin/cat", program);
  std::ofstream(tree_ + "/x") << "seen\n";
  for (const char* flag : {"--hermetic", "--tmp"}) {
    const auto run = [&](std::vector<std::string> arguments,
                         const std::string& directory) {
      arguments.insert(arguments.begin(), flag);
      return RunTool(arguments,
                     [=] { MustWork(chdir(directory.c_str()), "chdir"); });
    };
    // By a path, by PATH, and by a link elsewhere.
    EXPECT_EQ(run({"--", program, tree_ + "/x"}, "/").output, "seen\n");
    EXPECT_EQ(
        run({"--setenv=PATH=/usr/bin:" + tree_, "--", "program", tree_ + "/x"},
            "/")
            .exit_code,
        127)
        << "what is shown goes by the caller's PATH";
    EXPECT_EQ(run({"--", "./program", "x"}, tree_).output, "seen\n");
    EXPECT_EQ(run({"--", "/bin/cat", "x"}, tree_).output, "seen\n");
    EXPECT_EQ(run({"--chdir=" + tree_, "--", "/bin/cat", "x"}, "/").output,
              "seen\n");
    // Read-only, and the rest of /tmp isn't there.
    EXPECT_EQ(run({"--", "/bin/sh", "-c",
                   "echo y 2>/dev/null >x || echo no; ls /tmp | grep -vx -e "
                   "home -e test | wc -l"},
                  tree_)
                  .output,
              "no\n1\n");
    // Unless it is writable.
    EXPECT_EQ(run({tree_, "/bin/sh", "-c", "echo y >y && cat y"}, tree_).output,
              "y\n");
    EXPECT_EQ(run({"--", "/bin/cat", tree_ + "/x"}, "/").exit_code, 1);
    EXPECT_EQ(
        run({"--show=" + tree_, "--", "/bin/cat", tree_ + "/x"}, "/").output,
        "seen\n");
  }
}

TEST_F(ToolTest, KeepsItsOwnHomeBesideOneThatIsShown) {
  const std::string home = "/tmp/home";
  std::error_code ignored;
  const bool there = !std::filesystem::create_directory(home, ignored);
  const Finished finished =
      RunTool({"--hermetic", "--", "/bin/sh", "-c", "echo $HOME; : >$HOME/x"},
              [&] { MustWork(chdir(home.c_str()), "chdir"); });
  EXPECT_EQ(finished.output, "/tmp/home_\n");
  EXPECT_EQ(finished.exit_code, 0) << finished.errors;
  if (!there) std::filesystem::remove(home, ignored);
}

TEST_F(ToolTest, HidesWhatDiffersFromHostToHost) {
  const Finished finished = RunTool(
      {"--default-path", "--hostname=here", "--map-user=1234:567", "--", "sh",
       "-c", "echo $PATH; hostname; id -u; id -g; stat -c %u " + tree_},
      [] { setenv("PATH", "/nowhere", 1); });
  EXPECT_EQ(finished.output,
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
            "here\n1234\n567\n1234\n");
  EXPECT_EQ(RunTool({"--map-user=0", "--", "/usr/bin/id", "-u"}).output, "0\n");
  // No power comes with it.
  EXPECT_NE(RunTool({"--map-user=0:0", "--", "/bin/sh", "-c",
                     "chown 1 " + tree_ + " || mount -t tmpfs x /mnt"})
                .exit_code,
            0);
}

TEST_F(ToolTest, TakesFlagsFromAFile) {
  std::ofstream(tree_ + "/flags") << "# for tests\n\n--setenv=A=b c  \n"
                                     "  --hostname=here\n--tmp";
  const Finished finished =
      RunTool({"--setenv=B=1", "--flagfile", tree_ + "/flags", "--setenv=A=2",
               "--", "/bin/sh", "-c", "echo $A $B; hostname"});
  EXPECT_EQ(finished.output, "2 1\nhere\n");
  EXPECT_EQ(RunTool({"--flagfile=" + tree_ + "/flags", "--", "/bin/sh", "-c",
                     "echo $A"})
                .output,
            "b c\n");
}

TEST_F(ToolTest, ChangesTheEnvironment) {
  const Finished finished =
      RunTool({"--clean-env", "--setenv=A=1,2=3", "--setenv=B=", "--setenv=A=4",
               "", "/usr/bin/env"});
  EXPECT_EQ(finished.output, "A=4\nB=\n");
}

TEST_F(ToolTest, HidesAndCoversPlaces) {
  std::filesystem::create_directories(tree_ + "/hidden/x");
  std::filesystem::create_directories(tree_ + "/fresh/y");
  const Finished finished =
      RunTool({"--hide=" + tree_ + "/hidden", "--tmpfs=" + tree_ + "/fresh:1M",
               "", "/bin/ls", "-A", tree_ + "/hidden", tree_ + "/fresh"});
  EXPECT_EQ(finished.output,
            absl::StrCat(tree_, "/fresh:\n\n", tree_, "/hidden:\n"));
}

TEST_F(ToolTest, ListsWhatAnOverlayCaught) {
  std::ofstream(tree_ + "/old") << "x";
  std::filesystem::create_directory(tree_ + "/c");
  const Finished finished =
      RunTool({"--overlay=" + tree_, "--overlay-changes", "", "/bin/sh", "-c",
               "cd " + tree_ +
                   " && rm old && echo x > 'n ew' && mkdir d && chmod 7 c"});
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_EQ(finished.errors,
            absl::StrCat("encapsulate: overlay: changed attributes of '", tree_,
                         "/c'\nencapsulate: overlay: made directory '", tree_,
                         "/d'\nencapsulate: overlay: wrote '", tree_,
                         "/n ew'\nencapsulate: overlay: deleted '", tree_,
                         "/old'\n"));
  EXPECT_EQ(ReadAll(tree_ + "/old"), "x");
  EXPECT_FALSE(std::filesystem::exists(tree_ + "/d"));
}

TEST_F(ToolTest, NeedsNotBeReadable) {
  const std::string tool = tree_ + "/tool";
  std::filesystem::copy_file(StaticToolPath(), tool);
  ASSERT_EQ(chmod(tool.c_str(), 0111), 0);
  const Finished finished = RunProgram({tool, "", "/bin/sh", "-c", "exit 3"});
  EXPECT_EQ(finished.errors, "");
  EXPECT_EQ(finished.exit_code, 3);
}

TEST_F(ToolTest, PassesOnlyTheDescriptorsAskedFor) {
  const auto prepare = [] {
    for (int fd : {7, 8}) {
      MustWork(dup2(open("/dev/null", O_RDWR), fd), "dup2");
    }
  };
  const std::vector<std::string> list = {
      "/bin/sh", "-c",
      "for fd in 7 8; do [ -e /proc/$$/fd/$fd ] && echo $fd; done; :"};
  std::vector<std::string> kept = {"--keep-fd=8", ""};
  std::vector<std::string> none = {""};
  kept.insert(kept.end(), list.begin(), list.end());
  none.insert(none.end(), list.begin(), list.end());
  EXPECT_EQ(RunTool(kept, prepare).output, "8\n");
  EXPECT_EQ(RunTool(none, prepare).output, "");
}

TEST_F(ToolTest, NamesTheHost) {
  EXPECT_EQ(RunTool({"--hostname=elsewhere", "", "/bin/uname", "-n"}).output,
            "elsewhere\n");
}

TEST_F(ToolTest, ShowsRootToProgramsThatInsist) {
  EXPECT_EQ(RunTool({"--map-root", "", "/usr/bin/id", "-u"}).output, "0\n");
}

TEST_F(ToolTest, LimitsFilesAndDescriptors) {
  const Finished finished =
      RunTool({"--file-size=1M", "--open-files=17", "--core-size=1K", "",
               "/bin/bash", "-c", "ulimit -f; ulimit -n; ulimit -c"});
  EXPECT_EQ(finished.output, "1024\n17\n1\n");
}

// --- Reports
// --------------------------------------------------------------------

TEST_F(ToolTest, NamesWhatItHadToKill) {
  const Finished finished = RunTool({"", "/bin/sh", "-c",
                                     "exec 3</dev/null; exec /bin/sleep 1000 "
                                     "& read x < /proc/$!/comm; exit 5"});
  EXPECT_EQ(finished.exit_code, 5);
  EXPECT_THAT(finished.errors,
              MatchesRegex("encapsulate: killed '.*' \\(pid [0-9]+\\), still "
                           "running when the command ended\n"));
}

TEST_F(ToolTest, FailsForLeftoversOnRequest) {
  const auto run = [](const std::string& mode, const std::string& script) {
    return RunTool(
        {"--leftovers=" + mode, "--status-fd=2", "", "/bin/sh", "-c", script});
  };
  // While it is being executed, it has a name and no arguments.
  const std::string leaves =
      "sleep 1000 >/dev/null 2>&1 & "
      "until grep -qa ^sleep /proc/$!/cmdline; do :; done;";
  const Finished failed = run("fail", leaves);
  EXPECT_EQ(failed.exit_code, 120);
  EXPECT_THAT(failed.errors, AllOf(HasSubstr("sleep 1000"),
                                   HasSubstr("\"exit_code\":0,\"signal\":null,"
                                             "\"status\":120,")));
  const Finished noted = run("note", leaves);
  EXPECT_EQ(noted.exit_code, 0);
  EXPECT_THAT(noted.errors, HasSubstr("sleep 1000"));
  EXPECT_EQ(run("fail", "sleep 0 & wait").exit_code, 0);
  EXPECT_EQ(run("fail", leaves + " exit 3").exit_code, 3);
}

TEST_F(ToolTest, IsQuietAboutLeftoversOnRequest) {
  EXPECT_EQ(RunTool({"--quiet-leftovers", "", "/bin/sh", "-c",
                     "/bin/sleep 1000 & exit 0"})
                .errors,
            "");
}

TEST_F(ToolTest, SaysNothingOfItsOwnAccord) {
  const Finished finished = RunTool({"", "/bin/echo", "hello"});
  EXPECT_EQ(finished.output, "hello\n");
  EXPECT_EQ(finished.errors, "");
}

TEST_F(ToolTest, SaysWhatItDoesWhenAsked) {
  const Finished finished = RunTool({"--verbose", "", "/bin/true"});
  EXPECT_THAT(finished.errors,
              AllOf(HasSubstr(" us  mount places\n"),
                    HasSubstr(" us  in all until the command started\n"),
                    HasSubstr("the command exited with 0 after ")));
}

// Runs the tool with --status-fd and returns what came there.
std::string StatusOf(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "--status-fd=9");
  const std::string path = ScratchPath() + "/status";
  RunTool(arguments, [&path] {
    MustWork(dup2(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 9),
             "dup2");
  });
  return ReadAll(path);
}

TEST_F(ToolTest, WritesItsStatus) {
  EXPECT_THAT(StatusOf({"", "/bin/sh", "-c", "exit 3"}),
              AllOf(StartsWith("{\"outcome\":\"exited\",\"exit_code\":3,"
                               "\"signal\":null,\"status\":3,"),
                    testing::EndsWith("\"overlay_changes\":[]}\n")));
  EXPECT_THAT(StatusOf({"", "/bin/sh", "-c", "kill -TERM $$"}),
              StartsWith("{\"outcome\":\"signaled\",\"exit_code\":null,"
                         "\"signal\":\"SIGTERM\",\"status\":143,"));
  EXPECT_THAT(StatusOf({"--timeout=0.01", "", "/bin/sleep", "1000"}),
              StartsWith("{\"outcome\":\"timed-out\",\"exit_code\":null,"
                         "\"signal\":\"SIGTERM\",\"status\":124,"));
}

TEST_F(ToolTest, WritesItsStatusWhenThereIsNoSandbox) {
  EXPECT_EQ(StatusOf({"", "no-such-command"}),
            "{\"outcome\":\"failed\",\"failure\":\"command-not-found\","
            "\"message\":\"cannot run 'no-such-command': no such command in "
            "PATH (ENOENT)\",\"status\":127}\n");
  EXPECT_THAT(StatusOf({"--xyzzy"}),
              HasSubstr("\"failure\":\"invalid-options\""));
}

TEST_F(ToolTest, WritesAStatusThatPythonReads) {
  const std::string path = ScratchPath() + "/status.json";
  std::ofstream(path) << StatusOf(
      {"--overlay=" + tree_, "", "/bin/sh", "-c",
       "cd " + tree_ + "; touch \"$(printf 'a\\nb\\377\"')\"; sleep 1000 &"});
  const Finished python = RunProgram(
      {"/usr/bin/python3", "-c",
       "import json,sys; s = json.load(open(sys.argv[1])); "
       "print(s['leftover_count'], ascii(s['overlay_changes'][0]['path']))",
       path});
  EXPECT_EQ(python.errors, "");
  EXPECT_EQ(python.output, absl::StrCat("1 '", tree_, "/a\\nb\\ufffd\"'\n"));
}

// --- Violations
// -----------------------------------------------------------------

// A command that tries to write where it may not, and ignores the error.
const std::vector<std::string>& Reaching() {
  static const auto* const command = new std::vector<std::string>{
      "/bin/sh", "-c", "(echo x > /etc/encapsulate-no) 2>/dev/null; :"};
  return *command;
}

Finished RunReaching(std::vector<std::string> flags) {
  flags.insert(flags.end(), Reaching().begin(), Reaching().end());
  return RunTool(flags);
}

TEST_F(ToolTest, DoesNotWatchUnlessAsked) {
  const Finished finished = RunReaching({""});
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_EQ(finished.errors, "");
}

TEST_F(ToolTest, ReportsViolations) {
  const Finished finished =
      RunReaching({"--violations=report", "--writable=" + tree_, "--"});
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_THAT(
      finished.errors,
      MatchesRegex("encapsulate: violations: 1, tried 1 time\n"
                   "encapsulate: [^\n]+, write: nothing changes outside "
                   "writable trees\n"
                   "encapsulate:           instead  write below '" +
                   tree_ +
                   "'\n"
                   "encapsulate:      1 x  open '/etc/encapsulate-no' for "
                   "writing: read-only file system \\(EROFS\\)\n"
                   "(encapsulate:           (from)?   .*\n)*"
                   "encapsulate:           permit   --writable=/etc\n"
                   "encapsulate:           ignore   "
                   "--allow=write:/etc/encapsulate-no\n"));
}

TEST_F(ToolTest, EnforcesThatThereAreNone) {
  EXPECT_EQ(RunReaching({"--violations=enforce", ""}).exit_code, 122);
  const Finished quiet =
      RunTool({"--violations=enforce", tree_, "/bin/sh", "-c",
               "mkdir -p /etc; echo x > " + tree_ + "/x"});
  EXPECT_EQ(quiet.exit_code, 0);
  EXPECT_EQ(quiet.errors, "");
}

TEST_F(ToolTest, LeavesTheExitCodeOfACommandThatFailed) {
  EXPECT_EQ(RunTool({"--violations=enforce", "", "/bin/sh", "-c",
                     "echo x > /etc/encapsulate-no; exit 7"})
                .exit_code,
            7);
}

TEST_F(ToolTest, IgnoresWhatIsAllowed) {
  const Finished exact = RunReaching(
      {"--violations=enforce", "--allow=write:/etc/encapsulate-no", ""});
  EXPECT_EQ(exact.exit_code, 0);
  EXPECT_EQ(exact.errors, "");
  EXPECT_THAT(RunReaching({"--violations=enforce", "--verbose",
                           "--allow=write:/etc/encapsulate-no", ""})
                  .errors,
              HasSubstr("encapsulate: ignored: write '/etc/encapsulate-no', "
                        "tried 1 time (--allow=write:/etc/encapsulate-no)\n"));
  EXPECT_EQ(RunReaching({"--violations=enforce", "--allow=write:/etc/*", ""})
                .exit_code,
            0);
  EXPECT_EQ(RunReaching({"--violations=enforce", "--allow=write:/usr/*",
                         "--allow=network:/etc/encapsulate-no", ""})
                .exit_code,
            122);
}

TEST_F(ToolTest, WritesAReportAsDocumented) {
  const std::string report = tree_ + "/report";
  const Finished finished = RunTool(
      {"--violations=report", "--report=" + report, "--allow=write:/usr/*", "",
       "/bin/sh", "-c",
       "touch /etc/encapsulate-no /usr/x; kill 3999999; "
       "/usr/bin/python3 -c 'import socket; socket.socket().connect_ex((\"192."
       "0.2.1\", 80))'"});
  EXPECT_THAT(finished.errors, HasSubstr("violations: 3, tried 3 times\n"));
  EXPECT_THAT(finished.errors,
              HasSubstr("ignored: write '/usr/*', tried 1 time "
                        "(--allow=write:/usr/*)\n"));
  const Finished checked =
      RunProgram({"/usr/bin/python3", BuildPath("tests/tool/report_schema.py"),
                  BuildPath("docs/violations.md"), report});
  EXPECT_EQ(checked.errors, "");
  EXPECT_EQ(checked.output, "ignored=1 sum=1 violation=3 sum\n");
}

TEST_F(ToolTest, WritesReportsInEveryFormat) {
  std::vector<std::string> command = {"--violations=report"};
  std::vector<std::string> check = {"/usr/bin/python3",
                                    BuildPath("tests/tool/report_formats.py")};
  for (const char* format :
       {"json", "junit", "sarif", "github", "gitlab", "html"}) {
    const std::string target = absl::StrCat(format, ":", tree_, "/", format);
    command.push_back("--report=" + target);
    check.push_back(target);
  }
  // A name with what each of the formats has for itself.
  for (const char* word :
       {"", "/bin/sh", "-c",
        "touch /etc/encapsulate-no \"/etc/<b>&'%0A::error::,]]>\" "
        "\"/etc/$(printf 'a\\nb\\033\\377')\""}) {
    command.push_back(word);
  }
  EXPECT_THAT(RunTool(command).errors, HasSubstr("violations: 3, tried"));
  const Finished checked = RunProgram(check);
  EXPECT_EQ(checked.errors, "");
  EXPECT_EQ(checked.output,
            "json=3\njunit=3\nsarif=3\ngithub=3\ngitlab=3\nhtml=3\n");
}

TEST_F(ToolTest, NamesTheTestInReports) {
  const Finished finished = RunTool(
      {"--violations=report", "--name=Store.Syncs", "--report=/dev/stdout", "",
       "/bin/sh", "-c", "echo x 2>/dev/null >/usr/named || :"});
  EXPECT_THAT(finished.errors, HasSubstr("test     Store.Syncs\n"));
  EXPECT_THAT(finished.output, HasSubstr("\"test\":\"Store.Syncs\""));
}

TEST_F(ToolTest, WritesInputsAsDocumented) {
  const std::string inputs = tree_ + "/inputs";
  std::ofstream(tree_ + "/file") << "content";
  ASSERT_EQ(symlink("file", (tree_ + "/link").c_str()), 0);
  const auto run = [&](std::vector<std::string> flags) {
    flags.insert(flags.end(),
                 {"--inputs=" + inputs, "--chdir=" + tree_, "", "/bin/sh", "-c",
                  "cat file /proc/cpuinfo >/dev/null; ls >/dev/null; readlink "
                  "link; HOME=" +
                      tree_ + "/home; . \"$HOME/.gitconfig\""});
    const Finished finished = RunTool(flags);
    EXPECT_NE(finished.exit_code, 0);
    EXPECT_THAT(finished.output, Not(HasSubstr("\"type\"")));
    return ReadAll(inputs);
  };
  const std::string text = run({"--name=Store.Reads"});
  EXPECT_THAT(text,
              StartsWith("{\"type\":\"inputs\",\"test\":\"Store.Reads\","));
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  EXPECT_THAT(
      text,
      AllOf(HasSubstr("\"directory\":\"" + tree_ + "\",\"read\":[\"/"),
            HasSubstr(",\"/proc/cpuinfo\""),
            HasSubstr(",\"file\"],\"absent\":["),
            HasSubstr("\"home/.gitconfig\"]"), HasSubstr("\"listed\":[\".\"]"),
            HasSubstr("\"links\":[\"link\"]"), HasSubstr("\"executed\":[\"/")));
  const Finished checked =
      RunProgram({"/usr/bin/python3", BuildPath("tests/tool/report_schema.py"),
                  BuildPath("docs/inputs.md"), inputs});
  EXPECT_EQ(checked.errors, "");
  EXPECT_EQ(checked.output, "inputs=1 inputs\n");
  // The same with everything else that watches, and in every level.
  for (const char* flag : {"--isolation=namespaces", "--isolation=landlock",
                           "--isolation=process"}) {
    const std::string same = run({flag, "--violations=report"});
    EXPECT_THAT(same, AllOf(StartsWith("{\"type\":\"inputs\",\"test\":null,"),
                            HasSubstr(",\"file\"],\"absent\":["),
                            HasSubstr("\"home/.gitconfig\"]"),
                            HasSubstr("\"links\":[\"link\"]")))
        << flag;
  }
}

TEST_F(ToolTest, WritesInputsWhereItIsTold) {
  EXPECT_THAT(RunTool({"--inputs=/dev/stdout", "", "true"}).output,
              StartsWith("{\"type\":\"inputs\""));
  const std::string name = tree_ + "/a name\nof two lines";
  EXPECT_EQ(RunTool({"--inputs=" + name, "", "true"}).exit_code, 0);
  EXPECT_THAT(ReadAll(name), StartsWith("{\"type\":\"inputs\""));
  // What the command writes there is replaced.
  const std::string inputs = tree_ + "/inputs";
  EXPECT_EQ(RunTool({"--inputs=" + inputs, tree_, "/bin/sh", "-c",
                     "yes forged | head -n 5000 >" + inputs})
                .exit_code,
            0);
  EXPECT_THAT(ReadAll(inputs), AllOf(StartsWith("{\"type\":\"inputs\""),
                                     Not(HasSubstr("forged\n"))));
}

// In a sandbox that watches for both, the outer one has what both read.
TEST_F(ToolTest, InputsAreRecordedByTheOuterSandbox) {
  if (geteuid() == 0) GTEST_SKIP() << "root's sandboxes have none inside";
  const std::string file = tree_ + "/file";
  std::ofstream(file) << "content";
  const Finished finished =
      RunTool({"--violations=report", "--inputs=" + tree_ + "/outer", tree_,
               ToolPath(), "--inputs=" + tree_ + "/inner", "", "cat", file});
  EXPECT_EQ(finished.exit_code, 0) << finished.errors;
  EXPECT_THAT(finished.errors,
              HasSubstr("the sandbox around this one watches, so no inputs are "
                        "recorded\n"));
  EXPECT_THAT(
      ReadAll(tree_ + "/inner"),
      AllOf(HasSubstr("\"read\":[]"), HasSubstr("\"watched_outside\":true")));
  EXPECT_THAT(ReadAll(tree_ + "/outer"),
              AllOf(HasSubstr("\"tree/file\""),
                    HasSubstr("\"watched_outside\":false")));
}

TEST_F(ToolTest, FailsForNewViolationsOnly) {
  const std::string baseline = "--baseline=" + tree_ + "/baseline";
  const auto touch = [&](std::vector<std::string> flags,
                         const std::string& paths) {
    flags.insert(flags.begin(), {"--violations=enforce", baseline});
    flags.insert(flags.end(),
                 {"", "/bin/sh", "-c", "touch " + paths + "; exit 0"});
    return RunTool(flags);
  };
  const Finished made = touch({"--update-baseline"}, "/etc/no-a /etc/no-b");
  EXPECT_EQ(made.exit_code, 0);
  EXPECT_THAT(made.errors, HasSubstr("baseline: 2 known, in '"));

  const Finished same = touch({}, "/etc/no-a /etc/no-b");
  EXPECT_EQ(same.exit_code, 0);
  EXPECT_THAT(same.errors, HasSubstr("baseline: 2 known\n"));
  EXPECT_THAT(same.errors, Not(HasSubstr("violations:")));

  const Finished fresh = touch({}, "/etc/no-a /etc/no-c");
  EXPECT_EQ(fresh.exit_code, 122);
  EXPECT_THAT(fresh.errors, HasSubstr("violations: 1, tried 1 time\n"));
  EXPECT_THAT(fresh.errors, HasSubstr("open '/etc/no-c' for writing"));
  EXPECT_THAT(fresh.errors, Not(HasSubstr("open '/etc/no-a'")));
  EXPECT_THAT(fresh.errors, HasSubstr("baseline: 1 gone; hint: "));
  EXPECT_THAT(fresh.errors, HasSubstr("write /etc/no-b "));

  const Finished updated = touch({"--update-baseline"}, "/etc/no-c");
  EXPECT_EQ(updated.exit_code, 0);
  EXPECT_THAT(ReadAll(tree_ + "/baseline"),
              AllOf(HasSubstr("/etc/no-c"), Not(HasSubstr("/etc/no-a"))));
}

TEST_F(ToolTest, WritesItsBaselineWhereItWasBeforeTheCommand) {
  const std::string outside = tree_ + "/outside";
  std::ofstream(outside) << "kept";
  mkdir((tree_ + "/work").c_str(), 0755);
  const Finished finished = RunProgram(
      {"/bin/sh", "-c",
       "cd \"$1\" && exec \"$0\" --violations=enforce --baseline=known "
       "--update-baseline . /bin/sh -c 'ln -s ../outside known; touch /etc/no; "
       ":'",
       ToolPath(), tree_ + "/work"});
  EXPECT_EQ(finished.exit_code, 0) << finished.errors;
  EXPECT_EQ(ReadAll(outside), "kept");
  EXPECT_THAT(ReadAll(tree_ + "/work/known"), HasSubstr("write /etc/no"));
  // A link that was there before is the user's.
  const std::string link = tree_ + "/link";
  ASSERT_EQ(symlink("work/known", link.c_str()), 0);
  const Finished followed =
      RunTool({"--violations=enforce", "--baseline=" + link,
               "--update-baseline", "", "/bin/sh", "-c", "touch /etc/new; :"});
  EXPECT_EQ(followed.exit_code, 0) << followed.errors;
  EXPECT_THAT(ReadAll(tree_ + "/work/known"), HasSubstr("write /etc/new"));
}

TEST_F(ToolTest, LeavesNothingOfTheCommandsInItsReport) {
  const std::string report = tree_ + "/report";
  const Finished finished = RunTool(
      {"--violations=enforce", "--report=" + report, tree_, "/bin/sh", "-c",
       "touch /etc/encapsulate-no; yes forged | head -n 5000 > " + report});
  EXPECT_EQ(finished.exit_code, 122) << finished.errors;
  EXPECT_THAT(ReadAll(report), AllOf(StartsWith("{\"type\":\"violation\""),
                                     Not(HasSubstr("forged"))));
}

TEST_F(ToolTest, ReportsWhatWasTriedBeforeTheSandboxWasLost) {
  const std::string report = tree_ + "/report";
  // The tool's one child is init.
  const Finished finished = RunProgram(
      {"/bin/sh", "-c",
       "mkfifo tried; \"$0\" --violations=report --report=report . /bin/sh -c '"
       "touch /etc/encapsulate-no; echo > tried; sleep 1000' & "
       "read line <tried; read init rest </proc/$!/task/$!/children; "
       "kill -9 $init; wait $!",
       ToolPath()},
      [&] { MustWork(chdir(tree_.c_str()), "chdir"); });
  EXPECT_EQ(finished.exit_code, 123);
  EXPECT_THAT(finished.errors, HasSubstr("violations: 1, tried 1 time\n"));
  EXPECT_THAT(finished.errors, HasSubstr("--allow=write:/etc/encapsulate-no\n"
                                         "encapsulate: cannot tell how the "
                                         "command ended: "));
  EXPECT_THAT(ReadAll(report), HasSubstr("\"target\":\"/etc/encapsulate-no\""));
  EXPECT_THAT(ReadAll(report),
              HasSubstr("{\"type\":\"sum\",\"violations\":1,"));
}

// A program that shares standard error has made it one that doesn't wait.
TEST_F(ToolTest, LosesNothingWhereAReaderIsSlow) {
  const std::string script = R"(
import fcntl, os, subprocess, sys, time
reader, writer = os.pipe()
fcntl.fcntl(writer, 1031, 4096)  # F_SETPIPE_SZ
os.set_blocking(writer, False)
try:
    while True: os.write(writer, b'x')
except BlockingIOError:
    pass
tool = subprocess.Popen([
    sys.argv[1], '--violations=report', '', '/bin/sh', '-c',
    'for i in $(seq 100); do mkdir /usr/encapsulate-no-$i; done 2>/dev/null; '
    'echo'], stdout=subprocess.PIPE, stderr=writer)
os.close(writer)
tool.stdout.read(1)
# The command has ended, and the tool with it or waits for the reader.
process = f'/proc/{tool.pid}'
while tool.poll() is None:
    state = open(process + '/stat').read().rpartition(') ')[2][0]
    if state == 'S' and not open(f'{process}/task/{tool.pid}/children').read():
        break
    time.sleep(0.001)
text = b''.join(iter(lambda: os.read(reader, 100), b'')).decode()
tool.wait()
print(text.count(' x  make'), 'has them all' in text.splitlines()[-1])
)";
  const Finished finished =
      RunProgram({"/usr/bin/python3", "-c", script, ToolPath()});
  EXPECT_EQ(finished.errors, "");
  EXPECT_THAT(finished.output, "10 True\n");
}

TEST_F(ToolTest, CountsViolationsInItsStatus) {
  std::vector<std::string> arguments = {"--violations=enforce", ""};
  arguments.insert(arguments.end(), Reaching().begin(), Reaching().end());
  EXPECT_THAT(
      StatusOf(arguments),
      AllOf(HasSubstr("\"exit_code\":0,\"signal\":null,\"status\":122,"),
            HasSubstr("\"violations\":1,\"violations_beyond\":0,"
                      "\"violations_unseen\":0,")));
}

// Runs `script` once to learn, in the directory `tree`, and then with what was
// learned.
void ExpectLessonHelps(const std::string& tree, const std::string& script,
                       const std::string& lesson) {
  SCOPED_TRACE(script);
  // A home directory isn't given away.
  const auto prepare = [&] { MustWork(chdir(tree.c_str()), "chdir"); };
  const Finished learned =
      RunTool({"--learn", "/bin/sh", "-c", script}, prepare);
  const std::string prefix = "encapsulate: learned: ";
  const size_t at = learned.errors.find(prefix);
  ASSERT_NE(at, std::string::npos) << learned.errors;
  const size_t start = at + prefix.size();
  const std::string flags =
      learned.errors.substr(start, learned.errors.find('\n', start) - start);
  EXPECT_THAT(flags, MatchesRegex(lesson));
  const Finished again = RunProgram(
      {"/bin/sh", "-c",
       absl::StrCat("exec \"$0\" --violations=enforce --status-fd=2 ", flags,
                    " -- \"$@\""),
       ToolPath(), "/bin/sh", "-c", script},
      prepare);
  EXPECT_THAT(again.errors, HasSubstr("\"violations\":0,"));
  EXPECT_NE(again.exit_code, 122);
}

TEST_F(ToolTest, LearnsWhatACommandNeeds) {
  for (const char* name : {"/a", "/a/b", "/c d"}) {
    std::filesystem::create_directory(tree_ + name);
  }
  std::ofstream(tree_ + "/file") << "x";
  const std::string cd = "cd " + tree_ + "; ";
  // One tree for all that is in it, and nothing else.
  ExpectLessonHelps(tree_, cd + "touch a/1 a/b/2; mkdir a/b/3",
                    "--writable=" + tree_ + "/a");
  ExpectLessonHelps(
      tree_, cd + "touch 'c d/1' a/4",
      "--writable=" + tree_ + "/a --writable='" + tree_ + "/c d'");
  // A file that is there doesn't need its directory.
  ExpectLessonHelps(tree_, cd + "echo x > file",
                    "--writable=" + tree_ + "/file");
  ExpectLessonHelps(tree_, "kill -0 3999999", "--allow='signal:pid \\*'");
}

TEST_F(ToolTest, LearnsThatNothingIsNeeded) {
  const Finished finished = RunTool({"--learn", "/bin/ls", "/"});
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_EQ(finished.errors, "encapsulate: learned: no flag is needed\n");
}

// Runs `script` to learn, with the flags that are known.
std::string Lesson(const std::string& script, const std::string& flags,
                   const std::string& directory) {
  return RunProgram({"/bin/sh", "-c",
                     absl::StrCat("exec \"$0\" --learn ", flags, " -- \"$@\""),
                     ToolPath(), "/bin/sh", "-c", script},
                    [&] { MustWork(chdir(directory.c_str()), "chdir"); })
      .errors;
}

TEST_F(ToolTest, SaysThatThereIsMoreToLearnFromACommandThatFailed) {
  for (const char* name : {"/a", "/b"}) {
    std::filesystem::create_directory(tree_ + name);
  }
  const std::string script =
      "cd " + tree_ + " && : >a/1 && : >b/2 && kill -0 3999999 || exit 3";
  const std::string a = "--writable=" + tree_ + "/a";
  const std::string b = "--writable=" + tree_ + "/b";
  const std::string signal = "--allow='signal:pid *'";
  const std::string more =
      "encapsulate: learned: that may not be all, since the command failed; "
      "hint: learn again with these flags in front of it\n";
  const std::string prefix = "encapsulate: learned: ";
  EXPECT_THAT(Lesson(script, "", tree_), EndsWith(prefix + a + "\n" + more));
  // What was learned before stands in front.
  EXPECT_THAT(Lesson(script, a, tree_),
              EndsWith(prefix + a + " " + b + "\n" + more));
  const std::string all = a + " " + b + " " + signal;
  EXPECT_THAT(Lesson(script, a + " " + b, tree_),
              EndsWith(prefix + all + "\n" + more));
  // It still fails, but not for what was refused.
  EXPECT_THAT(Lesson(script, all, tree_), EndsWith(prefix + all + "\n"));
  EXPECT_THAT(Lesson("cd " + tree_ + "; touch a/3 b/4; :", "", tree_),
              EndsWith(prefix + a + " " + b + "\n"));
}

TEST_F(ToolTest, LearnsToGiveAwayNoHome) {
  // The home directory of these tests is the one that the tree lies in.
  const std::string home = ScratchPath();
  const std::string touch = "touch /tmp/learned 2>/dev/null; :";
  const std::string script = "mkdir -p ~/.cache/x 2>/dev/null; " + touch;
  const std::string prefix = "encapsulate: learned: ";
  EXPECT_EQ(Lesson(script, "", tree_), prefix + "--hermetic\n");
  EXPECT_EQ(Lesson(script, "--hermetic", tree_), prefix + "--hermetic\n");
  EXPECT_EQ(Lesson(touch, "", tree_), prefix + "--tmp\n");
  EXPECT_EQ(Lesson(touch, "--tmp", tree_), prefix + "--tmp\n");
  // Who doesn't go by HOME, and who works in the home directory itself.
  const std::string stubborn = "touch " + home + "/x 2>/dev/null; :";
  // The random part of the name may have become a '*'.
  EXPECT_THAT(
      Lesson(stubborn, "--hermetic --show=" + home, tree_),
      AllOf(StartsWith(prefix + "--hermetic --allow='write:/tmp/encapsulate-"),
            EndsWith(home.substr(home.rfind('/')) + "/*'\n")));
  EXPECT_EQ(Lesson(stubborn, "", home), prefix + "--hermetic\n");
  // Unless it is asked for.
  EXPECT_EQ(RunTool({"--learn=permit", "/bin/sh", "-c", stubborn}).errors,
            prefix + "--writable=" + home + "\n");
}

TEST_F(ToolTest, LearnsFromRealPrograms) {
  const std::string cd = "cd " + tree_ + "; ";
  ExpectLessonHelps(tree_, "git init -q " + tree_ + "/repository",
                    "--writable=" + tree_);
  ExpectLessonHelps(
      tree_,
      cd + "printf 'int main(){}' > x.c; cc -pipe -c -o x.o -x c /dev/null",
      "--writable=" + tree_);
  ExpectLessonHelps(tree_, "tar -C /usr/share -cf " + tree_ + "/x.tar misc",
                    "--writable=" + tree_);
  ExpectLessonHelps(
      tree_,
      "python3 -c 'import socket; "
      "socket.socket(type=socket.SOCK_DGRAM).sendto(b\"x\", (\"192.0.2.1\", "
      "9))'",
      "--allow=network:192.0.2.1:9");
  ExpectLessonHelps(tree_, "echo 1 > /proc/sys/vm/swappiness",
                    "--allow=write:/proc/sys/vm/swappiness");
  ExpectLessonHelps(tree_, "unshare --mount true",
                    "--allow=privilege:CLONE_NEWNS");
}

// --- Bazel
// ----------------------------------------------------------------------

TEST_F(ToolTest, RunsABazelTestWithItsOutputsWritable) {
  const std::string program = tree_ + "/program";
  std::ofstream(program)
      << "#!/bin/sh\necho x > $TEST_UNDECLARED_OUTPUTS_DIR/y "
         "&& echo $1; echo x > "
      << tree_ << "/z\n";
  chmod(program.c_str(), 0755);
  std::filesystem::create_directory(tree_ + "/outputs");
  const auto prepare = [&] {
    setenv("TEST_TARGET", "//a:b", 1);
    setenv("TEST_SRCDIR", tree_.c_str(), 1);
    setenv("TEST_BINARY", program.c_str(), 1);
    setenv("TEST_UNDECLARED_OUTPUTS_DIR", (tree_ + "/outputs").c_str(), 1);
  };
  for (const std::vector<std::string>& arguments :
       std::initializer_list<std::vector<std::string>>{
           {program, "argument"},
           {"--network=none", "--", program, "argument"}}) {
    const Finished finished = RunTool(arguments, prepare);
    EXPECT_EQ(finished.output, "argument\n");
    EXPECT_TRUE(std::filesystem::remove(tree_ + "/outputs/y"));
    EXPECT_FALSE(std::filesystem::exists(tree_ + "/z"));
  }
}

TEST_F(ToolTest, StartsWhereBazelRunWasTyped) {
  const std::string runfiles = tree_ + "/encapsulate.runfiles/_main";
  std::filesystem::create_directories(runfiles);
  const auto prepare = [&](const std::string& directory) {
    return [this, directory] {
      setenv("BUILD_WORKING_DIRECTORY", tree_.c_str(), 1);
      MustWork(chdir(directory.c_str()), "chdir");
    };
  };
  EXPECT_EQ(RunTool({"", "/bin/pwd"}, prepare(runfiles)).output, tree_ + "\n");
  // In a command that `bazel run` started, the directory is the command's.
  EXPECT_EQ(RunTool({"", "/bin/pwd"}, prepare("/usr")).output, "/usr\n");
  // bazelw was called from outside of the project.
  const Finished outside = RunTool(
      {"", "/bin/sh", "-c", "pwd; echo ${BAZELW_WORKING_DIRECTORY-unset}"},
      [&] {
        prepare(runfiles)();
        setenv("BAZELW_WORKING_DIRECTORY", "/usr", 1);
      });
  EXPECT_EQ(outside.output, "/usr\nunset\n");
}

// --- Signals
// --------------------------------------------------------------------

// The tool, running, with a pipe from the command's standard output.
class Running {
 public:
  explicit Running(const std::vector<std::string>& arguments) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    std::vector<std::string> command = {ToolPath()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[1], 1);
      std::vector<char*> argv;
      argv.reserve(command.size() + 1);
      for (std::string& argument : command) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(99);
    }
    close(ends[1]);
    output_ = ends[0];
  }
  ~Running() {
    close(output_);
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      Wait();
    }
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  pid_t pid() const { return pid_; }

  std::string ReadLine() const {
    std::string line;
    char c;
    while (read(output_, &c, 1) == 1 && c != '\n') line += c;
    return line;
  }

  // Returns when nobody holds the pipe's other end any more.
  std::string ReadToEnd() const {
    std::string text;
    char c;
    while (read(output_, &c, 1) == 1) text += c;
    return text;
  }

  int Wait() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  int output_ = -1;
};

class ForwardedSignalTest : public testing::TestWithParam<int> {};

TEST_P(ForwardedSignalTest, ReachesTheCommandAndNothingElse) {
  Running tool({"", "/usr/bin/python3", "-c",
                "import signal, sys\n"
                "every = set(signal.Signals) - {signal.SIGCHLD}\n"
                "signal.pthread_sigmask(signal.SIG_BLOCK, every)\n"
                "print('ready', flush=True)\n"
                "print(int(signal.sigwait(every)), flush=True)\n"
                "sys.exit(7)\n"});
  ASSERT_EQ(tool.ReadLine(), "ready");
  ASSERT_EQ(kill(tool.pid(), GetParam()), 0);
  EXPECT_EQ(tool.ReadLine(), absl::StrCat(GetParam()));
  const int status = tool.Wait();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

INSTANTIATE_TEST_SUITE_P(Signals, ForwardedSignalTest,
                         testing::Values(SIGTERM, SIGINT, SIGHUP, SIGQUIT,
                                         SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH));

TEST_F(ToolTest, EndsWithTheCommandThatASignalEnds) {
  Running tool({"", "/bin/sh", "-c", "echo ready; exec /bin/sleep 1000"});
  ASSERT_EQ(tool.ReadLine(), "ready");
  ASSERT_EQ(kill(tool.pid(), SIGTERM), 0);
  const int status = tool.Wait();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 143);
}

TEST_F(ToolTest, LeavesNothingWhenItIsKilled) {
  Running tool({"", "/bin/sh", "-c",
                "(trap '' HUP TERM; setsid /bin/sleep 1000) & echo ready; "
                "exec /bin/sleep 1000"});
  ASSERT_EQ(tool.ReadLine(), "ready");
  ASSERT_EQ(kill(tool.pid(), SIGKILL), 0);
  // Every process of the sandbox held the pipe.
  EXPECT_EQ(tool.ReadToEnd(), "");
  EXPECT_TRUE(WIFSIGNALED(tool.Wait()));
}

}  // namespace
}  // namespace encapsulate::tool
