// SPDX-License-Identifier: Apache-2.0

#include "tests/gtest/program.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "encapsulate/base/unique_fd.h"
#include "gtest/gtest.h"
#include "tests/places/call_filter.h"

namespace encapsulate {
namespace {

using places::CallFilter;

void Load(CallFilter filter) {
  if (filter.Load() != 0) _exit(125);
}

// clone3 is refused as unknown, because a filter can't see its flags.
void RefuseNamespaces() {
  Load(CallFilter()
           .Fail({SYS_clone3}, ENOSYS)
           .FailIf(SYS_clone, 0, CallFilter::Is::kWithAnyOf, CLONE_NEWUSER,
                   EPERM));
}

void RefuseSetMm() {
  Load(CallFilter().FailIf(SYS_prctl, 0, CallFilter::Is::kEqual, PR_SET_MM,
                           EPERM));
}

struct Ends {
  UniqueFd ours;  // -1 for a file, which is read at the end
  UniqueFd programs;
};

Ends OpenConsole(Console kind, const std::string& path) {
  Ends ends;
  switch (kind) {
    case Console::kFile:
      ends.programs = UniqueFd(
          open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
      break;
    case Console::kPipe: {
      int pipe[2];
      if (pipe2(pipe, O_CLOEXEC) != 0) break;
      ends = {UniqueFd(pipe[0]), UniqueFd(pipe[1])};
      break;
    }
    case Console::kTerminal:
      ends.ours = UniqueFd(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
      if (grantpt(ends.ours.get()) != 0 || unlockpt(ends.ours.get()) != 0) {
        break;
      }
      ends.programs = UniqueFd(
          open(ptsname(ends.ours.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
      break;
  }
  EXPECT_TRUE(ends.programs.valid()) << strerror(errno);
  return ends;
}

// Until no process has the other end; that is EIO for a terminal.
std::string ReadToEnd(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t size; (size = read(fd, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(size));
  }
  return text;
}

// Lets a program that is traced go on at each of its stops.
int Await(pid_t pid) {
  int status = -1;
  while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
    const int signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    ptrace(PTRACE_CONT, pid, 0, signal);
  }
  return status;
}

}  // namespace

int Output::exit_code() const {
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string ProgramPath(const std::string& name) {
  if (absl::StartsWith(name, "/")) return name;
  return absl::StrCat(getenv("TEST_SRCDIR"), "/", getenv("TEST_WORKSPACE"),
                      "/tests/gtest/", name);
}

std::string FreshDirectory() {
  std::string path = testing::TempDir() + "/inner.XXXXXX";
  if (mkdtemp(&path[0]) == nullptr) {
    ADD_FAILURE() << "mkdtemp: " << strerror(errno);
  }
  return path;
}

std::string ReadFile(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

Output RunProgram(const Invocation& invocation) {
  const std::string place = FreshDirectory();
  const std::string directory =
      invocation.directory.empty() ? FreshDirectory() : invocation.directory;
  const std::string scratch = FreshDirectory();

  std::vector<std::string> arguments = {ProgramPath(invocation.program)};
  arguments.insert(arguments.end(), invocation.arguments.begin(),
                   invocation.arguments.end());
  std::vector<std::string> environment = {
      "PATH=/usr/bin:/bin",
      absl::StrCat("TEST_TMPDIR=", scratch),
      absl::StrCat("INNER_EVENTS=", place, "/events"),
      absl::StrCat("INNER_CALLS=", place, "/calls"),
  };
  // Sanitizers and coverage go on inside.
  for (char** entry = environ; *entry != nullptr; ++entry) {
    for (const char* prefix :
         {"ASAN_", "LSAN_", "TSAN_", "UBSAN_", "GCOV_", "COVERAGE_", "LLVM_"}) {
      if (absl::StartsWith(*entry, prefix)) environment.emplace_back(*entry);
    }
  }
  environment.insert(environment.end(), invocation.environment.begin(),
                     invocation.environment.end());

  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(&argument[0]);
  argv.push_back(nullptr);
  std::vector<char*> envp;
  envp.reserve(environment.size() + 1);
  for (std::string& entry : environment) envp.push_back(&entry[0]);
  envp.push_back(nullptr);

  Ends console = OpenConsole(invocation.console, place + "/console");
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(console.programs.get(), STDOUT_FILENO);
    dup2(console.programs.get(), STDERR_FILENO);
    if (invocation.traced) ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    if (invocation.without_namespaces) RefuseNamespaces();
    if (invocation.without_set_mm) RefuseSetMm();
    if (chdir(directory.c_str()) != 0) _exit(126);
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  console.programs.Reset();
  Output output;
  if (console.ours.valid()) output.console = ReadToEnd(console.ours.get());
  output.status = Await(pid);
  EXPECT_NE(output.exit_code(), 127) << "cannot run " << arguments[0];
  if (!console.ours.valid()) output.console = ReadFile(place + "/console");
  output.events = ReadFile(place + "/events");
  output.calls = ReadFile(place + "/calls");
  output.xml = ReadFile(directory + "/report.xml");
  output.json = ReadFile(directory + "/report.json");
  return output;
}

Output RunTests(const std::string& program, const std::string& filter,
                const std::vector<std::string>& environment,
                const std::vector<std::string>& arguments) {
  Invocation invocation;
  invocation.program = program;
  invocation.arguments = {"--gtest_filter=" + filter,
                          "--gtest_output=xml:report.xml"};
  invocation.arguments.insert(invocation.arguments.end(), arguments.begin(),
                              arguments.end());
  invocation.environment = environment;
  return RunProgram(invocation);
}

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

std::string Mask(const std::string& text) {
  static const auto* const times =
      new std::regex(R"(\([0-9]+ ms)"
                     R"(|(time|timestamp)(="|": ")[^"]*")"
                     R"(|(elapsed_time=)[0-9]+)"
                     R"(|[0-9]+ ms total)");
  std::string masked;
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(text, '\n'))) {
    if (absl::StartsWith(line, "Running main() from ")) continue;
    // Regular expressions are slow on long lines, which have no times.
    absl::StrAppend(
        &masked,
        line.size() < 4096 ? std::regex_replace(line, *times, "$1*") : line,
        "\n");
  }
  return masked;
}

}  // namespace encapsulate
