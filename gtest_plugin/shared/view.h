// SPDX-License-Identifier: Apache-2.0
//
// What a test's options mean on this machine: the sandbox to make.
#ifndef GTEST_PLUGIN_SHARED_VIEW_H_
#define GTEST_PLUGIN_SHARED_VIEW_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "encapsulate/options.h"
#include "gtest_plugin/test_options.h"

namespace encapsulate {

// What the view depends on besides the options.
struct ViewInputs {
  std::vector<std::string> environment;  // NAME=VALUE
  std::string program;                   // absolute path of the test program
  std::string directory;                 // absolute path of its directory
  // Where what Bazel's runfiles show really is.
  std::vector<std::string> data;
  // An empty directory of the host to be the test's scratch; "" for one in
  // memory.
  std::string kept_scratch;
};

// Of this process.
ViewInputs CurrentViewInputs();

struct View {
  Options options;
  std::string scratch;
  std::vector<std::string> writable;  // scratch first
  // A new directory of the sandbox that is to become a copy of the working
  // directory; "" for none.
  std::string copy;
};

// The directories that symbolic links below `tree` lead to, and by way of.
// Takes some microseconds for each link.
std::vector<std::string> LinkedDirectories(const std::string& tree);

absl::StatusOr<View> MakeView(const TestOptions& options,
                              const ViewInputs& inputs);

// The value of `name` in an environment; "" if it isn't there.
std::string Variable(const std::vector<std::string>& environment,
                     absl::string_view name);

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_SHARED_VIEW_H_
