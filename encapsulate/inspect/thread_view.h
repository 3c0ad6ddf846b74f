// SPDX-License-Identifier: Apache-2.0
//
// Another thread, seen from outside its sandbox while it waits in a system
// call: its memory, its files and what /proc tells of it.
//
//   const ThreadView thread(notification.pid);
//   absl::optional<std::string> path = thread.ReadString(address);
//
// The caller needs the right to trace the thread (ptrace(2), "access mode
// checking"), which the maker of a user namespace has over all that is in it. A
// thread may die at any time, and its number be given to another: what was
// read counts only if the thread is known to have waited all the while
// (SECCOMP_IOCTL_NOTIF_ID_VALID).
#ifndef ENCAPSULATE_INSPECT_THREAD_VIEW_H_
#define ENCAPSULATE_INSPECT_THREAD_VIEW_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/inspect/path_walk.h"
#include "encapsulate/inspect/places.h"

namespace encapsulate {

// What a path of the thread leads to.
struct PathTarget {
  enum class Location {
    kWritable,  // a mount that isn't read-only
    kReadOnly,
    // There isn't, or can't be, anything: a directory on the way is missing.
    kNowhere,
    // It can't be told: a directory on the way may not be searched.
    kUnknown,
  };
  Location location = Location::kUnknown;
  std::string path;     // absolute, as seen inside, symbolic links resolved
  bool exists = false;  // else only its directory does
  mode_t mode = 0;
  bool devices = true;  // device nodes there work (no MS_NODEV)
  dev_t device = 0;     // of the filesystem, if something there can change
  // The caller's own RESOLVE_ flags forbid to go there.
  bool beyond_limits = false;
};

class ThreadView {
 public:
  // `places` tells what may be changed where no mounts do; they outlive it.
  explicit ThreadView(pid_t tid, const Places* places = nullptr)
      : tid_(tid), places_(places) {}

  pid_t tid() const { return tid_; }

  // How many bytes could be read, up to the first page that isn't there.
  size_t Read(uint64_t address, void* buffer, size_t size) const;
  // Whether reading was refused since: it may have been forbidden to look.
  bool refused() const { return refused_; }
  // Whether memory is there that couldn't be read. The kernel, which reads as
  // the thread does, may be able to: memfd_secret(2), write-only mappings.
  bool HidesMemory() const;
  // Up to its end. Without an end in PATH_MAX bytes, those; no path is as long.
  absl::optional<std::string> ReadString(uint64_t address) const;

  // The protocol of the socket behind a descriptor, as the kernel calls it:
  // "TCP", "UDPv6". Empty if it is none.
  std::string SocketProtocol(int descriptor) const;

  // What /proc/TID/`name`, a symbolic link, says: "exe", "cwd", "fd/3".
  std::string Link(const std::string& name) const;

  // Where `path`, relative to descriptor `directory` or AT_FDCWD, leads.
  // `resolve`: the flags of openat2(2).
  PathTarget LookUp(int directory, const std::string& path, LastPart last,
                    uint64_t resolve = 0) const;
  PathTarget LookUp(int directory, const std::string& path, bool follow) const {
    return LookUp(directory, path,
                  follow ? LastPart::kFollow : LastPart::kEntry);
  }
  // The path with what it is relative to before it; "" if that isn't known.
  std::string Absolute(int directory, const std::string& path) const;
  // The file behind a descriptor, or the working directory for AT_FDCWD.
  PathTarget LookUp(int descriptor) const;

  // The same, opened: what a path leads to, and the file behind a descriptor or
  // the working directory, as an O_PATH descriptor (invalid, with errno, if
  // there is none) or with how it is open.
  Found Find(int directory, const std::string& path, LastPart last,
             uint64_t resolve = 0) const;
  UniqueFd OpenDescriptor(int descriptor) const;
  Found Find(int descriptor) const;

  // Whether there is a process or a thread with that number, as it sees them;
  // with places, inside.
  bool Sees(pid_t pid) const;

  // Of /proc/TID/status.
  struct Status {
    pid_t pid = 0;  // in its own PID namespace, like tid
    pid_t tid = 0;
    std::string name;
    mode_t umask = 022;
    bool has_capabilities = false;  // in a user namespace of its own
  };
  Status ReadStatus() const;

  // As in proc_pid_stat(5): 'S', or 't' in a tracer's stop. '\0' if the thread
  // is gone.
  char State() const;

 private:
  // An O_PATH descriptor of what /proc/TID/`name` leads to.
  UniqueFd Open(const std::string& name) const;
  // Fills in where the file is, or the directory if there is none. False if
  // that can't be told.
  bool Examine(const Found& found, PathTarget* target) const;
  bool IsMachineOfProc(int fd) const;

  const pid_t tid_;
  const Places* const places_;
  mutable bool refused_ = false;
  mutable std::vector<uint64_t> faults_;  // where reading failed
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_THREAD_VIEW_H_
