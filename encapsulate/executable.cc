// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/executable.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "encapsulate/child/executable_move.h"
#include "encapsulate/kernel/new_process.h"
#include "encapsulate/kernel/raw_clone.h"
#include "encapsulate/kernel/syscalls.h"

namespace encapsulate {
namespace {

// --- In place ---------------------------------------------------------------

// The file below a tmpfs that has its path, so that /proc/self/exe goes on to
// show that path, both read-only and detached. The tmpfs lives for as long as
// something refers to it: a mapping of this file in it.
constexpr char kFrame[] = "/proc";
constexpr char kPin[] = ".encapsulate";

struct InPlace {
  ExecutableMove move;
  bool user_namespace;
  unsigned uid;
  unsigned gid;
  bool done;
  alignas(16) char stack[65536];
};

SHARES_CALLER_MEMORY long Address(const void* pointer) {
  return reinterpret_cast<long>(pointer);
}

SHARES_CALLER_MEMORY size_t AppendNumber(char* to, size_t at, unsigned number) {
  char digits[16];
  size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  while (count > 0) to[at++] = digits[--count];
  to[at++] = ' ';
  return at;
}

SHARES_CALLER_MEMORY bool WriteFile(const char* path, const char* text,
                                    size_t size) {
  const long fd =
      RawSyscall(SYS_openat, AT_FDCWD, Address(path), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const long written =
      RawSyscall(SYS_write, fd, Address(text), static_cast<long>(size));
  RawSyscall(SYS_close, fd, 0, 0);
  return written == static_cast<long>(size);
}

// An id, mapped to itself: a tmpfs refuses unmapped owners.
SHARES_CALLER_MEMORY bool MapId(const char* path, unsigned id) {
  char text[48];
  size_t size = AppendNumber(text, 0, id);
  size = AppendNumber(text, size, id);
  text[size++] = '1';
  return WriteFile(path, text, size);
}

SHARES_CALLER_MEMORY bool OwnMounts(const InPlace* frame) {
  if (!frame->user_namespace) {
    return RawSyscall(SYS_mount, 0, Address("/"), 0, MS_REC | MS_PRIVATE, 0) ==
           0;
  }
  return MapId("/proc/self/uid_map", frame->uid) &&
         WriteFile("/proc/self/setgroups", "deny", 4) &&
         MapId("/proc/self/gid_map", frame->gid);
}

// Before Linux 5.12. Flags that a less privileged namespace may not take back
// have to be said again.
SHARES_CALLER_MEMORY bool Remount(const char* path) {
  struct statfs info = {};
  if (RawSyscall(SYS_statfs, Address(path), Address(&info), 0) != 0) {
    return false;
  }
  unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
  if ((info.f_flags & ST_NOEXEC) != 0) flags |= MS_NOEXEC;
  if ((info.f_flags & ST_NOATIME) != 0) flags |= MS_NOATIME;
  if ((info.f_flags & ST_NODIRATIME) != 0) flags |= MS_NODIRATIME;
  if ((info.f_flags & ST_RELATIME) != 0) flags |= MS_RELATIME;
  if ((info.f_flags & (ST_NOATIME | ST_RELATIME)) == 0) flags |= MS_STRICTATIME;
  return RawSyscall(SYS_mount, 0, Address(path), 0, static_cast<long>(flags),
                    0) == 0;
}

SHARES_CALLER_MEMORY bool MakeReadOnly(const char* file) {
  constexpr long kMountSetattr = 442;
  const uint64_t attributes[4] = {sys::kMountAttrReadOnly |
                                  sys::kMountAttrNosuid | sys::kMountAttrNodev};
  const long result = RawSyscall(kMountSetattr, AT_FDCWD, Address(kFrame),
                                 sys::kRecursive | AT_SYMLINK_NOFOLLOW,
                                 Address(attributes), sizeof(attributes));
  if (result != -ENOSYS && result != -EPERM) return result == 0;
  return Remount(kFrame) && Remount(file);
}

SHARES_CALLER_MEMORY bool MakeFile(const char* name) {
  return RawSyscall(SYS_mknodat, AT_FDCWD, Address(name), S_IFREG | 0444, 0) ==
         0;
}

// Mounts the frame over /proc, in a mount namespace of its own, with the
// executable in it. Leaves the frame as working directory.
SHARES_CALLER_MEMORY bool BuildFrame(InPlace* frame) {
  char* const path = frame->move.path;
  const char* const name = path + 1;
  const long file = RawSyscall(SYS_open_tree, AT_FDCWD, Address(path),
                               sys::kOpenTreeClone | sys::kOpenTreeCloexec);
  if (file < 0 ||
      RawSyscall(SYS_mount, Address("encapsulate"), Address(kFrame),
                 Address("tmpfs"), MS_NOSUID | MS_NODEV,
                 Address("size=64k,nr_inodes=4k,mode=0555")) != 0 ||
      RawSyscall(SYS_chdir, Address(kFrame), 0, 0) != 0) {
    return false;
  }
  for (char* slash = path + 1; *slash != '\0'; ++slash) {
    if (*slash != '/') continue;
    *slash = '\0';
    const long made = RawSyscall(SYS_mkdirat, AT_FDCWD, Address(name), 0555);
    *slash = '/';
    if (made != 0) return false;
  }
  const bool moved = MakeFile(name) && MakeFile(kPin) &&
                     RawSyscall(SYS_move_mount, file, Address(""), AT_FDCWD,
                                Address(name), sys::kMoveMountFromFd) == 0;
  RawSyscall(SYS_close, file, 0, 0);
  return moved && MakeReadOnly(name);
}

SHARES_CALLER_MEMORY long OpenIn(long directory, const char* name) {
  return RawSyscall(SYS_openat, directory, Address(name),
                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

// Beside the program, while that waits, with its memory and descriptors.
SHARES_CALLER_MEMORY int Move(void* argument) {
  auto* const frame = static_cast<InPlace*>(argument);
  if (!OwnMounts(frame) || !BuildFrame(frame)) return 1;
  const long tree =
      RawSyscall(SYS_open_tree, AT_FDCWD, Address(kFrame),
                 sys::kOpenTreeClone | sys::kOpenTreeCloexec | sys::kRecursive);
  const long file = OpenIn(tree, frame->move.path + 1);
  const long pin = OpenIn(tree, kPin);
  // Takes both mounts out of every namespace, and so out of reach: who held
  // this descriptor could make them writable, in a user namespace of its own.
  RawSyscall(SYS_close, tree, 0, 0);
  const long kept =
      RawSyscall(SYS_mmap, 0, static_cast<long>(frame->move.page_size),
                 PROT_READ, MAP_PRIVATE, pin, 0);
  const bool is_kept = kept >= 0 || kept < -4095;
  frame->done = file >= 0 && is_kept &&
                MoveExecutable(&frame->move, static_cast<int>(file));
  // If some mappings have moved, their path has to stay.
  const MoveStep step = frame->move.step;
  if (is_kept && !frame->done && step != MoveStep::kMap &&
      step != MoveStep::kReplace) {
    RawSyscall(SYS_munmap, kept, static_cast<long>(frame->move.page_size), 0);
  }
  RawSyscall(SYS_close, file, 0, 0);
  RawSyscall(SYS_close, pin, 0, 0);
  return 0;
}

// Who may not doesn't try: a sandbox around this program would report it.
bool MayMount() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  return syscall(SYS_capget, &header, data) == 0 &&
         (data[0].effective & (1U << CAP_SYS_ADMIN)) != 0;
}

SHARES_CALLER_MEMORY void MoveInPlace(InPlace* frame) {
  constexpr int kFlags = CLONE_VFORK | CLONE_FILES | CLONE_NEWNS;
  // No handler may run beside the program.
  const uint64_t all = ~uint64_t{0};
  uint64_t before = 0;
  RawSyscall(SYS_rt_sigprocmask, SIG_SETMASK, Address(&all), Address(&before),
             sizeof(all));
  char* const stack = frame->stack + sizeof(frame->stack);
  // Who may, does without a user namespace, and so may search the directories
  // of others.
  int pid = MayMount() ? CloneBeside(&Move, stack, kFlags, frame) : -1;
  if (pid < 0) {
    frame->user_namespace = true;
    pid = CloneBeside(&Move, stack, kFlags | CLONE_NEWUSER, frame);
  }
  while (pid > 0 && RawSyscall(SYS_wait4, pid, 0, __WALL, 0) == -EINTR) {
  }
  RawSyscall(SYS_rt_sigprocmask, SIG_SETMASK, Address(&before), 0,
             sizeof(before));
}

// valgrind executes the program itself, and knows no such clone(2).
bool RunsOnValgrind() {
  const char* const preloaded = getenv("LD_PRELOAD");
  return preloaded != nullptr && strstr(preloaded, "/vgpreload_") != nullptr;
}

}  // namespace

bool ProtectExecutable() {
  if (!ExecutableIsExposed()) return true;
  if (getauxval(AT_SECURE) != 0 || RunsOnValgrind()) return false;
  auto* const frame = MapFresh<InPlace>();
  if (frame == nullptr) return false;
  frame->uid = geteuid();
  frame->gid = getegid();
  if (ReadExecutable(&frame->move) && frame->move.threads == 1) {
    MoveInPlace(frame);
  }
  if (frame->move.pagemap >= 0) close(frame->move.pagemap);
  munmap(frame, sizeof(*frame));
  return !ExecutableIsExposed();
}

}  // namespace encapsulate
