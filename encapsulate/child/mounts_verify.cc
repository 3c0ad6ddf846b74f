// SPDX-License-Identifier: Apache-2.0
//
// Reads the mount table of the finished view back.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "encapsulate/child/setup.h"
#include "encapsulate/child/stage.h"
#include "encapsulate/kernel/mountinfo.h"

namespace encapsulate {
namespace {

// The child has one thread, and this is too large for a stack.
MountInfoReader mount_reader;

class ViewVerifier {
 public:
  ViewVerifier(Setup& setup, int mount_table)
      : setup_(setup), plan_(setup.plan()), mount_table_(mount_table) {}

  void Verify() {
    mount_reader.Start(mount_table_);
    MountInfo mount;
    while (mount_reader.Next(&mount)) {
      if (CoverIfKernel(mount)) continue;
      const bool read_only = mount.Has("ro");
      const bool no_devices = mount.Has("nodev");
      if ((read_only || MayWrite(mount.point)) &&
          (no_devices || MayHoldDevices(mount.point))) {
        continue;
      }
      // A mount under another one can't be reached by any path.
      if (!IsVisible(mount)) continue;
      setup_.Fail(Step::kVerifyMounts, -1, EROFS, mount.point);
    }
    if (mount_reader.error() != 0) {
      setup_.Fail(Step::kReadMountTable, -1, mount_reader.error());
    }
    setup_.Done(Step::kVerifyMounts);
  }

 private:
  const ChildPlace* PlaceAt(const char* path) const {
    for (const ChildPlace& place : plan_.places) {
      if (strcmp(place.target.c_str(), path) == 0) return &place;
    }
    return nullptr;
  }

  // The innermost place that `path` is in; null if it is plain host.
  const ChildPlace* PlaceAround(const char* path) const {
    const ChildPlace* around = nullptr;
    for (const ChildPlace& place : plan_.places) {  // outer before inner
      if (IsBelow(path, place.target.c_str())) around = &place;
    }
    return around;
  }

  bool MayWrite(const char* point) const {
    const ChildPlace* place = PlaceAround(point);
    if (place == nullptr) return plan_.root_writable;
    switch (place->kind) {
      case PlaceKind::kWritable:
        return true;  // with its submounts
      case PlaceKind::kTmpfs:
      case PlaceKind::kOverlay:
      case PlaceKind::kShm:
      case PlaceKind::kMqueue:
      case PlaceKind::kDevPts:
      case PlaceKind::kProc:
        return strcmp(point, place->target.c_str()) == 0;
      case PlaceKind::kDevice:
        return true;  // the node is protected by its own mode
      case PlaceKind::kHidden:
      case PlaceKind::kShown:
      case PlaceKind::kDev:
      case PlaceKind::kSys:
      case PlaceKind::kCgroup:
      case PlaceKind::kGenerated:
        return false;
    }
    return false;
  }

  bool MayHoldDevices(const char* point) const {
    const ChildPlace* place = PlaceAround(point);
    return place != nullptr &&
           (place->devices || place->kind == PlaceKind::kDevice ||
            place->kind == PlaceKind::kDev ||
            place->kind == PlaceKind::kDevPts);
  }

  // Whether `mount` is what its path leads to (STATX_MNT_ID, Linux 5.8); if in
  // doubt, it is.
  static bool IsVisible(const MountInfo& mount) {
    struct statx info;
    if (statx(AT_FDCWD, mount.point,
              AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
              STATX_MNT_ID, &info) != 0) {
      return errno != ENOENT && errno != EACCES && errno != ENOTDIR;
    }
    return (info.stx_mask & STATX_MNT_ID) == 0 ||
           static_cast<int>(info.stx_mnt_id) == mount.id;
  }

  // Filesystems that show the host's kernel wherever they are mounted: a
  // second procfs in a chroot has links to the host's root in it
  // (/proc/PID/root).
  static bool ShowsKernel(const char* type) {
    for (const char* name :
         {"proc", "sysfs", "cgroup", "cgroup2", "devtmpfs", "devpts", "mqueue",
          "bpf", "binfmt_misc", "configfs", "debugfs", "efivarfs", "nfsd",
          "pstore", "resctrl", "rpc_pipefs", "securityfs", "tracefs"}) {
      if (strcmp(type, name) == 0) return true;
    }
    return false;
  }

  bool CoverIfKernel(const MountInfo& mount) {
    if (!ShowsKernel(mount.type)) return false;
    if (PlaceAt(mount.point) != nullptr) return false;
    const ChildPlace* around = PlaceAround(mount.point);
    if (around != nullptr) {
      // In the sandbox's own /proc, /sys and /dev there is nothing else, and
      // what the caller named by its own path is meant to be seen.
      if (around->kind != PlaceKind::kWritable &&
          around->kind != PlaceKind::kShown &&
          around->kind != PlaceKind::kOverlay) {
        return false;
      }
      if (around->devices) return false;
    }
    // Objects pinned in a bpf filesystem can be changed through a read-only
    // mount.
    if (plan_.host_sys && IsBelow(mount.point, "/sys") &&
        strcmp(mount.type, "bpf") != 0) {
      return false;
    }
    struct stat info;
    if (!IsVisible(mount) || lstat(mount.point, &info) != 0) return false;
    if (Cover(mount.point, S_ISDIR(info.st_mode)) != 0) {
      setup_.Fail(Step::kCoverMount, -1, errno, mount.point);
    }
    return true;
  }

  Setup& setup_;
  const ChildPlan& plan_;
  const int mount_table_;
};

}  // namespace

void VerifyView(Setup& setup, int mount_table) {
  ViewVerifier(setup, mount_table).Verify();
}

}  // namespace encapsulate
