// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/thread_view.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/inspect/path_walk.h"

namespace encapsulate {
namespace {

using Location = PathTarget::Location;

constexpr size_t kPage = 4096;
constexpr size_t kMostFaults = 1024;
constexpr ino_t kRootOfProc = 1;

// 0 if the kernel doesn't tell (before Linux 5.8).
uint64_t MountOf(const char* path, int fd) {
  struct statx info = {};
  const int flags = *path == '\0' ? AT_EMPTY_PATH : 0;
  return statx(fd, path, flags, STATX_MNT_ID, &info) == 0 &&
                 (info.stx_mask & STATX_MNT_ID) != 0
             ? info.stx_mnt_id
             : 0;
}

PathTarget Failed(const std::string& path, int error) {
  PathTarget target;
  target.path = path;
  target.location = error == ENOENT || error == ENOTDIR ||
                            error == ENAMETOOLONG || error == ELOOP
                        ? Location::kNowhere
                        : Location::kUnknown;
  return target;
}

}  // namespace

size_t ThreadView::Read(uint64_t address, void* buffer, size_t size) const {
  auto* const bytes = static_cast<char*>(buffer);
  size_t done = 0;
  while (done < size) {
    // Page by page: one that is missing would spoil the whole call.
    const uint64_t at = address + done;
    size_t count = kPage - at % kPage;
    if (count > size - done) count = size - done;
    iovec local = {bytes + done, count};
    // NOLINTNEXTLINE(performance-no-int-to-ptr): another process's
    iovec remote = {reinterpret_cast<void*>(at), count};
    const ssize_t got = process_vm_readv(tid_, &local, 1, &remote, 1, 0);
    if (got < 0 && errno == EPERM) refused_ = true;
    if (got < 0 && errno == EFAULT && faults_.size() < kMostFaults) {
      faults_.push_back(at);
    }
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

absl::optional<std::string> ThreadView::ReadString(uint64_t address) const {
  constexpr size_t kFirst = 256;
  std::string text;
  char buffer[kPage];
  while (text.size() < PATH_MAX) {
    // Most paths are short, and pages are no longer than this.
    const uint64_t at = address + text.size();
    size_t count = kPage - at % kPage;
    if (text.empty() && count > kFirst) count = kFirst;
    const size_t got = Read(at, buffer, count);
    if (got == 0) return absl::nullopt;
    const size_t length = strnlen(buffer, got);
    text.append(buffer, length);
    if (length < got) return text;
  }
  return text;
}

bool ThreadView::HidesMemory() const {
  if (faults_.empty()) return false;
  std::ifstream maps(absl::StrCat("/proc/", tid_, "/maps"));
  std::string line;
  while (std::getline(maps, line)) {
    // "begin-end rwxp ..."
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::MaxSplits(' ', 2));
    const std::pair<absl::string_view, absl::string_view> range =
        absl::StrSplit(words[0], absl::MaxSplits('-', 1));
    uint64_t begin;
    uint64_t end;
    if (words.size() < 2 || absl::StartsWith(words[1], "---") ||
        !absl::SimpleHexAtoi(range.first, &begin) ||
        !absl::SimpleHexAtoi(range.second, &end)) {
      continue;
    }
    for (uint64_t fault : faults_) {
      if (begin <= fault && fault < end) return true;
    }
  }
  return false;
}

std::string ThreadView::Link(const std::string& name) const {
  char target[PATH_MAX];
  const ssize_t size = readlink(absl::StrCat("/proc/", tid_, "/", name).c_str(),
                                target, sizeof(target));
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : "";
}

std::string ThreadView::SocketProtocol(int descriptor) const {
  char name[64];
  const ssize_t size =
      getxattr(absl::StrCat("/proc/", tid_, "/fd/", descriptor).c_str(),
               "system.sockprotoname", name, sizeof(name));
  return size > 0 ? std::string(name, strnlen(name, static_cast<size_t>(size)))
                  : "";
}

std::string ThreadView::Absolute(int directory, const std::string& path) const {
  if (!path.empty() && path[0] == '/') return path;
  std::string base =
      Link(directory == AT_FDCWD ? "cwd" : absl::StrCat("fd/", directory));
  if (base.empty() || base[0] != '/') return "";
  // After chroot(2) its root isn't what the link counts from.
  const std::string root = Link("root");
  if (root.size() > 1 && absl::StartsWith(base, root)) {
    base.erase(0, root.size());
  }
  return path.empty() ? base : absl::StrCat(base, "/", path);
}

UniqueFd ThreadView::Open(const std::string& name) const {
  UniqueFd file(open(absl::StrCat("/proc/", tid_, "/", name).c_str(),
                     O_PATH | O_CLOEXEC));
  if (!file.valid()) refused_ |= errno == EACCES || errno == EPERM;
  return file;
}

// Whose settings these are isn't said by the mount's flags: /proc/sys and the
// like are the machine's, the directories of processes are their own. Only
// those of the /proc that belongs there are known by their path.
bool ThreadView::IsMachineOfProc(int fd) const {
  constexpr absl::string_view kProc = "/proc/";
  const std::string path = PathOf(fd);
  if (!absl::StartsWith(path, kProc) || path.size() == kProc.size() ||
      !absl::ascii_isdigit(static_cast<unsigned char>(path[kProc.size()]))) {
    return true;
  }
  return MountOf("", fd) !=
         MountOf(absl::StrCat("/proc/", tid_, "/root/proc").c_str(), AT_FDCWD);
}

bool ThreadView::Examine(const Found& found, PathTarget* target) const {
  const bool is_there = found.file.valid();
  if (places_ != nullptr) {
    target->devices =
        is_there ? places_->Holds(found)
                 : places_->HoldsEntry(found.directory.get(), found.name);
    target->location =
        target->devices ? Location::kWritable : Location::kReadOnly;
    return true;
  }
  const int fd = is_there ? found.file.get() : found.directory.get();
  struct statfs info;
  if (fstatfs(fd, &info) != 0) return false;
  const auto flags = static_cast<uint64_t>(info.f_flags);
  target->devices = (flags & ST_NODEV) == 0;
  target->location =
      (flags & ST_RDONLY) != 0 ? Location::kReadOnly : Location::kWritable;
  if (target->location == Location::kWritable &&
      static_cast<uint32_t>(info.f_type) == PROC_SUPER_MAGIC &&
      IsMachineOfProc(fd)) {
    target->location = Location::kReadOnly;
  }
  return true;
}

UniqueFd ThreadView::OpenDescriptor(int descriptor) const {
  return Open(descriptor == AT_FDCWD ? "cwd" : absl::StrCat("fd/", descriptor));
}

Found ThreadView::Find(int descriptor) const {
  Found found;
  found.file = OpenDescriptor(descriptor);
  if (!found.file.valid()) {
    found.error = errno;
  } else if (places_ != nullptr && descriptor != AT_FDCWD) {
    found.access =
        AccessOf(AT_FDCWD, absl::StrCat("/proc/", tid_, "/fdinfo/", descriptor),
                 found.file.get());
  }
  return found;
}

Found ThreadView::Find(int directory, const std::string& path, LastPart last,
                       uint64_t resolve) const {
  const bool absolute = absl::StartsWith(path, "/");
  const bool is_root = (resolve & RESOLVE_IN_ROOT) != 0;
  UniqueFd base =
      absolute && !is_root ? Open("root") : OpenDescriptor(directory);
  if (!base.valid()) {
    Found found;
    found.error = errno;
    return found;
  }
  return FindPath(tid_, std::move(base), path, last, absolute || is_root,
                  places_);
}

PathTarget ThreadView::LookUp(int directory, const std::string& path,
                              LastPart last, uint64_t resolve) const {
  const bool absolute = path[0] == '/';
  const bool is_root = (resolve & RESOLVE_IN_ROOT) != 0;
  const std::string base_name = absolute && !is_root ? "root"
                                : directory == AT_FDCWD
                                    ? "cwd"
                                    : absl::StrCat("fd/", directory);
  UniqueFd base = Open(base_name);
  const int base_error = base.valid() ? 0 : errno;
  const std::string whole = absolute ? path : Absolute(directory, path);
  PathTarget target;
  target.path = whole.empty() ? path : whole;
  if (base_error != 0) return Failed(target.path, base_error);
  target.beyond_limits = IsBeyondLimits(base.get(), path, resolve);
  const Found found =
      FindPath(tid_, std::move(base), path, last, absolute || is_root, places_);
  if (found.error != 0) return Failed(target.path, found.error);
  if (!found.file.valid()) {
    // The directory is what would change.
    if (!Examine(found, &target)) return target;
    struct stat info;
    if (target.location == Location::kWritable) {
      if (fstat(found.directory.get(), &info) == 0) {
        target.device = info.st_dev;
      }
      return target;
    }
    target.path = EntryOf(PathOf(found.directory.get()), found.name);
    target.exists = fstatat(found.directory.get(), found.name.c_str(), &info,
                            AT_SYMLINK_NOFOLLOW) == 0;
    if (target.exists) target.mode = info.st_mode;
    return target;
  }
  struct stat info;
  if (!Examine(found, &target) || fstat(found.file.get(), &info) != 0) {
    target.location = Location::kUnknown;
    return target;
  }
  target.exists = true;
  target.mode = info.st_mode;
  if (target.location == Location::kWritable) target.device = info.st_dev;
  if (target.location == Location::kReadOnly) {
    target.path = PathOf(found.file.get());
  }
  return target;
}

PathTarget ThreadView::LookUp(int descriptor) const {
  PathTarget target;
  const std::string link =
      descriptor == AT_FDCWD ? "cwd" : absl::StrCat("fd/", descriptor);
  const Found found = Find(descriptor);
  struct stat info;
  if (!found.file.valid() || fstat(found.file.get(), &info) != 0) {
    return Failed("", errno);
  }
  if (!Examine(found, &target)) return target;
  target.exists = true;
  target.mode = info.st_mode;
  if (target.location == Location::kWritable) target.device = info.st_dev;
  if (target.location == Location::kReadOnly) target.path = Link(link);
  return target;
}

bool ThreadView::Sees(pid_t pid) const {
  if (places_ != nullptr) return places_->IsInside(pid);
  // After chroot(2) anything may be there.
  const UniqueFd proc(open(absl::StrCat("/proc/", tid_, "/root/proc").c_str(),
                           O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct statfs system;
  struct stat info;
  return proc.valid() && fstatfs(proc.get(), &system) == 0 &&
         static_cast<uint32_t>(system.f_type) == PROC_SUPER_MAGIC &&
         fstat(proc.get(), &info) == 0 && info.st_ino == kRootOfProc &&
         fstatat(proc.get(), absl::StrCat(pid).c_str(), &info, 0) == 0;
}

ThreadView::Status ThreadView::ReadStatus() const {
  Status status;
  const UniqueFd file(open(absl::StrCat("/proc/", tid_, "/status").c_str(),
                           O_RDONLY | O_CLOEXEC));
  char buffer[kPage];
  const ssize_t size =
      file.valid() ? read(file.get(), buffer, sizeof(buffer)) : -1;
  if (size <= 0) return status;
  const absl::string_view text(buffer, static_cast<size_t>(size));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar("\t "), absl::SkipEmpty());
    if (words.size() < 2) continue;
    if (words[0] == "Name:") {
      status.name = std::string(absl::StripPrefix(line, "Name:\t"));
    } else if (words[0] == "Umask:") {
      status.umask = static_cast<mode_t>(
          strtoul(std::string(words[1]).c_str(), nullptr, 8));
    } else if (words[0] == "NStgid:") {
      static_cast<void>(absl::SimpleAtoi(words.back(), &status.pid));
    } else if (words[0] == "NSpid:") {
      static_cast<void>(absl::SimpleAtoi(words.back(), &status.tid));
    } else if (words[0] == "CapEff:") {
      status.has_capabilities =
          words[1].find_first_not_of('0') != absl::string_view::npos;
    }
  }
  return status;
}

char ThreadView::State() const {
  const UniqueFd file(open(absl::StrCat("/proc/", tid_, "/stat").c_str(),
                           O_RDONLY | O_CLOEXEC));
  char text[512] = {};
  if (!file.valid() || read(file.get(), text, sizeof(text) - 1) <= 0) {
    return '\0';
  }
  // "tid (name) state ...", and the name may hold anything.
  const char* const name_end = strrchr(text, ')');
  return name_end != nullptr && name_end[1] == ' ' ? name_end[2] : '\0';
}

}  // namespace encapsulate
