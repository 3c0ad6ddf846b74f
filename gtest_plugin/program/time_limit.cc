// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/time_limit.h"

#include <algorithm>

#include "absl/strings/numbers.h"

namespace encapsulate {
namespace {

constexpr absl::Duration kDefaultTimeout = absl::Minutes(15);
// For the report of a test that hangs.
constexpr absl::Duration kMostPatience = absl::Seconds(10);
constexpr absl::Duration kLeastPatience = absl::Seconds(1);

}  // namespace

TimeLimit TimeLimitOf(absl::optional<absl::Duration> asked,
                      absl::string_view test_timeout, absl::Duration passed) {
  if (asked.has_value()) return {*asked, kMostPatience, ""};
  int seconds;
  if (!absl::SimpleAtoi(test_timeout, &seconds) || seconds <= 0) {
    return {kDefaultTimeout, kMostPatience,
            "\nThat is the default; hint: TestOptions::timeout or "
            "--encapsulate_timeout gives it more."};
  }
  const absl::Duration left = 0.9 * absl::Seconds(seconds) - passed;
  return {std::max(absl::Trunc(left, absl::Seconds(1)), absl::Seconds(1)),
          // Half of the tenth is for a test that doesn't answer.
          std::min(std::max(absl::Seconds(seconds) / 20, kLeastPatience),
                   kMostPatience),
          "\nThat is what was left of Bazel's TEST_TIMEOUT, less a tenth for "
          "this report; hint: a larger `timeout` or `size` of the target gives "
          "it more."};
}

}  // namespace encapsulate
