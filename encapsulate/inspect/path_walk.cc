// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/path_walk.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/kernel/syscalls.h"

namespace encapsulate {
namespace {

// As in the kernel (path_resolution(7)).
constexpr int kMostLinks = 40;
constexpr ino_t kRootOfProc = 1;

int OpenPart(int directory, const std::string& part, int flags) {
  return openat(directory, part.c_str(), O_PATH | O_CLOEXEC | flags);
}

int OpenWith(int directory, const std::string& path, uint64_t flags,
             uint64_t resolve) {
  open_how how = {};
  how.flags = O_PATH | O_CLOEXEC | flags;
  how.resolve = resolve;
  return sys::OpenAt2(directory, path.c_str(), how);
}

bool IsOnProc(int fd) {
  struct statfs info;
  return fstatfs(fd, &info) == 0 &&
         static_cast<uint32_t>(info.f_type) == PROC_SUPER_MAGIC;
}

bool IsRootOfProc(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && info.st_ino == kRootOfProc && IsOnProc(fd);
}

// The same directory of the same mount.
bool IsSame(int one, int other) {
  struct statx a = {};
  struct statx b = {};
  constexpr unsigned kWanted = STATX_INO | STATX_MNT_ID;
  return statx(one, "", AT_EMPTY_PATH, kWanted, &a) == 0 &&
         statx(other, "", AT_EMPTY_PATH, kWanted, &b) == 0 &&
         a.stx_ino == b.stx_ino && a.stx_dev_major == b.stx_dev_major &&
         a.stx_dev_minor == b.stx_dev_minor && a.stx_mnt_id == b.stx_mnt_id;
}

// The beginning of a file of /proc; "" if it can't be read.
std::string ReadBeginning(int directory, const std::string& name) {
  const UniqueFd file(openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  const ssize_t size =
      file.valid() ? read(file.get(), buffer, sizeof(buffer)) : -1;
  return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : "";
}

// What a line says, by its beginning.
std::vector<std::string> WordsOf(absl::string_view text,
                                 absl::string_view line_name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, line_name)) {
      return absl::StrSplit(line.substr(line_name.size()), '\t',
                            absl::SkipEmpty());
    }
  }
  return {};
}

// A line of a /proc/.../status: a process's numbers, one for each PID
// namespace from that of the /proc to its own.
std::vector<std::string> Numbers(int directory, const std::string& status,
                                 absl::string_view line_name) {
  return WordsOf(ReadBeginning(directory, status), line_name);
}

// Whose directory of /proc it is, or lies in; -1 if it isn't of the /proc of
// this process, whose numbers those are.
pid_t ProcessOf(int directory) {
  struct stat info;
  struct stat own;
  if (fstat(directory, &info) != 0 || stat("/proc", &own) != 0 ||
      info.st_dev != own.st_dev) {
    return -1;
  }
  for (const char* status : {"status", "../status"}) {
    const std::vector<std::string> numbers =
        Numbers(directory, status, "Tgid:");
    pid_t pid;
    if (!numbers.empty() && absl::SimpleAtoi(numbers[0], &pid)) return pid;
  }
  return -1;
}

// One component after another.
class Walk {
 public:
  Walk(pid_t tid, UniqueFd base, const std::string& path, LastPart last,
       bool base_is_root, const Places* places)
      : tid_(tid), last_(last), places_(places), at_(std::move(base)) {
    root_ = UniqueFd(
        base_is_root ? OpenPart(at_.get(), ".", O_DIRECTORY)
                     : OpenPart(AT_FDCWD, absl::StrCat("/proc/", tid, "/root"),
                                O_DIRECTORY));
    Prepend(path);
  }

  Found Run() {
    Found found;
    if (!root_.valid()) found.error = errno;
    while (found.error == 0 && !parts_.empty()) {
      if (Step(&found)) return found;
    }
    // The path ends in `..` or the like, in a link to a file itself, or is the
    // root.
    if (found.error == 0) found.file = std::move(at_);
    found.access = access_;
    return found;
  }

