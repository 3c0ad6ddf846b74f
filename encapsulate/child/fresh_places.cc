// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/child/fresh_places.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>

#include "encapsulate/child/stage.h"
#include "encapsulate/kernel/mountinfo.h"
#include "encapsulate/kernel/text.h"

namespace encapsulate {
namespace {

// The child has one thread, and this is too large for a stack.
MountInfoReader mount_reader;

// FNV-1a, the '\0' included.
void Add(const char* text, uint64_t* hash) {
  do {
    *hash = (*hash ^ static_cast<unsigned char>(*text)) * 0x100000001b3;
  } while (*text++ != '\0');
}

void Add(uint64_t number, uint64_t* hash) {
  Add(Text<24>(number).c_str(), hash);
}

}  // namespace

bool IsInFreshPlace(const ChildPlan& plan, const char* path) {
  for (const ChildPlace& place : plan.places) {
    if (IsFresh(place.kind) && IsBelow(path, place.target.c_str())) return true;
  }
  return false;
}

bool MakeParents(const char* path) {
  char buffer[PATH_MAX];
  const size_t length = strlen(path);
  if (length >= sizeof(buffer)) {
    errno = ENAMETOOLONG;
    return false;
  }
  memcpy(buffer, path, length + 1);
  for (char* slash = strchr(buffer + 1, '/'); slash != nullptr;
       slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    // On a read-only filesystem mkdir(2) says EROFS even of what exists.
    struct stat info;
    if (mkdir(buffer, 0755) != 0 && stat(buffer, &info) != 0) return false;
    *slash = '/';
  }
  return true;
}

bool MakePoint(const ChildPlace& place) {
  const char* const target = place.target.c_str();
  if (!MakeParents(target)) return false;
  const int made =
      place.directory ? mkdir(target, 0755) : mknod(target, S_IFREG | 0444, 0);
  return made == 0 || errno == EEXIST;
}

bool MountFresh(const ChildPlace& place) {
  // As for mount(8), 0 would be no limit.
  const Text<64> data("mode=1777,size=", place.size);
  return mount("tmpfs", place.target.c_str(), "tmpfs", MS_NOSUID | MS_NODEV,
               place.size != 0 ? data.c_str() : "mode=1777") == 0;
}

bool MakeDirectories(const ChildPlan& plan, StepFailure* failure) {
  for (size_t i = 0; i < plan.make_directories.size(); ++i) {
    const char* const path = plan.make_directories[i].c_str();
    *failure = {Step::kMakeDirectory, static_cast<int>(i)};
    if (!MakeParents(path)) return false;
    if (mkdir(path, 0700) != 0 && errno != EEXIST) return false;
  }
  return true;
}

FreshPlaces::FreshPlaces(const ChildPlan& plan) : plan_(plan) {
  can_renew_ = plan.reusable;
  for (const ChildPlace& place : plan.places) {
    if (!IsFresh(place.kind)) {
      can_renew_ &= !IsInFreshPlace(plan, place.target.c_str());
    } else if (count_ == kMost) {
      can_renew_ = false;
    } else {
      places_[count_++] = &place;
    }
  }
  can_renew_ &= count_ > 0;
}

bool FreshPlaces::Mount(StepFailure* failure) const {
  for (size_t i = 0; i < count_; ++i) {
    const ChildPlace& place = *places_[i];
    *failure = {Step::kMountPlace, static_cast<int>(&place - &plan_.places[0])};
    // The others were made with the view.
    if (HoldPoint(place) && !MakePoint(place)) {
      failure->step = Step::kMakeMountPoint;
      return false;
    }
    if (!MountFresh(place)) return false;
  }
  return MakeDirectories(plan_, failure);
}

int FreshPlaces::Outer(const ChildPlace& place) const {
  for (size_t i = count_; i-- > 0;) {
    if (&place != places_[i] &&
        IsBelow(place.target.c_str(), places_[i]->target.c_str())) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

bool FreshPlaces::Read(int mount_table, Table* table) const {
  int ids[kMost] = {};
  for (size_t i = 0; i < count_; ++i) {
    table->wrong = places_[i]->target.c_str();
    struct statx info = {};
    if (statx(AT_FDCWD, table->wrong, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID,
              &info) != 0) {
      return false;
    }
    ids[i] = static_cast<int>(info.stx_mnt_id);
  }
  mount_reader.Start(mount_table);
  MountInfo mount;
  size_t i = 0;
  while (mount_reader.Next(&mount)) {
    const bool is_next = i < count_ && mount.id == ids[i];
    if (!is_next && i == 0) {
      Add(static_cast<uint64_t>(mount.id), &table->others);
      Add(static_cast<uint64_t>(mount.parent), &table->others);
      Add(mount.device, &table->others);
      for (const char* text : {mount.root, mount.point, mount.options,
                               mount.type, mount.super_options}) {
        Add(text, &table->others);
      }
      continue;
    }
    if (!is_next || strcmp(mount.point, places_[i]->target.c_str()) != 0 ||
        strcmp(mount.root, "/") != 0 || strcmp(mount.type, "tmpfs") != 0 ||
        !mount.Has("nosuid") || !mount.Has("nodev")) {
      table->wrong = places_[is_next ? i : i - 1]->target.c_str();
      errno = EROFS;
      return false;
    }
    // That of one in another one is as new.
    const int outer = Outer(*places_[i]);
    const bool is_inner = outer >= 0 && ids[outer] == mount.parent;
    Add(is_inner ? 0 : static_cast<uint64_t>(mount.parent), &table->fresh);
    Add(mount.options, &table->fresh);
    Add(mount.super_options, &table->fresh);
    table->devices[i] = mount.device;
    ++i;
  }
  errno = mount_reader.error();
  if (errno == 0 && i != count_) {
    table->wrong = places_[i]->target.c_str();
    errno = EROFS;
  }
  return errno == 0;
}

bool FreshPlaces::Note(int mount_table, const char** point) {
  noted_ = Table();
  if (Read(mount_table, &noted_)) return true;
  *point = noted_.wrong;
  return false;
}

bool FreshPlaces::Renew(int mount_table) {
  if (!can_renew_ || chdir("/") != 0) return false;
  for (size_t i = 0; i < count_; ++i) {
    // What is mounted in one goes with it.
    if (!HoldPoint(*places_[i]) && umount2(places_[i]->target.c_str(),
                                           MNT_DETACH | UMOUNT_NOFOLLOW) != 0) {
      return false;
    }
  }
  StepFailure failure;
  if (!Mount(&failure)) return false;
  // The changes up to here are this process's, or else the table shows them.
  struct pollfd changes = {mount_table, POLLPRI, 0};
  poll(&changes, 1, 0);
  Table now;
  if (!Read(mount_table, &now) || now.others != noted_.others ||
      now.fresh != noted_.fresh) {
    return false;
  }
  noted_ = now;
  return true;
}

void FreshPlaces::WriteDevices(Message* message) const {
  if (!can_renew_) return;
  message->text_size = static_cast<uint32_t>(count_ * sizeof(dev_t));
  memcpy(message->text, noted_.devices, message->text_size);
}

}  // namespace encapsulate
