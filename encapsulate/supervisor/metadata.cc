// SPDX-License-Identifier: Apache-2.0
//
// The supervisor's part that changes what Landlock knows nothing of: modes,
// owners, times and attributes.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/supervisor/supervisor.h"

namespace encapsulate {
namespace {

constexpr int kFchmodat2 = 452;

// As long as the kernel takes them (XATTR_SIZE_MAX, XATTR_NAME_MAX).
constexpr size_t kLongestValue = 65536;

struct Times {
  // Null: now.
  bool given = false;
  struct timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
};

enum class TimeKind { kNanoseconds, kMicroseconds, kSeconds };

// False if they can't be read.
bool ReadTimes(const ThreadView& thread, uint64_t address, TimeKind kind,
               Times* times) {
  if (address == 0) return true;
  times->given = true;
  int64_t words[4] = {};
  const size_t size =
      kind == TimeKind::kSeconds ? 2 * sizeof(int64_t) : sizeof(words);
  if (thread.Read(address, words, size) != size) return false;
  for (size_t i = 0; i < 2; ++i) {
    if (kind == TimeKind::kSeconds) {
      times->times[i] = {words[i], 0};
      continue;
    }
    const int64_t parts = words[2 * i + 1];
    if (kind == TimeKind::kMicroseconds && (parts < 0 || parts >= 1000000)) {
      return false;
    }
    times->times[i] = {words[2 * i],
                       kind == TimeKind::kMicroseconds ? parts * 1000 : parts};
  }
  return true;
}

int SetTimes(int fd, const std::string& path, const Times& times) {
  struct stat info;
  if (fstat(fd, &info) != 0) return -1;
  const struct timespec* const values = times.given ? times.times : nullptr;
  // A link has no such path that leads to itself (Linux 5.8).
  if (S_ISLNK(info.st_mode)) {
    return static_cast<int>(
        syscall(SYS_utimensat, fd, "", values, AT_EMPTY_PATH));
  }
  return utimensat(AT_FDCWD, path.c_str(), values, 0);
}

// The size of what a request that sets attributes points to; 0 if it isn't one.
size_t SizeOfRequest(uint32_t request) {
  switch (request) {
    case static_cast<uint32_t>(FS_IOC_SETFLAGS):
    case static_cast<uint32_t>(FS_IOC_SETVERSION):
      // The kernel reads an int, whatever the request's number says.
      return sizeof(int);
    case static_cast<uint32_t>(FS_IOC_FSSETXATTR):
      return sizeof(struct fsxattr);
    default:
      return 0;
  }
}

}  // namespace

// `address` is that of a path; without one `directory` is the file.
Supervisor::Answer Supervisor::ChangeFile(const Call& call,
                                          const ThreadView& thread,
                                          int directory,
                                          absl::optional<uint64_t> address,
                                          int at_flags,
                                          const Change& change) const {
  std::string path;
  if (address.has_value()) {
    absl::optional<std::string> read = thread.ReadString(*address);
    if (!read.has_value()) return Refuse(thread.refused() ? EPERM : EFAULT);
    path = *std::move(read);
    if (path.size() >= PATH_MAX) return Fail(ENAMETOOLONG);
    if (path.empty() && (at_flags & AT_EMPTY_PATH) == 0) return Fail(ENOENT);
  }
  Found found;
  if (path.empty()) {
    found = thread.Find(directory);
    if (found.error != 0) {
      return found.error == ENOENT ? Fail(EBADF) : Refuse(EPERM);
    }
  } else {
    found =
        thread.Find(directory, path,
                    (at_flags & AT_SYMLINK_NOFOLLOW) != 0 ? LastPart::kKeep
                                                          : LastPart::kFollow);
    if (found.error != 0) return Fail(found.error);
    if (!found.file.valid()) return Fail(ENOENT);
  }
  const UniqueFd& file = found.file;
  if (!Holds(found) || IsDevice(file.get())) return Refuse(EROFS);
  if (!StillWaits(call)) return Fail(EINTR);
  return ResultOf(change(file.get(), PathThrough(file.get())));
}

Supervisor::Answer Supervisor::PerformMetadata(const Call& call,
                                               const ThreadView& thread) {
  const auto& a = call.notification.data.args;
  const auto fd = [&](int i) { return static_cast<int>(a[i]); };
  const auto by_path = [&](int directory, int path, int flags,
                           const Change& change) {
    return ChangeFile(call, thread, directory, a[path], flags, change);
  };
  const auto by_descriptor = [&](const Change& change) {
    return ChangeFile(call, thread, fd(0), absl::nullopt, 0, change);
  };
  const auto mode = [&](int i) -> Change {
    return
        [bits = static_cast<mode_t>(a[i]) & 07777](
            int, const std::string& path) { return chmod(path.c_str(), bits); };
  };
  const auto owner = [&](int i) -> Change {
    return
        [user = static_cast<uid_t>(a[i]), group = static_cast<gid_t>(a[i + 1])](
            int file, const std::string&) {
          return fchownat(file, "", user, group, AT_EMPTY_PATH);
        };
  };
  Times times;
  const auto when = [&](int i, TimeKind kind) {
    return ReadTimes(thread, a[i], kind, &times);
  };
  const auto set_times = [&](int file, const std::string& path) {
    return SetTimes(file, path, times);
  };
  std::string name;
  std::vector<char> value;
  // False with `wrong` set if the arguments can't be read.
  Answer wrong = Fail(EFAULT);
  const auto read_attribute = [&](bool sets) {
    absl::optional<std::string> text = thread.ReadString(a[1]);
    if (!text.has_value()) return false;
    name = *std::move(text);
    if (!sets) return true;
    if (a[3] > kLongestValue) {
      wrong = Fail(E2BIG);
      return false;
    }
    value.resize(a[3]);
    return thread.Read(a[2], value.data(), value.size()) == value.size();
  };
  const auto set_attribute = [&](int, const std::string& path) {
    return setxattr(path.c_str(), name.c_str(), value.data(), value.size(),
                    fd(4));
  };
  const auto remove_attribute = [&](int, const std::string& path) {
    return removexattr(path.c_str(), name.c_str());
  };
  switch (call.notification.data.nr) {
#ifdef SYS_chmod
    case SYS_chmod:
      return by_path(AT_FDCWD, 0, 0, mode(1));
    case SYS_chown:
      return by_path(AT_FDCWD, 0, 0, owner(1));
    case SYS_lchown:
      return by_path(AT_FDCWD, 0, AT_SYMLINK_NOFOLLOW, owner(1));
    case SYS_utime:
      if (!when(1, TimeKind::kSeconds)) return Fail(EFAULT);
      return by_path(AT_FDCWD, 0, 0, set_times);
    case SYS_utimes:
      if (!when(1, TimeKind::kMicroseconds)) return Fail(EINVAL);
      return by_path(AT_FDCWD, 0, 0, set_times);
    case SYS_futimesat:
      if (!when(2, TimeKind::kMicroseconds)) return Fail(EINVAL);
      return a[1] == 0 ? by_descriptor(set_times)
                       : by_path(fd(0), 1, 0, set_times);
#endif
    case SYS_fchmod:
      return by_descriptor(mode(1));
    case SYS_fchmodat:
      return by_path(fd(0), 1, 0, mode(2));
    case kFchmodat2:
      return by_path(fd(0), 1, fd(3), mode(2));
    case SYS_fchown:
      return by_descriptor(owner(1));
    case SYS_fchownat:
      return by_path(fd(0), 1, fd(4), owner(2));
    case SYS_utimensat:
      if (!when(2, TimeKind::kNanoseconds)) return Fail(EFAULT);
      return a[1] == 0 && fd(0) != AT_FDCWD
                 ? by_descriptor(set_times)
                 : by_path(fd(0), 1, fd(3), set_times);
    case SYS_setxattr:
    case SYS_lsetxattr:
    case SYS_fsetxattr:
      if (!read_attribute(/*sets=*/true)) return wrong;
      if (call.notification.data.nr == SYS_fsetxattr) {
        return by_descriptor(set_attribute);
      }
      return by_path(
          AT_FDCWD, 0,
          call.notification.data.nr == SYS_lsetxattr ? AT_SYMLINK_NOFOLLOW : 0,
          set_attribute);
    case SYS_removexattr:
    case SYS_lremovexattr:
    case SYS_fremovexattr:
      if (!read_attribute(/*sets=*/false)) return wrong;
      if (call.notification.data.nr == SYS_fremovexattr) {
        return by_descriptor(remove_attribute);
      }
      return by_path(AT_FDCWD, 0,
                     call.notification.data.nr == SYS_lremovexattr
                         ? AT_SYMLINK_NOFOLLOW
                         : 0,
                     remove_attribute);
    case SYS_ioctl: {
      const auto request = static_cast<uint32_t>(a[1]);
      const size_t size = SizeOfRequest(request);
      if (size == 0) return Judge();
      char data[sizeof(struct fsxattr)] = {};
      if (thread.Read(a[2], data, size) != size) return Fail(EFAULT);
      return by_descriptor([&](int file, const std::string& path) {
        // Opening anything else may do something.
        struct stat info;
        if (fstat(file, &info) != 0) return -1;
        if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
          errno = ENOTTY;
          return -1;
        }
        const UniqueFd opened(
            open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        return opened.valid() ? ioctl(opened.get(), request, data) : -1;
      });
    }
    default:
      return Judge();
  }
}

}  // namespace encapsulate
