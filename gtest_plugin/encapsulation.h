// SPDX-License-Identifier: Apache-2.0
//
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

#include "encapsulate/options.h"        // IWYU pragma: export
#include "encapsulate/violations.h"     // IWYU pragma: export
#include "gtest_plugin/test_options.h"  // IWYU pragma: export

namespace encapsulate {

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
