// SPDX-License-Identifier: Apache-2.0
//
// The tool with the programs that people run in it. Every script runs as a
// person would type it, in a directory of its own, with `encapsulate` on PATH.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "encapsulate/base/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

constexpr char kSystemPath[] = "/usr/bin:/bin:/usr/sbin:/sbin";

bool Matches(const std::string& text, const std::string& pattern) {
  return std::regex_match(text, std::regex(pattern));
}

std::string Directory(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

class RealProgramsTest : public ::testing::Test {
 protected:
  RealProgramsTest() : mounts_(CountMounts()) {
    setenv("PATH",
           absl::StrCat(Directory(ToolPath()), ":", kSystemPath).c_str(), 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    // Nothing that git leaves working in the background.
    setenv("GIT_CONFIG_COUNT", "1", 1);
    setenv("GIT_CONFIG_KEY_0", "maintenance.auto", 1);
    setenv("GIT_CONFIG_VALUE_0", "false", 1);
    // Processes that lose their parent become children of this one, where
    // they are counted.
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  }

  void TearDown() override {
    EXPECT_EQ(CountChildren(), 0) << "processes are left";
    EXPECT_EQ(CountMounts(), mounts_) << "mounts are left";
  }

  // What the script writes to standard output and error, without the last
  // newline, then "<exit N>" or "<signal N>" if it didn't succeed.
  std::string Shell(const std::string& script) const {
    const UniqueFd output(memfd_create("output", MFD_CLOEXEC));
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
      const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (chdir(scratch_.path().c_str()) == 0 && dup2(null, 0) == 0 &&
          dup2(output.get(), 1) == 1 && dup2(output.get(), 2) == 2) {
        execl("/bin/bash", "bash", "-c", script.c_str(), nullptr);
      }
      _exit(127);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    std::string text = ReadAll(absl::StrCat("/proc/self/fd/", output.get()));
    if (absl::EndsWith(text, "\n")) text.pop_back();
    if (WIFSIGNALED(status)) {
      absl::StrAppend(&text, "<signal ", WTERMSIG(status), ">");
    } else if (WEXITSTATUS(status) != 0) {
      absl::StrAppend(&text, "<exit ", WEXITSTATUS(status), ">");
    }
    return text;
  }

  bool HostHas(absl::string_view program) const {
    return Shell(absl::StrCat("command -v ", program, " >/dev/null")).empty();
  }

  const Scratch scratch_;

 private:
  const int mounts_;
};

// A terminal with a program in it, and a person before it.
class Terminal {
 public:
  explicit Terminal(const std::vector<std::string>& command,
                    const std::string& directory) {
    std::vector<char*> argv;
    argv.reserve(command.size() + 1);
    for (const std::string& argument : command) {
      argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    int master = -1;
    fflush(stdout);
    child_ = forkpty(&master, nullptr, nullptr, nullptr);
    if (child_ == 0) {
      termios modes;
      tcgetattr(0, &modes);
      modes.c_lflag &= ~static_cast<tcflag_t>(ECHO);
      tcsetattr(0, TCSANOW, &modes);
      if (chdir(directory.c_str()) == 0) execvp(argv[0], argv.data());
      _exit(127);
    }
    EXPECT_GT(child_, 0) << strerror(errno);
    master_ = UniqueFd(master);
  }

  ~Terminal() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void Type(absl::string_view keys) {
    ASSERT_EQ(write(master_.get(), keys.data(), keys.size()),
              static_cast<ssize_t>(keys.size()));
  }

  // Waits until `text` appears and returns what came before it. Whoever looks
  // at the screen next sees what comes after it.
  std::string Until(absl::string_view text) {
    size_t found;
    while ((found = screen_.find(std::string(text))) == std::string::npos) {
      if (!ReadMore()) {
        ADD_FAILURE() << "the terminal never shows '" << text << "' but\n"
                      << screen_;
        return "";
      }
    }
    std::string before = screen_.substr(0, found);
    screen_.erase(0, found + text.size());
    return before;
  }

  // Types a line and returns what appears before the next prompt.
  std::string Answer(absl::string_view line, absl::string_view prompt) {
    Type(absl::StrCat(line, "\n"));
    return Until(prompt);
  }

  // How the program ended, once it has.
  int End() {
    while (ReadMore()) {
    }
    int status = -1;
    EXPECT_EQ(waitpid(child_, &status, 0), child_);
    child_ = -1;
    return status;
  }

  pid_t program() const { return child_; }
  pid_t foreground() const { return tcgetpgrp(master_.get()); }

  // The settings that stty shows.
  std::string modes() const {
    termios modes = {};
    EXPECT_EQ(tcgetattr(master_.get(), &modes), 0);
    return absl::StrCat(modes.c_iflag, " ", modes.c_oflag, " ", modes.c_cflag,
                        " ", modes.c_lflag);
  }

 private:
  // A minute of silence is long enough to give up.
  bool ReadMore() {
    pollfd wait = {master_.get(), POLLIN, 0};
    if (poll(&wait, 1, 60000) != 1) return false;
    char buffer[4096];
    const ssize_t size = read(master_.get(), buffer, sizeof(buffer));
    if (size <= 0) return false;
    screen_.append(buffer, static_cast<size_t>(size));
    return true;
  }

  pid_t child_;
  UniqueFd master_;
  std::string screen_;
};

class TerminalTest : public RealProgramsTest {
 protected:
  TerminalTest() {
    setenv("PS1", "outer> ", 1);
    setenv("TERM", "dumb", 1);
    unsetenv("PROMPT_COMMAND");
  }

  const std::vector<std::string> kShell = {"bash", "--norc", "--noprofile",
                                           "--noediting"};
  // What the original's documentation suggests, in a shell.
  const std::string kEncapsulatedShell =
      "encapsulate '/tmp|DIR' env PS1='inner> ' bash --norc --noprofile "
      "--noediting";
};

TEST_F(TerminalTest, ShellInsideWritesOnlyWhereItMay) {
  scratch_.Directory("DIR");
  scratch_.Directory("DIR2");
  scratch_.Directory("other");
  Terminal terminal(kShell, scratch_.path());
  terminal.Until("outer> ");
  // The scratch lies in /tmp, so a second directory takes that one's place.
  terminal.Answer(
      "encapsulate 'DIR2|DIR' env PS1='inner> ' bash --norc"
      " --noprofile --noediting",
      "inner> ");
  EXPECT_EQ(terminal.Answer("echo y >DIR2/file", "inner> "), "");
  EXPECT_EQ(terminal.Answer("echo x >DIR/file; cat DIR/file", "inner> "),
            "x\r\n");
  EXPECT_EQ(terminal.Answer("echo x >other/file", "inner> "),
            "bash: other/file: Read-only file system\r\n");
  terminal.Type("\x04");
  EXPECT_EQ(terminal.Until("outer> "), "exit\r\n");
  EXPECT_EQ(terminal.Answer("cat DIR/file; ls other", "outer> "), "x\r\n");
  terminal.Type("\x04");
  EXPECT_EQ(terminal.End(), 0);
}

TEST_F(TerminalTest, JobsInsideGoToTheBackgroundAndComeBack) {
  scratch_.Directory("DIR");
  Terminal terminal(kShell, scratch_.path());
  terminal.Until("outer> ");
  terminal.Answer(kEncapsulatedShell, "inner> ");

  EXPECT_TRUE(
      Matches(terminal.Answer("sleep 1000 &", "inner> "), "\\[1\\] \\d+\r\n"));
  EXPECT_TRUE(Matches(terminal.Answer("jobs", "inner> "),
                      "\\[1\\]\\+ +Running +sleep 1000 &\r\n"));
  EXPECT_TRUE(absl::StrContains(terminal.Answer("kill %1; wait %1", "inner> "),
                                "Terminated"));

  // A job in the background that reads from the terminal stops.
  terminal.Answer("set -b", "inner> ");
  terminal.Type("sh -c 'read line; echo got $line; exec sleep 1000' &\n");
  terminal.Until("Stopped");
  terminal.Type("fg\n");
  terminal.Type("a line\n");
  terminal.Until("got a line");
  terminal.Type("\x03");
  terminal.Until("inner> ");
  EXPECT_EQ(terminal.Answer("echo $?", "inner> "), "130\r\n");

  terminal.Type("sh -c 'echo waiting; exec sleep 1000'\n");
  terminal.Until("waiting");
  terminal.Type("\x1a");
  terminal.Until("Stopped");
  terminal.Until("inner> ");
  EXPECT_EQ(terminal.Answer("echo $?", "inner> "), "148\r\n");
  EXPECT_TRUE(absl::StrContains(
      terminal.Answer("bg; kill %1; wait %1", "inner> "), "Terminated"));

  terminal.Type("\x04");
  terminal.Until("outer> ");
  terminal.Type("exit 0\n");
  EXPECT_EQ(terminal.End(), 0);
}

TEST_F(TerminalTest, CtrlCInterruptsTheProgramAndNotTheShells) {
  scratch_.Directory("DIR");
  Terminal terminal(kShell, scratch_.path());
  terminal.Until("outer> ");
  terminal.Answer(kEncapsulatedShell, "inner> ");
  const std::string shell = terminal.Answer("echo $$", "inner> ");
  terminal.Type("sh -c 'echo waiting; exec sleep 1000'\n");
  terminal.Until("waiting");
  terminal.Type("\x03");
  terminal.Until("inner> ");
  EXPECT_EQ(terminal.Answer("echo $?", "inner> "), "130\r\n");
  EXPECT_EQ(terminal.Answer("echo $$", "inner> "), shell);
  terminal.Answer("exit 3", "outer> ");
  EXPECT_EQ(terminal.Answer("echo $?", "outer> "), "3\r\n");
  terminal.Type("exit\n");
  EXPECT_EQ(terminal.End(), 0);
}

TEST_F(TerminalTest, CtrlCEndsAProgramInAScriptAndTheScript) {
  scratch_.File("script",
                "encapsulate '' sh -c 'echo ready; exec sleep 1000'\n"
                "echo never\n");
  Terminal terminal(kShell, scratch_.path());
  terminal.Until("outer> ");
  terminal.Type("bash ./script\n");
  terminal.Until("ready");
  terminal.Type("\x03");
  EXPECT_FALSE(absl::StrContains(terminal.Until("outer> "), "never"));
  EXPECT_EQ(terminal.Answer("echo $?", "outer> "), "130\r\n");
  terminal.Type("\x04");
  EXPECT_EQ(terminal.End(), 0);
}

TEST_F(TerminalTest, CallerGetsItsTerminalBackAsItWas) {
  scratch_.Directory("DIR");
  Terminal terminal(kShell, scratch_.path());
  terminal.Until("outer> ");
  const std::string modes = terminal.modes();
  EXPECT_EQ(terminal.foreground(), terminal.program());
  terminal.Answer(kEncapsulatedShell, "inner> ");
  EXPECT_NE(terminal.foreground(), terminal.program());
  EXPECT_TRUE(Matches(terminal.Answer("tty", "inner> "), "/dev/.+\r\n"));
  EXPECT_EQ(
      terminal.Answer("test -t 0 && test -w $(tty) && echo ok", "inner> "),
      "ok\r\n");
  terminal.Type("perl -e '$| = 1; print qq(ready\\n); sleep' &\n");
  terminal.Until("ready");
  terminal.Type("\x04");
  const std::string end = terminal.Until("outer> ");
  EXPECT_TRUE(absl::StrContains(end, "encapsulate: killed 'perl -e ")) << end;
  EXPECT_EQ(terminal.foreground(), terminal.program());
  EXPECT_EQ(terminal.modes(), modes);
  EXPECT_EQ(terminal.Answer("jobs; ps -o comm= --ppid $$", "outer> "),
            "ps\r\n");
  terminal.Type("\x04");
  EXPECT_EQ(terminal.End(), 0);
}

TEST_F(TerminalTest, ToolMayBeTheTerminalsOnlyProgram) {
  scratch_.Directory("DIR");
  Terminal terminal({"encapsulate", "/tmp|DIR", "bash", "--norc", "--noprofile",
                     "--noediting"},
                    scratch_.path());
  terminal.Until("outer> ");
  terminal.Type("sh -c 'echo waiting; exec sleep 1000'\n");
  terminal.Until("waiting");
  terminal.Type("\x03");
  terminal.Until("outer> ");
  EXPECT_EQ(terminal.Answer("echo $?", "outer> "), "130\r\n");
  terminal.Type("exit 5\n");
  EXPECT_EQ(WEXITSTATUS(terminal.End()), 5);
}

TEST_F(TerminalTest, ProgramsInsideMakeTerminalsOfTheirOwn) {
  EXPECT_EQ(Shell("encapsulate '' script -qec tty /dev/null"), "/dev/pts/0\r");
}

TEST_F(RealProgramsTest, CompilesAndRunsAProgramInAWritableTree) {
  scratch_.File("hello.cc",
                "#include <iostream>\n"
                "int main() { std::cout << \"hello\" << std::endl; }\n");
  scratch_.Directory("tree");
  EXPECT_EQ(Shell("cd tree && encapsulate . sh -c "
                  "'g++ -o hello ../hello.cc && ./hello'"),
            "hello");
  EXPECT_EQ(Shell("encapsulate '' tree/hello"), "hello");

  const std::string refused =
      Shell("cd tree && encapsulate . g++ -o ../hello ../hello.cc");
  EXPECT_TRUE(absl::StrContains(refused, "Read-only file system")) << refused;
  EXPECT_TRUE(absl::EndsWith(refused, "<exit 1>")) << refused;
  EXPECT_EQ(Shell("ls"), "hello.cc\ntree");
}

class GitTest : public RealProgramsTest {
 protected:
  GitTest() {
    for (const char* name : {"GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL",
                             "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"}) {
      setenv(name, "someone@example.com", 1);
    }
    EXPECT_EQ(Shell("git init -q -b main repository && cd repository &&"
                    "echo one >file && git add file &&"
                    "git commit -q -m 'the first'"),
              "");
  }
};

TEST_F(RealProgramsTest, WatchedProgramsRaiseNoFalseAlarm) {
  scratch_.File("hello.cc",
                "#include <iostream>\n"
                "int main() { std::cout << \"hello\" << std::endl; }\n");
  scratch_.File("CMakeLists.txt",
                "cmake_minimum_required(VERSION 3.10)\n"
                "project(hello CXX)\n"
                "find_package(Threads REQUIRED)\n"
                "add_executable(hello hello.cc)\n");
  scratch_.File("test_it.py",
                "import socket, subprocess, tempfile, unittest\n"
                "class Test(unittest.TestCase):\n"
                "  def test_it(self):\n"
                "    with tempfile.TemporaryDirectory() as directory:\n"
                "      open(directory + '/file', 'w').close()\n"
                "    with socket.create_server(('127.0.0.1', 0)) as server:\n"
                "      socket.create_connection(server.getsockname()).close()\n"
                "    self.assertEqual(subprocess.check_output('true'), b'')\n");
  scratch_.File("database.py",
                "import sqlite3\n"
                "database = sqlite3.connect('tree/database')\n"
                "database.execute('pragma journal_mode=wal')\n"
                "database.execute('create table numbers (number)')\n"
                "database.executemany('insert into numbers values (?)',\n"
                "                     [(i,) for i in range(1000)])\n"
                "database.commit()\n"
                "database.execute('vacuum')\n");
  scratch_.Directory("tree");
  setenv("TMPDIR", (scratch_ / "tree").c_str(), 1);
  const std::string watched = "encapsulate --violations=enforce tree ";
  EXPECT_EQ(Shell(watched + "g++ -o tree/hello hello.cc"), "");
  EXPECT_EQ(Shell(watched + "tree/hello"), "hello");
  if (HostHas("cmake")) {
    EXPECT_EQ(Shell(watched + "cmake -S . -B tree/build >tree/log 2>&1"), "")
        << Shell("cat tree/log");
  }
  EXPECT_EQ(Shell(watched + "python3 -m unittest -q test_it 2>tree/log"), "")
      << Shell("cat tree/log");
  EXPECT_EQ(Shell(watched + "python3 database.py"), "");
  EXPECT_EQ(Shell(watched + "mkdir -p /usr/bin tree"), "");
}

TEST_F(RealProgramsTest, WatchedProgramsThatReachOutAreFound) {
  scratch_.File("reach.py",
                "import socket\n"
                "for attempt in (lambda: open('/etc/passwd', 'a'),\n"
                "                lambda: socket.create_connection(\n"
                "                    ('example.com', 80))):\n"
                "  try: attempt()\n"
                "  except OSError: pass\n");
  const std::string found =
      Shell("encapsulate --violations=enforce '' python3 reach.py");
  EXPECT_TRUE(absl::StrContains(found, "--allow=write:/etc/passwd")) << found;
  EXPECT_TRUE(absl::StrContains(found, "--allow=name:example.com")) << found;
  EXPECT_TRUE(absl::EndsWith(found, "<exit 122>")) << found;
}

// What a debugger holds can't be stopped, and is recorded all the same.
TEST_F(RealProgramsTest, WatchedProgramsWithADebuggerAreFound) {
  scratch_.Directory("tree");
  const struct {
    const char* name;
    const char* arguments;
  } debuggers[] = {{"strace", " -f -o /dev/null"},
                   {"gdb", " -q -batch -ex run --args"}};
  for (const auto& debugger : debuggers) {
    if (!HostHas(debugger.name)) continue;
    const std::string watched =
        absl::StrCat("encapsulate --violations=enforce tree ", debugger.name,
                     debugger.arguments, " mkdir ");
    const std::string found = Shell(watched + "/usr/nothing");
    EXPECT_TRUE(absl::StrContains(
        found,
        " 1 x  make the directory '/usr/nothing': probably read-only file "
        "system (EROFS)\n"))
        << found;
    const std::string silent = Shell(watched + "tree/made");
    EXPECT_FALSE(absl::StrContains(silent, "violations")) << silent;
    EXPECT_EQ(Shell("rmdir tree/made"), "");
  }
}

TEST_F(GitTest, RaisesNoFalseAlarm) {
  EXPECT_EQ(Shell("mkdir watched && encapsulate --violations=enforce watched "
                  "git clone -q repository watched/clone && "
                  "encapsulate --violations=enforce watched "
                  "git -C watched/clone log --format=%s"),
            "the first");
}

TEST_F(GitTest, ClonesIntoAWritableTree) {
  scratch_.Directory("tree");
  EXPECT_EQ(Shell("encapsulate tree git clone -q repository tree/clone"), "");
  EXPECT_EQ(Shell("git -C tree/clone log --format=%s && cat tree/clone/file"),
            "the first\none");

  const std::string refused =
      Shell("encapsulate tree git clone -q repository clone");
  EXPECT_EQ(refused,
            "fatal: could not create work tree dir 'clone': Read-only file "
            "system<exit 128>");
}

TEST_F(GitTest, ReadsAReadOnlyRepository) {
  const std::string index = "sha256sum <repository/.git/index";
  const std::string before = Shell(index);
  // The index is out of date, and git can't bring it up to date.
  EXPECT_EQ(Shell("touch -d tomorrow repository/file &&"
                  "echo two >repository/new &&"
                  "encapsulate '' git -C repository status --short &&"
                  "encapsulate '' git -C repository log --format=%s &&"
                  "encapsulate '' git -C repository diff &&"
                  "encapsulate '' git -C repository fsck"),
            "?? new\nthe first");
  EXPECT_EQ(Shell(index), before);

  const std::string refused = Shell("encapsulate '' git -C repository add new");
  EXPECT_TRUE(absl::StrContains(refused, "index.lock': Read-only file system"))
      << refused;
  EXPECT_EQ(Shell("encapsulate repository git -C repository add new &&"
                  "git -C repository status --short"),
            "A  new");
}

// A port on which this host's only server listens.
class HostServer {
 public:
  explicit HostServer(int family) : fd_(socket(family, SOCK_STREAM, 0)) {
    sockaddr_storage address = {};
    socklen_t size = sizeof(sockaddr_in6);
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    address.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET) {
      size = sizeof(sockaddr_in);
      v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
      v6->sin6_addr = in6addr_loopback;
    }
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    valid_ = bind(fd_.get(), plain, size) == 0 && listen(fd_.get(), 8) == 0 &&
             getsockname(fd_.get(), plain, &size) == 0;
    // In the same place for both families.
    port_ = ntohs(v4->sin_port);
  }

  bool valid() const { return valid_; }
  int port() const { return port_; }

 private:
  UniqueFd fd_;
  bool valid_;
  int port_;
};

struct Loopback {
  const char* name;
  int family;
  const char* address;
};

class HttpTest : public RealProgramsTest,
                 public ::testing::WithParamInterface<Loopback> {};

INSTANTIATE_TEST_SUITE_P(
    Families, HttpTest,
    ::testing::Values(Loopback{"IPv4", AF_INET, "127.0.0.1"},
                      Loopback{"IPv6", AF_INET6, "::1"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_P(HttpTest, ServersOfTwoSandboxesAndTheHostShareAPort) {
  const HostServer host(GetParam().family);
  REQUIRE_HOST(host.valid(), "the host has no such loopback");
  scratch_.File("connect",
                "import socket, sys\n"
                "try: socket.create_connection((sys.argv[1], sys.argv[2]))\n"
                "except OSError as error: print(error.strerror)\n"
                "else: print('connected')\n");
  scratch_.File("fetch",
                "import http.client, sys\n"
                "client = http.client.HTTPConnection(sys.argv[1],"
                " int(sys.argv[2]))\n"
                "client.request('GET', '/name')\n"
                "print(client.getresponse().read().decode())\n");
  // Serves until its standard input ends.
  scratch_.File("serve",
                "python3 connect $1 $2\n"
                "coproc python3 -u -m http.server $2 --bind $1 --directory $3"
                " 2>&1\n"
                "read -r line <&${COPROC[0]}\n"
                "python3 fetch $1 $2\n"
                "read -r line\n");
  WriteAll(absl::StrCat(scratch_.Directory("one"), "/name"), "first");
  WriteAll(absl::StrCat(scratch_.Directory("two"), "/name"), "second");
  const std::string place = absl::StrCat(GetParam().address, " ", host.port());

  EXPECT_EQ(Shell(absl::StrCat("python3 connect ", place)), "connected");
  EXPECT_EQ(Shell(absl::StrCat(
                "serve='encapsulate --quiet-leftovers -- bash serve ", place,
                "'\n"
                "coproc FIRST { $serve one; }\n"
                // Its server runs while the second's does.
                "read -r line <&${FIRST[0]}; echo $line\n"
                "read -r line <&${FIRST[0]}; echo $line\n"
                "$serve two </dev/null\n"
                "echo >&${FIRST[1]}; wait")),
            "Connection refused\nfirst\nConnection refused\nsecond");
}

TEST_F(RealProgramsTest, SqliteWritesItsDatabaseInAWritableTree) {
  EXPECT_EQ(Shell("mkdir tree && encapsulate tree sqlite3 tree/db"
                  " 'CREATE TABLE t(x); INSERT INTO t VALUES(42);'"),
            "");
  EXPECT_EQ(Shell("sqlite3 tree/db 'SELECT x FROM t'"), "42");

  // With a journal of each kind.
  EXPECT_EQ(Shell("encapsulate tree sqlite3 tree/wal"
                  " 'PRAGMA journal_mode=wal; CREATE TABLE t(x);"
                  "  INSERT INTO t VALUES(7);'"),
            "wal");
  EXPECT_EQ(Shell("sqlite3 tree/wal 'SELECT x FROM t'"), "7");
}

TEST_F(RealProgramsTest, SqliteReadsADatabaseInAReadOnlyTreeAndSaysWhatItIs) {
  EXPECT_EQ(Shell("sqlite3 db 'CREATE TABLE t(x); INSERT INTO t VALUES(42);'"),
            "");
  EXPECT_EQ(Shell("encapsulate '' sqlite3 db 'SELECT x FROM t'"), "42");
  EXPECT_EQ(Shell("encapsulate '' sqlite3 'file:db?immutable=1'"
                  " 'SELECT x FROM t'"),
            "42");
  const std::string refused =
      Shell("encapsulate '' sqlite3 db 'INSERT INTO t VALUES(1)'");
  EXPECT_TRUE(Matches(
      refused,
      "[^\n]*attempt to write a readonly database( \\(8\\))?<exit [18]>"))
      << refused;
  EXPECT_EQ(Shell("sqlite3 db 'SELECT x FROM t'"), "42");
}

TEST_F(RealProgramsTest, MakeTellsOfTheRuleThatFailed) {
  scratch_.File("Makefile",
                "all: starts fails\n"
                "starts: ; @perl wait &\n"
                "fails: ; @read line <started; exit 7\n"
                "good: one two\n"
                "one two: ; @echo $@ >$@\n");
  scratch_.File("wait",
                "open my $f, '>', 'started'; print $f qq(x\\n); close $f;"
                " sleep");
  const std::string failed =
      Shell("mkfifo started; TMPDIR=. encapsulate '.|started' make -j2");
  EXPECT_TRUE(Matches(failed,
                      "make: \\*\\*\\* \\[Makefile:3: fails\\] Error 7\n"
                      // Said if the other rule's end isn't known yet.
                      "(make: \\*\\*\\* Waiting for unfinished jobs....\n)?"
                      "encapsulate: killed 'perl wait' \\(pid \\d+\\), still "
                      "running when the command ended<exit 2>"))
      << failed;
  EXPECT_EQ(Shell("TMPDIR=. encapsulate . make -j2 good && cat one two"),
            "one\ntwo");
}

TEST_F(RealProgramsTest, AptAndDpkgReadWhatTheyCannotWrite) {
  const std::string version = Shell("dpkg-query -W -f '${Version}' dpkg");
  const std::string policy =
      Shell("encapsulate --tmp --chdir=/ '' apt-cache policy dpkg");
  EXPECT_TRUE(absl::StartsWith(
      policy, absl::StrCat("dpkg:\n  Installed: ", version, "\n")))
      << policy;
  // Version 1.21 looks at its user first, 1.23 no more.
  const std::string refused = Shell("encapsulate '' dpkg --configure -a");
  EXPECT_TRUE(
      Matches(refused,
              "dpkg: error: (unable to|cannot) access the dpkg database "
              "directory /var/lib/dpkg: Read-only file system<exit 2>") ||
      (geteuid() != 0 &&
       refused == "dpkg: error: requested operation requires superuser "
                  "privilege<exit 2>"))
      << refused;
}

TEST_F(RealProgramsTest, FilesGrowPastTwoAndFourGigabytes) {
  scratch_.Directory("tree");
  EXPECT_EQ(Shell("cd tree && encapsulate . dd if=/dev/zero of=zeros bs=1M"
                  " count=2048 conv=sparse status=none &&"
                  "stat -c %s zeros &&"
                  "echo -n end | encapsulate . dd of=zeros oflag=append"
                  " conv=notrunc status=none &&"
                  "encapsulate '' tail -c 64M zeros | tr -d '\\0'"),
            "2147483648\nend");
  for (const std::string power : {"2147483648", "4294967296"}) {
    const std::string before = absl::StrCat("$((", power, " - 4))");
    EXPECT_EQ(Shell(absl::StrCat(
                  "cd tree && echo -n bothside | encapsulate . dd of=big bs=1"
                  " conv=notrunc status=none seek=",
                  before, " && encapsulate '' tail -c 8 big")),
              "bothside");
    EXPECT_EQ(Shell(absl::StrCat("cd tree && encapsulate '' dd if=big bs=1"
                                 " count=8 status=none skip=",
                                 before)),
              "bothside");
  }
  EXPECT_EQ(Shell("stat -c %s tree/big"), "4294967300");
}

TEST_F(RealProgramsTest, MegabytesOfAnyBytesPassThroughPipesUnharmed) {
  EXPECT_EQ(Shell("head -c 64M /dev/urandom >bytes &&"
                  "cat bytes | encapsulate '' cat | cmp - bytes &&"
                  "encapsulate '' cat <bytes | cmp - bytes &&"
                  "encapsulate '' sh -c 'cat >&2' <bytes 2>copy &&"
                  "cmp copy bytes && stat -c %s copy"),
            "67108864");
}

TEST_F(RealProgramsTest, PipelinesEndWhenTheirReadersHaveEnough) {
  EXPECT_EQ(Shell("yes | encapsulate '' head -1; echo ${PIPESTATUS[*]}"),
            "y\n141 0");
  EXPECT_EQ(Shell("encapsulate '' yes | head -1; echo ${PIPESTATUS[*]}"),
            "y\n141 0");
  EXPECT_EQ(Shell("yes | encapsulate '' cat | encapsulate '' head -1;"
                  "echo ${PIPESTATUS[*]}"),
            "y\n141 141 0");
}

// What only reads says the same in a sandbox.
TEST_F(RealProgramsTest, ProgramsThatReadSayTheSameInside) {
  EXPECT_EQ(Shell("mkdir tree && ln -s nowhere tree/link && echo x >tree/file"),
            "");
  for (const std::string command : {
           "id",
           "hostname",
           "uname -a",
           "locale",
           "locale charmap",
           "umask; ulimit -n; pwd",
           "env | grep -v ^_= | sort",
           "dpkg -l",
           "dpkg-query -W",
           "dpkg -S /bin/sh",
           "find / -xdev -maxdepth 1 2>&1 | sort",
           "find /usr /etc -xdev -maxdepth 2 2>&1 | sort",
           "tar -C / --owner=0 --group=0 -cf - usr/share/perl5 | sha256sum",
           "tar -cf - tree | sha256sum",
           "ls -ln tree",
           "perl -we 'use POSIX; print join(\",\", sort 3, 1, 2), \"\\n\"'",
           "printf 'b\\na\\n\\303\\244\\n' | sort",
           "cat <(echo from a process) - </dev/null",
           "tty",
           "getent passwd root",
           "git --version; g++ --version; sqlite3 --version",
       }) {
    SCOPED_TRACE(command);
    WriteAll(scratch_ / "script", command);
    const std::string outside = Shell("bash ./script");
    EXPECT_FALSE(outside.empty());
    EXPECT_EQ(Shell("encapsulate '' bash ./script"), outside);
  }
}

TEST_F(RealProgramsTest, FindWalksTheWholeMachine) {
  const std::string found =
      Shell("encapsulate '' find / -xdev -maxdepth 2 2>/dev/null; true");
  for (const char* place : {"/", "/bin", "/dev", "/etc/passwd", "/proc", "/sys",
                            "/tmp", "/usr/bin"}) {
    EXPECT_TRUE(absl::StrContains(absl::StrCat("\n", found, "\n"),
                                  absl::StrCat("\n", place, "\n")))
        << place;
  }
}

TEST_F(RealProgramsTest, PsShowsTheProcessesOfTheSandboxOnly) {
  EXPECT_EQ(Shell("encapsulate '' ps -A -o pid=,comm= | tr -s ' '"),
            " 1 encapsulate\n 2 ps");
  EXPECT_EQ(Shell("encapsulate '' sh -c 'ps -p $$ -o comm=; true'"), "sh");
}

TEST_F(RealProgramsTest, PythonSharesMemoryBetweenItsProcesses) {
  scratch_.File("script",
                "import multiprocessing as m\n"
                "from multiprocessing import shared_memory\n"
                "def square(x): return x * x\n"
                "if __name__ == '__main__':\n"
                "  with m.Pool(3) as pool: print(pool.map(square, [1, 2, 3]))\n"
                "  block = shared_memory.SharedMemory(create=True, size=9)\n"
                "  print(block.size)\n"
                "  block.unlink()\n");
  // Python leaves a process behind that watches over its shared memory.
  EXPECT_EQ(Shell("encapsulate --quiet-leftovers '' python3 script"),
            "[1, 4, 9]\n9");
}

TEST_F(RealProgramsTest, PythonMakesAVirtualEnvironmentInAWritableTree) {
  scratch_.Directory("tree");
  EXPECT_EQ(Shell("encapsulate tree python3 -m venv --without-pip tree/env &&"
                  "encapsulate '' tree/env/bin/python -c"
                  " 'import os, sys; print(os.path.relpath(sys.prefix))'"),
            "tree/env");
  const std::string refused =
      Shell("encapsulate tree python3 -m venv --without-pip env");
  EXPECT_TRUE(absl::StrContains(refused, "Read-only file system")) << refused;
}

TEST_F(RealProgramsTest, ScriptsWithoutAnInterpreterLineRunAsFromAShell) {
  EXPECT_EQ(Shell("echo 'echo $0 $*' >script && chmod +x script &&"
                  "encapsulate '' ./script one two"),
            "./script one two");
  EXPECT_EQ(Shell("printf '#!/bin/sh -u\\necho $0 $*\\n' >script &&"
                  "encapsulate '' ./script one two"),
            "./script one two");
}

TEST_F(RealProgramsTest, TarAndRsyncCopyTreesIntoAWritableTree) {
  EXPECT_EQ(Shell("mkdir -p from/sub to && ln -s sub from/link &&"
                  "head -c 1M /dev/urandom >from/sub/file &&"
                  "chmod 751 from/sub && touch -d 2001-02-03 from/sub/file &&"
                  "tar -C from -cf - . | encapsulate to tar -C to -xpf - &&"
                  "diff -r from to && stat -c '%a %y' to/sub to/sub/file |"
                  " sed -n '1s/ .*//p; 2s/.* 2001-02-03 .*/kept/p;"
                  " 2s/.*2001-02-03.*/kept/p'"),
            "751\nkept");
  const std::string refused =
      Shell("tar -C from -cf - . | encapsulate '' tar -C to -xpf -");
  EXPECT_TRUE(absl::StrContains(refused, "Read-only file system")) << refused;

  REQUIRE_HOST(HostHas("rsync"), "no rsync here");
  EXPECT_EQ(Shell("mkdir mirror && encapsulate mirror rsync -a from/ mirror/ &&"
                  "diff -r from mirror && stat -c %a mirror/sub"),
            "751");
}

TEST_F(RealProgramsTest, SandboxesNestForOrdinaryUsersAndRootIsToldWhyNot) {
  const std::string command =
      "encapsulate . encapsulate tree sh -c 'echo inside; touch tree/a b'";
  scratch_.Directory("tree");
  if (geteuid() == 0) {
    // Where the host grants another level, a second line says so.
    EXPECT_THAT(Shell(command),
                testing::MatchesRegex(
                    "encapsulate: cannot map the user into a user namespace: "
                    "mapping root needs CAP_SETFCAP, which this root lacks: "
                    "operation not permitted \\(EPERM\\); hint: grant it, or "
                    "run as an ordinary user(\nencapsulate: level "
                    "(landlock|process) works on this host .*)?<exit 125>"));
    EXPECT_EQ(Shell("encapsulate . sh -c 'echo inside; touch tree/a b'"),
              "inside");
  } else {
    EXPECT_EQ(Shell(command),
              "inside\ntouch: cannot touch 'b': Read-only file system<exit 1>");
    EXPECT_EQ(Shell("ls . tree"), ".:\ntree\n\ntree:\na");
    // An inner sandbox gives nothing back.
    EXPECT_EQ(Shell("encapsulate '' encapsulate tree touch tree/c"),
              "encapsulate: cannot make writable 'tree': the host has it "
              "read-only: read-only file system (EROFS)<exit 125>");
  }
}

TEST_F(RealProgramsTest, OrdinaryUsersMakeNamespacesInside) {
  const std::string inside = Shell(
      "encapsulate '' unshare --user --map-root-user --mount --pid --fork"
      " sh -c 'mount -t tmpfs none /mnt && touch /mnt/a && id -u && echo $$'");
  if (geteuid() == 0) {
    EXPECT_EQ(inside,
              "unshare: write failed /proc/self/uid_map: Operation not "
              "permitted<exit 1>");
  } else {
    EXPECT_EQ(inside, "0\n1");
    // Nor does their root make anything writable again.
    EXPECT_EQ(Shell("encapsulate '' unshare --user --map-root-user --mount"
                    " sh -c 'mount -o remount,bind,rw /; touch a' 2>&1 |"
                    " tail -1"),
              "touch: cannot touch 'a': Read-only file system");
  }
}

}  // namespace
}  // namespace encapsulate
