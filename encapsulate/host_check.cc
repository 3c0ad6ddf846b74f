// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host_check.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/host/causes.h"
#include "encapsulate/host/levels.h"
#include "encapsulate/isolation.h"
#include "encapsulate/kernel/interfaces.h"
#include "encapsulate/kernel/landlock.h"
#include "encapsulate/kernel/new_process.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/plan/cgroup.h"
#include "encapsulate/plan/outer_monitor.h"
#include "encapsulate/sandbox.h"

namespace encapsulate {
namespace {

// Ends the probe with errno unless `result` is at least 0.
void Try(int report, int64_t result) {
  if (result >= 0) return;
  const int error = errno;
  if (write(report, &error, sizeof(error)) < 0) _exit(2);
  _exit(1);
}

void WriteOnce(int report, const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  Try(report, fd);
  Try(report, write(fd, text, strlen(text)));
  close(fd);
}

// Maps the caller to itself. What the ids were has to be asked for before the
// namespace is made.
struct Ids {
  char uid_map[64];
  char gid_map[64];
};

Ids OwnIds() {
  Ids ids;
  snprintf(ids.uid_map, sizeof(ids.uid_map), "%u %u 1\n", geteuid(), geteuid());
  snprintf(ids.gid_map, sizeof(ids.gid_map), "%u %u 1\n", getegid(), getegid());
  return ids;
}

void MapIds(int report, const Ids& ids) {
  WriteOnce(report, "/proc/self/setgroups", "deny");
  WriteOnce(report, "/proc/self/gid_map", ids.gid_map);
  WriteOnce(report, "/proc/self/uid_map", ids.uid_map);
}

using Probe = void (*)(int report);

// What goes wrong, as errno, when `probe` runs in a child with new namespaces
// `flags`, or when they can't be made; 0 if nothing does.
struct ProbeResult {
  bool made = false;  // the namespaces
  int error = 0;
};

ProbeResult TryInChild(int flags, Probe probe) {
  ProbeResult result;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    result.error = errno;
    return result;
  }
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const Ids ids = OwnIds();
  const pid_t pid = CloneCopy(static_cast<unsigned>(flags));
  if (pid < 0) {
    result.error = errno;
    return result;
  }
  if (pid == 0) {
    if ((flags & CLONE_NEWUSER) != 0) MapIds(writer.get(), ids);
    if (probe != nullptr) probe(writer.get());
    _exit(0);
  }
  result.made = true;
  writer.Reset();
  int error = 0;
  if (read(reader.get(), &error, sizeof(error)) == sizeof(error)) {
    result.error = error;
  }
  while (waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  return result;
}

HostFeature Works(absl::string_view name) {
  return {std::string(name), HostSupport::kOk, "", ""};
}

HostFeature Lacks(absl::string_view name, HostSupport support, int error,
                  const Cause& cause) {
  return {std::string(name), support,
          cause.reason.empty()
              ? Reason(error)
              : absl::StrCat(cause.reason, ": ", Reason(error)),
          cause.hint};
}

// A probe's outcome; `why` explains its errno.
template <typename Why>
HostFeature Classify(absl::string_view name, HostSupport otherwise,
                     const ProbeResult& result, Why why) {
  if (result.error == 0) return Works(name);
  return Lacks(name, otherwise, result.error,
               result.made ? why(result.error) : WhyNoNamespaces(result.error));
}

void MountPrivately(int report) {
  Try(report, mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  Try(report, mount("encapsulate", "/proc", "tmpfs", MS_NOSUID, nullptr));
}

void MountProc(int report) {
  Try(report, mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  Try(report, mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                    nullptr));
}

void MountSys(int report) {
  Try(report, mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  Try(report, mount("sysfs", "/sys", "sysfs",
                    MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, nullptr));
}

void MakeLoopback(int report) {
  errno = SetUpInterfaces(/*loopback=*/true).error;
  Try(report, errno == 0 ? 0 : -1);
}

void MountOverlay(int report) {
  MountPrivately(report);
  Try(report, chdir("/proc"));
  for (const char* name : {"lower", "upper", "work", "merged"}) {
    Try(report, mkdir(name, 0755));
  }
  Try(report, mount("overlay", "merged", "overlay", MS_NOSUID | MS_NODEV,
                    "lowerdir=lower,upperdir=upper,workdir=work,userxattr"));
}

// What an overlay does with a directory of the tree it has to mark, by an
// attribute of its own copy.
void DeleteInOverlay(int report) {
  MountOverlay(report);
  Try(report, mkdir("lower/directory", 0755));
  Try(report, rmdir("merged/directory"));
}

// Makes a call fail in a way that a kernel without it would not.
HostFeature CheckCall(absl::string_view name, HostSupport otherwise,
                      long result, absl::string_view reason,
                      absl::string_view hint) {
  const int error = errno;
  if (result >= 0 || (error != ENOSYS && error != EPERM)) return Works(name);
  return {std::string(name), otherwise,
          absl::StrCat(reason, ": ", Reason(error)), std::string(hint)};
}

// The same for what nothing can replace, and only a filter or an old kernel
// lacks.
HostFeature CheckNeeded(absl::string_view name, long result) {
  const int error = errno;
  if (result >= 0 || (error != ENOSYS && error != EPERM)) return Works(name);
  return Lacks(name, HostSupport::kRefused, error, WhyForbidden(error));
}

HostFeature Lacks(absl::string_view name, HostSupport otherwise,
                  const Failure& failure) {
  return {std::string(name), otherwise, WhyOf(failure), failure.hint};
}

HostFeature CheckCgroup(absl::string_view name, const absl::Status& status) {
  if (status.ok()) return Works(name);
  return Lacks(name, HostSupport::kUnavailable, FailureOf(status));
}

// What making one gives; `result` is what came of it.
absl::Status TrySandbox(Result* result) {
  Options options;
  options.directory = "/";
  absl::StatusOr<absl::optional<Process>> child = Enter(options);
  if (child.ok() && !child->has_value()) _exit(0);
  if (child.ok()) *result = (*child)->Wait();
  return child.status();
}

HostFeature CheckSandbox() {
  constexpr absl::string_view kName = "a whole sandbox";
  Result result;
  const absl::Status made = TrySandbox(&result);
  if (!made.ok()) {
    // Whole, as it is the one that says which step it was.
    const Failure failure = FailureOf(made);
    return {std::string(kName), HostSupport::kRefused,
            Words({failure.kind, failure.verb, failure.object, failure.reason,
                   failure.error}),
            failure.hint};
  }
  if (result.ok()) return Works(kName);
  return {std::string(kName), HostSupport::kRefused,
          result.outcome == Outcome::kLost
              ? result.lost
              : "what runs in it doesn't come to its end",
          ""};
}

std::vector<HostFeature> CheckCalls() {
  std::vector<HostFeature> features;
  errno = 0;
  features.push_back(
      CheckNeeded("pidfds", UniqueFd(sys::PidfdOpen(getpid())).get()));
  // -1 and an empty path: EBADF or ENOENT from a kernel that has the call.
  features.push_back(
      CheckNeeded("open_tree", sys::OpenTree(-1, "", sys::kOpenTreeCloexec)));
  features.push_back(CheckCall(
      "mount_setattr", HostSupport::kUnavailable,
      sys::MountSetattr(-1, "", ~0U, {}),  // flags come before privileges
      "mounts are made read-only one by one, which is slower with many",
      "use Linux 5.12 or newer"));
  const uint32_t action = SECCOMP_RET_ERRNO;
  features.push_back(CheckCall(
      "system call filters", HostSupport::kRefused,
      syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action),
      "this kernel has no seccomp filters, or a container filters the call",
      "use a kernel with CONFIG_SECCOMP_FILTER"));
  const uint32_t notify = SECCOMP_RET_USER_NOTIF;
  const long available =
      syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &notify);
  features.push_back(
      available == 0
          ? Works("violations")
          : Lacks("violations", HostSupport::kUnavailable, errno,
                  {"attempts to reach out can't be reported: this kernel has "
                   "no user notification of seccomp",
                   "use Linux 5.10 or newer"}));
  return features;
}

// Whether `error` is of what comes and goes, or of a file that the caller has
// open and nobody else any more, and says nothing about the host.
bool IsOfTheMoment(int error) {
  return error == EAGAIN || error == EMFILE || error == ENFILE ||
         error == ENOMEM || error == ESTALE;
}

LevelSupport Granted(Isolation level, int landlock_abi) {
  return {level,
          true,
          "",
          "",
          NamesOf(Kept::kNo, level, landlock_abi),
          NamesOf(Kept::kHonestCode, level, landlock_abi)};
}

LevelSupport CheckNamespaces(const std::vector<HostFeature>& features) {
  LevelSupport support = Granted(Isolation::kNamespaces, 0);
  const auto refused =
      absl::c_find_if(features, [](const HostFeature& feature) {
        return feature.support == HostSupport::kRefused;
      });
  if (refused == features.end()) return support;
  support.works = false;
  support.reason = absl::StrCat(refused->name, ": ", refused->reason);
  support.hint = refused->hint;
  return support;
}

LevelSupport CheckLandlock() {
  const LandlockFacts facts = ProbeLandlock();
  LevelSupport support = Granted(Isolation::kLandlock, facts.abi);
  const absl::optional<Obstacle> obstacle = ObstacleToLandlock(facts);
  if (!obstacle.has_value()) return support;
  support.works = false;
  support.reason = absl::StrCat(obstacle->what, ": ", obstacle->cause.reason,
                                obstacle->cause.reason.empty() ? "" : ": ",
                                Reason(obstacle->error));
  support.hint = obstacle->cause.hint;
  return support;
}

Isolation FindStrongest() {
  // Where it would be a violation, it isn't tried.
  if (SendNote(NotePath(HelloNote()).c_str()) != kNoNamespacesInside) {
    Result result;
    const absl::Status made = TrySandbox(&result);
    if ((made.ok() && result.ok()) || IsOfTheMoment(FailureOf(made).error)) {
      return Isolation::kNamespaces;
    }
  }
  return CheckLandlock().works ? Isolation::kLandlock : Isolation::kProcess;
}

bool IsSysfs(const char* path) {
  struct statfs info;
  return statfs(path, &info) == 0 &&
         static_cast<uint32_t>(info.f_type) == SYSFS_MAGIC;
}

}  // namespace

std::vector<HostFeature> CheckHost() {
  constexpr int kMounts = CLONE_NEWUSER | CLONE_NEWNS;
  const auto unknown = [](int) { return Cause(); };
  std::vector<HostFeature> features;
  const ProbeResult user = TryInChild(CLONE_NEWUSER, nullptr);
  features.push_back(user.made
                         ? Works("user namespaces")
                         : Lacks("user namespaces", HostSupport::kRefused,
                                 user.error, WhyNoNamespaces(user.error)));
  if (user.made) {
    features.push_back(
        Classify("user mapping", HostSupport::kRefused, user, WhyNotMapped));
  }
  // Without these, all that follows fails for the same reason.
  if (user.error == 0) {
    features.push_back(Classify("mounts", HostSupport::kRefused,
                                TryInChild(kMounts, MountPrivately),
                                WhyForbidden));
    features.push_back(
        Classify("private /proc", HostSupport::kRefused,
                 TryInChild(kMounts | CLONE_NEWPID, MountProc),
                 [](int error) { return WhyNotRevealed("/proc", error); }));
    if (IsSysfs("/sys")) {
      features.push_back(
          Classify("private /sys", HostSupport::kRefused,
                   TryInChild(kMounts | CLONE_NEWNET, MountSys),
                   [](int error) { return WhyNotRevealed("/sys", error); }));
    }
    features.push_back(Classify(
        "own network", HostSupport::kRefused,
        TryInChild(CLONE_NEWUSER | CLONE_NEWNET, MakeLoopback), WhyForbidden));
    const int cgroup = CgroupNamespacesAreOff() ? 0 : CLONE_NEWCGROUP;
    features.push_back(Classify(
        "other namespaces", HostSupport::kRefused,
        TryInChild(CLONE_NEWUSER | CLONE_NEWIPC | CLONE_NEWUTS | cgroup,
                   nullptr),
        unknown));
    features.push_back(
        Classify("overlays", HostSupport::kUnavailable,
                 TryInChild(kMounts, MountOverlay), [](int) {
                   return Cause{
                       "--overlay can't be used: this kernel has no overlays "
                       "in user namespaces",
                       "use Linux 5.11 or newer, or --tmpfs"};
                 }));
    if (features.back().support == HostSupport::kOk) {
      features.push_back(
          Classify("directories in overlays", HostSupport::kUnavailable,
                   TryInChild(kMounts, DeleteInOverlay), [](int) {
                     return Cause{
                         "in --overlay, directories can't be deleted or moved, "
                         "nor made where something was deleted: this kernel's "
                         "tmpfs has no attributes to mark them with",
                         "use Linux 6.6 or newer, or a copy of the tree"};
                   }));
    }
  }
  for (HostFeature& feature : CheckCalls()) {
    features.push_back(std::move(feature));
  }
  features.push_back(CheckCgroup("memory limit", Cgroup::MayLimitMemory()));
  features.push_back(
      CheckCgroup("process limit by cgroup", Cgroup::MayLimitProcesses()));
  if (CanSandbox(features)) features.push_back(CheckSandbox());
  return features;
}

bool CanSandbox(const std::vector<HostFeature>& features) {
  return absl::c_none_of(features, [](const HostFeature& feature) {
    return feature.support == HostSupport::kRefused;
  });
}

std::vector<LevelSupport> CheckLevels(
    const std::vector<HostFeature>& features) {
  return {CheckNamespaces(features), CheckLandlock(),
          Granted(Isolation::kProcess, 0)};
}

Isolation StrongestIsolation() {
  static const Isolation strongest = FindStrongest();
  return strongest;
}

std::string DescribeIsolation(Isolation level) {
  if (level == Isolation::kNamespaces) return "";
  return absl::StrCat(
      "isolation level ", IsolationName(level),
      ", which doesn't keep: ", NamesOf(Kept::kNo, level, sys::LandlockAbi()));
}

std::string DescribeWeakerLevel(Isolation refused, absl::string_view flag) {
  const Isolation strongest = StrongestIsolation();
  // Each takes a pidfd of this process.
  const UniqueFd self(sys::PidfdOpen(getpid()));
  if (strongest <= refused || !self.valid()) return "";
  const char* const name = IsolationName(strongest);
  return absl::StrCat("level ", name, " works on this host (", flag, "=", name,
                      "), but doesn't keep: ",
                      NamesOf(Kept::kNo, strongest, sys::LandlockAbi()));
}

}  // namespace encapsulate
