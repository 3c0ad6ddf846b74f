// SPDX-License-Identifier: Apache-2.0
//
// Finds what a path of another thread leads to, by objects instead of text: a
// working directory that a mount covers, a root that isn't `/` any more, and
// the links of /proc that lead to a file itself (proc_pid_fd(5)) count as what
// they are for that thread. Where only some processes are inside, those of the
// others lead nowhere (EACCES), as Landlock has it for the thread.
#ifndef ENCAPSULATE_INSPECT_PATH_WALK_H_
#define ENCAPSULATE_INSPECT_PATH_WALK_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "encapsulate/base/unique_fd.h"
#include "encapsulate/inspect/places.h"

namespace encapsulate {

// What becomes of the last part of a path.
enum class LastPart {
  kFollow,  // a symbolic link there is followed
  kKeep,    // it isn't: the link itself is meant
  kEntry,   // the entry of the directory is meant, there or not
};

// By what a file was come by: by a path, or by a descriptor, as it is or as
// /proc/PID/fd/N, which may be open for writing (O_WRONLY, O_RDWR).
enum class Access { kPath, kDescriptor, kWriting };

struct Found {
  // Why the path leads nowhere, as an errno; 0 if it leads somewhere.
  int error = 0;
  // Where `name` is, or would be. Invalid if the last part is no name, but
  // `..`, for example; then there is a file.
  UniqueFd directory;
  std::string name;
  // Opened with O_PATH. Invalid if nothing has that name, and with kEntry.
  UniqueFd file;
  Access access = Access::kPath;
};

// `base` is what the path is relative to, opened with O_PATH; the thread's root
// if it is absolute. `base_is_root`: neither `..` nor an absolute link leads
// out of it (openat2(2), RESOLVE_IN_ROOT). `places` tell who is inside; null
// for everybody.
Found FindPath(pid_t tid, UniqueFd base, const std::string& path, LastPart last,
               bool base_is_root, const Places* places);

// How the descriptor, of which `info` in `directory` tells (proc_pid_fdinfo(5),
// Linux 5.14), is open on `file`. kPath if it tells of no descriptor;
// kDescriptor, too, if that has become another file's meanwhile.
Access AccessOf(int directory, const std::string& info, int file);

// Whether openat2(2) with these RESOLVE_ flags refuses the path, which leads
// out of where they allow it to, or through what they forbid.
bool IsBeyondLimits(int base, const std::string& path, uint64_t resolve);

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_PATH_WALK_H_
