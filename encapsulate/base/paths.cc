// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/base/paths.h"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/match.h"

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

std::string ParentOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == 0 || slash == absl::string_view::npos) return "/";
  return std::string(path.substr(0, slash));
}

}  // namespace encapsulate
