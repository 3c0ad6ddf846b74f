// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/scratch.h"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "encapsulate/base/error.h"
#include "tool/report.h"
#include "tool/vary/host_failure.h"

namespace encapsulate::tool {
namespace {

namespace fs = std::filesystem;

bool IsOnDisk(const std::string& directory) {
  struct statfs info;
  return statfs(directory.c_str(), &info) == 0 && info.f_type != TMPFS_MAGIC &&
         info.f_type != RAMFS_MAGIC;
}

// Lets the owner into every directory below `path`.
void Open(const fs::path& path) {
  std::error_code error;
  fs::permissions(path, fs::perms::owner_all,
                  fs::perm_options::add | fs::perm_options::nofollow, error);
  for (fs::directory_iterator at(path, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (at->symlink_status(ignored).type() == fs::file_type::directory) {
      Open(at->path());
    }
  }
}

}  // namespace

Scratch::~Scratch() {
  if (!path_.empty() && !RemoveAll(path_)) Complain("remove", path_, errno);
}

absl::Status Scratch::Make() {
  std::vector<std::string> places = {"/var/tmp", "/tmp"};
  if (!IsOnDisk(places[0]) || access(places[0].c_str(), W_OK) != 0) {
    std::swap(places[0], places[1]);
  }
  for (const std::string& place : places) {
    std::string name = absl::StrCat(place, "/encapsulate-XXXXXX");
    if (mkdtemp(&name[0]) == nullptr) continue;
    path_ = name;
    return absl::OkStatus();
  }
  return MakeFailure(
      {FailureKind::kHostRefused, "make a directory in", places[0], "", errno});
}

bool RemoveAll(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) return true;
  Open(path);
  fs::remove_all(path, error);
  errno = error.value();
  return !error;
}

}  // namespace encapsulate::tool
