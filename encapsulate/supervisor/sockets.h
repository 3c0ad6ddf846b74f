// SPDX-License-Identifier: Apache-2.0
//
// What the supervisor's parts about sockets share.
#ifndef ENCAPSULATE_SUPERVISOR_SOCKETS_H_
#define ENCAPSULATE_SUPERVISOR_SOCKETS_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

#include "encapsulate/inspect/thread_view.h"

namespace encapsulate {

inline bool ReadWhole(const ThreadView& thread, uint64_t address, void* to,
                      size_t size) {
  return thread.Read(address, to, size) == size;
}

// Whether it is an address of IP that stays on this host, or names none. A part
// that wasn't read is zero.
bool IsLoopback(const sockaddr_storage& address);

// Whether this process may have descriptors of others (pidfd_getfd(2), Linux
// 5.6). Docker's default profile allows that with CAP_SYS_PTRACE only.
bool CanDuplicate();

// Whether that option of setsockopt(2) says which interface a socket uses.
bool ChoosesInterface(int level, uint32_t option);

// Binds a new socket of IP to the loopback device. One that sends datagrams is
// kept on loopback by other means as well. False, with errno.
bool KeepOnLoopback(int fd);

}  // namespace encapsulate

#endif  // ENCAPSULATE_SUPERVISOR_SOCKETS_H_
