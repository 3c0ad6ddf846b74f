// SPDX-License-Identifier: Apache-2.0
//
// Where and as whom an end-to-end test runs.
//
// main.cc runs every suite as whoever starts it and, if that is root, once more
// as an ordinary user, from copies of the programs and files that all can read.
#ifndef TESTS_SUPPORT_ENVIRONMENT_H_
#define TESTS_SUPPORT_ENVIRONMENT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

// Ends a test that this host can't run. Where REQUIRE_ALL_TESTS is
// 1, the host is known to be able, and the test fails.
#define REQUIRE_HOST(condition, reason)                  \
  if (!(condition)) {                                    \
    if (::encapsulate::MustRunAll()) FAIL() << (reason); \
    GTEST_SKIP() << (reason);                            \
  }                                                      \
  static_assert(true, "")

// Ends a test that has a meaning for the host's own root only.
#define ONLY_FOR_ROOT() \
  if (!::encapsulate::IsHostRoot()) GTEST_SKIP() << "only root can do this"

namespace encapsulate {

bool MustRunAll();

// Whether this process has every capability on the host, not only in some user
// namespace.
bool IsHostRoot();

// A file that the test has as data, by its path from the root of this project,
// where everybody can read and execute it. main.cc lists which those are.
std::string BuildPath(absl::string_view path);

// The tool, and its static variant.
std::string ToolPath();
std::string StaticToolPath();

// The programs of probe.cc and attempt.cc.
std::string ProbePath();
std::string AttemptPath();

// A directory of this run of the tests, which everybody may search.
std::string ScratchPath();

}  // namespace encapsulate

#endif  // TESTS_SUPPORT_ENVIRONMENT_H_
