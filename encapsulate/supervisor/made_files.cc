// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/supervisor/made_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/supervisor/true_path.h"

namespace encapsulate {

bool MadeFiles::IsRoot(absl::string_view path) const {
  return absl::c_linear_search(roots_, path);
}

std::string MadeFiles::TopOf(absl::string_view path) const {
  // A root may lie in another one.
  for (const std::string& root : roots_) {
    if (path == root) return "";
  }
  std::string top;
  for (const std::string& root : roots_) {
    if (!IsWithin(path, root)) continue;
    const size_t end = path.find('/', root.size() + 1);
    std::string found(path.substr(0, end));
    if (found.size() > top.size()) top = std::move(found);
  }
  return top;
}

bool MadeFiles::IsMade(const FileIdentity& mark) const {
  if (made_.count(mark) != 0) return true;
  Settle();
  return made_.count(mark) != 0;
}

bool MadeFiles::Has(const std::string& path, int fd) const {
  const std::string top = TopOf(path);
  if (top.empty()) return false;
  if (top == path) return HasFile(fd);
  // From there on, whatever its name becomes meanwhile.
  const UniqueFd tree(open(top.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  return tree.valid() && HasFile(tree.get()) &&
         LeadsTo(tree.get(), path.substr(top.size() + 1), fd);
}

bool MadeFiles::HasFile(int fd) const {
  FileIdentity mark;
  return ReadIdentity(fd, "", &mark) && IsMade(mark);
}

bool MadeFiles::HasEntry(int root, const std::string& name) const {
  FileIdentity mark;
  return ReadIdentity(root, name.c_str(), &mark) && IsMade(mark);
}

void MadeFiles::Add(const std::string& path) {
  FileIdentity mark;
  if (TopOf(path) != path || !ReadIdentity(AT_FDCWD, path.c_str(), &mark)) {
    return;
  }
  made_[mark] = path;
  NoteFile(mark, path);
}

void MadeFiles::AddUnnamed(int fd) {
  FileIdentity mark;
  if (ReadIdentity(fd, "", &mark)) made_[mark];
}

void MadeFiles::AddSocketName(const std::string& path) {
  if (TopOf(path) != path) return;
  Settle();
  socket_names_.push_back(path);
  // Where it can't be known before who will be there, init is to remove a
  // socket of that name.
  NoteFile(FileIdentity(), path);
}

void MadeFiles::Settle() const {
  std::vector<std::string> waiting;
  for (std::string& path : socket_names_) {
    struct stat info;
    FileIdentity mark;
    if (lstat(path.c_str(), &info) != 0) {
      waiting.push_back(std::move(path));
    } else if (S_ISSOCK(info.st_mode) &&
               ReadIdentity(AT_FDCWD, path.c_str(), &mark)) {
      NoteFile(mark, path);
      made_[mark] = std::move(path);
    }
  }
  socket_names_ = std::move(waiting);
}

void MadeFiles::NoteFile(const FileIdentity& mark,
                         const std::string& path) const {
  LedgerRecord record;
  record.mark = mark;
  Note(record, path);
}

void MadeFiles::NoteObject(LedgerRecord::Kind kind, int64_t number,
                           const std::string& name) const {
  LedgerRecord record;
  record.kind = kind;
  record.number = number;
  Note(record, name);
}

void MadeFiles::Note(LedgerRecord record, const std::string& name) const {
  if (ledger_ < 0) return;
  record.size = static_cast<uint32_t>(name.size());
  std::string bytes(sizeof(record), '\0');
  memcpy(&bytes[0], &record, sizeof(record));
  bytes += name;
  // Without it, the file or the object stays if the caller is killed.
  static_cast<void>(write(ledger_, bytes.data(), bytes.size()) < 0);
}

std::vector<std::string> MadeFiles::RemoveAll() {
  Settle();
  std::vector<std::string> names;
  for (const auto& made : made_) {
    FileIdentity mark;
    if (made.second.empty() ||
        !ReadIdentity(AT_FDCWD, made.second.c_str(), &mark) ||
        !(mark == made.first)) {
      continue;
    }
    RemoveTree(AT_FDCWD, made.second.c_str());
    names.push_back(made.second);
  }
  made_.clear();
  absl::c_sort(names);
  return names;
}

}  // namespace encapsulate
