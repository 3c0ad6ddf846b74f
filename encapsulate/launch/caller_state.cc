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
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate {
namespace {

class State {
 public:
  template <typename T>
  void Add(const T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }

  // Which file the path leads to.
  void AddPlace(const char* path) {
    struct stat info = {};
    if (stat(path, &info) != 0) return;
    Add(info.st_dev);
    Add(info.st_ino);
  }

  void AddText(absl::string_view text) {
    bytes_.append(text.data(), text.size());
    bytes_.push_back('\0');
  }

  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

bool ReadFile(const char* path, std::string* text) {
  const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
  char buffer[8192];
  const ssize_t size = read(file.get(), buffer, sizeof(buffer));
  if (size <= 0 || size == static_cast<ssize_t>(sizeof(buffer))) return false;
  text->assign(buffer, static_cast<size_t>(size));
  return true;
}

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

}  // namespace

absl::optional<std::string> CallerState() {
  if (!ChildrenAreReported()) return absl::nullopt;
  State state;
  std::string text;
  if (!ReadFile("/proc/thread-self/status", &text)) return absl::nullopt;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (IsInherited(line)) state.AddText(line);
  }
  for (const char* path :
       {"/proc/thread-self/cgroup", "/proc/thread-self/oom_score_adj"}) {
    if (!ReadFile(path, &text)) return absl::nullopt;
    state.AddText(text);
  }
  for (const char* path :
       {"/", "/proc/thread-self/ns/mnt", "/proc/thread-self/ns/user",
        "/proc/thread-self/ns/time_for_children",
        "/proc/thread-self/ns/pid_for_children"}) {
    state.AddPlace(path);
  }
  for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS);
       ++resource) {
    struct rlimit limit = {};
    getrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
    state.Add(limit.rlim_cur);
    state.Add(limit.rlim_max);
  }
  uint64_t scheduling[7] = {};  // struct sched_attr
  syscall(SYS_sched_getattr, 0, &scheduling, sizeof(scheduling), 0);
  state.Add(scheduling);
  constexpr int kOfProcess = 1;  // IOPRIO_WHO_PROCESS
  state.Add(syscall(SYS_ioprio_get, kOfProcess, 0));
  int policy = 0;
  uint64_t nodes[16] = {};
  syscall(SYS_get_mempolicy, &policy, nodes, sizeof(nodes) * 8, nullptr, 0);
  state.Add(policy);
  state.Add(nodes);
  state.Add(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
  state.Add(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
  state.Add(personality(0xffffffff));
#if defined(__x86_64__)
  int counter = 0;
  prctl(PR_GET_TSC, &counter, 0, 0, 0);
  state.Add(counter);
#endif
  return state.Take();
}

}  // namespace encapsulate
