// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/shared/cores.h"

#include <fcntl.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "encapsulate/base/files.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/kernel/mountinfo.h"

namespace encapsulate {
namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

double Ratio(absl::string_view quota, absl::string_view period) {
  int64_t time;
  int64_t of;
  // "max" in one version, -1 in the other.
  if (!absl::SimpleAtoi(quota, &time) || !absl::SimpleAtoi(period, &of) ||
      time <= 0 || of <= 0) {
    return kUnlimited;
  }
  return static_cast<double>(time) / static_cast<double>(of);
}

// What one directory of the hierarchy allows.
double CoresOfDirectory(const std::string& directory, bool v2) {
  if (!v2) {
    return Ratio(FirstLine(directory + "/cpu.cfs_quota_us"),
                 FirstLine(directory + "/cpu.cfs_period_us"));
  }
  const std::vector<std::string> words =
      absl::StrSplit(FirstLine(directory + "/cpu.max"), ' ');
  return words.size() == 2 ? Ratio(words[0], words[1]) : kUnlimited;
}

// A directory counts with those above it, as far as they can be seen.
double CoresBelow(const std::string& mount_point, absl::string_view path,
                  bool v2) {
  double cores = CoresOfDirectory(mount_point, v2);
  std::string directory = mount_point;
  for (absl::string_view name : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    absl::StrAppend(&directory, "/", name);
    cores = std::min(cores, CoresOfDirectory(directory, v2));
  }
  return cores;
}

struct Hierarchy {
  std::string path;  // of this process in it
  bool v2;
};

std::vector<Hierarchy> HierarchiesOfTime(const std::string& root) {
  std::vector<Hierarchy> found;
  for (const CgroupOfProcess& one : ReadCgroups(root + "/proc/self/cgroup")) {
    if (one.controllers.empty()) found.push_back({one.path, true});
    if (HasWord(one.controllers.c_str(), "cpu")) {
      found.push_back({one.path, false});
    }
  }
  return found;
}

}  // namespace

double CoresOfCgroups(const std::string& root) {
  const std::vector<Hierarchy> hierarchies = HierarchiesOfTime(root);
  double cores = kUnlimited;
  const UniqueFd file(
      open((root + "/proc/self/mountinfo").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return cores;
  const auto reader = std::make_unique<MountInfoReader>();
  reader->Start(file.get());
  for (MountInfo mount; reader->Next(&mount);) {
    const absl::string_view type = mount.type;
    for (const Hierarchy& hierarchy : hierarchies) {
      if (hierarchy.v2
              ? type != "cgroup2"
              : type != "cgroup" || !HasWord(mount.super_options, "cpu")) {
        continue;
      }
      absl::string_view path = hierarchy.path;
      // A path outside of what is mounted (`/../..`) has no directory.
      if (absl::string_view(mount.root) != "/" &&
          !absl::ConsumePrefix(&path, mount.root)) {
        continue;
      }
      cores =
          std::min(cores, CoresBelow(root + mount.point, path, hierarchy.v2));
    }
  }
  return cores;
}

int AvailableCores() {
  int allowed = 0;
  // The kernel's set may be larger than the fixed type.
  for (int most = 1024; most <= (1 << 20); most *= 2) {
    const size_t size = CPU_ALLOC_SIZE(most);
    cpu_set_t* const set = CPU_ALLOC(most);
    const bool known = sched_getaffinity(0, size, set) == 0;
    if (known) allowed = CPU_COUNT_S(size, set);
    CPU_FREE(set);
    if (known || errno != EINVAL) break;
  }
  if (allowed == 0) {
    allowed = static_cast<int>(std::thread::hardware_concurrency());
  }
  const double time = std::ceil(CoresOfCgroups());
  if (time < allowed) allowed = static_cast<int>(time);
  return std::max(allowed, 1);
}

}  // namespace encapsulate
