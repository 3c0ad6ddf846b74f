// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/supervisor/true_path.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/kernel/syscalls.h"

namespace encapsulate {

bool LeadsTo(int directory, const std::string& path, int fd) {
  open_how how = {};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  if (directory != AT_FDCWD) how.resolve |= RESOLVE_BENEATH;
  const UniqueFd there(sys::OpenAt2(directory, path.c_str(), how));
  struct stat one;
  struct stat other;
  // Both are open: neither's number can be given away.
  return there.valid() && fstat(there.get(), &one) == 0 &&
         fstat(fd, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

std::string TruePathOf(int fd) {
  // It may be moved between two looks.
  constexpr int kTries = 4;
  std::string path = PathOf(fd);
  for (int i = 0; i < kTries; ++i) {
    if (!absl::StartsWith(path, "/")) return "";
    if (LeadsTo(AT_FDCWD, path, fd)) return path;
    std::string next = PathOf(fd);
    if (next == path) return "";
    path = std::move(next);
  }
  return "";
}

}  // namespace encapsulate
