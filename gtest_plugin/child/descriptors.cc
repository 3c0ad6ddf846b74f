// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/child/descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "encapsulate/base/unique_fd.h"
#include "encapsulate/kernel/directory_reader.h"

namespace encapsulate {
namespace {

// Whether the file could be changed by its name in /proc/self/fd, or opened
// there for writing. What the program has opened for writing itself, it has for
// its tests.
bool IsDoor(const struct stat& info, int flags) {
  if (S_ISDIR(info.st_mode)) return true;
  if ((flags & O_ACCMODE) != O_RDONLY || info.st_nlink == 0) return false;
  if ((flags & O_PATH) != 0) return true;
  return S_ISREG(info.st_mode) || S_ISCHR(info.st_mode) ||
         S_ISBLK(info.st_mode) || S_ISFIFO(info.st_mode);
}

bool AreOneFile(const struct stat& a, const struct stat& b) {
  if (S_ISCHR(a.st_mode) && S_ISCHR(b.st_mode)) return a.st_rdev == b.st_rdev;
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Such as /proc/self/mem, by which a test could write the program's memory.
bool IsOfProc(int fd) {
  struct statfs info;
  return fstatfs(fd, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

void ShowThroughView(int fd) {
  struct stat before;
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fstat(fd, &before) != 0) return;
  const bool is_of_proc = S_ISREG(before.st_mode) && IsOfProc(fd);
  if (!IsDoor(before, flags) && !is_of_proc) return;

  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(link.c_str(), path, sizeof(path) - 1);
  path[size > 0 ? size : 0] = '\0';
  if (S_ISFIFO(before.st_mode) && path[0] != '/') return;  // pipe(2)
  constexpr int kKept = O_PATH | O_DIRECTORY | O_NONBLOCK | O_NOATIME;
  // A FIFO without a writer would keep open(2) waiting.
  const UniqueFd fresh(open(
      path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | (flags & kKept)));
  struct stat after;
  if (!fresh.valid() || fstat(fresh.get(), &after) != 0 ||
      !AreOneFile(after, before)) {
    close(fd);
    return;
  }
  if ((flags & (O_NONBLOCK | O_PATH)) == 0) {
    fcntl(fresh.get(), F_SETFL, fcntl(fresh.get(), F_GETFL) & ~O_NONBLOCK);
  }
  const off_t offset = lseek(fd, 0, SEEK_CUR);
  if (offset > 0) lseek(fresh.get(), offset, SEEK_SET);
  const int close_on_exec =
      (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0;
  dup3(fresh.get(), fd, close_on_exec);
}

}  // namespace

// Without the heap, of which the kernel would have to copy a page or more. The
// directory goes on behind the number that it was read to, whatever becomes of
// the descriptors before.
void ShowDescriptorsThroughView() {
  const UniqueFd directory(
      open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DirectoryReader<1024> reader;
  reader.Start(directory.get());
  while (const dirent64* const entry = reader.Next()) {
    const int fd = atoi(entry->d_name);
    // 0 to 2 are the core's.
    if (fd > STDERR_FILENO && fd != directory.get()) ShowThroughView(fd);
  }
}

}  // namespace encapsulate
