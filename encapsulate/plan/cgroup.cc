// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/plan/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/files.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/kernel/mountinfo.h"
#include "encapsulate/kernel/new_process.h"
#include "encapsulate/kernel/syscalls.h"

namespace encapsulate {
namespace {

// The controllers' names, the same in both versions.
constexpr char kMemory[] = "memory";
constexpr char kPids[] = "pids";

// The directory below which a cgroup with some controller can be made.
struct CgroupParent {
  std::string directory;
  bool v2 = false;
};

bool HasController(absl::string_view list, absl::string_view name) {
  for (absl::string_view word :
       absl::StrSplit(list, absl::ByAnyChar(", \n"), absl::SkipEmpty())) {
    if (word == name) return true;
  }
  return false;
}

// The caller's path in the hierarchy that has `controller` ("" for v2).
absl::optional<std::string> OwnPath(absl::string_view controller) {
  for (const CgroupOfProcess& one : ReadCgroups("/proc/self/cgroup")) {
    if (controller.empty() ? one.controllers.empty()
                           : HasController(one.controllers, controller)) {
      return one.path;
    }
  }
  return absl::nullopt;
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// Where the hierarchy's directory `path` can be seen, with the mount point.
struct Seen {
  std::string mount_point;
  std::string directory;
};

absl::optional<Seen> FindDirectory(const std::string& path, bool v2,
                                   const char* controller) {
  const UniqueFd table(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!table.valid()) return absl::nullopt;
  const auto reader = std::make_unique<MountInfoReader>();
  reader->Start(table.get());
  MountInfo mount;
  while (reader->Next(&mount)) {
    const bool fits = v2 ? absl::string_view(mount.type) == "cgroup2"
                         : absl::string_view(mount.type) == "cgroup" &&
                               HasWord(mount.super_options, controller);
    if (!fits || !IsWithin(path, mount.root)) continue;
    const std::string root =
        absl::string_view(mount.root) == "/" ? "" : mount.root;
    std::string below = path.substr(root.size());
    if (below == "/") below.clear();
    Seen seen{mount.point, absl::StrCat(mount.point, below)};
    // Something else may be mounted over it.
    if (Exists(absl::StrCat(seen.directory, "/cgroup.procs"))) return seen;
  }
  return absl::nullopt;
}

bool MayUse(const std::string& directory) {
  return access(directory.c_str(), W_OK) == 0 &&
         access(absl::StrCat(directory, "/cgroup.procs").c_str(), W_OK) == 0;
}

absl::StatusOr<CgroupParent> FindParent(const char* controller) {
  bool exists = false;
  if (const auto own = OwnPath(controller); own.has_value()) {
    const auto seen = FindDirectory(*own, /*v2=*/false, controller);
    if (seen.has_value()) {
      if (MayUse(seen->directory)) return CgroupParent{seen->directory, false};
      exists = true;
    }
  }
  if (const auto own = OwnPath(""); own.has_value()) {
    const auto seen = FindDirectory(*own, /*v2=*/true, controller);
    // A cgroup with processes in it hands no controller down, so this is
    // mostly an ancestor of the caller's.
    for (std::string directory = seen.has_value() ? seen->directory : "";
         seen.has_value() && IsWithin(directory, seen->mount_point);
         directory = ParentOf(directory)) {
      if (HasController(
              ReadFile(absl::StrCat(directory, "/cgroup.subtree_control"))
                  .value_or(""),
              controller)) {
        if (MayUse(directory)) return CgroupParent{directory, true};
        exists = true;
      }
      if (directory == seen->mount_point) break;
    }
  }
  return MakeFailure(
      {FailureKind::kHostRefused,
       absl::StrCat("limit ", controller == kPids ? "processes" : "memory",
                    " of the sandbox"),
       "",
       exists ? "its cgroups belong to someone else (EACCES)"
              : absl::StrCat("this host has no cgroup with the ", controller,
                             " controller"),
       0, "run under systemd-run --user --scope -p Delegate=yes, or as root"});
}

bool WriteFile(const std::string& path, const std::string& text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file.valid() && write(file.get(), text.data(), text.size()) ==
                             static_cast<ssize_t>(text.size());
}

// The value behind `key` in a file of "key value" lines; 0 if there is none.
uint64_t ReadCount(const std::string& path, absl::string_view key) {
  const std::string content = ReadFile(path).value_or("");
  for (absl::string_view line : absl::StrSplit(content, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    uint64_t value;
    if (words.size() == 2 && words[0] == key &&
        absl::SimpleAtoi(words[1], &value)) {
      return value;
    }
  }
  return 0;
}

absl::Status Set(const std::string& path, uint64_t value) {
  if (WriteFile(path, absl::StrCat(value))) return absl::OkStatus();
  return MakeFailure({FailureKind::kHostRefused,
                      absl::StrCat("write ", value, " to"), path, "", errno});
}

// Names that a process uses twice must differ, and so must those of two
// processes with one pid, in two PID namespaces.
uint64_t RandomNumber() {
  uint64_t number = 0;
  if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0) {
    number = static_cast<uint64_t>(absl::GetCurrentTimeNanos());
  }
  return number;
}

}  // namespace

absl::StatusOr<Cgroup> Cgroup::Make(const Limits& limits) {
  Cgroup cgroup;
  const std::string name =
      absl::StrCat("/encapsulate-", getpid(), "-", absl::Hex(RandomNumber()));
  // Both controllers may live in one hierarchy.
  const auto plan = [&](const char* controller) -> absl::StatusOr<std::string> {
    const absl::StatusOr<CgroupParent> parent = FindParent(controller);
    if (!parent.ok()) return parent.status();
    std::string path = absl::StrCat(parent->directory, name);
    if (!absl::c_linear_search(cgroup.directories_, path)) {
      cgroup.directories_.push_back(path);
    }
    return path;
  };
  if (limits.memory.has_value()) {
    absl::StatusOr<std::string> path = plan(kMemory);
    if (!path.ok()) return path.status();
    cgroup.memory_ = *std::move(path);
  }
  if (limits.processes.has_value()) {
    absl::StatusOr<std::string> path = plan(kPids);
    if (!path.ok()) return path.status();
    cgroup.processes_ = *std::move(path);
  }
  absl::Status status = cgroup.WatchOver();
  if (!status.ok()) return status;
  for (const std::string& directory : cgroup.directories_) {
    if (mkdir(directory.c_str(), 0755) == 0) continue;
    return MakeFailure({FailureKind::kHostRefused, "make a cgroup in",
                        ParentOf(directory), "", errno});
  }
  if (limits.memory.has_value()) {
    const std::string& path = cgroup.memory_;
    const bool v2 = Exists(absl::StrCat(path, "/memory.max"));
    status =
        Set(absl::StrCat(path, v2 ? "/memory.max" : "/memory.limit_in_bytes"),
            *limits.memory);
    if (!status.ok()) return status;
    // Swap would only put the end off. Hosts without it lack these files.
    WriteFile(absl::StrCat(path, "/memory.swap.max"), "0");
    WriteFile(absl::StrCat(path, "/memory.memsw.limit_in_bytes"),
              absl::StrCat(*limits.memory));
  }
  if (limits.processes.has_value()) {
    // One more for init.
    status = Set(absl::StrCat(cgroup.processes_, "/pids.max"),
                 *limits.processes + 1);
    if (!status.ok()) return status;
  }
  return cgroup;
}

absl::Status Cgroup::MayLimitMemory() { return FindParent(kMemory).status(); }

absl::Status Cgroup::MayLimitProcesses() { return FindParent(kPids).status(); }

Cgroup::Cgroup(Cgroup&& other) noexcept { *this = std::move(other); }

Cgroup& Cgroup::operator=(Cgroup&& other) noexcept {
  directories_.swap(other.directories_);
  memory_.swap(other.memory_);
  processes_.swap(other.processes_);
  std::swap(remover_, other.remover_);
  return *this;
}

Cgroup::~Cgroup() { Remove(); }

absl::Status Cgroup::Add(pid_t pid) const {
  for (const std::string& directory : directories_) {
    if (!WriteFile(absl::StrCat(directory, "/cgroup.procs"),
                   absl::StrCat(pid))) {
      return MakeFailure({FailureKind::kHostRefused,
                          "put the sandbox into cgroup", directory, "", errno});
    }
  }
  return absl::OkStatus();
}

absl::Status Cgroup::WatchOver() {
  const UniqueFd caller(sys::PidfdOpen(getpid()));
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  const pid_t pid = caller.valid() ? CloneCopy(0) : -1;
  if (pid == 0) RemoveWhenDead(caller.get());
  const int error = errno;
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    return MakeFailure(
        {FailureKind::kHostRefused, "watch over the cgroup", "", "", error});
  }
  remover_ = pid;
  return absl::OkStatus();
}

void Cgroup::RemoveWhenDead(int caller) const {
  setsid();
  struct pollfd event = {caller, POLLIN, 0};
  // Nothing of the caller's may be held open meanwhile.
  if (caller > 0) sys::CloseRange(0, static_cast<unsigned>(caller) - 1, 0);
  sys::CloseRange(static_cast<unsigned>(caller) + 1, ~0U, 0);
  while (poll(&event, 1, -1) < 0 && errno == EINTR) {
  }
  // Its init dies of the caller's death as well, but takes a moment.
  for (const std::string& directory : directories_) {
    while (rmdir(directory.c_str()) != 0 && errno == EBUSY) {
      const struct timespec moment = {0, 10000000};
      nanosleep(&moment, nullptr);
    }
  }
  _exit(0);
}

std::vector<LimitHit> Cgroup::LimitsHit() const {
  std::vector<LimitHit> hit;
  if (!memory_.empty() &&
      ReadCount(absl::StrCat(memory_, "/memory.events"), "oom_kill") +
              ReadCount(absl::StrCat(memory_, "/memory.oom_control"),
                        "oom_kill") >
          0) {
    hit.push_back(LimitHit::kMemory);
  }
  if (!processes_.empty() &&
      ReadCount(absl::StrCat(processes_, "/pids.events"), "max") > 0) {
    hit.push_back(LimitHit::kProcesses);
  }
  return hit;
}

void Cgroup::Disown() {
  directories_.clear();
  remover_ = -1;
}

void Cgroup::Remove() {
  for (const std::string& directory : directories_) {
    rmdir(directory.c_str());
  }
  directories_.clear();
  if (remover_ > 0) {
    kill(remover_, SIGKILL);  // its work is done
    while (waitpid(remover_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
    remover_ = -1;
  }
}

}  // namespace encapsulate
