// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host/host_sockets.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/host/causes.h"
#include "encapsulate/host/local_paths.h"
#include "encapsulate/host/mount_table.h"
#include "encapsulate/host/patient_lookup.h"
#include "encapsulate/host/unix_names.h"
#include "encapsulate/kernel/directory_reader.h"

namespace encapsulate {
namespace {

// Each level takes a descriptor and a piece of the stack, and anybody can make
// directories in /tmp. A socket's address is too short for more levels.
constexpr int kMostLevels = sizeof(sockaddr_un::sun_path) / 2;

class Finder {
 public:
  Finder(const std::vector<std::string>& excluded,
         const std::vector<std::string>& included, const MountTable& table)
      : excluded_(excluded),
        included_(included),
        table_(table),
        paths_(table) {}

  void AddListed() {
    std::set<std::string> names;  // a server's connections have its name, too
    const bool whole = ListUnixNames([&](absl::string_view name) {
      if (name[0] == '/') names.emplace(name);
    });
    if (!whole) error_ = errno;
    for (const std::string& name : names) {
      const std::string path = Resolve(name);
      if (path.empty()) continue;
      LookAt(path);
      for (const Alias& alias : table_.AliasesOf(path)) LookAt(alias.path);
    }
    LookAtSlow();
  }

  // What is in the tree, also where it is mounted a second time.
  void WalkEverywhere(const std::string& tree) {
    const std::string real = Resolve(absl::StrCat(tree, "/."));
    if (real.empty() || !Answers(real)) return;
    Walk(real);
    std::vector<std::string> parts = table_.MemoryMountsBelow(real);
    parts.push_back(real);
    for (const std::string& part : parts) {
      for (const Alias& alias : table_.AliasesOf(part)) WalkAlias(alias);
      for (const Alias& alias : table_.AliasesOfParts(part)) WalkAlias(alias);
    }
  }

  absl::StatusOr<HostSockets> Take() {
    if (error_ != 0) {
      errno = error_;
      return HostError("look for the host's sockets");
    }
    HostSockets sockets;
    sockets.paths = Sorted(&found_);
    sockets.unknown = Sorted(&unknown_);
    return sockets;
  }

 private:
  using State = LocalPaths::Directory::State;

  static std::vector<std::string> Sorted(std::vector<std::string>* paths) {
    std::sort(paths->begin(), paths->end());
    paths->erase(std::unique(paths->begin(), paths->end()), paths->end());
    return std::move(*paths);
  }

  // What is in a directory that the caller may not list, the kernel's list has.
  void NoteError() {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) error_ = errno;
  }

  // The length of the innermost of the trees around `path`; 0 if there is none.
  static size_t Innermost(absl::string_view path,
                          const std::vector<std::string>& trees) {
    size_t length = 0;
    for (const std::string& tree : trees) {
      if (IsWithin(path, tree)) length = std::max(length, tree.size());
    }
    return length;
  }

  bool IsExcluded(absl::string_view path) const {
    return Innermost(path, excluded_) > Innermost(path, included_);
  }

  // The path without symbolic links in its directory, as far as that can be
  // known without asking anybody; empty if there isn't any.
  std::string Resolve(const std::string& path) {
    const size_t slash = path.rfind('/');
    const LocalPaths::Directory& directory = paths_.Find(ParentOf(path));
    const std::string name = path.substr(slash + 1);
    if (directory.state == State::kMissing || name.empty()) return "";
    return name == "." ? directory.real : EntryOf(directory.real, name);
  }

  // `path` comes from Resolve() or the mount table.
  void LookAt(const std::string& path) {
    if (IsExcluded(path)) return;
    const LocalPaths::Directory& directory = paths_.Find(ParentOf(path));
    const bool slow_itself = table_.At(path) == MountTable::Point::kSlow;
    if (directory.state == State::kMissing) return;
    if (directory.state == State::kSlow || slow_itself) {
      slow_[slow_itself ? path : directory.slow_point].push_back(path);
      return;
    }
    struct stat info;
    if (lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) {
      AddFound(path);
    }
  }

