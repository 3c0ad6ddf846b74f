// SPDX-License-Identifier: Apache-2.0
//
// The test that a runner of another framework says runs in a process. Each
// tells it in a way of its own:
//
//   pytest         PYTEST_CURRENT_TEST, which it changes while it runs
//   cargo-nextest  NEXTEST_TEST_NAME
//   bats           BATS_TEST_NAME, in what a test executes
//   cargo test     the name of the thread, of which the kernel keeps 15 bytes
//
// Whoever is inside can say anything here, so it is for people only.
#ifndef ENCAPSULATE_INSPECT_TEST_NAMES_H_
#define ENCAPSULATE_INSPECT_TEST_NAMES_H_

#include <string>

#include "absl/strings/string_view.h"
#include "encapsulate/inspect/thread_view.h"

namespace encapsulate {

// "test_shop.py::test_saves", "tests::saves"; "" if none is known. The thread
// waits in a system call; `program` is the path of its executable.
std::string NameOfTest(const ThreadView& thread, absl::string_view program);

// The value of an environment variable, as the process's C library has it now;
// "" if there is none, or the library keeps it elsewhere. Reads the memory of
// the process only, and a bounded part of it.
std::string LiveVariable(const ThreadView& thread, absl::string_view program,
                         absl::string_view name);

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_TEST_NAMES_H_
