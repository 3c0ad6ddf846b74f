// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host/mount_table.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/host/causes.h"
#include "encapsulate/kernel/mountinfo.h"

namespace encapsulate {
namespace {

constexpr char kAutomounter[] = "autofs";

bool IsOneOf(absl::string_view type, std::initializer_list<const char*> types) {
  return absl::c_linear_search(types, type);
}

MountTable::Point PointOf(absl::string_view type) {
  if (IsOneOf(type, {"tmpfs", "ext4", "overlay", "btrfs", "xfs", "f2fs", "zfs",
                     "ramfs", "rootfs", "devtmpfs", "ext3", "ext2", "bcachefs",
                     "jfs", "reiserfs"})) {
    return MountTable::Point::kLocal;
  }
  // The kernel's own, and those of media.
  if (IsOneOf(
          type,
          {"proc",       "sysfs",      "cgroup",    "cgroup2",     "devpts",
           "mqueue",     "nsfs",       "hugetlbfs", "binfmt_misc", "bpf",
           "configfs",   "debugfs",    "efivarfs",  "fusectl",     "pstore",
           "rpc_pipefs", "securityfs", "tracefs",   "erofs",       "exfat",
           "iso9660",    "ntfs3",      "squashfs",  "udf",         "vfat"})) {
    return MountTable::Point::kNoSockets;
  }
  if (type == kAutomounter) return MountTable::Point::kAutomount;
  // FUSE, NFS, CIFS, 9p, virtiofs, Ceph, AFS ... may have to ask somebody.
  return MountTable::Point::kSlow;
}

MountTable::Point Merge(MountTable::Point below, MountTable::Point above) {
  using Point = MountTable::Point;
  if (below == Point::kNone || below == above) return above;
  if (below != Point::kSlow && below != Point::kAutomount &&
      above != Point::kSlow && above != Point::kAutomount) {
    return above;
  }
  // Who comes to what is mounted on a trigger passes the automounter.
  return Point::kSlow;
}

std::string Join(absl::string_view directory, absl::string_view rest) {
  if (rest.empty()) return std::string(directory);
  return absl::StrCat(directory == "/" ? "" : directory, rest);
}

// `path` without `tree`, in which it is: "" or "/...".
absl::string_view Below(absl::string_view path, absl::string_view tree) {
  if (tree != "/") return path.substr(tree.size());
  return path == "/" ? "" : path;
}

// As init says it of its own, which may come first.
absl::Status CannotOpen() {
  if (errno != ENOENT) return HostError("read the mount table");
  const Cause cause = WhyNotMapped(ENOENT);
  return MakeFailure({FailureKind::kHostRefused, "read the mount table", "",
                      cause.reason, ENOENT, cause.hint});
}

}  // namespace

absl::StatusOr<MountTable> MountTable::Read() {
  const UniqueFd file(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return CannotOpen();
  // Not std::make_unique(), which would write to all of it.
  const std::unique_ptr<MountInfoReader> reader(new MountInfoReader);
  MountTable table;
  reader->Start(file.get());
  MountInfo mount;
  while (reader->Next(&mount)) {
    const size_t index = table.mounts_.size();
    table.mounts_.push_back({mount.id, mount.device, mount.root, mount.point,
                             IsOneOf(mount.type, {"tmpfs", "ramfs"})});
    // Without what is at `/`, nothing runs at all.
    const Point point =
        strcmp(mount.point, "/") == 0 ? Point::kLocal : PointOf(mount.type);
    Place& place = table.places_[mount.point];
    place.kind = Merge(place.kind, point);
    place.last = index;
  }
  if (reader->error() != 0) {
    errno = reader->error();
    return HostError("read the mount table");
  }
  return table;
}

MountTable::Point MountTable::At(const std::string& path) const {
  const auto found = places_.find(path);
  return found == places_.end() ? Point::kNone : found->second.kind;
}

std::vector<Alias> MountTable::AliasesOf(const std::string& path) const {
  return FindAliases(path, Part::kNo);
}

std::vector<Alias> MountTable::AliasesOfParts(const std::string& path) const {
  return FindAliases(path, Part::kYes);
}

std::vector<Alias> MountTable::FindAliases(const std::string& path,
                                           Part part) const {
  std::vector<Alias> aliases;
  std::string point = path;
  auto around = places_.find(point);
  while (around == places_.end() && point != "/") {
    point = ParentOf(point);
    around = places_.find(point);
  }
  if (around == places_.end()) return aliases;
  const Mount& own = mounts_[around->second.last];
  // In the filesystem, whatever part of it a mount shows.
  const std::string place = Join(own.root, Below(path, point));
  for (const Mount& other : mounts_) {
    if (other.device != own.device || other.id == own.id) continue;
    std::string alias;
    if (part == Part::kNo) {
      if (!IsWithin(place, other.root)) continue;
      alias = Join(other.point, Below(place, other.root));
    } else {
      if (other.root == place || !IsWithin(other.root, place)) continue;
      alias = other.point;
    }
    if (alias != path) aliases.push_back({std::move(alias), other.id});
  }
  return aliases;
}

std::vector<std::string> MountTable::MemoryMountsBelow(
    absl::string_view tree) const {
  std::vector<std::string> points;
  for (const Mount& mount : mounts_) {
    if (mount.in_memory && mount.point != tree && IsWithin(mount.point, tree)) {
      points.push_back(mount.point);
    }
  }
  return points;
}

}  // namespace encapsulate
