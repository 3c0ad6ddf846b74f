// SPDX-License-Identifier: Apache-2.0
//
// A directory of this program's own on the host, gone with the object.
#ifndef TOOL_VARY_SCRATCH_H_
#define TOOL_VARY_SCRATCH_H_

#include <string>

#include "absl/status/status.h"

namespace encapsulate::tool {

class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  // Says what can't be removed.
  ~Scratch();

  // Makes it in /var/tmp or /tmp, on a disk rather than in memory. Call it
  // once.
  absl::Status Make();

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Removes a tree, in which somebody else may have taken permissions away.
// Symbolic links are removed, never followed. False, with errno, if something
// is left.
bool RemoveAll(const std::string& path);

}  // namespace encapsulate::tool

#endif  // TOOL_VARY_SCRATCH_H_
