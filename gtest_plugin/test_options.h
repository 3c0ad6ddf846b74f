// SPDX-License-Identifier: Apache-2.0
//
// What a test sees and may do, as plain data. Programs include encapsulation.h,
// which explains it and brings this in.
#ifndef GTEST_PLUGIN_TEST_OPTIONS_H_
#define GTEST_PLUGIN_TEST_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/options.h"
#include "encapsulate/violations.h"

namespace encapsulate {

// What becomes of a test's writing to its working directory.
enum class WorkingDirectory {
  // It is refused: "Read-only file system" (EROFS).
  kReadOnly,
  // It succeeds and is thrown away (overlayfs). Where the directory holds
  // symbolic links to files elsewhere, like Bazel's runfiles, those files stay
  // read-only.
  kOverlay,
  // The test works in a copy of its own, with files in place of symbolic
  // links. The copy has another path, and large directories take time.
  kCopy,
};

// What a process that outlives its test means.
enum class Leftovers {
  kFail,  // the test fails
  kNote,  // a line on stderr
};

// What a test sees and may do.
struct TestOptions {
  // What isolates tests, see encapsulate/isolation.h. Where it isn't
  // namespaces, the working directory can't be an overlay or a copy, and a line
  // on stderr says what the level doesn't keep.
  Isolation isolation = Isolation::kNamespaces;
  // Trees of the host that the test may change for good, besides its scratch
  // and Bazel's outputs.
  std::vector<std::string> writable;
  // What becomes of writing to the working directory.
  WorkingDirectory working_directory = WorkingDirectory::kReadOnly;
  // The network that the test sees, see encapsulate/options.h.
  Network network = Network::kLoopback;
  // What becomes of host files that SetUpTestSuite(), say, has mapped for a
  // test to write, see encapsulate/options.h.
  SharedMappings shared_mappings = SharedMappings::kPrivate;
  // NAME=VALUE: set for the test after its environment has been scrubbed.
  std::vector<std::string> environment;
  // What processes mean that outlive the test.
  Leftovers leftovers = Leftovers::kFail;
  // What attempts to reach out mean (encapsulate/violations.h). kEnforce: each
  // is a failure of the test that made it. kReport: each is shown on stderr.
  Violations violations = Violations::kEnforce;
  // Attempts that mean nothing, and why: they still fail. The reasons of those
  // that are used are shown on stderr, but for the default ones. A test that
  // means to be blocked says so by ExpectBlocked (expect_blocked.h).
  std::vector<Allowed> allowed = DefaultAllowed();
  // Wall time of one test. Absent: what is left of Bazel's TEST_TIMEOUT, less
  // a tenth for the report; 15 minutes without Bazel.
  absl::optional<absl::Duration> timeout;
  // Tests that run while no other test of the program does, whatever
  // --encapsulate_jobs says: because they measure time, say, or share a
  // writable tree. Patterns of full names, like those of --gtest_filter:
  // {"StoreTest.IsFast*"}, or {"*"} for all whose options these are.
  std::vector<std::string> alone;
  // Limits of the test's processes. Use `timeout` above in place of the one in
  // here.
  Limits limits;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_TEST_OPTIONS_H_
