// SPDX-License-Identifier: Apache-2.0
//
// How long tests took in earlier runs, remembered in a file, so that those that
// take longest can be started first.
//
// Each line of the file is like `1.5s SuiteTest.Name`. Several programs may
// share it.
#ifndef GTEST_PLUGIN_PROGRAM_DURATIONS_H_
#define GTEST_PLUGIN_PROGRAM_DURATIONS_H_

#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate {

class Durations {
 public:
  // A file that isn't there is an empty one. One that holds anything else is
  // an error, and stays as it is. From here on its directory is known by a
  // descriptor: a test may write in there.
  static absl::StatusOr<Durations> Read(const std::string& path);

  // Infinite for a test that isn't in the file.
  absl::Duration Of(const std::string& test) const;

  // What a test took in this run.
  void Set(const std::string& test, absl::Duration duration);

  // Adds this run to what the file holds by now.
  absl::Status Write() const;

 private:
  using Known = std::map<std::string, absl::Duration>;

  explicit Durations(std::string path) : path_(std::move(path)) {}
  // By errno.
  absl::Status Cannot(const char* verb) const;
  absl::StatusOr<Known> ReadFile() const;

  std::string path_;  // as it was given
  UniqueFd directory_;
  std::string name_;  // in there
  Known known_;
  Known fresh_;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_DURATIONS_H_
