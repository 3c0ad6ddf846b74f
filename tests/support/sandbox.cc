// SPDX-License-Identifier: Apache-2.0

#include "tests/support/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/sandbox.h"
#include "tests/places/call_filter.h"

namespace encapsulate {
namespace {

constexpr int kSkipped = 77;

constexpr unsigned kWaitKillable = 1U << 5;  // ..._FLAG_WAIT_KILLABLE_RECV

// What was written to `fd`, from its beginning.
std::string Content(int fd) {
  std::string content;
  lseek(fd, 0, SEEK_SET);
  char buffer[4096];
  for (ssize_t size; (size = read(fd, buffer, sizeof(buffer))) > 0;) {
    content.append(buffer, static_cast<size_t>(size));
  }
  return content;
}

// Leads descriptor 1 elsewhere while it lives.
class OutputTo {
 public:
  explicit OutputTo(int fd) : saved_(fcntl(1, F_DUPFD_CLOEXEC, 3)) {
    fflush(stdout);
    dup2(fd, 1);
  }
  ~OutputTo() { dup2(saved_.get(), 1); }
  OutputTo(const OutputTo&) = delete;
  OutputTo& operator=(const OutputTo&) = delete;

 private:
  UniqueFd saved_;
};

std::string Describe(const Ran& ran) {
  if (!ran.status.ok()) {
    return absl::StrCat("<", std::string(ran.status.message()), ">");
  }
  std::string output = ran.output;
  while (!output.empty() && (output.back() == '\n' || output.back() == ' ')) {
    output.pop_back();
  }
  if (ran.result.signal != 0) {
    return absl::StrCat(output, "<", SignalName(ran.result.signal), ">");
  }
  if (ran.result.exit_code != 0) {
    return absl::StrCat(output, "<exit ", ran.result.exit_code, ">");
  }
  return output;
}

std::vector<std::string> ProbeCommand(
    const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {ProbePath()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

void WriteOrFail(const std::string& path, const std::string& text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(file.valid()) << path << ": " << strerror(errno);
  ASSERT_EQ(write(file.get(), text.data(), text.size()),
            static_cast<ssize_t>(text.size()))
      << path << ": " << strerror(errno);
}

void DropCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  ASSERT_EQ(syscall(SYS_capset, &header, none), 0);
}

void EnterPrivateMounts() {
  if (IsHostRoot()) {
    ASSERT_EQ(unshare(CLONE_NEWNS), 0) << strerror(errno);
  } else {
    const uid_t uid = geteuid();
    const gid_t gid = getegid();
    ASSERT_EQ(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0) << strerror(errno);
    WriteOrFail("/proc/self/setgroups", "deny");
    WriteOrFail("/proc/self/uid_map", absl::StrCat(uid, " ", uid, " 1"));
    WriteOrFail("/proc/self/gid_map", absl::StrCat(gid, " ", gid, " 1"));
  }
  ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0)
      << strerror(errno);
}

}  // namespace

Scratch::Scratch() {
  path_ = absl::StrCat(ScratchPath(), "/XXXXXX");
  EXPECT_NE(mkdtemp(path_.data()), nullptr) << path_ << strerror(errno);
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Scratch::operator/(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

std::string Scratch::Directory(absl::string_view name) const {
  std::filesystem::create_directories(*this / name);
  return *this / name;
}

std::string Scratch::File(absl::string_view name,
                          absl::string_view content) const {
  WriteAll(*this / name, content);
  return *this / name;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  if (!file) return "<none>";
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

void WriteAll(const std::string& path, absl::string_view content) {
  std::ofstream(path) << std::string(content);
}

Ran RunIn(const Options& options, const std::vector<std::string>& command) {
  Ran ran;
  const UniqueFd output(memfd_create("output", MFD_CLOEXEC));
  absl::StatusOr<Process> process = [&] {
    const OutputTo redirected(output.get());
    return Spawn(options, command);
  }();
  ran.status = process.status();
  if (process.ok()) ran.result = process->Wait();
  if (ran.result.outcome == Outcome::kLost) {
    ran.status = absl::DataLossError(ran.result.lost);
  }
  ran.output = Content(output.get());
  return ran;
}

Result RunEntered(const Options& options, const std::function<int()>& body) {
  absl::StatusOr<absl::optional<Process>> child = Enter(options);
  if (!child.ok()) {
    ADD_FAILURE() << child.status();
    return {};
  }
  if (!child->has_value()) _exit(body());
  const Result result = (*child)->Wait();
  EXPECT_NE(result.outcome, Outcome::kLost) << result.lost;
  return result;
}

std::string Inside(const Options& options,
                   const std::vector<std::string>& arguments) {
  return Describe(RunIn(options, ProbeCommand(arguments)));
}

std::string ShellInside(const Options& options, const std::string& script) {
  return Describe(RunIn(options, {"/bin/sh", "-c", script}));
}

std::string Outside(const std::vector<std::string>& arguments) {
  const std::vector<std::string> command = ProbeCommand(arguments);
  std::vector<char*> argv;
  for (const std::string& argument : command) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  const UniqueFd output(memfd_create("output", MFD_CLOEXEC));
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    dup2(output.get(), 1);
    execv(argv[0], argv.data());
    _exit(127);
  }
  Ran ran;
  int status = 0;
  waitpid(child, &status, 0);
  ran.output = Content(output.get());
  if (WIFSIGNALED(status)) ran.result.signal = WTERMSIG(status);
  if (WIFEXITED(status)) ran.result.exit_code = WEXITSTATUS(status);
  return Describe(ran);
}

Options Writable(const std::vector<std::string>& trees) {
  Options options;
  options.writable = trees;
  return options;
}

void InFork(const std::function<void()>& body) {
  fflush(stdout);
  fflush(stderr);
  const bool failed = ::testing::Test::HasFailure();
  const pid_t child = fork();
  ASSERT_GE(child, 0) << strerror(errno);
  if (child == 0) {
    body();
    fflush(stdout);
    _exit(::testing::Test::HasFailure() && !failed ? 1
          : ::testing::Test::IsSkipped()           ? kSkipped
                                                   : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kSkipped) {
    GTEST_SKIP() << "see above";
  }
  EXPECT_EQ(status, 0) << "the forked part of the test failed, see above";
}

void OnHostWith(const std::function<void()>& build,
                const std::function<void()>& body) {
  InFork([&] {
    EnterPrivateMounts();
    if (::testing::Test::HasFatalFailure()) return;
    build();
    if (::testing::Test::HasFatalFailure() || ::testing::Test::IsSkipped()) {
      return;
    }
    // In a user namespace, only CAP_SETFCAP lets root map itself once more.
    if (geteuid() != 0) DropCapabilities();
    body();
  });
}

void OnHostWithProc(const std::string& options,
                    const std::function<void()>& body) {
  InFork([&] {
    EnterPrivateMounts();
    if (::testing::Test::HasFatalFailure()) return;
    ASSERT_EQ(unshare(CLONE_NEWPID), 0) << strerror(errno);
    // It puts children only into the new namespace.
    InFork([&] {
      Mount("proc", "/proc", 0, options);
      if (::testing::Test::HasFatalFailure()) return;
      if (geteuid() != 0) DropCapabilities();
      body();
    });
  });
}

void LoseCaller(const std::function<void()>& start) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t caller = fork();
  if (caller == 0) {
    start();
    raise(SIGKILL);
  }
  close(ends[1]);
  char byte;
  EXPECT_EQ(read(ends[0], &byte, 1), 0) << "everyone who had it is gone";
  close(ends[0]);
  EXPECT_EQ(waitpid(caller, nullptr, 0), caller);
}

void Mount(const char* type, const std::string& target, unsigned long flags,
           const std::string& data) {
  ASSERT_EQ(mount("test", target.c_str(), type, flags, data.c_str()), 0)
      << type << " at " << target << ": " << strerror(errno);
}

void BindMount(const std::string& source, const std::string& target) {
  ASSERT_EQ(
      mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr),
      0)
      << source << " at " << target << ": " << strerror(errno);
}

void RefuseSystemCalls(const std::vector<int>& numbers, int error) {
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(
      places::CallFilter().Fail({numbers.begin(), numbers.end()}, error).Load(),
      0);
}

void ForgetSystemCalls(const std::vector<int>& numbers) {
  RefuseSystemCalls(numbers, ENOSYS);
  for (int number : numbers) {
    ASSERT_EQ(syscall(number, -1, 0, 0, 0, 0), -1);
    ASSERT_EQ(errno, ENOSYS);
  }
}

int CountDescriptors() {
  int count = -1;  // the one that reads the directory
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd")) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

int CountMounts() {
  std::ifstream table("/proc/self/mountinfo");
  int count = 0;
  for (std::string line; std::getline(table, line);) ++count;
  return count;
}

namespace {

bool LinuxIsAtLeast(int wanted_major, int wanted_minor) {
  struct utsname system = {};
  uname(&system);
  const std::vector<std::string> numbers =
      absl::StrSplit(system.release, absl::ByAnyChar(".-"));
  int major = 0;
  int minor = 0;
  EXPECT_TRUE(numbers.size() >= 2 && absl::SimpleAtoi(numbers[0], &major) &&
              absl::SimpleAtoi(numbers[1], &minor))
      << system.release;
  return std::make_pair(major, minor) >=
         std::make_pair(wanted_major, wanted_minor);
}

}  // namespace

bool Has32BitCalls() { return Outside({"call", "i386-getpid"}) == "ok"; }

bool HasIpv6() {
  return UniqueFd(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)).valid();
}

bool HasOverlays() { return LinuxIsAtLeast(5, 11); }

bool OverlaysLoseDirectories() { return LinuxIsAtLeast(6, 6); }

bool HasStacks() {
  // Without a program EFAULT is the best that can come of it.
  syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
          SECCOMP_FILTER_FLAG_NEW_LISTENER | kWaitKillable, nullptr);
  return errno == EFAULT;
}

void ForgetStacks() {
  ASSERT_EQ(places::CallFilter()
                .FailIf(SYS_seccomp, 1, places::CallFilter::Is::kWithAnyOf,
                        kWaitKillable, EINVAL)
                .Load(),
            0);
}

int CountChildren() {
  int count = 0;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    for (pid_t pid; children >> pid;) ++count;
  }
  return count;
}

UnixServer::UnixServer(const std::string& path)
    : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  EXPECT_LT(path.size(), sizeof(address.sun_path));
  memcpy(address.sun_path, path.data(), path.size());
  const bool abstract = path[0] == '@';
  if (abstract) address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                           path.size() + (abstract ? 0 : 1));
  EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), 0)
      << path << ": " << strerror(errno);
  EXPECT_EQ(listen(fd_, 64), 0);
}

UnixServer::~UnixServer() { close(fd_); }

}  // namespace encapsulate
