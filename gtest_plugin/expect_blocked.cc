// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/expect_blocked.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "gtest_plugin/child/test_process.h"
#include "gtest_plugin/googletest/internals.h"
#include "gtest_plugin/shared/channel.h"

namespace encapsulate {
namespace {

std::string DescribeUnmet(Rule rule, const std::string& target, Answer answer) {
  const std::string expected = absl::StrCat(RuleName(rule), " '", target, "'");
  if (answer == Answer::kNothing) {
    return absl::StrCat("Expected to be blocked: ", expected,
                        "\n  Actual: nothing that fits was");
  }
  return absl::StrCat("Cannot tell whether anything was blocked that fits ",
                      expected,
                      ": the test has closed a descriptor of the plugin's");
}

}  // namespace

ExpectBlocked::ExpectBlocked(Rule rule, std::string target, const char* file,
                             int line)
    : rule_(rule),
      target_(std::move(target)),
      file_(file),
      line_(line),
      number_(TestProcess::Get() == nullptr
                  ? 0
                  : TestProcess::Get()->BeginExpected(rule_, target_.c_str(),
                                                      file_, line_)) {}

ExpectBlocked::~ExpectBlocked() {
  if (number_ == 0) return;
  const Answer answer = TestProcess::Get()->EndExpected(number_);
  if (answer == Answer::kBlocked) return;
  gtest_internals::AddResultAt(file_, line_,
                               testing::TestPartResult::kNonFatalFailure,
                               DescribeUnmet(rule_, target_, answer));
}

}  // namespace encapsulate
