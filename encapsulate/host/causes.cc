// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host/causes.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/host/containers.h"
#include "encapsulate/kernel/mountinfo.h"

namespace encapsulate {
namespace {

// The first number in a file of /proc/sys; -1 if there is none.
int64_t ReadNumber(const char* path) {
  std::ifstream file(path);
  int64_t number = -1;
  file >> number;
  return file ? number : -1;
}

// Whether `id` is in the map of this process's user namespace; if there is none
// to read, it is (user_namespaces(7), EPERM).
bool IsMapped(const char* map, int64_t id) {
  std::ifstream file(map);
  if (!file) return true;
  int64_t inside = 0;
  int64_t outside = 0;
  int64_t count = 0;
  while (file >> inside >> outside >> count) {
    if (id >= inside && id - inside < count) return true;
  }
  return false;
}

// Whether a seccomp filter binds this process, a container's profile usually.
bool IsFiltered() {
  return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER;
}

// Whether this kernel has what the project needs at least.
bool KernelIsTooOld() {
  struct utsname system = {};
  int major = 0;
  int minor = 0;
  uname(&system);
  return sscanf(system.release, "%d.%d", &major, &minor) == 2 &&
         (major < 5 || (major == 5 && minor < 10));
}

// Whether this process is in the namespace that all others descend from
// (PROC_USER_INIT_INO in the kernel's include/linux/proc_ns.h).
bool InInitialUserNamespace() {
  constexpr ino_t kInitial = 0xEFFFFFFD;
  struct stat info;
  return stat("/proc/self/ns/user", &info) == 0 && info.st_ino == kInitial;
}

// Whether two links of /proc lead to the same thing; if in doubt, they do.
bool AreSame(const char* one, const char* other) {
  struct stat first;
  struct stat second;
  return stat(one, &first) != 0 || stat(other, &second) != 0 ||
         (first.st_dev == second.st_dev && first.st_ino == second.st_ino);
}

// Whether this process's root isn't its mount namespace's: the kernel gives no
// user namespace from inside a chroot (user_namespaces(7), EPERM).
bool InChroot() {
  const UniqueFd table(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!table.valid()) return false;
  const auto reader = std::make_unique<MountInfoReader>();
  reader->Start(table.get());
  MountInfo mount;
  bool has_root = false;
  while (reader->Next(&mount)) {
    has_root = has_root || absl::string_view(mount.point) == "/";
  }
  // A chroot to a mount point looks like a root. Whoever may look at pid 1
  // can compare.
  return !has_root || (AreSame("/proc/1/ns/mnt", "/proc/self/ns/mnt") &&
                       !AreSame("/proc/1/root/", "/proc/self/root/"));
}

// Whether `mount` has a directory of its own in procfs or sysfs, which is empty
// without it, so that it covers nothing.
bool HasOwnPlace(const MountInfo& mount) {
  for (absl::string_view type :
       {"cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "pstore",
        "bpf", "configfs", "fusectl", "efivarfs", "selinuxfs", "binfmt_misc",
        "autofs", "nfsd"}) {
    if (type == mount.type) return true;
  }
  return absl::string_view(mount.point) == "/sys/fs/cgroup";
}

// What covers parts of `tree`, as a list for a person.
std::string CoversOf(const std::string& tree) {
  const UniqueFd table(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!table.valid()) return "";
  const auto reader = std::make_unique<MountInfoReader>();
  reader->Start(table.get());
  MountInfo mount;
  std::vector<std::string> found;
  while (reader->Next(&mount)) {
    if (mount.point != tree && IsWithin(mount.point, tree) &&
        !HasOwnPlace(mount) && found.size() < 8) {
      found.emplace_back(mount.point);
    }
  }
  return absl::StrJoin(found, ", ");
}

}  // namespace

Cause WhyUsedUp(int error) {
  switch (error) {
    case EAGAIN:
      return {"the limit on processes is reached", "raise ulimit -u"};
    case EMFILE:
      return {"", "raise ulimit -n"};
    case ENFILE:
      return {"", "as root, raise sysctl fs.file-max"};
    default:
      return {"", ""};
  }
}

Cause WhyNoNamespaces(int error) {
  if (error == EPERM || error == EACCES) {
    if (InChroot()) {
      return {"this is a chroot, in which the kernel gives none",
              "use pivot_root, a container or a mount namespace in place of "
              "chroot"};
    }
    if (!IsMapped("/proc/self/uid_map", geteuid()) ||
        !IsMapped("/proc/self/gid_map", getegid())) {
      return {"this user, or its group, has no id in its own user namespace",
              "map it there, for unshare(1) with --map-current-user"};
    }
    if (ReadNumber("/proc/sys/kernel/unprivileged_userns_clone") == 0) {
      return {"this host has turned them off",
              "as root, sysctl -w kernel.unprivileged_userns_clone=1"};
    }
    if (error == EPERM && !IsFiltered()) {
      return {
          "this is a chroot, in which the kernel gives none, or a security "
          "module forbids it",
          "use pivot_root, a container or a mount namespace in place of "
          "chroot"};
    }
    return WhyForbidden(error);
  }
  if (error == ENOSPC || error == EUSERS) {
    for (const char* kind :
         {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"}) {
      const std::string name = absl::StrCat("user.max_", kind, "_namespaces");
      if (ReadNumber(absl::StrCat("/proc/sys/user/max_", kind, "_namespaces")
                         .c_str()) == 0) {
        return {absl::StrCat("this host has set ", name, " to 0"),
                absl::StrCat("as root, sysctl -w ", name, "=10000")};
      }
    }
    if (InInitialUserNamespace()) {
      return {"the limit on namespaces is reached",
              "as root, raise the limits in /proc/sys/user"};
    }
    return {
        "a limit on namespaces of a namespace around this one is reached, "
        "or set to forbid any more, or they are nested 32 deep",
        "outside, as root, raise the limits in /proc/sys/user"};
  }
  if (error == EINVAL) {
    return {"this kernel was built without them",
            "use a kernel with CONFIG_NAMESPACES and CONFIG_USER_NS"};
  }
  if (error == ENOSYS) return WhyForbidden(error);
  return WhyUsedUp(error);
}

Cause WhyNotPrivileged(int error) {
  if (error != EPERM && error != EACCES) return {"", ""};
  if (ReadNumber("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") ==
      1) {
    return {"AppArmor restricts user namespaces on this host",
            "load the profile in docs/apparmor, or, as root, sysctl -w "
            "kernel.apparmor_restrict_unprivileged_userns=0"};
  }
  return {"", ""};
}

Cause WhyForbidden(int error) {
  Cause cause = WhyNotPrivileged(error);
  if (!cause.reason.empty()) return cause;
  // A profile refuses with EPERM, or as if it had never heard of the call.
  if (error == EACCES || (error == EPERM && !IsFiltered())) {
    return {"a security module such as AppArmor or SELinux forbids it",
            HowToLeaveConfinement()};
  }
  if (error == EPERM) {
    return {
        "something on this host forbids it, probably a container's seccomp "
        "profile",
        HowToAllowCalls()};
  }
  if (error == ENOSYS) {
    if (KernelIsTooOld()) {
      return {"this kernel is too old", "use Linux 5.10 or newer"};
    }
    return {"probably a container's seccomp profile filters the call",
            HowToAllowCalls()};
  }
  return WhyUsedUp(error);
}

bool CgroupNamespacesAreOff() {
  return ReadNumber("/proc/sys/user/max_cgroup_namespaces") == 0;
}

int PtraceScope() {
  return static_cast<int>(ReadNumber("/proc/sys/kernel/yama/ptrace_scope"));
}

Cause WhyNotMapped(int error) {
  if (error == ENOENT) {
    return {"/proc is not mounted", "mount -t proc proc /proc"};
  }
  if (error == EPERM && geteuid() == 0) {
    return {"mapping root needs CAP_SETFCAP, which this root lacks",
            "grant it, or run as an ordinary user"};
  }
  return WhyNotPrivileged(error);
}

Cause WhyNotRevealed(const std::string& target, int error) {
  if (error != EPERM) return {"", ""};
  Cause cause = WhyNotPrivileged(error);
  if (!cause.reason.empty()) return cause;
  const std::string covers = CoversOf(target);
  if (covers.empty()) return {"", ""};
  return {
      absl::StrCat("parts of the host's ", target, " are covered: ", covers),
      HowToUnmask(target)};
}

absl::Status HostError(absl::string_view verb) {
  const int error = errno;
  const Cause cause = WhyForbidden(error);
  return MakeFailure({FailureKind::kHostRefused, std::string(verb), "",
                      cause.reason, error, cause.hint});
}

}  // namespace encapsulate
