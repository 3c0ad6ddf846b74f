// SPDX-License-Identifier: Apache-2.0
//
// A watched system call in words: its arguments as a person would write them,
// and the addresses that it names.
#ifndef ENCAPSULATE_MONITOR_DECODE_H_
#define ENCAPSULATE_MONITOR_DECODE_H_

#include <fcntl.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "encapsulate/inspect/path_walk.h"
#include "encapsulate/inspect/thread_view.h"
#include "encapsulate/plan/syscall_table.h"

namespace encapsulate {

// A call that a thread waits in.
struct SyscallArgs {
  const WatchedCall* watched = nullptr;
  bool compat = false;  // of a 32-bit program: pointers have 4 bytes
  uint64_t arguments[6] = {};

  int Int(size_t index) const { return static_cast<int>(arguments[index]); }
  uint32_t Unsigned(size_t index) const {
    return static_cast<uint32_t>(arguments[index]);
  }
};

// A file that a call names, as the thread gave it.
struct PathOperand {
  // What `text` is relative to: a descriptor or AT_FDCWD.
  int directory = AT_FDCWD;
  std::string text;  // empty: what `directory` is open on
  LastPart last = LastPart::kFollow;
};

// That of operand `index`; nullopt if the operand is no file, or nothing that
// the kernel takes for one.
absl::optional<PathOperand> ReadPath(const ThreadView& thread,
                                     const SyscallArgs& call, size_t index);

// Whether the call opens or makes a file.
bool IsOpen(const SyscallArgs& call);

// A socket address, copied out of the thread's memory.
struct SocketAddress {
  int family = AF_UNSPEC;
  // "192.0.2.1:80", "[2001:db8::1]:53", "/run/x.sock", "@abstract", "AF_VSOCK".
  std::string text;
  std::string path;  // AF_UNIX with a name in the filesystem
  int port = 0;
  size_t message = 0;  // which one of a sendmmsg names it
  // Loopback, or "any", by which one's own addresses are meant.
  bool local = false;
  // Multicast or broadcast, of no interface or of loopback.
  bool group = false;
};

SocketAddress ParseAddress(const void* bytes, size_t size);

// The addresses that connect, bind, sendto, sendmsg or sendmmsg names, in
// order.
std::vector<SocketAddress> ReadAddresses(const ThreadView& thread,
                                         const SyscallArgs& call);

// What i386's socketcall(2) stands for, with the arguments from memory.
SyscallArgs ResolveSocketcall(const ThreadView& thread,
                              const SyscallArgs& call);

// AT_FDCWD, "x", O_WRONLY|O_CREAT, 0644
std::string FormatArguments(const ThreadView& thread, const SyscallArgs& call);

// The flags that open, openat, openat2 or creat was called with.
uint64_t OpenFlags(const ThreadView& thread, const SyscallArgs& call);

// The RESOLVE_ flags of openat2; 0 of any other call.
uint64_t ResolveFlags(const ThreadView& thread, const SyscallArgs& call);

// One argument in words, strings without quotes: what a call about neither
// paths nor addresses is about.
std::string FormatOperand(const ThreadView& thread, const SyscallArgs& call,
                          size_t index);

}  // namespace encapsulate

#endif  // ENCAPSULATE_MONITOR_DECODE_H_
