// SPDX-License-Identifier: Apache-2.0
//
// Finds what no mount flag and no namespace keeps out: Unix sockets and FIFOs
// with a name in the filesystem. Connecting to one, or writing into one, works
// through a read-only mount (unix(7), fifo(7)), so the sandbox mounts an empty
// file over each.
//
// Sockets come from /proc/net/unix, which lists those of the caller's network
// namespace wherever they are, and, like FIFOs, from walking the trees in which
// services keep them: /run, /tmp and /var/tmp. Both are looked for by every
// path that the mount table has for them. What is made later, FIFOs elsewhere,
// and sockets that another network namespace has elsewhere are not found;
// SECURITY.md says so.
//
// Nobody is waited for on the way: paths are taken apart by the mount table, no
// automount is woken, and what only a file server or a FUSE daemon knows is
// looked up by a process that can be given up (patient_lookup.h).
#ifndef ENCAPSULATE_HOST_HOST_SOCKETS_H_
#define ENCAPSULATE_HOST_HOST_SOCKETS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace encapsulate {

// Absolute paths, sorted, none of which is at or below one of `excluded`,
// unless one of `included` lies between (absolute, no symbolic links).
struct HostSockets {
  std::vector<std::string> paths;
  // Listed, but below a mount that doesn't answer.
  std::vector<std::string> unknown;
};

// Costs a system call or three a directory. Fails when descriptors or memory
// run out: a directory that could not be looked into may hold a socket.
absl::StatusOr<HostSockets> FindHostSockets(
    const std::vector<std::string>& excluded,
    const std::vector<std::string>& included);

}  // namespace encapsulate

#endif  // ENCAPSULATE_HOST_HOST_SOCKETS_H_
