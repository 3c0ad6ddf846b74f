// SPDX-License-Identifier: Apache-2.0
//
// How long a test may take.
#ifndef GTEST_PLUGIN_PROGRAM_TIME_LIMIT_H_
#define GTEST_PLUGIN_PROGRAM_TIME_LIMIT_H_

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace encapsulate {

struct TimeLimit {
  absl::Duration timeout;
  // For a test that is asked where it stands, when that time is over.
  absl::Duration patience;
  // What the timeout comes from, as a line after a line break, if nobody asked
  // for it; else "".
  absl::string_view hint;
};

// `asked` is the option of a test that starts when its program has run for
// `passed`, and `test_timeout` the value of Bazel's TEST_TIMEOUT.
TimeLimit TimeLimitOf(absl::optional<absl::Duration> asked,
                      absl::string_view test_timeout, absl::Duration passed);

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_TIME_LIMIT_H_
