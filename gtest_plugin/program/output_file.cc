// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/base/write_all.h"
#include "encapsulate/failure.h"

namespace encapsulate {

absl::Status OutputFile::Cannot(const std::string& reason, int error) const {
  return MakeFailure({FailureKind::kInvalidOptions,
                      absl::StrCat("write ", what_), path_, reason, error});
}

absl::Status OutputFile::Create() {
  const UniqueFd file(
      open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  struct stat info;
  if (!file.valid() || fstat(file.get(), &info) != 0) return Cannot("", errno);
  device_ = info.st_dev;
  inode_ = info.st_ino;
  type_ = info.st_mode & S_IFMT;
  return absl::OkStatus();
}

// Nothing is opened that it wasn't from the start, not even to be looked at.
absl::Status OutputFile::Write(absl::string_view text) const {
  const UniqueFd place(open(path_.c_str(), O_PATH | O_CLOEXEC));
  struct stat info;
  if (!place.valid() || fstat(place.get(), &info) != 0) {
    return Cannot("", errno);
  }
  if (info.st_dev != device_ || info.st_ino != inode_ ||
      (info.st_mode & S_IFMT) != type_) {
    return Cannot("a test has put something else in its place", 0);
  }
  const UniqueFd file(open(
      PathThrough(place.get()).c_str(),
      O_WRONLY | O_NOCTTY | O_CLOEXEC | (S_ISREG(info.st_mode) ? O_TRUNC : 0)));
  if (!file.valid() || !WriteAll(file.get(), text)) return Cannot("", errno);
  return absl::OkStatus();
}

}  // namespace encapsulate
