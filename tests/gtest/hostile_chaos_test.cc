// SPDX-License-Identifier: Apache-2.0
//
// Random combinations of attacks on the program that runs the tests: what the
// tests between them come to is what it always is.
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gtest/program.h"

namespace encapsulate {
namespace {

using testing::HasSubstr;

constexpr int kTests = 200;
constexpr int kTimeout = 10;
// For the report of one that hangs, and for a machine with more to do.
constexpr double kPatience = 10 + 20;
constexpr int kMostMemory = 64 << 10;  // in KiB

// The element of one test in the report.
std::string Reported(const std::string& xml, const std::string& test) {
  const size_t begin = xml.find("<testcase name=\"" + test + "\"");
  if (begin == std::string::npos) return "";
  return xml.substr(begin, xml.find("<testcase ", begin + 1) - begin);
}

// The number that follows `label` in a text; -1 if there is none.
double NumberAfter(absl::string_view text, absl::string_view label) {
  const size_t at = text.find(label);
  if (at == absl::string_view::npos) return -1;
  return strtod(std::string(text.substr(at + label.size(), 32)).c_str(),
                nullptr);
}

class HostileChaosTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Jobs, HostileChaosTest, testing::Values(1, 8));

TEST_P(HostileChaosTest, EveryOtherTestIsRight) {
  std::vector<std::string> environment;
  // Another one finds other combinations.
  const char* const seed = getenv("INNER_CHAOS_SEED");
  if (seed != nullptr) {
    environment.push_back(absl::StrCat("INNER_CHAOS_SEED=", seed));
  }
  const Output output =
      RunTests("inner_chaos", "*", environment,
               {absl::StrCat("--encapsulate_jobs=", GetParam()),
                absl::StrCat("--encapsulate_timeout=", kTimeout, "s")});
  SCOPED_TRACE(absl::StrCat("seed ", NumberAfter(output.console, "seed ")));
  ASSERT_EQ(output.exit_code(), 1) << output.console.substr(0, 10000);
  EXPECT_THAT(output.console,
              HasSubstr(absl::StrCat("] ", 2 * kTests, " tests from ")));
  for (int i = 0; i < kTests; ++i) {
    const std::string honest = Reported(output.xml, absl::StrCat("Honest", i));
    EXPECT_THAT(honest,
                HasSubstr(absl::StrCat("name=\"number\" value=\"", i, "\"")));
    const std::string means = absl::StrCat("as test ", i, " means to");
    EXPECT_EQ(Count(honest, "<failure "), i % 3 == 1 ? 1 : 0) << honest;
    EXPECT_EQ(Count(honest, "<skipped "), i % 3 == 2 ? 1 : 0) << honest;
    EXPECT_EQ(Count(honest, means) > 0, i % 3 != 0) << honest;
    EXPECT_EQ(Count(output.console, absl::StrCat("this is test ", i, "\n")), 1);

    const std::string hostile =
        Reported(output.xml, absl::StrCat("Hostile", i));
    const std::string hanging = Reported(output.xml, absl::StrCat("Hangs", i));
    EXPECT_THAT(hostile + hanging, HasSubstr("<failure ")) << i;
    if (hanging.empty()) continue;
    EXPECT_THAT(hanging, HasSubstr("The test still ran after ")) << i;
    EXPECT_GE(NumberAfter(hanging, " time=\""), kTimeout) << i;
    EXPECT_LT(NumberAfter(hanging, " time=\""), kTimeout + kPatience) << i;
  }
  const double memory = NumberAfter(output.console, "\nmemory ");
  EXPECT_GE(memory, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(memory, kMostMemory);
#endif
}

}  // namespace
}  // namespace encapsulate
