// SPDX-License-Identifier: Apache-2.0
//
// System calls that the oldest supported C libraries don't wrap, under their
// kernel names. Each returns -1 and sets errno, like a libc wrapper, touches
// no heap and takes no lock.
#ifndef ENCAPSULATE_KERNEL_SYSCALLS_H_
#define ENCAPSULATE_KERNEL_SYSCALLS_H_

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

namespace encapsulate {
namespace sys {

// From the kernel's ABI; older userspace headers lack some.
inline constexpr unsigned kOpenTreeClone = 1;
inline constexpr unsigned kOpenTreeCloexec = O_CLOEXEC;
inline constexpr unsigned kRecursive = 0x8000;      // AT_RECURSIVE
inline constexpr unsigned kMoveMountFromFd = 0x04;  // F_EMPTY_PATH
inline constexpr uint64_t kMountAttrReadOnly = 0x01;
inline constexpr uint64_t kMountAttrNosuid = 0x02;
inline constexpr uint64_t kMountAttrNodev = 0x04;
inline constexpr uint64_t kCloneIntoCgroup = 0x200000000ULL;
inline constexpr uint64_t kCloneClearSighand = 0x100000000ULL;

struct MountAttr {
  uint64_t set = 0;
  uint64_t clear = 0;
  uint64_t propagation = 0;
  uint64_t userns_fd = 0;
};

struct CloneArgs {
  uint64_t flags = 0;
  uint64_t pidfd = 0;
  uint64_t child_tid = 0;
  uint64_t parent_tid = 0;
  uint64_t exit_signal = 0;
  uint64_t stack = 0;
  uint64_t stack_size = 0;
  uint64_t tls = 0;
  uint64_t set_tid = 0;
  uint64_t set_tid_size = 0;
  uint64_t cgroup = 0;
};

inline int OpenTree(int directory, const char* path, unsigned flags) {
  return static_cast<int>(syscall(SYS_open_tree, directory, path, flags));
}

inline int MoveMount(int from, int to_directory, const char* to_path) {
  return static_cast<int>(syscall(SYS_move_mount, from, "", to_directory,
                                  to_path, kMoveMountFromFd));
}

inline int MountSetattr(int directory, const char* path, unsigned flags,
                        const MountAttr& attr) {
#ifdef SYS_mount_setattr
  constexpr long kNumber = SYS_mount_setattr;
#else
  constexpr long kNumber = 442;
#endif
  return static_cast<int>(
      syscall(kNumber, directory, path, flags, &attr, sizeof(attr)));
}

// Filesystems without a path.
inline constexpr unsigned kFsOpenCloexec = 1;
inline constexpr unsigned kFsMountCloexec = 1;
inline constexpr unsigned kFsConfigCreate = 6;
inline constexpr unsigned kFsConfigReconfigure = 7;

inline int FsOpen(const char* type, unsigned flags) {
  return static_cast<int>(syscall(430, type, flags));
}

inline int FsConfig(int filesystem, unsigned command) {
  return static_cast<int>(
      syscall(431, filesystem, command, nullptr, nullptr, 0));
}

inline int FsMount(int filesystem, unsigned flags) {
  return static_cast<int>(syscall(432, filesystem, flags, 0));
}

inline int FsPick(int directory, const char* path, unsigned flags) {
  return static_cast<int>(syscall(433, directory, path, flags));
}

inline int OpenAt2(int directory, const char* path, const open_how& how) {
  return static_cast<int>(
      syscall(SYS_openat2, directory, path, &how, sizeof(how)));
}

inline pid_t Clone3(CloneArgs& args) {
  return static_cast<pid_t>(syscall(SYS_clone3, &args, sizeof(args)));
}

inline int PidfdOpen(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

// A thread that isn't its process's first takes Linux 6.9 (PIDFD_THREAD).
inline int PidfdOpenThread(pid_t tid) {
  constexpr unsigned kThread = O_EXCL;
  return static_cast<int>(syscall(SYS_pidfd_open, tid, kThread));
}

// A duplicate of a descriptor of somebody else, closed on execve(2).
inline int PidfdGetfd(int pidfd, int descriptor) {
  constexpr int kPidfdGetfd = 438;
  return static_cast<int>(syscall(kPidfdGetfd, pidfd, descriptor, 0));
}

inline int PidfdSendSignal(int pidfd, int signal) {
  return static_cast<int>(
      syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}

// waitid(2) with the resource usage that libc's wrapper hides.
inline int WaitId(idtype_t type, id_t id, siginfo_t* info, int options,
                  struct rusage* usage) {
  return static_cast<int>(syscall(SYS_waitid, type, id, info, options, usage));
}

inline int CloseRange(unsigned first, unsigned last, unsigned flags) {
  return static_cast<int>(syscall(SYS_close_range, first, last, flags));
}

inline constexpr idtype_t kPidfd = static_cast<idtype_t>(3);  // P_PIDFD

}  // namespace sys
}  // namespace encapsulate

#endif  // ENCAPSULATE_KERNEL_SYSCALLS_H_