  void LookAtSlow() {
    for (const auto& [point, paths] : slow_) {
      std::vector<LookedUp> looked_up;
      if (!LookUpPatiently(point, paths, &looked_up)) error_ = errno;
      for (const LookedUp& looked : looked_up) {
        if (!looked.answered) {
          unknown_.push_back(looked.path);
        } else if (S_ISSOCK(looked.mode)) {
          AddFound(looked.real);
        }
      }
    }
  }

  // Whether the tree can be walked without waiting for ever.
  bool Answers(const std::string& tree) {
    const LocalPaths::Directory& directory = paths_.Find(tree);
    if (directory.state != State::kSlow) {
      return directory.state == State::kLocal;
    }
    if (IsExcluded(tree)) return false;
    std::vector<LookedUp> looked_up;
    if (!LookUpPatiently(directory.slow_point, {tree}, &looked_up)) {
      error_ = errno;
      return false;
    }
    if (!looked_up[0].answered) unknown_.push_back(tree);
    return looked_up[0].answered;
  }

  void WalkAlias(const Alias& alias) {
    if (paths_.Find(alias.path).state != State::kLocal) return;
    // Another mount may be over it (STATX_MNT_ID, Linux 5.8).
    struct statx info;
    if (statx(AT_FDCWD, alias.path.c_str(),
              AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID,
              &info) != 0 ||
        ((info.stx_mask & STATX_MNT_ID) != 0 &&
         static_cast<int>(info.stx_mnt_id) != alias.mount_id)) {
      return;
    }
    if (S_ISDIR(info.stx_mode)) {
      Walk(alias.path);
    } else if (S_ISSOCK(info.stx_mode) || S_ISFIFO(info.stx_mode)) {
      AddFound(alias.path);
    }
  }

  void Walk(const std::string& tree) {
    if (IsExcluded(tree) || !walked_.insert(tree).second) return;
    const UniqueFd directory(
        open(tree.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.valid()) {
      WalkDirectory(directory, tree, kMostLevels);
    } else {
      NoteError();
    }
  }

  UniqueFd OpenBelow(int directory, const char* name, const std::string& path) {
    const MountTable::Point point = table_.At(path);
    if (point != MountTable::Point::kNone &&
        point != MountTable::Point::kLocal) {
      errno = EXDEV;
      return UniqueFd();
    }
    return UniqueFd(openat(directory, name,
                           O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  }

  void WalkDirectory(const UniqueFd& directory, const std::string& path,
                     int levels) {
    std::vector<std::string> below;
    reader_.Start(directory.get());
    while (const dirent64* const entry = reader_.Next()) {
      const unsigned char type = TypeOf(directory.get(), *entry);
      if (type == DT_DIR) {
        const absl::string_view name = entry->d_name;
        if (levels > 0 && name != "." && name != "..") {
          below.emplace_back(name);
        }
      } else if (type == DT_SOCK || type == DT_FIFO) {
        AddFound(EntryOf(path, entry->d_name));
      }
    }
    for (const std::string& name : below) {
      const std::string child = EntryOf(path, name);
      if (IsExcluded(child)) continue;
      const UniqueFd opened = OpenBelow(directory.get(), name.c_str(), child);
      if (opened.valid()) {
        WalkDirectory(opened, child, levels - 1);
      } else {
        NoteError();
      }
    }
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
  const std::vector<std::string>& included_;
  const MountTable& table_;
  LocalPaths paths_;
  std::map<std::string, std::vector<std::string>> slow_;  // by their mount
  std::set<std::string> walked_;
  std::vector<std::string> found_;
  std::vector<std::string> unknown_;
  DirectoryReader<16384> reader_;
  int error_ = 0;
};

}  // namespace

absl::StatusOr<HostSockets> FindHostSockets(
    const std::vector<std::string>& excluded,
    const std::vector<std::string>& included) {
  const absl::StatusOr<MountTable> table = MountTable::Read();
  if (!table.ok()) return table.status();
  Finder finder(excluded, included, *table);
  finder.AddListed();
  for (const char* tree : {"/run", "/tmp", "/var/tmp"}) {
    finder.WalkEverywhere(tree);
    for (const std::string& part : included) {
      if (IsWithin(part, tree)) finder.WalkEverywhere(part);
    }
  }
  return finder.Take();
}

}  // namespace encapsulate
