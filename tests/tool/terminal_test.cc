// SPDX-License-Identifier: Apache-2.0
//
// Job control in an interactive shell on a terminal of its own: what is typed
// reaches the command, and the shell gets its terminal back.
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tool.h"

namespace encapsulate::tool {
namespace {

constexpr char kInterrupt[] = "\x03";
constexpr char kStop[] = "\x1a";
constexpr char kPrompt[] = "PROMPT> ";
constexpr int kPatience = 60000;  // milliseconds; only a failure takes as long

// An interactive bash on a terminal.
class Shell {
 public:
  Shell() {
    pid_ = forkpty(&terminal_, nullptr, nullptr, nullptr);
    if (pid_ == 0) {
      setenv("PS1", kPrompt, 1);
      setenv("TERM", "dumb", 1);
      unsetenv("PROMPT_COMMAND");
      // Without line editing nothing that is typed is shown twice, and what is
      // typed ahead is the next program's.
      execlp("bash", "bash", "--norc", "--noprofile", "--noediting", "-i",
             nullptr);
      _exit(127);
    }
    WaitFor(kPrompt);
    Run("set -b");
  }
  ~Shell() {
    kill(pid_, SIGKILL);
    close(terminal_);
    waitpid(pid_, nullptr, 0);
  }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  void Type(const std::string& text) const {
    EXPECT_EQ(write(terminal_, text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }

  // Reads up to `text` and forgets it.
  void WaitFor(const std::string& text) {
    size_t at;
    while ((at = seen_.find(text)) == std::string::npos) {
      struct pollfd event = {terminal_, POLLIN, 0};
      char buffer[4096];
      const ssize_t size = poll(&event, 1, kPatience) == 1
                               ? read(terminal_, buffer, sizeof(buffer))
                               : 0;
      ASSERT_GT(size, 0) << "waiting for '" << text << "' after: " << seen_;
      seen_.append(buffer, static_cast<size_t>(size));
    }
    seen_.erase(0, at + text.size());
  }

  // Runs a line to its end.
  void Run(const std::string& line) {
    Type(line + "\n");
    WaitFor("\n");
    WaitFor(kPrompt);
  }

  // Whether the shell still reads and runs what is typed.
  void ExpectAlive() {
    for (const char* mark : {"one", "two"}) {
      Type(absl::StrCat("echo ali''ve-", mark, "\n"));
      WaitFor(absl::StrCat("alive-", mark));
    }
    WaitFor(kPrompt);
  }

  void ExpectExitCode(int code) {
    Type("echo co''de=$?\n");
    WaitFor(absl::StrCat("code=", code, "\r\n"));
  }

 private:
  pid_t pid_ = -1;
  int terminal_ = -1;
  std::string seen_;
};

class TerminalTest : public testing::Test {
 protected:
  void SetUp() override {
    tree_ = ScratchPath() + "/tree";
    std::filesystem::create_directory(tree_);
    pipe_ = tree_ + "/pipe";
    ASSERT_EQ(mkfifo(pipe_.c_str(), 0600), 0);
    // Open for reading as well, so that opening never waits.
    held_ = open(pipe_.c_str(), O_RDWR | O_CLOEXEC);
  }
  void TearDown() override {
    close(held_);
    std::filesystem::remove_all(tree_);
  }

  // A command line; the pipe is in a tree that may be written.
  std::string Tool(const std::string& command) const {
    return absl::StrCat(ToolPath(), " ", tree_, " ", command);
  }

  // Writes a line into the pipe, which the command waits for.
  void Feed(const std::string& line) const {
    const std::string text = line + "\n";
    EXPECT_EQ(write(held_, text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }

  std::string tree_;
  std::string pipe_;
  int held_ = -1;
  Shell shell_;
};

TEST_F(TerminalTest, CtrlCInterruptsTheCommand) {
  shell_.Type(Tool("cat\n"));
  shell_.Type("ready\n");
  shell_.WaitFor("\nready\r\nready\r\n");
  shell_.Type(kInterrupt);
  shell_.WaitFor(kPrompt);
  shell_.ExpectExitCode(130);
}

TEST_F(TerminalTest, CtrlCEndsAShellsLoop) {
  shell_.Type(absl::StrCat("for i in 1 2 3; do ", Tool("cat"), "; done\n"));
  shell_.Type("ready\n");
  shell_.WaitFor("\nready\r\nready\r\n");
  shell_.Type(kInterrupt);
  shell_.WaitFor(kPrompt);
  shell_.ExpectAlive();
}

TEST_F(TerminalTest, CtrlZStopsAndFgContinues) {
  shell_.Type(Tool("sh -c 'echo rea\"\"dy; read x; echo got-$x'\n"));
  shell_.WaitFor("ready\r\n");
  shell_.Type(kStop);
  shell_.WaitFor("Stopped");
  shell_.WaitFor(kPrompt);
  shell_.Type("fg\n");
  shell_.Type("hello\n");
  shell_.WaitFor("got-hello");
  shell_.WaitFor(kPrompt);
  shell_.ExpectExitCode(0);
}

TEST_F(TerminalTest, AStoppedCommandEndsInTheBackground) {
  shell_.Type(
      Tool("sh -c 'echo rea\"\"dy; read x < " + pipe_ + "; echo got-$x'\n"));
  shell_.WaitFor("ready\r\n");
  shell_.Type(kStop);
  shell_.WaitFor("Stopped");
  shell_.WaitFor(kPrompt);
  shell_.Run("bg");
  Feed("hello");
  shell_.WaitFor("got-hello");
  // The shell waits for the tool's end, and is still there afterwards.
  shell_.Run("wait");
  shell_.ExpectAlive();
}

TEST_F(TerminalTest, ACommandRunsInTheBackgroundFromItsStart) {
  shell_.Run(Tool("sh -c 'read x < " + pipe_ + "; echo got-$x' &"));
  Feed("hello");
  shell_.WaitFor("got-hello");
  shell_.Run("wait");
  shell_.ExpectAlive();
}

TEST_F(TerminalTest, ABackgroundCommandThatReadsStopsUntilFg) {
  shell_.Type(Tool("sh -c 'read x; echo got-$x' &\n"));
  shell_.WaitFor("Stopped");
  shell_.Type("fg\n");
  shell_.Type("hello\n");
  shell_.WaitFor("got-hello");
  shell_.WaitFor(kPrompt);
  shell_.ExpectAlive();
}

TEST_F(TerminalTest, AStoppedBackgroundCommandEndsInTime) {
  shell_.Type(ToolPath() + " --timeout=0.3 '' sh -c 'read x' &\n");
  shell_.WaitFor("Stopped");
  shell_.WaitFor("Exit 124");
  shell_.ExpectAlive();
}

TEST_F(TerminalTest, AnInteractiveShellInsideControlsItsJobs) {
  shell_.Type(
      Tool("env PS1='INN''ER> ' bash --norc --noprofile --noediting -i\n"));
  shell_.WaitFor("INNER> ");
  shell_.Type("cat\n");
  shell_.Type("ready\n");
  shell_.WaitFor("ready\r\nready\r\n");
  shell_.Type(kStop);
  shell_.WaitFor("Stopped");
  shell_.WaitFor("INNER> ");
  shell_.Type("fg\n");
  shell_.WaitFor("cat\r\n");
  shell_.Type("again\n");
  shell_.WaitFor("again\r\nagain\r\n");
  shell_.Type(kInterrupt);
  shell_.WaitFor("INNER> ");
  shell_.Type("exit 7\n");
  shell_.WaitFor(kPrompt);
  shell_.ExpectExitCode(7);
}

TEST_F(TerminalTest, TerminalModesAreRestoredAfterAKilledCommand) {
  shell_.Run(Tool("sh -c 'stty -echo -icanon; kill -9 $$'"));
  shell_.Type("stty -a | grep -o -e '-*icanon' | sed 's/^/mode=/'\n");
  shell_.WaitFor("mode=icanon\r\n");
}

TEST_F(TerminalTest, AScriptHasTheTerminalBackFromACommandThatTookIt) {
  shell_.Type(absl::StrCat(
      "sh -c \"", Tool("/usr/bin/python3 -c '"),
      "import os, signal; signal.signal(signal.SIGTTOU, signal.SIG_IGN); "
      "os.fork() or (os.setpgid(0, 0), os.tcsetpgrp(0, os.getpgrp()), "
      "os._exit(0)); os.wait()'; echo en''ded; read x; echo got-\\$x\"\n"));
  shell_.WaitFor("ended\r\n");
  shell_.Type("abc\n");
  shell_.WaitFor("got-abc\r\n");
  shell_.ExpectAlive();
}

TEST_F(TerminalTest, TheRestOfAPipelineCanReadTheTerminal) {
  shell_.Type(Tool("cat " + pipe_) +
              " | sh -c 'read x < /dev/tty; echo tty-$x; read y; echo got-$y'"
              "\n");
  shell_.Type("typed\n");
  shell_.WaitFor("tty-typed");
  Feed("hello");
  shell_.WaitFor("got-hello");
}

TEST_F(TerminalTest, TheEndOfAPipelineCanReadTheTerminal) {
  shell_.Type("echo in | " +
              Tool("sh -c 'cat; read x < /dev/tty; echo tty-$x'\n"));
  shell_.WaitFor("\nin\r\n");
  shell_.Type("typed\n");
  shell_.WaitFor("tty-typed");
  shell_.WaitFor(kPrompt);
  shell_.ExpectAlive();
}

TEST_F(TerminalTest, CtrlCInterruptsAPipeline) {
  shell_.Type(Tool("cat " + pipe_) + " | cat\n");
  Feed("ready");
  shell_.WaitFor("\nready\r\n");
  shell_.Type(kInterrupt);
  shell_.WaitFor(kPrompt);
  shell_.Type("echo co''de=${PIPESTATUS[0]}\n");
  shell_.WaitFor("code=130\r\n");
}

TEST_F(TerminalTest, CtrlZStopsAPipelineAndFgContinues) {
  shell_.Type(Tool("cat " + pipe_) + " | cat\n");
  Feed("ready");
  shell_.WaitFor("\nready\r\n");
  shell_.Type(kStop);
  shell_.WaitFor("Stopped");
  shell_.WaitFor(kPrompt);
  shell_.Type("fg\n");
  Feed("more");
  shell_.WaitFor("\nmore\r\n");
  shell_.Type(kInterrupt);
  shell_.WaitFor(kPrompt);
  shell_.ExpectAlive();
}

TEST_F(TerminalTest, TheShellSurvivesAKilledTool) {
  shell_.Type(Tool("cat\n"));
  shell_.Type("ready\n");
  shell_.WaitFor("\nready\r\nready\r\n");
  shell_.Type(kStop);
  shell_.WaitFor("Stopped");
  shell_.WaitFor(kPrompt);
  shell_.Run("kill -9 %1; wait");
  shell_.ExpectAlive();
}

TEST_F(TerminalTest, ErrorsAreRedForPeopleOnly) {
  shell_.Type("TERM=xterm " + ToolPath() + " --xyzzy\n");
  shell_.WaitFor("\033[1;31mencapsulate:\033[0m there is no flag");
  shell_.WaitFor(kPrompt);
  shell_.Type("TERM=xterm NO_COLOR=1 " + ToolPath() + " --xyzzy\n");
  shell_.WaitFor("\nencapsulate: there is no flag");
  shell_.WaitFor(kPrompt);
  shell_.Type("TERM=xterm " + ToolPath() + " --xyzzy 2>&1 | cat\n");
  shell_.WaitFor("\nencapsulate: there is no flag");
}

TEST_F(TerminalTest, TheSummaryIsRedForPeopleOnly) {
  const std::string tool =
      ToolPath() + " --violations=report '' mkdir /usr/encapsulate-no";
  const std::string summary = "encapsulate: violations: 1, tried 1 time\r\n";
  const std::string rest =
      "encapsulate: /usr/bin/mkdir, write: nothing changes outside writable "
      "trees\r\nencapsulate:      1 x  make the directory "
      "'/usr/encapsulate-no': read-only file system (EROFS)\r\n";
  shell_.Type("TERM=xterm " + tool + "\n");
  shell_.WaitFor(
      "\n\033[1;31mencapsulate:\033[0m violations: 1, tried 1 time\r\n" + rest);
  shell_.WaitFor(kPrompt);
  for (const char* plain : {"TERM=xterm NO_COLOR=1 ", "TERM=dumb "}) {
    shell_.Type(plain + tool + "\n");
    shell_.WaitFor("\n" + summary + rest);
    shell_.WaitFor(kPrompt);
  }
  shell_.Type("TERM=xterm " + tool + " 2>&1 | cat\n");
  shell_.WaitFor("\n" + summary + rest);
}

}  // namespace
}  // namespace encapsulate::tool
