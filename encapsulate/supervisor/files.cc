// SPDX-License-Identifier: Apache-2.0
//
// The supervisor's part that opens, makes, moves and removes files in
// directories that everybody uses. Elsewhere Landlock decides.
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/supervisor/supervisor.h"
#include "encapsulate/supervisor/true_path.h"

namespace encapsulate {
namespace {

constexpr uint64_t kTmpfile = O_TMPFILE & ~O_DIRECTORY;

// The kernel's limits of what Landlock checks.
constexpr int kTruncateAbi = 3;

bool MayWrite(uint64_t flags) {
  return (flags & O_PATH) == 0 &&
         (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | kTmpfile)) != 0;
}

// With the mode that the thread's umask leaves of `mode`, whatever this
// process's umask is.
void SetMode(int fd, mode_t mode) {
  struct stat info;
  if (fstat(fd, &info) != 0 || (info.st_mode & 07777) == mode) return;
  static_cast<void>(chmod(PathThrough(fd).c_str(), mode) < 0);
}

}  // namespace

// What a process may write of its own in /proc, where Landlock has no rule for
// "one's own": names of threads and the like.
bool Supervisor::IsOwnProc(const ThreadView& thread, int fd) {
  const std::string path = TruePathOf(fd);
  const std::string own = absl::StrCat("/proc/", thread.ReadStatus().pid, "/");
  if (!absl::StartsWith(path, own)) return false;
  const std::string name = path.substr(path.rfind('/') + 1);
  return name == "comm" || name == "oom_score_adj" ||
         name == "coredump_filter" || name == "timerslack_ns" ||
         name == "clear_refs";
}

Supervisor::Answer Supervisor::PerformFiles(const Call& call,
                                            const ThreadView& thread) {
  const auto& a = call.notification.data.args;
  const auto fd = [&](int i) { return static_cast<int>(a[i]); };
  const auto mode = [&](int i) { return static_cast<mode_t>(a[i]); };
  const auto make_directory = [&](int directory, int path, int bits) {
    return Make(call, thread, directory, a[path], mode(bits),
                [](const Entry& entry) {
                  return mkdirat(entry.found.directory.get(),
                                 entry.found.name.c_str(), S_IRWXU);
                });
  };
  const auto make_node = [&](int directory, int path, int bits) {
    const mode_t type = mode(bits) & S_IFMT;
    if (type == S_IFCHR || type == S_IFBLK) return Judge();
    return Make(call, thread, directory, a[path], mode(bits) & 07777,
                [type](const Entry& entry) {
                  return mknodat(entry.found.directory.get(),
                                 entry.found.name.c_str(),
                                 type | S_IRUSR | S_IWUSR, 0);
                });
  };
  const auto make_link = [&](int text, int directory, int path) {
    const absl::optional<std::string> target = thread.ReadString(a[text]);
    if (!target.has_value()) return Judge();
    return Make(call, thread, directory, a[path], absl::nullopt,
                [&](const Entry& entry) {
                  return symlinkat(target->c_str(), entry.found.directory.get(),
                                   entry.found.name.c_str());
                });
  };
  switch (call.notification.data.nr) {
#ifdef SYS_open
    case SYS_open:
      return Open(call, thread, AT_FDCWD, a[0], a[1], mode(2));
    case SYS_creat:
      return Open(call, thread, AT_FDCWD, a[0], O_WRONLY | O_CREAT | O_TRUNC,
                  mode(1));
    case SYS_mkdir:
      return make_directory(AT_FDCWD, 0, 1);
    case SYS_mknod:
      return make_node(AT_FDCWD, 0, 1);
    case SYS_symlink:
      return make_link(0, AT_FDCWD, 1);
    case SYS_unlink:
      return RemoveEntry(call, thread, AT_FDCWD, a[0], 0);
    case SYS_rmdir:
      return RemoveEntry(call, thread, AT_FDCWD, a[0], AT_REMOVEDIR);
    case SYS_rename:
      return Rename(call, thread, AT_FDCWD, a[0], AT_FDCWD, a[1], 0);
    case SYS_link:
      return Link(call, thread, AT_FDCWD, a[0], AT_FDCWD, a[1], 0);
#endif
    case SYS_openat:
      return Open(call, thread, fd(0), a[1], static_cast<uint32_t>(a[2]),
                  mode(3));
    case SYS_openat2: {
      open_how how = {};
      const size_t size = std::min<size_t>(a[3], sizeof(how));
      if (thread.Read(a[2], &how, size) != size) return Judge();
      // What they forbid, only the kernel knows.
      if (how.resolve != 0) return Judge();
      return Open(call, thread, fd(0), a[1], how.flags,
                  static_cast<mode_t>(how.mode));
    }
    case SYS_mkdirat:
      return make_directory(fd(0), 1, 2);
    case SYS_mknodat:
      return make_node(fd(0), 1, 2);
    case SYS_symlinkat:
      return make_link(0, fd(1), 2);
    case SYS_unlinkat:
      return RemoveEntry(call, thread, fd(0), a[1], fd(2));
#ifdef SYS_renameat
    case SYS_renameat:
      return Rename(call, thread, fd(0), a[1], fd(2), a[3], 0);
#endif
    case SYS_renameat2:
      return Rename(call, thread, fd(0), a[1], fd(2), a[3],
                    static_cast<unsigned>(a[4]));
    case SYS_linkat:
      return Link(call, thread, fd(0), a[1], fd(2), a[3], fd(4));
    case SYS_truncate:
      return Truncate(call, thread, a[0], static_cast<int64_t>(a[1]));
    default:
      return Judge();
  }
}

