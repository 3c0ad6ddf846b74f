// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on absolute paths without symbolic links.
#ifndef ENCAPSULATE_BASE_PATHS_H_
#define ENCAPSULATE_BASE_PATHS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace encapsulate {

// Whether `path` is `tree` or lies below it.
bool IsWithin(absl::string_view path, absl::string_view tree);

// realpath(3). An error is errno's, without a message.
absl::StatusOr<std::string> RealPath(const std::string& path);

// The same, but `path` itself where that fails: of a file that isn't there yet.
std::string RealPathOrSame(const std::string& path);

// getcwd(3); "" if it can't be known.
std::string CurrentDirectory();

// A path that leads to the file that a descriptor of this process is open on,
// O_PATH included, without another look-up of its name.
std::string PathThrough(int fd);

// What the kernel calls that file: an absolute path, with " (deleted)" behind
// it where that isn't one any more, or "pipe:[4711]" and the like; "" if it
// can't be known.
std::string PathOf(int fd);

// The directory that holds `path`; "/" for "/".
std::string ParentOf(absl::string_view path);

// The path of the entry `name` of `directory`.
std::string EntryOf(absl::string_view directory, absl::string_view name);

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_PATHS_H_
