// SPDX-License-Identifier: Apache-2.0
//
// The supervisor's part that keeps calls from processes outside. They name them
// by numbers, in registers; that a number is given to another process between
// the look and the call is what is left.
#include "encapsulate/inspect/processes.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/supervisor/supervisor.h"

namespace encapsulate {
namespace {

constexpr int kIoprioProcess = 1;  // IOPRIO_WHO_PROCESS

// Landlock keeps signals within the domain from here on.
constexpr int kSignalAbi = 6;

std::vector<pid_t> Processes() {
  std::vector<pid_t> pids;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator("/proc", error);
       entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    pid_t pid;
    if (absl::SimpleAtoi(entry->path().filename().string(), &pid)) {
      pids.push_back(pid);
    }
  }
  return pids;
}

// Of the thread that made the call.
pid_t ProcessOf(const seccomp_notif& notification) {
  return ThreadView(static_cast<pid_t>(notification.pid)).ReadStatus().pid;
}

}  // namespace

Supervisor::Answer Supervisor::Reach(pid_t pid, const Call& call) const {
  if (pid == 0 || pid == static_cast<pid_t>(call.notification.pid) ||
      IsInside(pid)) {
    return Continue();
  }
  struct stat info;
  return stat(absl::StrCat("/proc/", pid).c_str(), &info) == 0 ? Fail(EPERM)
                                                               : Fail(ESRCH);
}

// Whether all of the process group are inside, and some are.
bool Supervisor::IsGroupInside(pid_t group) const {
  bool some = false;
  for (pid_t pid : Processes()) {
    if (getpgid(pid) != group) continue;
    if (!IsInside(pid)) return false;
    some = true;
  }
  return some;
}

Supervisor::Answer Supervisor::Signal(const Call& call) const {
  const auto& a = call.notification.data.args;
  const auto pid = static_cast<pid_t>(a[0]);
  if (call.notification.data.nr != SYS_kill || pid > 0) return Judge();
  const auto own = static_cast<pid_t>(call.notification.pid);
  if (pid == -1) {
    // Everybody inside but the caller, as kill(2) has it.
    const pid_t process = ProcessOf(call.notification);
    bool some = false;
    for (pid_t one : Processes()) {
      if (one == process || !IsInside(one)) continue;
      some |= kill(one, static_cast<int>(a[1])) == 0;
    }
    return some ? Value(0) : Fail(ESRCH);
  }
  return IsGroupInside(pid == 0 ? getpgid(own) : -pid) ? Continue() : Judge();
}

Supervisor::Answer Supervisor::PerformProcesses(const Call& call) const {
  const auto& a = call.notification.data.args;
  const auto pid = [&](int i) { return static_cast<pid_t>(a[i]); };
  switch (call.notification.data.nr) {
    case SYS_prlimit64:
    case SYS_sched_setparam:
    case SYS_sched_setscheduler:
    case SYS_sched_setaffinity:
    case SYS_sched_setattr:
    case SYS_migrate_pages:
    case SYS_move_pages:
      return Reach(pid(0), call);
    case SYS_setpriority:
      if (pid(0) == PRIO_PROCESS) return Reach(pid(1), call);
      // Of a group others may be members.
      return pid(0) == PRIO_PGRP && pid(1) == 0 &&
                     IsGroupInside(
                         getpgid(static_cast<pid_t>(call.notification.pid)))
                 ? Continue()
                 : Fail(EPERM);
    case SYS_setpgid: {
      // With a terminal the session is the caller's, and has groups outside.
      const bool makes =
          pid(1) == 0 || pid(1) == pid(0) ||
          (pid(0) == 0 && pid(1) == ProcessOf(call.notification));
      return makes || IsGroupInside(pid(1)) ? Continue() : Fail(EPERM);
    }
    case SYS_ioprio_set:
      return pid(0) == kIoprioProcess ? Reach(pid(1), call) : Fail(EPERM);
    case SYS_kill:
      return setup_.landlock_abi < kSignalAbi ? Signal(call) : Judge();
    default:
      return Judge();
  }
}

}  // namespace encapsulate
