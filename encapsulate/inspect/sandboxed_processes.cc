// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/sandboxed_processes.h"

#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "encapsulate/base/files.h"
#include "encapsulate/base/signals_blocked.h"
#include "encapsulate/inspect/thread_view.h"
#include "encapsulate/inspect/unwind.h"

namespace encapsulate {
namespace {

// How long a thread may take to stop, in milliseconds. One that waits for its
// processor stops when it gets one.
constexpr int kPatience = 1000;

// A process may be gone, and then has nothing to tell.
std::string ReadAll(const std::string& path) {
  return ReadFile(path).value_or("");
}

// The numbers in a directory of /proc, in order.
std::vector<pid_t> Numbers(const std::string& directory) {
  std::vector<pid_t> numbers;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(directory, error);
       entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    pid_t number;
    if (absl::SimpleAtoi(entry->path().filename().string(), &number)) {
      numbers.push_back(number);
    }
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// The words of one line of a file like /proc/PID/status.
std::vector<std::string> Field(const std::string& status,
                               const std::string& name) {
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    if (absl::ConsumePrefix(&line, name)) {
      return absl::StrSplit(line, absl::ByAnyChar("\t "), absl::SkipEmpty());
    }
  }
  return {};
}

// What can be looked at in a time that somebody waits for, and what can be read
// by people. The code inside chooses how much there is.
constexpr size_t kMostThreads = 256;
constexpr size_t kMostCommand = 4096;

std::string ReadStatus(pid_t pid) {
  return ReadAll(absl::StrCat("/proc/", pid, "/status"));
}

pid_t ParentOf(const std::string& status) {
  const std::vector<std::string> words = Field(status, "PPid:");
  pid_t parent = 0;
  if (!words.empty()) static_cast<void>(absl::SimpleAtoi(words[0], &parent));
  return parent;
}

// The processes below `roots`, whose namespaces may not be for us to see: init
// lets nobody look at it.
std::vector<pid_t> Descendants(std::set<pid_t> roots) {
  std::multimap<pid_t, pid_t> children;
  for (pid_t pid : Numbers("/proc")) {
    children.emplace(ParentOf(ReadStatus(pid)), pid);
  }
  std::vector<pid_t> found;
  while (!roots.empty()) {
    const auto below = children.equal_range(*roots.begin());
    roots.erase(roots.begin());
    for (auto child = below.first; child != below.second; ++child) {
      roots.insert(child->second);
      found.push_back(child->second);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// --- What a thread waits in -------------------------------------------------

// System calls that may take long, and whether they start with a descriptor.
struct Wait {
  long number;
  const char* name;
  bool has_descriptor;
};

constexpr Wait kWaits[] = {
    {SYS_read, "read", true},
    {SYS_readv, "readv", true},
    {SYS_pread64, "pread64", true},
    {SYS_write, "write", true},
    {SYS_writev, "writev", true},
    {SYS_pwrite64, "pwrite64", true},
    {SYS_recvfrom, "recvfrom", true},
    {SYS_recvmsg, "recvmsg", true},
    {SYS_recvmmsg, "recvmmsg", true},
    {SYS_sendto, "sendto", true},
    {SYS_sendmsg, "sendmsg", true},
    {SYS_sendmmsg, "sendmmsg", true},
    {SYS_accept, "accept", true},
    {SYS_accept4, "accept4", true},
    {SYS_connect, "connect", true},
    {SYS_flock, "flock", true},
    {SYS_fcntl, "fcntl", true},
    {SYS_ioctl, "ioctl", true},
    {SYS_fsync, "fsync", true},
    {SYS_fdatasync, "fdatasync", true},
    {SYS_epoll_pwait, "epoll_pwait", true},
    {SYS_mq_timedreceive, "mq_timedreceive", true},
    {SYS_mq_timedsend, "mq_timedsend", true},
    {SYS_ppoll, "ppoll", false},
    {SYS_pselect6, "pselect6", false},
    {SYS_futex, "futex", false},
    {SYS_wait4, "wait4", false},
    {SYS_waitid, "waitid", false},
    {SYS_nanosleep, "nanosleep", false},
    {SYS_clock_nanosleep, "clock_nanosleep", false},
    {SYS_rt_sigsuspend, "rt_sigsuspend", false},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait", false},
    {SYS_restart_syscall, "restart_syscall", false},
    {SYS_semop, "semop", false},
    {SYS_semtimedop, "semtimedop", false},
    {SYS_msgrcv, "msgrcv", false},
    {SYS_msgsnd, "msgsnd", false},
    {SYS_openat, "openat", false},
    {SYS_clone, "clone", false},
#if defined(__x86_64__)
    {SYS_epoll_wait, "epoll_wait", true},
    {SYS_poll, "poll", false},
    {SYS_select, "select", false},
    {SYS_pause, "pause", false},
    {SYS_open, "open", false},
    {SYS_vfork, "vfork", false},
#endif
};

// "read of pipe:[4711] (descriptor 0)"; "" if the thread isn't in a system
// call, or nothing tells. /proc/TID/syscall is the number, six arguments, the
// stack's top and the instruction (proc(5)).
std::string WaitsIn(const ThreadView& thread) {
  const std::string text =
      ReadAll(absl::StrCat("/proc/", thread.tid(), "/syscall"));
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  constexpr size_t kWords = 9;
  constexpr size_t kStackTop = 7;
  long number;
  uint64_t descriptor;
  uint64_t stack;
  if (words.size() != kWords || !absl::SimpleAtoi(words[0], &number) ||
      number < 0 || !absl::SimpleHexAtoi(words[1], &descriptor) ||
      !absl::SimpleHexAtoi(words[kStackTop], &stack)) {
    return "";
  }
  // A 32-bit program's calls have other numbers.
  const bool is_native = stack >> 32 != 0;
  const auto* const wait =
      std::find_if(std::begin(kWaits), std::end(kWaits),
                   [&](const Wait& one) { return one.number == number; });
  if (!is_native || wait == std::end(kWaits)) {
    return absl::StrCat("system call ", number);
  }
  if (!wait->has_descriptor) return wait->name;
  const auto fd = static_cast<int>(descriptor);
  const std::string file = thread.Link(absl::StrCat("fd/", fd));
  return absl::StrCat(wait->name, " of ", file.empty() ? "nothing" : file,
                      " (descriptor ", fd, ")");
}

// --- Stacks -----------------------------------------------------------------

// Empty if the thread doesn't stop, or is another tracer's.
std::vector<Frame> TakeStack(const ThreadView& thread) {
  const pid_t tid = thread.tid();
  if (ptrace(PTRACE_SEIZE, tid, nullptr, nullptr) != 0) return {};
  ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);
  for (int i = 0; i < kPatience; ++i) {
    int status = 0;
    const pid_t waited = waitpid(tid, &status, __WALL | WNOHANG);
    // The program may wait for any child elsewhere, and take the news.
    if ((waited == tid && WIFSTOPPED(status)) || thread.State() == 't') {
      const absl::optional<StoppedState> state = ReadStoppedState(tid);
      return state.has_value() && state->registers.has_value()
                 ? Unwind(thread, *state->registers)
                 : std::vector<Frame>();
    }
    if (waited == tid) return {};
    usleep(1000);
  }
  return {};
}

// Does `what` on a thread of its own, which is gone when this returns. The
// kernel lets go of all that a thread traces when it ends: also of what hasn't
// stopped, which nobody can detach from, and of what died, which would be its
// tracer's to reap.
template <typename Function>
void DoAsTracer(const Function& what) {
  std::atomic<pid_t> tid{0};
  {
    // The program's handlers are for its own threads.
    const SignalsBlocked blocked;
    std::thread tracer([&] {
      tid = gettid();
      what();
    });
    tracer.join();
  }
  const std::string task = absl::StrCat("/proc/self/task/", tid.load());
  while (access(task.c_str(), F_OK) == 0) sched_yield();
}

}  // namespace

std::vector<SandboxedProcess> ListSandboxedProcesses(pid_t init, int init_pidfd,
                                                     pid_t relay) {
  // Of the numbers of a process, one for each namespace that it is in. What
  // /proc has of init itself may be hidden (proc(5), "hidepid").
  const size_t level =
      Field(ReadAll(absl::StrCat("/proc/self/fdinfo/", init_pidfd)), "NSpid:")
          .size();
  std::vector<SandboxedProcess> found;
  if (level < 2) return found;  // it is gone
  const auto number_inside = [&](const std::string& status) {
    const std::vector<std::string> numbers = Field(status, "NSpid:");
    pid_t number = 0;
    if (numbers.size() >= level) {
      static_cast<void>(absl::SimpleAtoi(numbers[level - 1], &number));
    }
    return number;
  };

  std::map<pid_t, pid_t> inside = {{init, 1}};  // by the numbers outside
  std::vector<pid_t> parents;
  std::vector<std::vector<ThreadView>> threads;
  size_t count = 0;
  for (pid_t pid : Descendants({init, relay})) {
    if (count == kMostThreads) break;
    const std::string status = ReadStatus(pid);
    SandboxedProcess one;
    one.pid = number_inside(status);
    if (one.pid == 0) continue;
    inside[pid] = one.pid;
    parents.push_back(ParentOf(status));
    one.command = ReadAll(absl::StrCat("/proc/", pid, "/cmdline"));
    one.command.resize(std::min(one.command.size(), kMostCommand));
    while (!one.command.empty() && one.command.back() == '\0') {
      one.command.pop_back();
    }
    std::replace(one.command.begin(), one.command.end(), '\0', ' ');
    threads.emplace_back();
    for (pid_t tid : Numbers(absl::StrCat("/proc/", pid, "/task"))) {
      if (count == kMostThreads) break;
      const ThreadView view(tid);
      SandboxedThread thread;
      thread.tid = number_inside(ReadStatus(tid));
      thread.name = view.ReadStatus().name;
      thread.state = view.State();
      thread.waits_in = WaitsIn(view);
      if (thread.tid == 0 || thread.state == '\0') continue;  // gone
      ++count;
      threads.back().push_back(view);
      one.threads.push_back(std::move(thread));
    }
    found.push_back(std::move(one));
  }
  for (size_t i = 0; i < found.size(); ++i) {
    const auto parent = inside.find(parents[i]);
    if (parent != inside.end()) found[i].parent = parent->second;
  }
  DoAsTracer([&] {
    for (size_t i = 0; i < found.size(); ++i) {
      for (size_t j = 0; j < found[i].threads.size(); ++j) {
        SandboxedThread& thread = found[i].threads[j];
        if (thread.state == 'Z' || thread.state == 'D') continue;
        thread.stack = TakeStack(threads[i][j]);
      }
    }
  });
  return found;
}

}  // namespace encapsulate
