// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/child/reuse_check.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>
#include <string>

#include "encapsulate/kernel/directory_reader.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/kernel/text.h"

namespace encapsulate {
namespace {

constexpr unsigned kTimes = STATX_BASIC_STATS | STATX_BTIME;

bool AreEqual(const struct statx_timestamp& a,
              const struct statx_timestamp& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

// A filesystem's superblock, to be reconfigured.
int Pick(const char* path) {
  constexpr unsigned kCloseOnExec = 1;
  return sys::FsPick(AT_FDCWD, path, kCloseOnExec);
}

// Without any change: but the kernel drops every entry that nobody uses, and
// makes it anew, with new times, for who asks next.
bool Refresh(int filesystem) {
  return sys::FsConfig(filesystem, sys::kFsConfigReconfigure) == 0;
}

int NewProcfs() {
  const int filesystem = sys::FsOpen("proc", sys::kFsOpenCloexec);
  if (filesystem < 0) return -1;
  int mount = -1;
  if (sys::FsConfig(filesystem, sys::kFsConfigCreate) == 0) {
    mount = sys::FsMount(filesystem, sys::kFsMountCloexec);
  }
  close(filesystem);
  if (mount < 0) return -1;
  // What fsmount(2) returns is for paths only.
  const int directory = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  close(mount);
  return directory;
}

// The first line.
ssize_t ReadLine(int fd, char* text, size_t size) {
  const long count = syscall(SYS_pread64, fd, text, size - 1, 0L);
  text[count > 0 ? count : 0] = '\0';
  char* const end = strchr(text, '\n');
  if (end == nullptr) return -1;
  *end = '\0';
  return end - text;
}

}  // namespace

uint64_t ReuseCheck::Capabilities() {
  // To write the latest pid, and to reconfigure a filesystem.
  constexpr int kCheckpointRestore = 40;  // Linux 5.9
  return uint64_t{1} << kCheckpointRestore | uint64_t{1} << CAP_SYS_ADMIN;
}

void ReuseCheck::Open() {
  proc_ = NewProcfs();
  if (proc_ < 0) {
    obstacle_ = Trace::kNoProcfs;
    return;
  }
  last_pid_ = openat(proc_, "sys/kernel/ns_last_pid", O_RDWR | O_CLOEXEC);
  if (last_pid_ < 0) obstacle_ = Trace::kNoPidNumbers;
  for (const ChildPlace& place : plan_.places) {
    const char* const target = place.target.c_str();
    if (place.kind == PlaceKind::kProc) {
      procfs_ = Pick(target);
      if (procfs_ < 0) obstacle_ = Trace::kNoRefresh;
    }
    if (place.kind == PlaceKind::kDevPts || place.kind == PlaceKind::kMqueue) {
      Watch(target);
    }
    // A terminal's other end, which may be opened for reading without a report,
    // leaves the time of a read there.
    if (place.kind == PlaceKind::kDevPts) {
      Watch(Text<64>(target, "/ptmx").c_str(), O_PATH | O_CLOEXEC);
    }
  }
  first_fresh_ = count_;
  WatchFresh();
}

void ReuseCheck::WatchFresh() {
  for (const ChildPlace& place : plan_.places) {
    if (IsFresh(place.kind)) Watch(place.target.c_str());
    if (place.make_point) WatchParents(place.target.c_str());
  }
  for (const PlainText& path : plan_.make_directories) {
    Watch(path.c_str());
    WatchParents(path.c_str());
  }
}

void ReuseCheck::Watch(const char* path, int flags) {
  if (count_ == kMostWatched) {
    obstacle_ = Trace::kTooMuch;
    return;
  }
  const int fd = open(path, flags);
  // A kernel without POSIX queues has no such directory.
  if (fd < 0 && errno == ENOENT) return;
  if (fd < 0) obstacle_ = Trace::kTooMuch;
  watched_[count_++].fd = fd;
}

// Those that were made along the way to `path`, in a fresh place.
void ReuseCheck::WatchParents(const char* path) {
  for (const ChildPlace& place : plan_.places) {
    const char* const tree = place.target.c_str();
    const size_t size = place.target.size();
    if (!IsFresh(place.kind) || strncmp(path, tree, size) != 0 ||
        path[size] != '/') {
      continue;
    }
    char parent[PATH_MAX];
    for (const char* at = strchr(path + size + 1, '/'); at != nullptr;
         at = strchr(at + 1, '/')) {
      const auto length = static_cast<size_t>(at - path);
      if (length >= sizeof(parent)) {
        obstacle_ = Trace::kTooMuch;
        return;
      }
      memcpy(parent, path, length);
      parent[length] = '\0';
      Watch(parent);
    }
  }
}

bool ReuseCheck::Read(const Watched& watched, Watched* now) {
  struct statfs space;
  if (statx(watched.fd, "", AT_EMPTY_PATH, kTimes, &now->noted) != 0 ||
      syscall(SYS_fstatfs, watched.fd, &space) != 0) {
    return false;
  }
  now->files = space.f_files - space.f_ffree;
  now->blocks = space.f_bfree;
  return true;
}

bool ReuseCheck::NoteWatched(size_t first) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  // Read times are noted once a day where they are later than the others
  // (MS_RELATIME), so reading a directory leaves no trace in it for a day.
  struct timespec times[2] = {{now.tv_sec + 1, 0}, {0, UTIME_OMIT}};
  for (size_t i = first; i < count_; ++i) {
    // Of one that belongs to nobody in here, and of what isn't open for
    // reading, every reading counts.
    if (syscall(SYS_utimensat, watched_[i].fd, nullptr, times, 0) != 0 &&
        errno != EPERM && errno != EOVERFLOW && errno != EBADF) {
      return false;
    }
  }
  for (size_t i = first; i < count_; ++i) {
    if (!Read(watched_[i], &watched_[i])) return false;
  }
  return true;
}

Trace ReuseCheck::Note() {
  if (obstacle_ != Trace::kNone) return obstacle_;
  if (!NoteWatched(0)) return Trace::kNoTimes;
  // Of its own namespace, whichever procfs shows it.
  mounts_ = openat(proc_, "self/mountinfo", O_RDONLY | O_CLOEXEC);
  sockets_ = openat(proc_, "self/net/sockstat", O_RDONLY | O_CLOEXEC);
  projects_ = openat(proc_, "self/projid_map", O_RDONLY | O_CLOEXEC);
  most_sockets_ = CountSockets();
  if (mounts_ < 0 || most_sockets_ < 0) return Trace::kNoProcfs;
  // Who runs next is the second process, as the first one that runs is.
  if (syscall(SYS_pwrite64, last_pid_, "1", 1L, 0L) != 1) {
    return Trace::kNoPidNumbers;
  }
  return Refresh(procfs_) ? Trace::kNone : Trace::kNoRefresh;
}

// Of the network namespace, whatever their family; -1 if that can't be read.
int64_t ReuseCheck::CountSockets() const {
  constexpr char kStart[] = "sockets: used ";
  char line[64];
  if (ReadLine(sockets_, line, sizeof(line)) < 0 ||
      strncmp(line, kStart, sizeof(kStart) - 1) != 0) {
    return -1;
  }
  return static_cast<int64_t>(NumberIn(line + sizeof(kStart) - 1));
}

// But for times.
bool ReuseCheck::AreAlike(const Watched& one, const Watched& other) {
  const struct statx& a = one.noted;
  const struct statx& b = other.noted;
  return one.files == other.files && one.blocks == other.blocks &&
         a.stx_ino == b.stx_ino && a.stx_mode == b.stx_mode &&
         a.stx_uid == b.stx_uid && a.stx_gid == b.stx_gid &&
         a.stx_nlink == b.stx_nlink && a.stx_size == b.stx_size &&
         a.stx_attributes == b.stx_attributes;
}

bool ReuseCheck::IsAsNoted(const Watched& watched) const {
  Watched now;
  const struct statx& a = now.noted;
  const struct statx& b = watched.noted;
  return Read(watched, &now) && AreAlike(now, watched) &&
         AreEqual(a.stx_atime, b.stx_atime) &&
         AreEqual(a.stx_mtime, b.stx_mtime) &&
         AreEqual(a.stx_ctime, b.stx_ctime);
}

// But for this one. As the directory has them: a process that has no parent
// in here is in it as well.
bool ReuseCheck::AreProcessesGone() const {
  if (lseek(proc_, 0, SEEK_SET) != 0) return false;
  DirectoryReader<2048> reader;
  reader.Start(proc_);
  while (const dirent64* const entry = reader.Next()) {
    const char* const name = entry->d_name;
    if (name[0] >= '1' && name[0] <= '9' && strcmp(name, "1") != 0) {
      return false;
    }
  }
  return reader.error() == 0;
}

// Whether there is a file in a directory of the network's that its owner may
// write. What that changes would stay, and nobody looks for it.
bool ReuseCheck::MayWriteIn(int parent, const char* name, int levels) {
  const int directory =
      openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (directory < 0) return true;
  DirectoryReader<1024> reader;
  reader.Start(directory);
  bool found = false;
  while (const dirent64* const entry = reader.Next()) {
    if (entry->d_name[0] == '.') continue;
    struct stat info;
    if (fstatat(directory, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      found = true;
    } else if (S_ISDIR(info.st_mode)) {
      found |= levels == 0 || MayWriteIn(directory, entry->d_name, levels - 1);
    } else {
      found |= (info.st_mode & 0222) != 0;
    }
  }
  found |= reader.error() != 0;
  close(directory);
  return found;
}

// Whether there is one of the few files in procfs by which anybody could have
// changed what isn't a process's own, by a call that seemed to be about another
// file. Of the user namespace's maps, that of projects takes no capability.
bool ReuseCheck::MayHaveChangedProc() {
  char byte;
  if (syscall(SYS_pread64, projects_, &byte, 1L, 0L) != 0) return true;
  sealed_ |= !plan_.protect_proc || !MayWriteIn(proc_, "self/net", 3);
  return !sealed_;
}

// New ones in which everything is as in the first ones.
bool ReuseCheck::Renew() {
  if (MayHaveChangedProc()) return false;
  for (size_t i = first_fresh_; i < count_; ++i) close(watched_[i].fd);
  const size_t count = count_;
  count_ = first_fresh_;
  if (!fresh_.Renew(mounts_)) return false;
  WatchFresh();
  if (obstacle_ != Trace::kNone || count_ != count) return false;
  for (size_t i = first_fresh_; i < count_; ++i) {
    Watched now;
    if (!Read(watched_[i], &now) || !AreAlike(now, watched_[i])) return false;
  }
  return NoteWatched(first_fresh_);
}

Trace ReuseCheck::Look(bool renew) {
  siginfo_t info = {};
  // One that ended has left its times to this process.
  if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL) == 0 ||
      errno != ECHILD) {
    return Trace::kProcess;
  }
  char number[32];
  if (ReadLine(last_pid_, number, sizeof(number)) < 0) {
    return Trace::kNoPidNumbers;
  }
  // If no other number was given away, nobody else has ever been here.
  if (strcmp(number, "2") != 0 && !AreProcessesGone()) return Trace::kProcess;
  for (size_t i = 0; i < (renew ? first_fresh_ : count_); ++i) {
    if (!IsAsNoted(watched_[i])) return Trace::kFiles;
  }
  // The kernel may have freed one of init's own only now.
  const int64_t sockets = CountSockets();
  if (sockets < 0 || sockets > most_sockets_) return Trace::kSocket;
  most_sockets_ = sockets;
  struct pollfd mounts = {mounts_, POLLPRI, 0};
  if (poll(&mounts, 1, 0) != 0) return Trace::kMounts;
  uint64_t pending = 0;
  constexpr uint64_t kChild = uint64_t{1} << (SIGCHLD - 1);
  if (syscall(SYS_rt_sigpending, &pending, sizeof(pending)) != 0 ||
      (pending & ~kChild) != 0) {
    return Trace::kSignal;
  }
  if (renew && !Renew()) return Trace::kFiles;
  if (syscall(SYS_pwrite64, last_pid_, "1", 1L, 0L) != 1) {
    return Trace::kNoPidNumbers;
  }
  return Refresh(procfs_) ? Trace::kNone : Trace::kNoRefresh;
}

}  // namespace encapsulate
