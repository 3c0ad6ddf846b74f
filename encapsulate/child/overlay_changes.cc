// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/child/overlay_changes.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "encapsulate/child/message.h"
#include "encapsulate/kernel/directory_reader.h"
#include "encapsulate/kernel/text.h"
#include "encapsulate/result.h"

namespace encapsulate {
namespace {

// Of the names that are reported, with what the caller needs for each. Whoever
// makes files without end can't have it list them.
constexpr size_t kMostBytes = size_t{64} << 20;
constexpr size_t kEach = 64;

int OpenDirectory(int directory, const char* name) {
  return openat(directory, name,
                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

bool StartsWith(const char* text, const char* start) {
  return strncmp(text, start, strlen(start)) == 0;
}

// Whether overlayfs has marked it as the successor of one that was deleted.
bool IsOpaque(int upper) {
  char mark;
  return fgetxattr(upper, "user.overlay.opaque", &mark, 1) == 1 && mark == 'y';
}

// Beyond 4 KiB, the limit of many filesystems, only sizes are compared.
bool HasAttributesOf(int other, int directory) {
  char names[4096];
  char value[4096];
  char other_value[4096];
  const ssize_t size = flistxattr(directory, names, sizeof(names));
  for (ssize_t at = 0; at < size;) {
    const char* name = names + at;
    at += static_cast<ssize_t>(strlen(name)) + 1;
    // The rest is the kernel's own: overlayfs's marks, labels.
    if (!StartsWith(name, "system.posix_acl_") &&
        (!StartsWith(name, "user.") || StartsWith(name, "user.overlay."))) {
      continue;
    }
    const ssize_t length = fgetxattr(directory, name, nullptr, 0);
    const ssize_t other_length = fgetxattr(other, name, nullptr, 0);
    // A tmpfs holds none of "user" before Linux 6.6.
    if (other_length < 0 && errno == EOPNOTSUPP) continue;
    if (length != other_length) return false;
    if (length > 0 &&
        fgetxattr(directory, name, value, sizeof(value)) == length &&
        fgetxattr(other, name, other_value, sizeof(other_value)) == length &&
        memcmp(value, other_value, static_cast<size_t>(length)) != 0) {
      return false;
    }
  }
  return true;
}

// Whether two directories have the same ACLs and the same attributes in the
// namespace "user"; true if the lower one may not be read. False if that can't
// be known.
bool CompareAttributes(int upper, int lower, bool* same) {
  const int readable = OpenDirectory(lower, ".");
  *same = true;
  if (readable < 0) return errno == EACCES || errno == EPERM;
  *same = HasAttributesOf(upper, readable) && HasAttributesOf(readable, upper);
  close(readable);
  return true;
}

class Changes {
 public:
  explicit Changes(int control) : control_(control) {
    change_.kind = MessageKind::kChange;
  }

  // Of the overlay at `target`, whose layers are `upper`, which is closed, and
  // `lower`.
  bool ReportOverlay(const char* target, int upper, int lower) {
    const size_t length = strlen(target);
    memcpy(change_.text, target, length);
    // Its owner is whoever made the overlay, for a start.
    struct stat now;
    struct stat before;
    if (fstat(upper, &now) != 0 || fstat(lower, &before) != 0) {
      close(upper);
      return false;
    }
    if (now.st_mode != before.st_mode) {
      Send(OverlayChange::Kind::kChangedDirectory, length);
    }
    return ReportDirectory({upper, lower, length, 0});
  }

 private:
  // A directory of an upper layer that is being looked through.
  struct Level {
    int directory;
    int lower;      // the one below it, or -1
    size_t length;  // of its path, which change_.text begins with
    off_t next;     // where to go on
  };

  enum class Entry { kReported, kDeeper, kFailed };

  // Reports what is in a directory, and closes it. How deep that goes is the
  // command's choice, so the stack is not for it.
  bool ReportDirectory(const Level& top) {
    levels_[0] = top;
    for (size_t depth = 1; depth > 0;) {
      Level& level = levels_[depth - 1];
      if (lseek(level.directory, level.next, SEEK_SET) < 0) return false;
      DirectoryReader<2048> reader;
      reader.Start(level.directory);
      Entry entry = Entry::kReported;
      while (entry == Entry::kReported) {
        const dirent64* const found = reader.Next();
        if (found == nullptr) break;
        level.next = found->d_off;
        if (strcmp(found->d_name, ".") == 0 ||
            strcmp(found->d_name, "..") == 0) {
          continue;
        }
        const size_t name = strlen(found->d_name);
        const size_t length = level.length + 1 + name;
        if (length > kMaxMessageText) {
          errno = ENAMETOOLONG;
          return false;
        }
        change_.text[level.length] = '/';
        memcpy(change_.text + level.length + 1, found->d_name, name);
        entry = ReportEntry(level, found->d_name, length, &levels_[depth]);
        if (sent_ > kMostBytes) {
          errno = E2BIG;
          return false;
        }
      }
      if (entry == Entry::kFailed || reader.error() != 0) return false;
      if (entry == Entry::kDeeper) {
        ++depth;
        continue;
      }
      close(level.directory);
      if (level.lower >= 0) close(level.lower);
      --depth;
    }
    return true;
  }

  // A directory is to be looked through then, as `deeper`.
  Entry ReportEntry(const Level& level, const char* name, size_t length,
                    Level* deeper) {
    using Kind = OverlayChange::Kind;
    struct stat info;
    if (fstatat(level.directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      return Entry::kFailed;
    }
    if (!S_ISDIR(info.st_mode)) {
      // A character device 0:0 stands for a deleted name.
      const bool deleted = S_ISCHR(info.st_mode) && info.st_rdev == 0;
      Send(deleted ? Kind::kDeleted : Kind::kWritten, length);
      return Entry::kReported;
    }
    const int upper = OpenDirectory(level.directory, name);
    if (upper < 0) return Entry::kFailed;
    struct stat before;
    int below = -1;
    const bool had_one = level.lower >= 0 && fstatat(level.lower, name, &before,
                                                     AT_SYMLINK_NOFOLLOW) == 0;
    if (!had_one && level.lower >= 0 && errno != ENOENT) return Entry::kFailed;
    // A directory that only leads to something changed isn't a change.
    if (!had_one || !S_ISDIR(before.st_mode) || IsOpaque(upper)) {
      Send(Kind::kMadeDirectory, length);
    } else {
      below = openat(level.lower, name,
                     O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      bool same = true;
      if (below < 0 || !CompareAttributes(upper, below, &same)) {
        return Entry::kFailed;
      }
      if (info.st_mode != before.st_mode || info.st_uid != before.st_uid ||
          info.st_gid != before.st_gid || !same) {
        Send(Kind::kChangedDirectory, length);
      }
    }
    *deeper = {upper, below, length, 0};
    return Entry::kDeeper;
  }

  void Send(OverlayChange::Kind kind, size_t length) {
    change_.number = static_cast<int32_t>(kind);
    change_.text_size = static_cast<uint32_t>(length);
    SendMessage(control_, change_);
    sent_ += length + kEach;
  }

  const int control_;
  size_t sent_ = 0;  // bytes
  Message change_ = {};
  // Each has at least two bytes more of a path than the one before.
  static inline Level levels_[kMaxMessageText / 2 + 1] = {};
};

}  // namespace

bool ReportOverlayChanges(const ChildPlan& plan, const ChildNotes& notes,
                          int stage, int control) {
  Changes changes(control);
  for (size_t i = 0; i < plan.places.size(); ++i) {
    const ChildPlace& place = plan.places[i];
    if (place.kind != PlaceKind::kOverlay) continue;
    const int upper = openat(stage, Text<32>("upper", i).c_str(),
                             O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (upper < 0 || !changes.ReportOverlay(place.target.c_str(), upper,
                                            notes.places[i].lower)) {
      return false;
    }
  }
  return true;
}

}  // namespace encapsulate
