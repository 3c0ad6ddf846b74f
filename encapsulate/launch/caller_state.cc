// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/launch/caller_state.h"

#include <fcntl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate {
namespace {

// What is read of one file at most.
constexpr size_t kMostText = 8192;

// Of proc_pid_status(5).
bool IsInherited(absl::string_view line) {
  for (const char* start : {"Name:", "Umask:", "Uid:", "Gid:", "Groups:", "Cap",
                            "NoNewPrivs:", "Seccomp", "Speculation",
                            "Cpus_allowed:", "Mems_allowed:"}) {
    if (absl::StartsWith(line, start)) return true;
  }
  return false;
}

bool ChildrenAreReported() {
  struct sigaction action;
  return sigaction(SIGCHLD, nullptr, &action) == 0 &&
         ((action.sa_flags & SA_SIGINFO) != 0 ||
          action.sa_handler != SIG_IGN) &&
         (action.sa_flags & SA_NOCLDWAIT) == 0;
}

// All of it; nothing if it is longer than the buffer.
absl::string_view ReadAll(int fd, char (&buffer)[kMostText]) {
  const ssize_t size = pread(fd, buffer, sizeof(buffer), 0);
  if (size <= 0 || size == static_cast<ssize_t>(sizeof(buffer))) return "";
  return absl::string_view(buffer, static_cast<size_t>(size));
}

void Compare(absl::string_view text, std::string* known, bool* changed) {
  if (text == *known) return;
  known->assign(text.data(), text.size());
  *changed = true;
}

}  // namespace

bool CallerState::OpenFiles() {
  const pid_t thread = gettid();
  const pid_t process = getpid();
  if (thread == thread_ && process == process_) return true;
  thread_ = -1;
  directory_ =
      UniqueFd(open("/proc/thread-self", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto open_file = [this](const char* name) {
    return UniqueFd(openat(directory_.get(), name, O_RDONLY | O_CLOEXEC));
  };
  status_ = open_file("status");
  cgroup_ = open_file("cgroup");
  oom_score_ = open_file("oom_score_adj");
  if (!status_.valid() || !cgroup_.valid() || !oom_score_.valid()) return false;
  thread_ = thread;
  process_ = process;
  ++number_;
  return true;
}

bool CallerState::ReadStatus(int fd, std::string* known, bool* changed) {
  char buffer[kMostText];
  const absl::string_view text = ReadAll(fd, buffer);
  if (text.empty()) return false;
  // In place: what counts moves to the front.
  size_t kept = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    const size_t next = end == absl::string_view::npos ? text.size() : end + 1;
    const size_t size = next - at;
    if (IsInherited(text.substr(at, size))) {
      memmove(buffer + kept, buffer + at, size);
      kept += size;
    }
    at = next;
  }
  Compare(absl::string_view(buffer, kept), known, changed);
  return true;
}

bool CallerState::ReadFile(int fd, std::string* known, bool* changed) {
  char buffer[kMostText];
  const absl::string_view text = ReadAll(fd, buffer);
  if (text.empty()) return false;
  Compare(text, known, changed);
  return true;
}

void CallerState::Read(int directory, Numbers* numbers) {
  memset(numbers, 0, sizeof(*numbers));  // what lies between, too
  size_t i = 0;
  // Which file each of them leads to.
  for (const char* path : {"/", "ns/mnt", "ns/user", "ns/time_for_children",
                           "ns/pid_for_children"}) {
    struct stat info = {};
    if (fstatat(directory, path, &info, 0) == 0) {
      numbers->places[i][0] = info.st_dev;
      numbers->places[i][1] = info.st_ino;
    }
    ++i;
  }
  for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS);
       ++resource) {
    getrlimit(static_cast<__rlimit_resource_t>(resource),
              &numbers->limits[resource]);
  }
  syscall(SYS_sched_getattr, 0, numbers->scheduling,
          sizeof(numbers->scheduling), 0);
  int policy = 0;
  syscall(SYS_get_mempolicy, &policy, numbers->nodes,
          sizeof(numbers->nodes) * 8, nullptr, 0);
  int counter = 0;
#if defined(__x86_64__)
  prctl(PR_GET_TSC, &counter, 0, 0, 0);
#endif
  constexpr int kOfProcess = 1;  // IOPRIO_WHO_PROCESS
  int64_t* other = numbers->others;
  *other++ = policy;
  *other++ = counter;
  *other++ = syscall(SYS_ioprio_get, kOfProcess, 0);
  *other++ = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
  *other++ = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
  *other++ = personality(0xffffffff);
}

absl::optional<int> CallerState::Number() {
  if (!ChildrenAreReported() || !OpenFiles()) return absl::nullopt;
  bool changed = false;
  if (!ReadStatus(status_.get(), &status_text_, &changed) ||
      !ReadFile(cgroup_.get(), &cgroup_text_, &changed) ||
      !ReadFile(oom_score_.get(), &oom_score_text_, &changed)) {
    return absl::nullopt;
  }
  Numbers numbers;
  Read(directory_.get(), &numbers);
  if (memcmp(&numbers, &numbers_, sizeof(numbers)) != 0) {
    numbers_ = numbers;
    changed = true;
  }
  if (changed) ++number_;
  return number_;
}

void CallerState::CloseInChild() const {
  for (const UniqueFd* fd : {&directory_, &status_, &cgroup_, &oom_score_}) {
    fd->CloseInChild();
  }
}

}  // namespace encapsulate
