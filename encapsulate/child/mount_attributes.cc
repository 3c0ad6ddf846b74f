// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/child/mount_attributes.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>

#include "encapsulate/child/stage.h"
#include "encapsulate/kernel/mountinfo.h"
#include "encapsulate/kernel/syscalls.h"

namespace encapsulate {
namespace {

// The child has one thread, and this is too large for a stack.
MountInfoReader mount_reader;

// The flags of the mount at `path`, as mount(2) wants them back: a remount
// that leaves out a locked one is refused.
unsigned long CurrentFlags(const struct statvfs& info) {
  unsigned long flags = 0;
  const struct {
    unsigned long shown;
    unsigned long wanted;
  } kPairs[] = {{ST_RDONLY, MS_RDONLY},    {ST_NOSUID, MS_NOSUID},
                {ST_NODEV, MS_NODEV},      {ST_NOEXEC, MS_NOEXEC},
                {ST_NOATIME, MS_NOATIME},  {ST_NODIRATIME, MS_NODIRATIME},
                {ST_RELATIME, MS_RELATIME}};
  for (const auto& pair : kPairs) {
    if ((info.f_flag & pair.shown) != 0) flags |= pair.wanted;
  }
  return flags;
}

// The same by the mount table: statvfs(3) would wait for a file server, and
// wake an automount.
unsigned long CurrentFlags(const MountInfo& mount) {
  unsigned long flags = 0;
  const struct {
    const char* shown;
    unsigned long wanted;
  } kPairs[] = {{"ro", MS_RDONLY},        {"nosuid", MS_NOSUID},
                {"nodev", MS_NODEV},      {"noexec", MS_NOEXEC},
                {"noatime", MS_NOATIME},  {"nodiratime", MS_NODIRATIME},
                {"relatime", MS_RELATIME}};
  for (const auto& pair : kPairs) {
    if (mount.Has(pair.shown)) flags |= pair.wanted;
  }
  return flags;
}

unsigned long MountFlags(uint64_t attributes) {
  unsigned long flags = 0;
  if ((attributes & sys::kMountAttrReadOnly) != 0) flags |= MS_RDONLY;
  if ((attributes & sys::kMountAttrNosuid) != 0) flags |= MS_NOSUID;
  if ((attributes & sys::kMountAttrNodev) != 0) flags |= MS_NODEV;
  return flags;
}

// Before mount_setattr (Linux 5.12): one remount.
int Remount(const char* path, unsigned long current, uint64_t set,
            uint64_t clear) {
  const unsigned long flags = (current | MountFlags(set)) & ~MountFlags(clear);
  return mount(nullptr, path, nullptr, MS_REMOUNT | MS_BIND | flags, nullptr);
}

int RemountOne(const char* path, uint64_t set, uint64_t clear) {
  struct statvfs info;
  if (statvfs(path, &info) != 0) return -1;
  return Remount(path, CurrentFlags(info), set, clear);
}

// The same of a mount of the table. Nothing is done if another one is over it,
// whose flags those of the table aren't (STATX_MNT_ID, Linux 5.8).
int RemountListed(const MountInfo& mount, uint64_t set, uint64_t clear) {
  struct statx info;
  if (statx(AT_FDCWD, mount.point,
            AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC,
            STATX_MNT_ID, &info) != 0) {
    return -1;
  }
  if ((info.stx_mask & STATX_MNT_ID) == 0) {
    return RemountOne(mount.point, set, clear);
  }
  if (static_cast<int>(info.stx_mnt_id) != mount.id) return 0;
  return Remount(mount.point, CurrentFlags(mount), set, clear);
}

}  // namespace

int MountAttributes::Change(const char* path, uint64_t set, uint64_t clear,
                            bool recursive) {
  if (!missing_) {
    sys::MountAttr attr;
    attr.set = set;
    attr.clear = clear;
    attr.propagation = MS_PRIVATE;
    if (sys::MountSetattr(AT_FDCWD, path, recursive ? sys::kRecursive : 0,
                          attr) == 0) {
      return 0;
    }
    if (errno != ENOSYS) return -1;
    missing_ = true;
  }
  if (mount(nullptr, path, nullptr,
            MS_PRIVATE | (recursive ? unsigned{MS_REC} : 0), nullptr) != 0) {
    return -1;
  }
  if (!recursive) return RemountOne(path, set, clear);
  return RemountTree(path, set, clear);
}

int MountAttributes::RemountTree(const char* path, uint64_t set,
                                 uint64_t clear) const {
  mount_reader.Start(mount_table_);
  MountInfo mount;
  while (mount_reader.Next(&mount)) {
    if (!IsBelow(mount.point, path)) continue;
    if (RemountListed(mount, set, clear) == 0) continue;
    // Gone from sight, under another mount or beyond a directory that can't
    // be searched: the mount table is read back later and decides.
    if (errno != ENOENT && errno != EACCES && errno != EINVAL) return -1;
  }
  errno = mount_reader.error();
  return errno == 0 ? 0 : -1;
}

}  // namespace encapsulate
