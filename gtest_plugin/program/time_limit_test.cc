// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/time_limit.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

using testing::HasSubstr;

TEST(TimeLimitTest, OptionWinsOverBazel) {
  const TimeLimit limit =
      TimeLimitOf(absl::Seconds(3), "300", absl::ZeroDuration());
  EXPECT_EQ(limit.timeout, absl::Seconds(3));
  EXPECT_EQ(limit.patience, absl::Seconds(10));
  EXPECT_EQ(limit.hint, "");
}

TEST(TimeLimitTest, BazelLeavesATenthForTheReport) {
  const TimeLimit limit =
      TimeLimitOf(absl::nullopt, "60", absl::Milliseconds(3500));
  EXPECT_EQ(limit.timeout, absl::Seconds(50));  // whole seconds
  EXPECT_EQ(limit.patience, absl::Seconds(3));
  EXPECT_THAT(limit.hint, HasSubstr("TEST_TIMEOUT"));
}

TEST(TimeLimitTest, LateTestHasASecond) {
  EXPECT_EQ(TimeLimitOf(absl::nullopt, "60", absl::Hours(1)).timeout,
            absl::Seconds(1));
}

TEST(TimeLimitTest, PatienceIsBounded) {
  const absl::Duration none = absl::ZeroDuration();
  EXPECT_EQ(TimeLimitOf(absl::nullopt, "1", none).patience, absl::Seconds(1));
  EXPECT_EQ(TimeLimitOf(absl::nullopt, "3600", none).patience,
            absl::Seconds(10));
}

TEST(TimeLimitTest, WithoutBazelThereIsADefault) {
  for (const char* value : {"", "0", "-1", "soon"}) {
    const TimeLimit limit = TimeLimitOf(absl::nullopt, value, absl::Seconds(5));
    EXPECT_EQ(limit.timeout, absl::Minutes(15)) << value;
    EXPECT_THAT(limit.hint, HasSubstr("--encapsulate_timeout"));
  }
}

}  // namespace
}  // namespace encapsulate
