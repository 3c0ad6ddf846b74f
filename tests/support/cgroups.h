// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SUPPORT_CGROUPS_H_
#define TESTS_SUPPORT_CGROUPS_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace encapsulate {

// The cgroups that sandboxes of the process `caller` have made and not removed.
inline int CountCgroups(pid_t caller) {
  using Entries = std::filesystem::recursive_directory_iterator;
  const std::string mark = absl::StrCat("encapsulate-", caller, "-");
  int count = 0;
  std::error_code error;
  Entries entry("/sys/fs/cgroup",
                std::filesystem::directory_options::skip_permission_denied,
                error);
  // Others' cgroups come and go meanwhile.
  for (; !error && entry != Entries(); entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (name.compare(0, mark.size(), mark) == 0) ++count;
  }
  return count;
}

}  // namespace encapsulate

#endif  // TESTS_SUPPORT_CGROUPS_H_
