// SPDX-License-Identifier: Apache-2.0
//
// For vary_test.cc: tests some of which depend on what a variation changes.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <string>

#include "gtest/gtest.h"

namespace {

int HourAtMidnight() {
  const time_t midnight = 0;
  struct tm local;
  localtime_r(&midnight, &local);
  return local.tm_hour;
}

mode_t Umask() {
  const mode_t mask = umask(0);
  umask(mask);
  return mask;
}

TEST(FragileTest, Steady) {}

TEST(FragileTest, Skipped) { GTEST_SKIP() << "always"; }

TEST(FragileTest, AlwaysFails) { FAIL() << "always"; }

TEST(FragileTest, NeedsUtc) { EXPECT_EQ(HourAtMidnight(), 0) << "<&\"]]>"; }

TEST(FragileTest, NeedsUtcAndHome) {
  EXPECT_EQ(HourAtMidnight(), 0);
  const char* const home = getenv("HOME");
  ASSERT_NE(home, nullptr);
  EXPECT_EQ(access(home, F_OK), 0);
}

// Either alone is no harm.
TEST(FragileTest, FailsWithUmaskAndHostNameTogether) {
  char name[256] = "";
  gethostname(name, sizeof(name));
  EXPECT_FALSE(Umask() == 077 && std::string(name).size() > 48);
}

bool first_ran = false;

TEST(OrderTest, First) { first_ran = true; }
TEST(OrderTest, NeedsTheFirst) { EXPECT_TRUE(first_ran); }

TEST(CrashTest, DISABLED_CrashesInTheTerminal) {
  if (isatty(STDOUT_FILENO) != 0) abort();
}

// Fails every other time, if it is asked to.
TEST(FlakyTest, Flaky) {
  const char* const directory = getenv("FLAKY_DIRECTORY");
  if (directory == nullptr) return;
  const std::string mark = std::string(directory) + "/mark";
  EXPECT_NE(rmdir(mark.c_str()), 0);
  mkdir(mark.c_str(), 0700);
}

}  // namespace
