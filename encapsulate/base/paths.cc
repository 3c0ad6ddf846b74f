// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/base/paths.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace encapsulate {

bool IsWithin(absl::string_view path, absl::string_view tree) {
  if (tree == "/") return true;
  return absl::StartsWith(path, tree) &&
         (path.size() == tree.size() || path[tree.size()] == '/');
}

absl::StatusOr<std::string> RealPath(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(
      realpath(path.c_str(), nullptr), &std::free);
  if (resolved == nullptr) return absl::ErrnoToStatus(errno, "");
  return std::string(resolved.get());
}

std::string RealPathOrSame(const std::string& path) {
  absl::StatusOr<std::string> real = RealPath(path);
  return real.ok() ? *std::move(real) : path;
}

std::string CurrentDirectory() {
  const std::unique_ptr<char, decltype(&std::free)> directory(
      getcwd(nullptr, 0), &std::free);
  return directory != nullptr ? directory.get() : "";
}

std::string PathThrough(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

std::string PathOf(int fd) {
  char path[PATH_MAX];
  const ssize_t size = readlink(PathThrough(fd).c_str(), path, sizeof(path));
  // One that fills the buffer may have been cut.
  return size > 0 && static_cast<size_t>(size) < sizeof(path)
             ? std::string(path, static_cast<size_t>(size))
             : "";
}

std::string ParentOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == 0 || slash == absl::string_view::npos) return "/";
  return std::string(path.substr(0, slash));
}

std::string EntryOf(absl::string_view directory, absl::string_view name) {
  return absl::StrCat(directory == "/" ? "" : directory, "/", name);
}

}  // namespace encapsulate
