#include "encapsulate/thread_view.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "encapsulate/syscalls.h"
#include "encapsulate/unique_fd.h"

namespace encapsulate {
namespace {

using Place = PathTarget::Place;

constexpr size_t kPage = 4096;

int OpenInside(int root, const std::string& path, uint64_t flags) {
  open_how how = {};
  how.flags = O_PATH | O_CLOEXEC | flags;
  how.resolve = RESOLVE_IN_ROOT;
  return sys::OpenAt2(root, path.c_str(), how);
}

std::string PathOf(int fd) {
  char path[PATH_MAX];
  const ssize_t size =
      readlink(absl::StrCat("/proc/self/fd/", fd).c_str(), path, sizeof(path));
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : "";
}

// Whose settings these are isn't said by the mount's flags: /proc/sys and the
// like are the machine's, the directories of processes are their own.
bool IsMachineOfProc(const std::string& path) {
  constexpr absl::string_view kProc = "/proc/";
  const size_t at = path.find(std::string(kProc));
  return at == std::string::npos || at + kProc.size() >= path.size() ||
         path[at + kProc.size()] < '0' || path[at + kProc.size()] > '9';
}

// Whether the path names a descriptor of whoever opens it.
bool IsDescriptor(absl::string_view path, int* descriptor) {
  constexpr absl::string_view kStandard[] = {"/dev/stdin", "/dev/stdout",
                                             "/dev/stderr"};
  for (int i = 0; i < 3; ++i) {
    if (path != kStandard[i]) continue;
    *descriptor = i;
    return true;
  }
  return (absl::ConsumePrefix(&path, "/dev/fd/") ||
          absl::ConsumePrefix(&path, "/proc/self/fd/")) &&
         absl::SimpleAtoi(path, descriptor);
}

// Fills in where `fd` is. False if that can't be told.
bool Judge(int fd, PathTarget* target) {
  struct statfs info;
  if (fstatfs(fd, &info) != 0) return false;
  const auto flags = static_cast<uint64_t>(info.f_flags);
  target->devices = (flags & ST_NODEV) == 0;
  target->place =
      (flags & ST_RDONLY) != 0 ? Place::kReadOnly : Place::kWritable;
  if (target->place == Place::kWritable &&
      static_cast<uint32_t>(info.f_type) == PROC_SUPER_MAGIC &&
      IsMachineOfProc(PathOf(fd))) {
    target->place = Place::kReadOnly;
  }
  return true;
}

PathTarget Failed(const std::string& path, int error) {
  PathTarget target;
  target.path = path;
  target.place = error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG
                     ? Place::kNowhere
                     : Place::kUnknown;
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
  return absl::nullopt;
}

std::string ThreadView::Link(const std::string& name) const {
  char target[PATH_MAX];
  const ssize_t size = readlink(absl::StrCat("/proc/", tid_, "/", name).c_str(),
                                target, sizeof(target));
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : "";
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

PathTarget ThreadView::LookUp(int directory, const std::string& path,
                              bool follow) const {
  std::string whole = Absolute(directory, path);
  PathTarget target;
  target.path = whole.empty() ? path : whole;
  if (whole.empty()) return target;
  int descriptor = -1;
  if (follow && IsDescriptor(whole, &descriptor)) return LookUp(descriptor);
  // "self" is whoever asks.
  if (absl::StartsWith(whole, "/proc/self/")) {
    whole.replace(6, 4, absl::StrCat(ReadStatus().pid));
  } else if (absl::StartsWith(whole, "/proc/thread-self/") ||
             absl::StartsWith(whole, "/dev/fd")) {
    return target;
  }
  const UniqueFd root(open(absl::StrCat("/proc/", tid_, "/root").c_str(),
                           O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) {
    refused_ |= errno == EACCES || errno == EPERM;
    return target;
  }

  absl::string_view trimmed = whole;
  while (trimmed.size() > 1 && absl::EndsWith(trimmed, "/")) {
    trimmed.remove_suffix(1);
  }
  const size_t slash = trimmed.rfind('/');
  const std::string leaf(trimmed.substr(slash + 1));
  const std::string parent_path(slash == 0 ? "/" : trimmed.substr(0, slash));
  UniqueFd file;
  if (leaf.empty() || leaf == "." || leaf == "..") {
    file = UniqueFd(OpenInside(root.get(), whole, 0));
    if (!file.valid()) return Failed(whole, errno);
  } else {
    const UniqueFd parent(OpenInside(root.get(), parent_path, O_DIRECTORY));
    if (!parent.valid()) return Failed(whole, errno);
    const auto found_in_parent = [&] {
      const std::string base = PathOf(parent.get());
      target.path = absl::StrCat(base == "/" ? "" : base, "/", leaf);
    };
    if (!Judge(parent.get(), &target)) return target;
    if (!follow) {
      // The directory is what would change.
      if (target.place == Place::kWritable) return target;
      found_in_parent();
      struct stat info;
      target.exists =
          fstatat(parent.get(), leaf.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
      if (target.exists) target.mode = info.st_mode;
      return target;
    }
    file = UniqueFd(
        openat(parent.get(), leaf.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!file.valid()) {
      if (errno != ENOENT) return Failed(whole, errno);
      if (target.place == Place::kReadOnly) found_in_parent();
      return target;
    }
    struct stat info;
    if (fstat(file.get(), &info) != 0) return Failed(whole, ENOENT);
    if (S_ISLNK(info.st_mode)) {
      file = UniqueFd(OpenInside(root.get(), whole, 0));
      // A link to nothing can be created through, wherever it points.
      if (!file.valid()) {
        target.place = Place::kUnknown;
        return target;
      }
    }
  }
  struct stat info;
  if (!Judge(file.get(), &target) || fstat(file.get(), &info) != 0) {
    target.place = Place::kUnknown;
    return target;
  }
  target.exists = true;
  target.mode = info.st_mode;
  if (target.place == Place::kReadOnly) target.path = PathOf(file.get());
  return target;
}

PathTarget ThreadView::LookUp(int descriptor) const {
  PathTarget target;
  const std::string link = absl::StrCat("fd/", descriptor);
  const UniqueFd file(open(absl::StrCat("/proc/", tid_, "/", link).c_str(),
                           O_PATH | O_CLOEXEC));
  struct stat info;
  if (!file.valid() || fstat(file.get(), &info) != 0) {
    return Failed("", errno);
  }
  if (!Judge(file.get(), &target)) return target;
  target.exists = true;
  target.mode = info.st_mode;
  if (target.place == Place::kReadOnly) target.path = Link(link);
  return target;
}

bool ThreadView::Sees(pid_t pid) const {
  struct stat info;
  return stat(absl::StrCat("/proc/", tid_, "/root/proc/", pid).c_str(),
              &info) == 0;
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
