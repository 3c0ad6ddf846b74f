// SPDX-License-Identifier: Apache-2.0
//
// What GoogleTest says of each test, as its XML has it (--gtest_output=xml).
//
// The document is GoogleTest's own, and only three facts of each test are
// wanted, so it is scanned here, without an XML library. What isn't of that
// form, a document cut short for example, gives fewer tests, never an error.
#ifndef TOOL_VARY_TEST_RESULTS_H_
#define TOOL_VARY_TEST_RESULTS_H_

#include <map>
#include <string>

#include "absl/strings/string_view.h"

namespace encapsulate::tool {

struct TestResult {
  enum class State { kPassed, kFailed, kSkipped };
  State state = State::kPassed;
  std::string message;  // of its first failure
};

// By full name, "ShopTest.Sells". Tests that were filtered or are disabled
// aren't in it.
std::map<std::string, TestResult> ReadTestResults(absl::string_view xml);

// "passes", "fails", "is skipped"
absl::string_view StateName(TestResult::State state);

}  // namespace encapsulate::tool

#endif  // TOOL_VARY_TEST_RESULTS_H_
