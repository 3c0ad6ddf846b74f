// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/kernel/text.h"

#include <cstdint>
#include <string>

#include "gtest/gtest.h"

namespace encapsulate {
namespace {

TEST(TextTest, JoinsStringsAndNumbers) {
  EXPECT_STREQ(Text<32>("/proc/", 17, "/task/", 0U).c_str(), "/proc/17/task/0");
  EXPECT_STREQ(Text<32>(UINT64_MAX).c_str(), "18446744073709551615");
  EXPECT_EQ(Text<32>("a", 10).size(), 3U);
}

TEST(TextTest, IsEmptyRatherThanCutShort) {
  EXPECT_STREQ(Text<5>("1234").c_str(), "1234");
  const Text<5> text("123", 45, "6");
  EXPECT_STREQ(text.c_str(), "");
  EXPECT_EQ(text.size(), 0U);
}

TEST(TextTest, NumbersEndWhereTheirDigitsDo) {
  const std::string text = "1f0-20 end";
  const char* at = text.c_str();
  EXPECT_EQ(ReadNumber(&at, 16), 0x1f0U);
  EXPECT_EQ(*at, '-');
  ++at;
  EXPECT_EQ(ReadNumber(&at, 10), 20U);
  EXPECT_STREQ(at, " end");
  EXPECT_EQ(NumberIn("17"), 17U);
  EXPECT_EQ(NumberIn("x"), 0U);
}

}  // namespace
}  // namespace encapsulate