Supervisor::Answer Supervisor::Open(const Call& call, const ThreadView& thread,
                                    int directory, uint64_t address,
                                    uint64_t flags, mode_t mode) {
  if (!MayWrite(flags)) return Continue();
  const absl::optional<std::string> path = thread.ReadString(address);
  if (!path.has_value() || path->empty() || path->size() >= PATH_MAX) {
    return Judge();
  }
  const bool exclusive = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) &&
                         (flags & kTmpfile) == 0;
  const LastPart last = exclusive || (flags & O_NOFOLLOW) != 0
                            ? LastPart::kKeep
                            : LastPart::kFollow;
  // Somebody outside may make it, or remove it, between two looks.
  constexpr int kTries = 4;
  for (int i = 0; i < kTries; ++i) {
    const Found found = thread.Find(directory, *path, last);
    if (found.error != 0) return Judge();
    if (found.file.valid()) {
      return OpenThere(call, thread, found, flags, mode);
    }
    if ((flags & O_CREAT) == 0) return Judge();
    Answer answer = Create(call, thread, found, flags, mode);
    if (answer.kind != Answer::Kind::kDone || answer.error != EEXIST ||
        exclusive) {
      return answer;
    }
  }
  return Fail(EAGAIN);
}

Supervisor::Answer Supervisor::OpenThere(const Call& call,
                                         const ThreadView& thread,
                                         const Found& found, uint64_t flags,
                                         mode_t mode) {
  const UniqueFd& file = found.file;
  struct stat info;
  if (fstat(file.get(), &info) != 0) return Judge();
  const bool exclusive = (flags & O_EXCL) != 0 && (flags & O_CREAT) != 0;
  const bool unnamed = (flags & kTmpfile) != 0;
  const Area area = AreaOf(found);
  // What has no name any more may have had one where Landlock allows nothing.
  const bool shared = area == Area::kShared || area == Area::kMade ||
                      (area == Area::kOpened && S_ISREG(info.st_mode));
  if (!shared) {
    if (IsOwnProc(thread, file.get())) {
      return Reopen(call, file, flags, mode);
    }
    const bool truncates = (flags & O_TRUNC) != 0 && S_ISREG(info.st_mode) &&
                           setup_.landlock_abi < kTruncateAbi;
    if (!Holds(found)) return truncates ? Refuse(EROFS) : Judge();
    return truncates ? Reopen(call, file, flags, mode) : Continue();
  }
  if (exclusive && !unnamed) return Fail(EEXIST);
  if (unnamed) {
    if (!S_ISDIR(info.st_mode)) return Fail(ENOTDIR);
    UniqueFd fresh(open(PathThrough(file.get()).c_str(),
                        static_cast<int>(flags) | O_CLOEXEC,
                        Masked(thread, mode)));
    if (!fresh.valid()) return Fail(errno);
    SetMode(fresh.get(), Masked(thread, mode));
    made_.AddUnnamed(fresh.get());
    return Send(call, std::move(fresh), (flags & O_CLOEXEC) != 0);
  }
  if (S_ISDIR(info.st_mode)) return Fail(EISDIR);
  if (S_ISLNK(info.st_mode)) return Fail(ELOOP);
  return Reopen(call, file, flags, mode);
}

