// SPDX-License-Identifier: Apache-2.0
//
// Chroots of a host that have a procfs or sysfs of their own.
#ifndef TESTS_SUPPORT_CHROOTS_H_
#define TESTS_SUPPORT_CHROOTS_H_

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace encapsulate {

// Where the path, in /proc or /sys, is in chroots. The kernel lets a procfs be
// mounted if there is one anywhere that shows all (mount_too_revealing() in
// fs/namespace.c), so who covers a part of it has to cover it there as well.
inline std::vector<std::string> InChroots(const std::string& path) {
  std::vector<std::string> places;
  std::ifstream mounts("/proc/self/mounts");
  std::string line;
  while (std::getline(mounts, line)) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() < 3) continue;
    const bool proc = words[2] == "proc";
    if (!proc && words[2] != "sysfs") continue;
    const std::string base = proc ? "/proc" : "/sys";
    std::string point;
    if (!absl::CUnescape(words[1], &point) || point == base ||
        !absl::StartsWith(path, base + "/")) {
      continue;
    }
    places.push_back(point + path.substr(base.size()));
  }
  return places;
}

}  // namespace encapsulate

#endif  // TESTS_SUPPORT_CHROOTS_H_
