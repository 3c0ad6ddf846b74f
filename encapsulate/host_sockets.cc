#include "encapsulate/host_sockets.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "encapsulate/launch.h"
#include "encapsulate/paths.h"
#include "encapsulate/syscalls.h"
#include "encapsulate/unique_fd.h"

namespace encapsulate {
namespace {

// Filesystems that answer at once. A walk must not wake an automount or wait
// for a network or FUSE server.
bool IsLocal(int fd) {
  struct statfs info;
  if (fstatfs(fd, &info) != 0) return false;
  constexpr uint32_t kXfs = 0x58465342;
  switch (static_cast<uint32_t>(info.f_type)) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
    case EXT4_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
    case kXfs:
      return true;
    default:
      return false;
  }
}

// Each level takes a descriptor and a piece of the stack, and anybody can make
// directories in /tmp. A socket's address is too short for more levels.
constexpr int kMostLevels = sizeof(sockaddr_un::sun_path) / 2;

class Finder {
 public:
  explicit Finder(const std::vector<std::string>& excluded)
      : excluded_(excluded) {}

  // A name may hold line feeds, and then its line has others after it.
  void AddListed() {
    const std::string list = ReadList();
    std::string whole;
    for (absl::string_view line : absl::StrSplit(list, '\n')) {
      if (IsFirstLine(line)) {
        AddLine(whole);
        whole.clear();
      } else {
        whole.push_back('\n');
      }
      absl::StrAppend(&whole, line);
    }
    AddLine(absl::StripSuffix(whole, "\n"));
  }

  void Walk(const std::string& tree) {
    const absl::StatusOr<std::string> real = RealPath(tree);
    if (!real.ok() || IsExcluded(*real)) return;
    UniqueFd directory(open(real->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.valid()) {
      WalkDirectory(directory, *real, kMostLevels);
    } else {
      NoteError();
    }
  }

  absl::StatusOr<std::vector<std::string>> Take() {
    if (error_ != 0) {
      errno = error_;
      return HostError("look for the host's sockets");
    }
    std::sort(found_.begin(), found_.end());
    found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
    return std::move(found_);
  }

 private:
  // What is in a directory that the caller may not list, the kernel's list has.
  void NoteError() {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) error_ = errno;
  }

  std::string ReadList() {
    std::string list;
    const UniqueFd file(open("/proc/net/unix", O_RDONLY | O_CLOEXEC));
    if (!file.valid()) NoteError();
    ssize_t size;
    while (file.valid() &&
           (size = read(file.get(), buffer_, sizeof(buffer_))) != 0) {
      if (size < 0) {
        error_ = errno;
        break;
      }
      list.append(buffer_, static_cast<size_t>(size));
    }
    return list;
  }

  // "0000000000000000: 00000002 ...", in hexadecimal.
  static bool IsFirstLine(absl::string_view line) {
    const size_t colon = line.find(": ");
    return colon != absl::string_view::npos && colon >= 8 &&
           std::all_of(line.begin(), line.begin() + colon,
                       [](unsigned char c) { return absl::ascii_isxdigit(c); });
  }

  // Seven columns of fixed meaning, then the path.
  void AddLine(absl::string_view line) {
    const size_t slash = line.find(" /");
    if (slash != absl::string_view::npos) {
      Add(std::string(line.substr(slash + 1)));
    }
  }

  bool IsExcluded(absl::string_view path) const {
    return std::any_of(
        excluded_.begin(), excluded_.end(),
        [path](const std::string& tree) { return IsWithin(path, tree); });
  }

  void Add(const std::string& path) {
    struct stat info;
    if (lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return;
    const absl::StatusOr<std::string> real = RealPath(path);
    if (real.ok()) AddFound(*real);
  }

  static UniqueFd OpenBelow(int directory, const char* name) {
    constexpr uint64_t kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    open_how how = {};
    how.flags = kFlags;
    how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    UniqueFd child(sys::OpenAt2(directory, name, how));
    if (child.valid() || errno != EXDEV) return child;
    const UniqueFd place(
        openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!place.valid() || !IsLocal(place.get())) {
      if (place.valid()) errno = EXDEV;
      return UniqueFd();
    }
    return UniqueFd(
        openat(directory, name, static_cast<int>(kFlags) | O_NOFOLLOW));
  }

  // getdents64(2) itself: readdir(3) costs an allocation and two more calls
  // for each directory.
  void WalkDirectory(const UniqueFd& directory, const std::string& path,
                     int levels) {
    std::vector<std::string> below;
    ssize_t size;
    while ((size = syscall(SYS_getdents64, directory.get(), buffer_,
                           sizeof(buffer_))) > 0) {
      for (ssize_t offset = 0; offset < size;) {
        const auto* entry = reinterpret_cast<const dirent64*>(buffer_ + offset);
        offset += entry->d_reclen;
        const unsigned char type = TypeOf(directory.get(), *entry);
        if (type == DT_DIR) {
          const absl::string_view name = entry->d_name;
          if (levels > 0 && name != "." && name != "..") {
            below.emplace_back(name);
          }
        } else if (type == DT_SOCK || type == DT_FIFO) {
          AddFound(Join(path, entry->d_name));
        }
      }
    }
    for (const std::string& name : below) {
      const std::string child = Join(path, name);
      if (IsExcluded(child)) continue;
      const UniqueFd opened = OpenBelow(directory.get(), name.c_str());
      if (opened.valid()) {
        WalkDirectory(opened, child, levels - 1);
      } else {
        NoteError();
      }
    }
  }

  static std::string Join(const std::string& path, absl::string_view name) {
    return absl::StrCat(path, "/", name);
  }

  static unsigned char TypeOf(int directory, const dirent64& entry) {
    if (entry.d_type != DT_UNKNOWN) return entry.d_type;
    struct stat info;
    if (fstatat(directory, entry.d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      return DT_UNKNOWN;
    }
    return static_cast<unsigned char>(IFTODT(info.st_mode));
  }

  void AddFound(std::string path) {
    if (!IsExcluded(path)) found_.push_back(std::move(path));
  }

  const std::vector<std::string>& excluded_;
  std::vector<std::string> found_;
  alignas(dirent64) char buffer_[16384];
  int error_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> FindHostSockets(
    const std::vector<std::string>& excluded) {
  Finder finder(excluded);
  finder.AddListed();
  for (const char* tree : {"/run", "/tmp", "/var/tmp"}) finder.Walk(tree);
  return finder.Take();
}

}  // namespace encapsulate
