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

// The directory that holds `path`; "/" for "/".
std::string ParentOf(absl::string_view path);

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_PATHS_H_
