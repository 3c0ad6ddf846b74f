// SPDX-License-Identifier: Apache-2.0

#include "tests/support/tool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace encapsulate::tool {
namespace {

std::string ReadAll(int fd) {
  std::string content;
  char buffer[4096];
  lseek(fd, 0, SEEK_SET);
  for (ssize_t size; (size = read(fd, buffer, sizeof(buffer))) > 0;) {
    content.append(buffer, static_cast<size_t>(size));
  }
  close(fd);
  return content;
}

std::string MountTable() {
  std::ifstream file("/proc/self/mountinfo");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

Finished RunTool(const std::vector<std::string>& arguments,
                 const std::function<void()>& prepare) {
  std::vector<std::string> command = {ToolPath()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return RunProgram(command, prepare);
}

Finished RunProgram(const std::vector<std::string>& command,
                    const std::function<void()>& prepare) {
  const std::string mounts = MountTable();
  // Orphans become ours, so that none is overlooked.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const int output = memfd_create("output", MFD_CLOEXEC);
  const int errors = memfd_create("errors", MFD_CLOEXEC);
  std::vector<char*> argv;
  argv.reserve(command.size() + 1);
  for (const std::string& argument : command) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    close(null);
    dup2(output, 1);
    dup2(errors, 2);
    if (prepare != nullptr) prepare();
    execv(argv[0], argv.data());
    MustWork(-1, "execv");
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child) << strerror(errno);
  Finished finished;
  finished.exit_code =
      WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  finished.output = ReadAll(output);
  finished.errors = ReadAll(errors);
  EXPECT_TRUE(waitpid(-1, nullptr, __WALL | WNOHANG) < 0 && errno == ECHILD)
      << "a process was left behind";
  EXPECT_EQ(MountTable(), mounts) << "a mount was left behind";
  return finished;
}

}  // namespace encapsulate::tool
