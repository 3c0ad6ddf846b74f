// SPDX-License-Identifier: Apache-2.0

#include "tests/places/prepare.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/places/call_filter.h"
#include "tests/support/chroots.h"

namespace encapsulate::places {
namespace {

constexpr int kPreparationFailed = 99;

constexpr char kSettings[] = "/proc/sys/kernel";

}  // namespace

void MustWork(long result, const char* what) {
  if (result >= 0) return;
  dprintf(2, "the test cannot prepare: %s: %s\n", what, strerror(errno));
  _exit(kPreparationFailed);
}

void FailCall(long number, int error, unsigned long argument_mask) {
  CallFilter filter;
  if (argument_mask == 0) {
    filter.Fail({number}, error);
  } else {
    filter.FailIf(number, 0, CallFilter::Is::kWithAnyOf,
                  static_cast<uint32_t>(argument_mask), error);
  }
  errno = filter.Load();
  MustWork(errno == 0 ? 0 : -1, "a filter of system calls");
}

void BecomeHost() {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  MustWork(unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare");
  WriteFile("/proc/self/setgroups", "deny");
  WriteFile("/proc/self/uid_map", absl::StrCat(uid, " ", uid, " 1"));
  WriteFile("/proc/self/gid_map", absl::StrCat(gid, " ", gid, " 1"));
  MustWork(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr),
           "private mounts");
}

void BecomeHostWith(const char* setting, const char* value) {
  BecomeHost();
  CoverInChroots(kSettings);
  ShowSetting(setting, value);
  DropCapabilities();
}

void ShowSetting(const char* setting, const char* value) {
  MustWork(mount("tmpfs", kSettings, "tmpfs", 0, nullptr), kSettings);
  const std::string path = absl::StrCat(kSettings, "/", setting);
  MustWork(mknod(path.c_str(), S_IFREG | 0644, 0), path.c_str());
  WriteFile(path, value);
}

void WriteFile(const std::string& path, absl::string_view text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  MustWork(fd, path.c_str());
  MustWork(write(fd, text.data(), text.size()), path.c_str());
  close(fd);
}

void CoverWithTmpfs(const char* path) {
  MustWork(mount("tmpfs", path, "tmpfs", MS_RDONLY, nullptr), path);
}

void CoverInChroots(const std::string& path) {
  for (const std::string& place : InChroots(path)) {
    CoverWithTmpfs(place.c_str());
  }
}

void DropCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  MustWork(syscall(SYS_capset, &header, none), "capset");
}

}  // namespace encapsulate::places
