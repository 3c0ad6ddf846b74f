// SPDX-License-Identifier: Apache-2.0
//
// A scratch directory of a test on the host, which stays if the test fails.
//
// The test can write there and often beside it, and so can tests that run at
// the same time: one may put a link in the directory's place. So from the
// moment it is made the directory is known by its descriptor, and nothing below
// it is reached by a path.
#ifndef GTEST_PLUGIN_PROGRAM_KEPT_SCRATCH_H_
#define GTEST_PLUGIN_PROGRAM_KEPT_SCRATCH_H_

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate {

class KeptScratch {
 public:
  // A new one in the directory `base`, with `name` in its own name.
  static absl::StatusOr<KeptScratch> Make(const std::string& base,
                                          const std::string& name);

  // Where it was made.
  const std::string& path() const { return path_; }

  // Whether `path` leads to it.
  bool IsAt(const std::string& path) const;
  // Whether it still is where it was made.
  bool IsInPlace() const;

  // In a process that is to know the path only: closes the descriptors.
  void Close();

  // Removes it and all that is in it, whatever their modes. Where something
  // else is in its place now, that stays, and the error says so.
  absl::Status Remove();

 private:
  std::string path_;
  std::string name_;  // in base_
  UniqueFd base_;
  UniqueFd directory_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_KEPT_SCRATCH_H_
