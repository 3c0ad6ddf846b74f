#include "encapsulate/causes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "encapsulate/mountinfo.h"
#include "encapsulate/paths.h"
#include "encapsulate/unique_fd.h"

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
    return {
        "something on this host forbids it, probably a container's seccomp "
        "profile",
        "let the container use user namespaces, for Docker with "
        "--security-opt seccomp=unconfined"};
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
    return {"the limit on namespaces is reached, or they are nested 32 deep",
            "as root, raise the limits in /proc/sys/user"};
  }
  if (error == EINVAL || error == ENOSYS) {
    return {"this kernel was built without them", "use Linux 5.10 or newer"};
  }
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
  if (error == EPERM || error == EACCES) {
    return {
        "something on this host forbids it, probably a container's seccomp "
        "profile",
        "for Docker, run it with --security-opt seccomp=unconfined"};
  }
  if (error == ENOSYS) {
    return {"this kernel is too old, or a container filters the call",
            "use Linux 5.10 or newer, for Docker with --security-opt "
            "seccomp=unconfined"};
  }
  return WhyUsedUp(error);
}

bool CgroupNamespacesAreOff() {
  return ReadNumber("/proc/sys/user/max_cgroup_namespaces") == 0;
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
      absl::StrCat("unmask ", target,
                   ", for Docker with --security-opt "
                   "systempaths=unconfined")};
}

}  // namespace encapsulate
