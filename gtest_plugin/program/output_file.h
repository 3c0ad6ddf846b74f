// SPDX-License-Identifier: Apache-2.0
//
// A file that the program writes when its tests have run.
#ifndef GTEST_PLUGIN_PROGRAM_OUTPUT_FILE_H_
#define GTEST_PLUGIN_PROGRAM_OUTPUT_FILE_H_

#include <sys/types.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace encapsulate {

// It is opened to be written, and not before: a descriptor of it would be every
// test's. A test may write where it lies; what it has put in its place stays as
// it is.
class OutputFile {
 public:
  // `what` is for messages: "the report".
  OutputFile(std::string what, std::string path)
      : what_(std::move(what)), path_(std::move(path)) {}

  // Makes an empty file. Fails if it can't be written.
  absl::Status Create();

  // Fails if what was created isn't there any more.
  absl::Status Write(absl::string_view text) const;

 private:
  absl::Status Cannot(const std::string& reason, int error) const;

  std::string what_;
  std::string path_;
  // What it was when it was made. The number of a file that is gone is given
  // out again, so the type counts as well.
  dev_t device_ = 0;
  ino_t inode_ = 0;
  mode_t type_ = 0;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_OUTPUT_FILE_H_