// The very file that was judged.
Supervisor::Answer Supervisor::Reopen(const Call& call, const UniqueFd& file,
                                      uint64_t flags, mode_t mode) {
  if (!StillWaits(call)) return Fail(EINTR);
  const auto wanted =
      static_cast<int>(flags & ~uint64_t{O_CREAT | O_EXCL | O_NOFOLLOW});
  // Nobody may wait here: for the other end of a FIFO, which is ENXIO without a
  // reader for all who write, or for somebody's lease (fcntl(2), F_SETLEASE),
  // which is EAGAIN.
  UniqueFd opened(open(PathThrough(file.get()).c_str(),
                       wanted | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode));
  if (!opened.valid()) return Fail(errno);
  if ((flags & O_NONBLOCK) == 0) {
    fcntl(opened.get(), F_SETFL, wanted & ~O_NONBLOCK);
  }
  return Send(call, std::move(opened), (flags & O_CLOEXEC) != 0);
}

Supervisor::Answer Supervisor::Create(const Call& call,
                                      const ThreadView& thread,
                                      const Found& found, uint64_t flags,
                                      mode_t mode) {
  const Realm realm =
      RealmOf(found.directory.get(), found.name, /*exists=*/false);
  if (realm == Realm::kWritable || realm == Realm::kTree) return Continue();
  if (realm != Realm::kNew && realm != Realm::kMade) return Judge();
  if (!StillWaits(call)) return Fail(EINTR);
  const mode_t wanted = Masked(thread, mode);
  UniqueFd file(openat(
      found.directory.get(), found.name.c_str(),
      static_cast<int>(flags) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
      wanted));
  if (!file.valid()) return Fail(errno);
  SetMode(file.get(), wanted);
  made_.Add(EntryOf(PathOf(found.directory.get()), found.name));
  return Send(call, std::move(file), (flags & O_CLOEXEC) != 0);
}

