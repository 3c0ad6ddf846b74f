// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/processes.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate {
namespace {

// The parent of the thread's process; 0 if it is gone.
pid_t ParentOf(pid_t pid) {
  const UniqueFd file(
      open(absl::StrCat("/proc/", pid, "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  char text[512] = {};
  if (!file.valid() || read(file.get(), text, sizeof(text) - 1) <= 0) return 0;
  // "pid (name) state parent ...", and the name may hold anything.
  const char* const name_end = strrchr(text, ')');
  if (name_end == nullptr || strlen(name_end) < 5) return 0;
  const absl::string_view rest(name_end + 4);
  pid_t parent = 0;
  static_cast<void>(absl::SimpleAtoi(rest.substr(0, rest.find(' ')), &parent));
  return parent;
}

}  // namespace

bool Descends(pid_t pid, pid_t ancestor) {
  // More than a line of processes may be long: numbers that are used again
  // can't make a ring of it.
  constexpr int kLongest = 1 << 16;
  if (pid == ancestor) return false;
  for (int i = 0; i < kLongest && pid > 1; ++i) {
    pid = ParentOf(pid);
    if (pid == ancestor) return true;
  }
  return false;
}

}  // namespace encapsulate
