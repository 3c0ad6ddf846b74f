// SPDX-License-Identifier: Apache-2.0

#include "tests/support/tool.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
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

constexpr int kPreparationFailed = 99;

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

void MustWork(long result, const char* what) {
  if (result >= 0) return;
  dprintf(2, "the test cannot prepare: %s: %s\n", what, strerror(errno));
  _exit(kPreparationFailed);
}

void FailCall(long number, int error, unsigned long argument_mask) {
  const auto errno_action =
      static_cast<uint32_t>(SECCOMP_RET_ERRNO | static_cast<unsigned>(error));
  const auto mask = static_cast<uint32_t>(argument_mask);
  sock_filter every[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, errno_action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_filter some[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, errno_action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {sizeof(every) / sizeof(every[0]), every};
  if (mask != 0) program = {sizeof(some) / sizeof(some[0]), some};
  MustWork(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
  MustWork(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program),
           "seccomp");
}

void BecomeHost() {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  MustWork(unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare");
  WriteFile("/proc/self/setgroups", "deny");
  WriteFile("/proc/self/uid_map", absl::StrCat(uid, " ", uid, " 1"));
  WriteFile("/proc/self/gid_map", absl::StrCat(gid, " ", gid, " 1"));
  MustWork(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr),
           "private mounts");
}

void WriteFile(const std::string& path, absl::string_view text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  MustWork(fd, path.c_str());
  MustWork(write(fd, text.data(), text.size()), path.c_str());
  close(fd);
}

void DropCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  MustWork(syscall(SYS_capset, &header, none), "capset");
}

}  // namespace encapsulate::tool
