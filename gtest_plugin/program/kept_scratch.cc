// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/kept_scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "encapsulate/base/error.h"

namespace encapsulate {
namespace {

// Entries that are removed before it is given up: somebody may be at work in
// there, making more.
constexpr int kMostEntries = 1 << 20;
// Directories that are looked at in a row.
constexpr size_t kMostInARow = 1000;

constexpr int kDirectory = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

absl::Status CannotRemove(const std::string& path, int error) {
  return MakeFailure({FailureKind::kHostRefused, "remove", path, "", error});
}

// Opens a directory to be emptied, which may forbid its owner to enter it.
// `place` is opened with O_PATH; the mode is changed by way of it.
UniqueFd OpenToEmpty(const UniqueFd& place) {
  struct stat info;
  if (fstat(place.get(), &info) != 0) return UniqueFd();
  if ((info.st_mode & S_IRWXU) != S_IRWXU) {
    const std::string link = absl::StrCat("/proc/self/fd/", place.get());
    chmod(link.c_str(), (info.st_mode & 07777) | S_IRWXU);
  }
  return UniqueFd(openat(place.get(), ".", O_RDONLY | kDirectory));
}

UniqueFd OpenToEmpty(int base, const char* name) {
  return OpenToEmpty(UniqueFd(openat(base, name, O_PATH | kDirectory)));
}

// Empties `directory` without going deeper than one level: what is in a
// directory of it comes up to it, under a new name. So a deep tree takes no
// more descriptors, and no more stack, than a flat one. Its functions return an
// errno, 0 for none.
class Emptier {
 public:
  explicit Emptier(int directory) : directory_(directory) {}

  int Empty() {
    for (;;) {
      std::vector<std::string> branches;
      int error = ForEach(directory_, [&](const char* name) {
        if (!Unlink(directory_, name)) branches.emplace_back(name);
        return branches.size() < kMostInARow ? 0 : EAGAIN;
      });
      if (error != 0 && error != EAGAIN) return error;
      if (branches.empty()) return 0;
      for (const std::string& branch : branches) {
        error = EmptyBranch(branch.c_str());
        if (error != 0) return error;
      }
    }
  }

 private:
  // Until `function` returns an error.
  template <typename Function>
  int ForEach(int fd, const Function& function) {
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(
        fdopendir(openat(fd, ".", O_RDONLY | kDirectory)), closedir);
    if (stream == nullptr) return errno;
    for (;;) {
      errno = 0;
      const struct dirent* const entry = readdir(stream.get());
      if (entry == nullptr) return errno;
      const char* const name = entry->d_name;
      if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
      if (++entries_ > kMostEntries) return EFBIG;
      const int error = function(name);
      if (error != 0) return error;
    }
  }

  // False if it is there still: a directory.
  static bool Unlink(int fd, const char* name) {
    return unlinkat(fd, name, 0) == 0 || errno == ENOENT;
  }

  int EmptyBranch(const char* name) {
    const UniqueFd branch = OpenToEmpty(directory_, name);
    if (!branch.valid()) return errno == ENOENT ? 0 : errno;
    const int error = ForEach(branch.get(), [&](const char* inner) {
      return Unlink(branch.get(), inner) ? 0 : BringUp(branch.get(), inner);
    });
    if (error != 0) return error;
    return unlinkat(directory_, name, AT_REMOVEDIR) == 0 ? 0 : errno;
  }

  int BringUp(int branch, const char* name) {
    // One that may not be written can't be given another parent.
    if (!OpenToEmpty(branch, name).valid()) return errno;
    for (;;) {
      const std::string fresh = absl::StrCat("removed-", ++brought_up_);
      if (renameat2(branch, name, directory_, fresh.c_str(),
                    RENAME_NOREPLACE) == 0) {
        return 0;
      }
      if (errno != EEXIST || brought_up_ > kMostEntries) return errno;
    }
  }

  const int directory_;
  int entries_ = 0;
  int brought_up_ = 0;
};

}  // namespace

absl::StatusOr<KeptScratch> KeptScratch::Make(const std::string& base,
                                              const std::string& name) {
  KeptScratch scratch;
  scratch.path_ = absl::StrCat(
      base, "/scratch-", absl::StrReplaceAll(name, {{"/", "_"}}), "-XXXXXX");
  struct stat info;
  if (mkdtemp(&scratch.path_[0]) != nullptr) {
    scratch.name_ = scratch.path_.substr(base.size() + 1);
    scratch.base_ =
        UniqueFd(open(base.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    scratch.directory_ = UniqueFd(openat(
        scratch.base_.get(), scratch.name_.c_str(), O_PATH | kDirectory));
    if (fstat(scratch.directory_.get(), &info) == 0) {
      scratch.device_ = info.st_dev;
      scratch.inode_ = info.st_ino;
      return scratch;
    }
  }
  return MakeFailure({FailureKind::kHostRefused, "make a scratch directory in",
                      base, "", errno});
}

bool KeptScratch::IsAt(const std::string& path) const {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && info.st_dev == device_ &&
         info.st_ino == inode_;
}

bool KeptScratch::IsInPlace() const {
  struct stat info;
  return fstatat(base_.get(), name_.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
         info.st_dev == device_ && info.st_ino == inode_;
}

void KeptScratch::Close() {
  base_.Reset();
  directory_.Reset();
}

absl::Status KeptScratch::Remove() {
  const UniqueFd directory = OpenToEmpty(directory_);
  if (!directory.valid()) return CannotRemove(path_, errno);
  const int error = Emptier(directory.get()).Empty();
  if (error != 0) return CannotRemove(path_, error);
  if (!IsInPlace()) {
    return MakeFailure({FailureKind::kHostRefused, "remove", path_,
                        "a test has put something else in its place"});
  }
  if (unlinkat(base_.get(), name_.c_str(), AT_REMOVEDIR) != 0) {
    return CannotRemove(path_, errno);
  }
  return absl::OkStatus();
}

}  // namespace encapsulate