Supervisor::Answer Supervisor::Make(const Call& call, const ThreadView& thread,
                                    int directory, uint64_t address,
                                    absl::optional<mode_t> mode,
                                    const Act& act) {
  Entry entry;
  if (!FindEntry(thread, directory, address, &entry)) return Judge();
  if (entry.realm == Realm::kWritable || entry.realm == Realm::kTree) {
    return Continue();
  }
  if (entry.realm == Realm::kOutside) return Judge();
  if (entry.exists) return Fail(EEXIST);
  if (!StillWaits(call)) return Fail(EINTR);
  if (act(entry) != 0) return Fail(errno);
  if (mode.has_value()) {
    // Nobody inside can have put anything else in its place, and nobody else
    // may.
    const UniqueFd made(openat(entry.found.directory.get(),
                               entry.found.name.c_str(),
                               O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat info;
    if (made.valid() && fstat(made.get(), &info) == 0 &&
        !S_ISLNK(info.st_mode) && info.st_uid == geteuid()) {
      SetMode(made.get(), Masked(thread, *mode));
    }
  }
  made_.Add(entry.path);
  return Value(0);
}

Supervisor::Answer Supervisor::RemoveEntry(const Call& call,
                                           const ThreadView& thread,
                                           int directory, uint64_t address,
                                           int flags) {
  Entry entry;
  if (!FindEntry(thread, directory, address, &entry)) return Judge();
  switch (entry.realm) {
    case Realm::kWritable:
    case Realm::kTree:
      return Continue();
    case Realm::kNew:
      return Fail(ENOENT);
    case Realm::kMade:
      break;
    default:
      return Judge();
  }
  if (!StillWaits(call)) return Fail(EINTR);
  return ResultOf(unlinkat(entry.found.directory.get(),
                           entry.found.name.c_str(), flags & AT_REMOVEDIR));
}

Supervisor::Answer Supervisor::Rename(const Call& call,
                                      const ThreadView& thread,
                                      int from_directory, uint64_t from,
                                      int to_directory, uint64_t to,
                                      unsigned flags) {
  Entry source;
  Entry target;
  if (!FindEntry(thread, from_directory, from, &source) ||
      !FindEntry(thread, to_directory, to, &target)) {
    return Judge();
  }
  const auto is_own = [](const Entry& entry) {
    return entry.realm != Realm::kOthers && entry.realm != Realm::kOutside;
  };
  if (!is_own(source) || !is_own(target)) return Judge();
  if ((source.realm == Realm::kWritable && target.realm == Realm::kWritable) ||
      source.realm == Realm::kTree || target.realm == Realm::kTree) {
    return Continue();
  }
  if (source.realm == Realm::kNew) return Fail(ENOENT);
  if ((flags & ~unsigned{RENAME_NOREPLACE}) != 0) return Fail(EINVAL);
  if (!StillWaits(call)) return Fail(EINTR);
  // What somebody outside makes there meanwhile isn't replaced.
  if (target.realm == Realm::kNew) flags |= RENAME_NOREPLACE;
  if (syscall(SYS_renameat2, source.found.directory.get(),
              source.found.name.c_str(), target.found.directory.get(),
              target.found.name.c_str(), flags) != 0) {
    return Fail(errno);
  }
  made_.Add(target.path);
  return Value(0);
}

Supervisor::Answer Supervisor::Link(const Call& call, const ThreadView& thread,
                                    int from_directory, uint64_t from,
                                    int to_directory, uint64_t to, int flags) {
  Entry target;
  if (!FindEntry(thread, to_directory, to, &target)) return Judge();
  if (target.realm == Realm::kOthers || target.realm == Realm::kOutside) {
    return Judge();
  }
  const absl::optional<std::string> path = thread.ReadString(from);
  if (!path.has_value()) return Judge();
  Found source;
  if (path->empty()) {
    if ((flags & AT_EMPTY_PATH) == 0) return Fail(ENOENT);
    source = thread.Find(from_directory);
  } else {
    source = thread.Find(
        from_directory, *path,
        (flags & AT_SYMLINK_FOLLOW) != 0 ? LastPart::kFollow : LastPart::kKeep);
  }
  if (!source.file.valid()) return Judge();
  // As between two mounts, and everybody copies then.
  if (!Holds(source)) return Fail(EXDEV);
  if (target.realm == Realm::kTree ||
      (target.realm == Realm::kWritable && AreaOf(source) == Area::kWritable)) {
    return Continue();
  }
  if (target.exists) return Fail(EEXIST);
  if (!StillWaits(call)) return Fail(EINTR);
  if (linkat(AT_FDCWD, PathThrough(source.file.get()).c_str(),
             target.found.directory.get(), target.found.name.c_str(),
             AT_SYMLINK_FOLLOW) != 0) {
    return Fail(errno);
  }
  made_.Add(target.path);
  return Value(0);
}

Supervisor::Answer Supervisor::Truncate(const Call& call,
                                        const ThreadView& thread,
                                        uint64_t address, int64_t size) const {
  const absl::optional<std::string> path = thread.ReadString(address);
  if (!path.has_value() || path->empty()) return Judge();
  const Found found = thread.Find(AT_FDCWD, *path, LastPart::kFollow);
  if (!found.file.valid()) return Judge();
  const bool known = setup_.landlock_abi >= kTruncateAbi;
  struct stat info;
  if (!Holds(found)) return known ? Judge() : Refuse(EROFS);
  if (known && AreaOf(found) == Area::kWritable) return Continue();
  if (fstat(found.file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return Fail(S_ISDIR(info.st_mode) ? EISDIR : EINVAL);
  }
  struct rlimit limit;
  if (prlimit(thread.tid(), RLIMIT_FSIZE, nullptr, &limit) != 0) {
    return Fail(EACCES);
  }
  if (size > 0 && static_cast<uint64_t>(size) > limit.rlim_cur) {
    return Fail(EFBIG);
  }
  if (!StillWaits(call)) return Fail(EINTR);
  const UniqueFd file(open(PathThrough(found.file.get()).c_str(),
                           O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid()) return Fail(errno);
  return ResultOf(ftruncate(file.get(), size));
}

}  // namespace encapsulate
