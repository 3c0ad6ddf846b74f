// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/host_mounts.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace encapsulate {
namespace {

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

}  // namespace

bool AddMounts(int count) {
  if (count == 0) return true;
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  WriteFile("/proc/self/setgroups", "deny");
  WriteFile("/proc/self/uid_map", absl::StrCat(uid, " ", uid, " 1"));
  WriteFile("/proc/self/gid_map", absl::StrCat(gid, " ", gid, " 1"));
  if (mount("mounts", "/mnt", "tmpfs", 0, nullptr) != 0) return false;
  for (int i = 0; i < count; ++i) {
    const std::string directory = absl::StrCat("/mnt/", i);
    if (mkdir(directory.c_str(), 0755) != 0 ||
        mount("mounts", directory.c_str(), "tmpfs", 0, "size=4k") != 0) {
      return false;
    }
  }
  return true;
}

}  // namespace encapsulate