 private:
  // What is to be walked first; the last of `parts_` is the next one.
  void Prepend(absl::string_view path) {
    // A slash at the end: a link there is followed whatever was asked for.
    if (parts_.empty() && absl::EndsWith(path, "/")) directory_at_end_ = true;
    const std::vector<std::string> parts =
        absl::StrSplit(path, '/', absl::SkipEmpty());
    parts_.insert(parts_.end(), parts.rbegin(), parts.rend());
  }

  // True if the walk has ended.
  bool Step(Found* found) {
    const std::string part = std::move(parts_.back());
    parts_.pop_back();
    access_ = Access::kPath;
    if (part == ".") return false;
    if (part == "..") {
      if (!IsSame(at_.get(), root_.get())) Enter("..", O_DIRECTORY, found);
      return false;
    }
    const bool is_last = parts_.empty();
    if (is_last && last_ == LastPart::kEntry) {
      found->name = part;
      found->directory = std::move(at_);
      return true;
    }
    UniqueFd file(OpenPart(at_.get(), part, O_NOFOLLOW));
    struct stat info = {};
    if (!file.valid() || fstat(file.get(), &info) != 0) {
      if (errno != ENOENT || !is_last) {
        found->error = errno;
        return false;
      }
      found->name = part;
      found->directory = std::move(at_);
      return true;
    }
    if (S_ISLNK(info.st_mode) &&
        (!is_last || last_ == LastPart::kFollow || directory_at_end_)) {
      if (++links_ > kMostLinks) {
        found->error = ELOOP;
      } else {
        Follow(part, file.get(), found);
      }
      return false;
    }
    if (is_last) {
      found->name = part;
      found->directory = std::move(at_);
      found->file = std::move(file);
      return true;
    }
    at_ = std::move(file);
    return false;
  }

  void Enter(const std::string& part, int flags, Found* found) {
    UniqueFd next(OpenPart(at_.get(), part, flags));
    if (next.valid()) {
      at_ = std::move(next);
    } else {
      found->error = errno;
    }
  }

  void Follow(const std::string& part, int link, Found* found) {
    if (IsOnProc(link)) {
      if (IsRootOfProc(at_.get()) &&
          (part == "self" || part == "thread-self")) {
        FollowSelf(part == "self", found);
        return;
      }
      // It has no text, but leads to a file itself.
      const UniqueFd by_text(
          OpenWith(at_.get(), part, 0, RESOLVE_NO_MAGICLINKS));
      if (!by_text.valid() && errno == ELOOP) {
        FollowToFile(part, found);
        return;
      }
    }
    char text[PATH_MAX];
    const ssize_t size = readlinkat(link, "", text, sizeof(text));
    if (size <= 0 || static_cast<size_t>(size) == sizeof(text)) {
      found->error = size < 0 ? errno : ENAMETOOLONG;
      return;
    }
    if (text[0] == '/') {
      at_ = UniqueFd(OpenPart(root_.get(), ".", O_DIRECTORY));
    }
    Prepend(absl::string_view(text, static_cast<size_t>(size)));
  }

  void FollowToFile(const std::string& part, Found* found) {
    if (places_ == nullptr) {
      Enter(part, 0, found);
      return;
    }
    if (!places_->IsInside(ProcessOf(at_.get()))) {
      found->error = EACCES;
      return;
    }
    // If this succeeds, the process has been there all the while, and its
    // number was no other one's.
    UniqueFd file(OpenPart(at_.get(), part, 0));
    if (!file.valid()) {
      found->error = errno;
      return;
    }
    access_ = AccessOf(at_.get(), absl::StrCat("../fdinfo/", part), file.get());
    at_ = std::move(file);
  }

