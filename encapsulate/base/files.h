// SPDX-License-Identifier: Apache-2.0
//
// Files read at once, for the caller's side: a child between clone(2) and
// execve(2) has kernel/text.h.
#ifndef ENCAPSULATE_BASE_FILES_H_
#define ENCAPSULATE_BASE_FILES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/optional.h"

namespace encapsulate {

// All of it. nullopt, with errno, if it can't be read to its end.
absl::optional<std::string> ReadFile(const std::string& path);

// Its first `most` bytes, or all of it; "" if it can't be opened. For files of
// others, which may be of any length.
std::string ReadStart(const std::string& path, size_t most);

// Without its line break; "" if there is none.
std::string FirstLine(const std::string& path);

// A cgroup that a process is in (cgroups(7)).
struct CgroupOfProcess {
  // As in "cpu,cpuacct" or "name=systemd"; "" for version 2.
  std::string controllers;
  std::string path;  // in the hierarchy
};

// Those of a file like /proc/self/cgroup, whose lines are ID:CONTROLLERS:PATH.
// A line of another form is left out, and `is_whole`, if it isn't null, false.
std::vector<CgroupOfProcess> ReadCgroups(const std::string& path,
                                         bool* is_whole = nullptr);

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_FILES_H_
