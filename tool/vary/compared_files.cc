// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/compared_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/stable_hash.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate::tool {
namespace {

constexpr size_t kMostRead = 64 << 20;
constexpr size_t kMostKept = 1 << 20;
constexpr size_t kMostShown = 100;

FileState StateOf(const std::string& path) {
  FileState state;
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    state.kind = errno == ENOENT ? "absent" : Reason(errno);
    return state;
  }
  state.mode = info.st_mode & 07777;
  if (S_ISREG(info.st_mode)) {
    state.kind = "a file";
    state.size = static_cast<uint64_t>(info.st_size);
    state.text = ReadForeignFile(path);
    StableHash hash;
    hash.Add(state.text);
    state.hash = hash.value();
    if (state.text.size() > kMostKept) state.text.clear();
  } else if (S_ISLNK(info.st_mode)) {
    state.kind = "a symbolic link";
    std::error_code ignored;
    state.text = std::filesystem::read_symlink(path, ignored).string();
  } else {
    state.kind = S_ISDIR(info.st_mode) ? "a directory" : "a special file";
  }
  return state;
}

std::string Shown(absl::string_view line) {
  return Quote(line.substr(0, kMostShown));
}

// "line 3 is 'a' as it is, and 'b' here"
std::string TextDifference(const std::string& before,
                           const std::string& after) {
  const std::vector<absl::string_view> old_lines = absl::StrSplit(before, '\n');
  const std::vector<absl::string_view> new_lines = absl::StrSplit(after, '\n');
  size_t line = 0;
  while (line < std::min(old_lines.size(), new_lines.size()) &&
         old_lines[line] == new_lines[line]) {
    ++line;
  }
  const auto words = [&](const std::vector<absl::string_view>& lines) {
    return line < lines.size() ? Shown(lines[line]) : std::string("missing");
  };
  return absl::StrCat("differs: line ", line + 1, " is ", words(old_lines),
                      " as it is, and ", words(new_lines), " here");
}

}  // namespace

bool operator==(const FileState& one, const FileState& other) {
  return std::tie(one.kind, one.mode, one.text, one.hash, one.size) ==
         std::tie(other.kind, other.mode, other.text, other.hash, other.size);
}

void AddFileStates(const std::string& path, FileStates* files) {
  FileState& state = (*files)[path] = StateOf(path);
  if (state.kind != "a directory") return;
  std::error_code error;
  for (std::filesystem::directory_iterator at(path, error), end;
       !error && at != end; at.increment(error)) {
    AddFileStates(at->path().string(), files);
  }
}

std::string ReadForeignFile(const std::string& path) {
  UniqueFd file(open(
      path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat info;
  if (!file.valid() || fstat(file.get(), &info) != 0 ||
      !S_ISREG(info.st_mode)) {
    return "";
  }
  std::string text;
  std::vector<char> buffer(1 << 16);
  while (text.size() < kMostRead) {
    const ssize_t size = read(file.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    text.append(buffer.data(), static_cast<size_t>(size));
  }
  return text;
}

std::string FileDifference(const FileState& before, const FileState& after) {
  if (before.kind != after.kind) {
    return absl::StrCat("is ", before.kind, " as it is, and ", after.kind,
                        " here");
  }
  if (before.mode != after.mode) {
    return absl::StrFormat("has mode %04o as it is, and %04o here", before.mode,
                           after.mode);
  }
  if (before.text != after.text) {
    return TextDifference(before.text, after.text);
  }
  return absl::StrCat("differs: ", before.size, " bytes as it is, and ",
                      after.size, " here");
}

}  // namespace encapsulate::tool
