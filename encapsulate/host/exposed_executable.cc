// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host/exposed_executable.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace encapsulate {

bool ExecutableIsExposed() {
  constexpr char kExecutable[] = "/proc/self/exe";
  struct statfs mount = {};
  struct stat info = {};
  if (statfs(kExecutable, &mount) != 0 || stat(kExecutable, &info) != 0) {
    return true;
  }
  if ((mount.f_flags & ST_RDONLY) != 0 || info.st_nlink == 0) return false;
  return geteuid() == 0 || info.st_uid == geteuid() ||
         faccessat(AT_FDCWD, kExecutable, W_OK, AT_EACCESS) == 0;
}

}  // namespace encapsulate
