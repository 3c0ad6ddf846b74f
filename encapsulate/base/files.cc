// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/base/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate {

absl::optional<std::string> ReadFile(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return absl::nullopt;
  std::string text;
  char buffer[8192];
  for (;;) {
    const ssize_t size = read(file.get(), buffer, sizeof(buffer));
    if (size == 0) return text;
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return absl::nullopt;
    text.append(buffer, static_cast<size_t>(size));
  }
}

std::string ReadStart(const std::string& path, size_t most) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[8192];
  while (file.valid() && text.size() < most) {
    const ssize_t size =
        read(file.get(), buffer, std::min(sizeof(buffer), most - text.size()));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    text.append(buffer, static_cast<size_t>(size));
  }
  return text;
}

std::string FirstLine(const std::string& path) {
  std::string text = ReadFile(path).value_or("");
  text.resize(std::min(text.find('\n'), text.size()));
  return text;
}

std::vector<CgroupOfProcess> ReadCgroups(const std::string& path,
                                         bool* is_whole) {
  std::vector<CgroupOfProcess> found;
  if (is_whole != nullptr) *is_whole = true;
  const std::string text = ReadFile(path).value_or("");
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() == 3) {
      found.push_back({std::string(parts[1]), std::string(parts[2])});
    } else if (is_whole != nullptr) {
      *is_whole = false;
    }
  }
  return found;
}

}  // namespace encapsulate
