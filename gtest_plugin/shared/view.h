// SPDX-License-Identifier: Apache-2.0
//
// What a test's options mean on this machine: the sandbox to make.
#ifndef GTEST_PLUGIN_SHARED_VIEW_H_
#define GTEST_PLUGIN_SHARED_VIEW_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "encapsulate/base/lookups.h"
#include "encapsulate/options.h"
#include "gtest_plugin/test_options.h"

namespace encapsulate {

// What the view depends on besides the options.
struct ViewInputs {
  std::vector<std::string> environment;  // NAME=VALUE
  std::string program;                   // absolute path of the test program
  std::string directory;                 // absolute path of its directory
  // As in Options, if it isn't the default.
  absl::optional<ExposedExecutable> exposed_executable;
  bool records_inputs = false;  // Options::inputs
  // Where what Bazel's runfiles show really is.
  std::vector<std::string> data;
  // An empty directory of the host to be the test's scratch; "" for one in
  // memory.
  std::string kept_scratch;
};

// Of this process. The program is the one that it was started as.
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

// What it looks up goes to `seen`.
absl::StatusOr<View> MakeView(const TestOptions& options,
                              const ViewInputs& inputs,
                              Lookups* seen = nullptr);

// A view that several tests may have, and what it was made from.
struct MadeView {
  ViewInputs inputs;
  View view;
};

// The view of the last test, for the next ones with the same options. It is
// made anew when the environment, the working directory, or what a path leads
// to that it depends on has changed.
class ViewCache {
 public:
  // As CurrentViewInputs() and MakeView() say.
  absl::StatusOr<std::shared_ptr<const MadeView>> Get(
      std::shared_ptr<const TestOptions> options,
      absl::optional<ExposedExecutable> exposed_executable,
      bool records_inputs);

 private:
  std::shared_ptr<const TestOptions> options_;
  std::shared_ptr<const MadeView> made_;
  Lookups seen_;
};

// The value of `name` in an environment; "" if it isn't there.
std::string Variable(const std::vector<std::string>& environment,
                     absl::string_view name);

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_SHARED_VIEW_H_
