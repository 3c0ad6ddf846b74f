// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/plan/plan_parts.h"

namespace encapsulate {
namespace {

class DescriptorPlanner {
 public:
  DescriptorPlanner(const Options& options, Plan* plan, Lookups* seen)
      : options_(options), plan_(*plan), seen_(*seen) {}

  absl::Status Make() {
    std::vector<int> wanted = options_.keep_descriptors;
    absl::c_sort(wanted);
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    struct stat info;
    for (int fd : wanted) seen_.AddDescriptor(fd);
    for (int fd : {0, 1, 2}) {
      seen_.AddDescriptor(fd);
      if (fstat(fd, &info) == 0 && !absl::c_binary_search(wanted, fd)) {
        wanted.push_back(fd);
      }
      if (plan_.terminal < 0 && isatty(fd)) plan_.terminal = fd;
    }
    plan_.shares_session = plan_.foreground && plan_.terminal >= 0;
    if (plan_.shares_session) {
      plan_.owns_terminal =
          tcgetpgrp(plan_.terminal) == getpgrp() && IsJobOfItsOwn();
    }
    absl::c_sort(wanted);
    for (int fd : wanted) {
      if (fstat(fd, &info) != 0) {
        return Invalid(absl::StrCat("keep descriptor ", fd), "", "", errno);
      }
      absl::Status status = AddDescriptor(fd, info);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  // Whether the command could do more with the device than `fd` lets it. Those
  // that every sandbox has are taken from its own /dev, and a terminal is its
  // session's.
  bool IsDoor(int fd, const struct stat& info) const {
    constexpr unsigned kMemory = 1;  // the kernel's drivers/char/mem.c
    const bool everywhere =
        major(info.st_rdev) == kMemory &&
        absl::c_linear_search(
            std::initializer_list<unsigned>{3, 5, 7, 8, 9},  // null to urandom
            minor(info.st_rdev));
    const bool forbidden =
        info.st_uid != geteuid() &&
        faccessat(fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) != 0;
    if (everywhere || forbidden || isatty(fd)) return false;
    const absl::StatusOr<std::string> path = RealPath(PathThrough(fd));
    return !path.ok() || absl::c_none_of(plan_.places, [&](const Place& place) {
      return place.kind == PlaceKind::kWritable && place.devices &&
             IsWithin(*path, place.target);
    });
  }

  // Says why `fd` can't be handed to the command, or plans how it will be.
  absl::Status AddDescriptor(int fd, const struct stat& info) {
    const auto cannot = [fd](std::string reason, int error = 0,
                             std::string hint = "") {
      return Invalid(absl::StrCat("pass descriptor ", fd), "",
                     std::move(reason), error, std::move(hint));
    };
    if (S_ISDIR(info.st_mode)) {
      return cannot("it is a directory, a way around the read-only view");
    }
    if (S_ISBLK(info.st_mode)) {
      return cannot("it is a block device", 0, "pass its data by a pipe");
    }
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return cannot("", errno);
    if ((flags & O_PATH) != 0) return cannot("it was opened with O_PATH");
    if (S_ISCHR(info.st_mode) && IsDoor(fd, info)) {
      return cannot(
          "it is a device that could be opened anew by /proc/self/fd, for "
          "more than it is open for now",
          0, "pass its data by a pipe, or make the device writable");
    }
    plan_.keep_descriptors.push_back(fd);
    if (!S_ISREG(info.st_mode) || (flags & O_ACCMODE) != O_RDONLY ||
        info.st_nlink == 0) {
      return absl::OkStatus();
    }
    // Without a mount in its way, it is judged by the file itself.
    if (!HasNamespaces(plan_)) return absl::OkStatus();
    // Opened for reading, this file could still be changed: by
    // /proc/self/fd/N, fchmod(2), futimens(2).
    Input input;
    input.fd = fd;
    input.path = PathOf(fd);
    if (input.path.empty()) return cannot("its path can't be found");
    plan_.inputs.push_back(std::move(input));
    return absl::OkStatus();
  }

  // Whether this process is all there is of its job, as far as one can see: a
  // script's sh, or the pager that the output goes to, needs the terminal too.
  static bool IsJobOfItsOwn() {
    if (getpgrp() != getpid()) return false;
    struct stat info;
    return absl::c_none_of(std::initializer_list<int>{0, 1, 2}, [&](int fd) {
      return fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode);
    });
  }

  const Options& options_;
  Plan& plan_;
  Lookups& seen_;
};

}  // namespace

absl::Status PlanDescriptors(const Options& options, Plan* plan,
                             Lookups* seen) {
  return DescriptorPlanner(options, plan, seen).Make();
}

}  // namespace encapsulate
