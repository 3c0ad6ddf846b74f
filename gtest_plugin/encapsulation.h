// What a test sees and may do, for every test of a program or for those of one
// fixture, and what a test can find out about it.
//
//   class StoreTest : public encapsulate::EncapsulatedTest {
//    protected:
//     static void SetUpTestSuite() {
//       encapsulate::TestOptions options = encapsulate::ProgramOptions();
//       options.working_directory = encapsulate::WorkingDirectory::kOverlay;
//       options.timeout = absl::Seconds(20);
//       encapsulate::SetSuiteOptions(options);
//     }
//   };
//
// By default a test sees the machine as it is, read only; /tmp, /var/tmp, its
// scratch directory and /dev/shm are its own and empty; its network is its own
// and has only loopback; its processes are its own and gone when it ends; its
// environment has nothing of the user's session in it (see
// encapsulate/environment.h), TZ=UTC, a C.UTF-8 locale and the umask 022.
// What Bazel collects after a test can be written: undeclared outputs and
// coverage. If the program, its working directory or what Bazel's runfiles lead
// to lies in a directory in /tmp, /tmp shows that directory, and what a test
// writes there is thrown away. If it lies in /tmp itself, that goes for all of
// /tmp.
//
// Several tests of a suite may run at a time (--encapsulate_jobs). Each is
// forked when SetUpTestSuite() has run, possibly before the program's listeners
// hear of its start: what a listener changes between two tests of a suite, for
// a test to read, needs --encapsulate_jobs=1 or TestOptions::alone. So do tests
// that read stdin, or that meet in a writable tree. What a test writes to
// stdout and stderr goes through a pipe and is shown in its turn, but for a
// terminal, which only a test that runs ahead doesn't see.
//
// The command line and the environment come first: see settings.h.
#ifndef GTEST_PLUGIN_ENCAPSULATION_H_
#define GTEST_PLUGIN_ENCAPSULATION_H_

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

struct TestOptions {
  // Trees of the host that the test may change for good, besides its scratch
  // and Bazel's outputs.
  std::vector<std::string> writable;
  WorkingDirectory working_directory = WorkingDirectory::kReadOnly;
  Network network = Network::kLoopback;
  // What becomes of host files that SetUpTestSuite(), say, has mapped for a
  // test to write, see encapsulate/options.h.
  SharedMappings shared_mappings = SharedMappings::kPrivate;
  // NAME=VALUE: set for the test after its environment has been scrubbed.
  std::vector<std::string> environment;
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

// The options of tests whose fixture sets none.
const TestOptions& ProgramOptions();

// Call it before RUN_ALL_TESTS(), or in an Environment's SetUp().
void SetProgramOptions(TestOptions options);

// The options of the tests of the current test suite, to be called in its
// SetUpTestSuite(). They hold until the suite ends. An option that can't be
// met fails the suite's tests with a text that names the suite.
void SetSuiteOptions(TestOptions options);

// --- Inside a test ----------------------------------------------------------

// Whether the calling code runs in a sandbox of this plugin. False in
// SetUpTestSuite(), in environments, and with --encapsulate_mode=off.
bool IsEncapsulated();

// The test's own empty directory, without a slash at its end, which is also
// TEST_TMPDIR and TMPDIR. "" if the test isn't encapsulated.
std::string ScratchDirectory();

// Every tree that the test may write to: its own first, then the host's.
std::vector<std::string> WritableTrees();

// The options in force, command line and environment included.
const TestOptions& OptionsInForce();

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_ENCAPSULATION_H_
