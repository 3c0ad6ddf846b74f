// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host/patient_lookup.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "encapsulate/base/signals_blocked.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/kernel/new_process.h"
#include "encapsulate/kernel/raw_clone.h"
#include "encapsulate/kernel/syscalls.h"

namespace encapsulate {
namespace {

constexpr int kPatienceMs = 2000;
constexpr int kDeathMs = 100;
constexpr absl::Duration kMemory = absl::Minutes(1);

struct Item {
  char path[PATH_MAX];
  char real[PATH_MAX];
  long real_size;
  struct statx info;
  int done;  // set last
};

struct Job {
  alignas(16) char stack[65536];
  size_t count;
  Item items[];

  SHARES_CALLER_MEMORY static int Main(void* argument);
  SHARES_CALLER_MEMORY static void LookAt(Item* item);
};

SHARES_CALLER_MEMORY void CloseAll() {
  if (RawSyscall(SYS_close_range, 0, UINT_MAX, 0) == 0) return;
  // Before Linux 5.9. What is beyond stays open for a while.
  constexpr int kMost = 4096;
  for (int fd = 0; fd < kMost; ++fd) RawSyscall(SYS_close, fd, 0, 0);
}

int Job::Main(void* argument) {
  auto* const job = static_cast<Job*>(argument);
  RawSyscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0);
  // It may stay for long, and nothing of the caller's with it.
  CloseAll();
  for (size_t i = 0; i < job->count; ++i) LookAt(&job->items[i]);
  RawSyscall(SYS_exit_group, 0, 0, 0);
  __builtin_unreachable();
}

// Nothing is open, so the descriptor has one digit.
void Job::LookAt(Item* item) {
  const long fd =
      RawSyscall(SYS_openat, AT_FDCWD, reinterpret_cast<long>(item->path),
                 O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 && fd < 10) {
    char empty[1];
    empty[0] = '\0';
    char link[16];
    const char* const kLink = "/proc/self/fd/0";
    for (int i = 0; i < 16; ++i) link[i] = kLink[i];
    link[14] = static_cast<char>('0' + fd);
    item->real_size =
        RawSyscall(SYS_readlinkat, AT_FDCWD, reinterpret_cast<long>(link),
                   reinterpret_cast<long>(item->real), sizeof(item->real));
    if (RawSyscall(SYS_statx, fd, reinterpret_cast<long>(empty), AT_EMPTY_PATH,
                   STATX_TYPE, reinterpret_cast<long>(&item->info)) != 0) {
      item->real_size = 0;
    }
  }
  RawSyscall(SYS_close, fd, 0, 0);
  __atomic_store_n(&item->done, 1, __ATOMIC_RELEASE);
}

// Of mounts that didn't answer: when they may be asked again, and what still
// waits for them.
struct Silent {
  absl::Time until;
  UniqueFd waiting;
};

std::mutex silent_mutex;

std::map<std::string, Silent>& SilentMounts() {
  static auto* const mounts = new std::map<std::string, Silent>;
  return *mounts;
}

bool Ends(int pidfd, int milliseconds) {
  struct pollfd event = {pidfd, POLLIN, 0};
  int ready;
  while ((ready = poll(&event, 1, milliseconds)) < 0 && errno == EINTR) {
  }
  return ready > 0;
}

void Reap(int pidfd) {
  siginfo_t info;
  while (sys::WaitId(sys::kPidfd, static_cast<id_t>(pidfd), &info,
                     WEXITED | __WALL, nullptr) != 0 &&
         errno == EINTR) {
  }
}

bool IsSilent(const std::string& point) {
  const std::lock_guard<std::mutex> lock(silent_mutex);
  const auto found = SilentMounts().find(point);
  if (found == SilentMounts().end()) return false;
  Silent& silent = found->second;
  if (silent.waiting.valid()) {
    if (!Ends(silent.waiting.get(), 0)) return true;
    Reap(silent.waiting.get());
    silent.waiting.Reset();
  }
  if (absl::Now() < silent.until) return true;
  SilentMounts().erase(found);
  return false;
}

void NoteSilent(const std::string& point, UniqueFd waiting) {
  const std::lock_guard<std::mutex> lock(silent_mutex);
  SilentMounts()[point] = {absl::Now() + kMemory, std::move(waiting)};
}

}  // namespace

bool LookUpPatiently(const std::string& point,
                     const std::vector<std::string>& paths,
                     std::vector<LookedUp>* found) {
  const size_t first = found->size();
  for (const std::string& path : paths) {
    found->push_back({});
    found->back().path = path;
  }
  if (IsSilent(point)) return true;
  const size_t size = sizeof(Job) + paths.size() * sizeof(Item);
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  Job* const job = static_cast<Job*>(memory);
  job->count = paths.size();
  for (size_t i = 0; i < paths.size(); ++i) {
    // A longer one the kernel refuses, and so it does an empty one.
    if (paths[i].size() < PATH_MAX) {
      memcpy(job->items[i].path, paths[i].c_str(), paths[i].size() + 1);
    }
  }
  int pidfd = -1;
  {
    const SignalsBlocked blocked;
    if (CloneBeside(&Job::Main, job->stack + sizeof(job->stack), CLONE_PIDFD,
                    job, &pidfd) < 0) {
      const int error = errno;
      munmap(memory, size);
      errno = error;
      return false;
    }
  }
  UniqueFd looking(pidfd);
  bool ended = Ends(pidfd, kPatienceMs);
  if (!ended) {
    sys::PidfdSendSignal(pidfd, SIGKILL);
    ended = Ends(pidfd, kDeathMs);
  }
  bool silent = false;
  for (size_t i = 0; i < paths.size(); ++i) {
    const Item& item = job->items[i];
    LookedUp& looked = (*found)[first + i];
    looked.answered = __atomic_load_n(&item.done, __ATOMIC_ACQUIRE) != 0;
    silent |= !looked.answered;
    if (looked.answered && item.real_size > 0 &&
        item.real_size < static_cast<long>(sizeof(item.real))) {
      looked.mode = item.info.stx_mode;
      looked.real.assign(item.real, static_cast<size_t>(item.real_size));
    }
  }
  if (ended) {
    Reap(pidfd);
    looking.Reset();
    munmap(memory, size);
  }
  if (silent) NoteSilent(point, std::move(looking));
  return true;
}

}  // namespace encapsulate
