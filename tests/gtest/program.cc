#include "tests/gtest/program.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace encapsulate {

int Output::exit_code() const {
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string ProgramPath(const std::string& name) {
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
  for (std::string& argument : arguments) argv.push_back(&argument[0]);
  argv.push_back(nullptr);
  std::vector<char*> envp;
  for (std::string& entry : environment) envp.push_back(&entry[0]);
  envp.push_back(nullptr);

  const pid_t pid = fork();
  if (pid == 0) {
    const int console = open(absl::StrCat(place, "/console").c_str(),
                             O_WRONLY | O_CREAT | O_APPEND, 0600);
    const int errors = open(absl::StrCat(place, "/errors").c_str(),
                            O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(console, STDOUT_FILENO);
    dup2(invocation.separate_errors ? errors : console, STDERR_FILENO);
    close(console);
    close(errors);
    if (chdir(directory.c_str()) != 0) _exit(126);
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  Output output;
  EXPECT_EQ(waitpid(pid, &output.status, 0), pid);
  EXPECT_NE(output.exit_code(), 127) << "cannot run " << arguments[0];
  output.console = ReadFile(place + "/console");
  output.errors = ReadFile(place + "/errors");
  output.events = ReadFile(place + "/events");
  output.calls = ReadFile(place + "/calls");
  output.xml = ReadFile(directory + "/report.xml");
  output.json = ReadFile(directory + "/report.json");
  return output;
}

std::string Mask(const std::string& text) {
  static const auto* const times =
      new std::regex(R"(\([0-9]+ ms)"
                     R"(|(time|timestamp)(="|": ")[^"]*")"
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
