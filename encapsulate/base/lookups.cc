// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/base/lookups.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <utility>

namespace encapsulate {
namespace {

int64_t Nanoseconds(const struct statx_timestamp& time) {
  return time.tv_sec * 1000000000 + int64_t{time.tv_nsec};
}

}  // namespace

Lookups::Seen Lookups::Look(const Lookup& lookup) {
  Seen seen;
  if (lookup.kind == Kind::kDirectory || lookup.kind == Kind::kHost) {
    return seen;
  }
  if (lookup.kind == Kind::kMount) {
    struct statvfs info;
    if (statvfs(lookup.path.c_str(), &info) != 0) {
      seen.error = errno;
    } else {
      seen.device = info.f_fsid;
      seen.flags = static_cast<int>(info.f_flag);
    }
    return seen;
  }
  const bool is_descriptor = lookup.kind == Kind::kDescriptor;
  struct statx info = {};
  if (statx(is_descriptor ? lookup.fd : AT_FDCWD,
            is_descriptor ? "" : lookup.path.c_str(),
            is_descriptor ? AT_EMPTY_PATH : 0, STATX_BASIC_STATS | STATX_BTIME,
            &info) != 0) {
    seen.error = errno;
    return seen;
  }
  seen.device = uint64_t{info.stx_dev_major} << 32 | info.stx_dev_minor;
  seen.inode = info.stx_ino;
  seen.special = uint64_t{info.stx_rdev_major} << 32 | info.stx_rdev_minor;
  seen.mode = info.stx_mode & S_IFMT;
  if ((info.stx_mask & STATX_BTIME) != 0) {
    seen.born = Nanoseconds(info.stx_btime);
  }
  if (is_descriptor) {
    seen.mode = info.stx_mode;
    seen.owner = info.stx_uid;
    seen.group = info.stx_gid;
    seen.size = info.stx_nlink == 0 ? 0 : 1;
    // Who may open the device, access control lists included.
    if (S_ISCHR(info.stx_mode)) seen.changed = Nanoseconds(info.stx_ctime);
    seen.flags = fcntl(lookup.fd, F_GETFL);
  }
  if (lookup.kind == Kind::kContent) {
    seen.mode = info.stx_mode;
    seen.owner = info.stx_uid;
    seen.group = info.stx_gid;
    seen.size = info.stx_size;
    seen.modified = Nanoseconds(info.stx_mtime);
    seen.changed = Nanoseconds(info.stx_ctime);
  }
  return seen;
}

void Lookups::ReadText(const Lookup& lookup, char (&text)[PATH_MAX]) {
  bool known = false;
  if (lookup.kind == Kind::kHost) {
    known = gethostname(text, sizeof(text)) == 0;
  } else if (lookup.kind == Kind::kDirectory) {
    known = getcwd(text, sizeof(text)) != nullptr;
  } else if (lookup.real) {
    known = realpath(lookup.path.c_str(), text) != nullptr;
  }
  if (!known) text[0] = '\0';
}

void Lookups::Add(Lookup lookup) {
  if (!notes_) return;
  lookup.seen = Look(lookup);
  struct timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t seconds =
      now.tv_sec - lookup.seen.changed / int64_t{1000000000};
  lookup.too_young = lookup.kind == Kind::kContent && lookup.seen.error == 0 &&
                     seconds < kClockTick;
  char text[PATH_MAX];
  ReadText(lookup, text);
  lookup.text = text;
  lookups_.push_back(std::move(lookup));
}

void Lookups::Add(const std::string& path, Depth depth) {
  Lookup lookup;
  lookup.kind = depth == Depth::kFile ? Kind::kFile : Kind::kContent;
  lookup.path = path;
  Add(std::move(lookup));
}

void Lookups::AddRealPath(const std::string& path, Depth depth) {
  Lookup lookup;
  lookup.kind = depth == Depth::kFile ? Kind::kFile : Kind::kContent;
  lookup.path = path;
  lookup.real = true;
  Add(std::move(lookup));
}

void Lookups::AddDirectory() {
  Lookup lookup;
  lookup.kind = Kind::kDirectory;
  Add(std::move(lookup));
}

void Lookups::AddDescriptor(int fd) {
  Lookup lookup;
  lookup.kind = Kind::kDescriptor;
  lookup.fd = fd;
  Add(std::move(lookup));
}

void Lookups::AddHostName() {
  Lookup lookup;
  lookup.kind = Kind::kHost;
  Add(std::move(lookup));
}

void Lookups::AddMount(const std::string& path) {
  Lookup lookup;
  lookup.kind = Kind::kMount;
  lookup.path = path;
  Add(std::move(lookup));
}

bool Lookups::AreSame() const {
  for (const Lookup& lookup : lookups_) {
    if (lookup.too_young) return false;
    const Seen now = Look(lookup);
    const Seen& then = lookup.seen;
    // A container's filter may refuse the call itself.
    if (now.error == EPERM || now.error == ENOSYS) return false;
    if (now.error != then.error || now.device != then.device ||
        now.inode != then.inode || now.special != then.special ||
        now.size != then.size || now.born != then.born ||
        now.modified != then.modified || now.changed != then.changed ||
        now.mode != then.mode || now.owner != then.owner ||
        now.group != then.group || now.flags != then.flags) {
      return false;
    }
    if (!lookup.real && lookup.kind != Kind::kDirectory &&
        lookup.kind != Kind::kHost) {
      continue;
    }
    char text[PATH_MAX];
    ReadText(lookup, text);
    if (lookup.text != text) return false;
  }
  return true;
}

}  // namespace encapsulate
