// SPDX-License-Identifier: Apache-2.0
//
// Which file it is, for as long as that exists. Numbers of inodes are given
// away anew, and then the time of birth differs, where the filesystem knows it.
// No heap, no locks.
#ifndef ENCAPSULATE_KERNEL_FILE_IDENTITY_H_
#define ENCAPSULATE_KERNEL_FILE_IDENTITY_H_

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>

namespace encapsulate {

struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t born = 0;  // nanoseconds; 0 if it isn't known

  bool operator==(const FileIdentity& other) const {
    return device == other.device && inode == other.inode && born == other.born;
  }
  bool operator<(const FileIdentity& other) const {
    if (device != other.device) return device < other.device;
    if (inode != other.inode) return inode < other.inode;
    return born < other.born;
  }
};

// Of what statx(2) was asked for.
inline constexpr unsigned kIdentityMask = STATX_INO | STATX_BTIME;

inline FileIdentity IdentityOf(const struct statx& info) {
  FileIdentity identity;
  identity.device = uint64_t{info.stx_dev_major} << 32 | info.stx_dev_minor;
  identity.inode = info.stx_ino;
  if ((info.stx_mask & STATX_BTIME) != 0) {
    identity.born =
        info.stx_btime.tv_sec * 1000000000 + int64_t{info.stx_btime.tv_nsec};
  }
  return identity;
}

// Of what `name` is in a directory, without following a link, or of `directory`
// itself if `name` is "". False, with errno, if there is none.
inline bool ReadIdentity(int directory, const char* name,
                         FileIdentity* identity) {
  struct statx info;
  const int flags = AT_SYMLINK_NOFOLLOW | (*name == '\0' ? AT_EMPTY_PATH : 0);
  if (statx(directory, name, flags, kIdentityMask, &info) != 0) return false;
  *identity = IdentityOf(info);
  return true;
}

}  // namespace encapsulate

#endif  // ENCAPSULATE_KERNEL_FILE_IDENTITY_H_