  // These links name whoever looks. Of the thread's numbers it is the one of
  // this /proc's PID namespace.
  void FollowSelf(bool process, Found* found) {
    const std::string own = absl::StrCat("/proc/", tid_, "/status");
    const std::vector<std::string> pids = Numbers(AT_FDCWD, own, "NStgid:");
    const std::vector<std::string> tids = Numbers(AT_FDCWD, own, "NSpid:");
    for (size_t i = 0; i < pids.size() && i < tids.size(); ++i) {
      const std::vector<std::string> seen =
          Numbers(at_.get(), absl::StrCat(pids[i], "/status"), "NStgid:");
      if (seen.empty() ||
          std::vector<std::string>(pids.begin() + static_cast<ptrdiff_t>(i),
                                   pids.end()) != seen) {
        continue;
      }
      Prepend(process ? pids[i] : absl::StrCat(pids[i], "/task/", tids[i]));
      return;
    }
    found->error = ENOENT;
  }

  const pid_t tid_;
  const LastPart last_;
  const Places* const places_;
  UniqueFd at_;
  Access access_ = Access::kPath;  // by which that was come by
  UniqueFd root_;
  std::vector<std::string> parts_;
  bool directory_at_end_ = false;
  int links_ = 0;
};

// As Walk, in two system calls, for a path without links and `..` that leave
// the base. False if there may be one.
bool FindAtOnce(const UniqueFd& base, const std::string& path, LastPart last,
                bool base_is_root, Found* found) {
  const size_t slash = path.rfind('/');
  found->name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  if (found->name.empty() || found->name == "." || found->name == "..") {
    return false;
  }
  const std::string parent =
      slash == std::string::npos || slash == 0 ? "." : path.substr(0, slash);
  found->directory = UniqueFd(OpenWith(
      base.get(), parent, O_DIRECTORY,
      base_is_root ? uint64_t{RESOLVE_IN_ROOT}
                   : uint64_t{RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS}));
  if (!found->directory.valid()) return false;
  // /proc/self names whoever looks, and where both see the same /proc that was
  // this process.
  if (IsOnProc(found->directory.get())) return false;
  if (last == LastPart::kEntry) return true;
  found->file =
      UniqueFd(OpenPart(found->directory.get(), found->name, O_NOFOLLOW));
  if (!found->file.valid()) {
    if (errno != ENOENT) found->error = errno;
    return true;
  }
  struct stat info;
  if (fstat(found->file.get(), &info) != 0) return false;
  return !S_ISLNK(info.st_mode) || last == LastPart::kKeep;
}

}  // namespace

Found FindPath(pid_t tid, UniqueFd base, const std::string& path, LastPart last,
               bool base_is_root, const Places* places) {
  Found found;
  if (FindAtOnce(base, path, last, base_is_root, &found)) return found;
  return Walk(tid, std::move(base), path, last, base_is_root, places).Run();
}

Access AccessOf(int directory, const std::string& info, int file) {
  const std::string text = ReadBeginning(directory, info);
  const std::vector<std::string> flags = WordsOf(text, "flags:");
  if (flags.empty()) return Access::kPath;
  // What a descriptor stands for can change between two looks, so both tell of
  // the same file only if its mount and inode are the same.
  const std::string own =
      ReadBeginning(AT_FDCWD, absl::StrCat("/proc/self/fdinfo/", file));
  for (const char* number : {"mnt_id:", "ino:"}) {
    const std::vector<std::string> words = WordsOf(text, number);
    if (words.empty() || words != WordsOf(own, number)) {
      return Access::kDescriptor;
    }
  }
  const auto bits = strtoul(flags[0].c_str(), nullptr, 8);
  const auto mode = bits & O_ACCMODE;
  return (bits & O_PATH) == 0 && (mode == O_WRONLY || mode == O_RDWR)
             ? Access::kWriting
             : Access::kDescriptor;
}

bool IsBeyondLimits(int base, const std::string& path, uint64_t resolve) {
  constexpr uint64_t kLimits = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                               RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
  if ((resolve & kLimits) == 0) return false;
  const bool absolute = path[0] == '/';
  if (absolute && (resolve & RESOLVE_BENEATH) != 0) return true;
  const uint64_t root = absolute ? RESOLVE_IN_ROOT : resolve & RESOLVE_IN_ROOT;
  const UniqueFd file(OpenWith(base, path, 0, (resolve & kLimits) | root));
  return !file.valid() && (errno == EXDEV || errno == ELOOP);
}

}  // namespace encapsulate
