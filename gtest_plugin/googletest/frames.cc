// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/googletest/frames.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace encapsulate {
namespace gtest_internals {
namespace {

constexpr const char* kCallers[] = {
    "testing::internal::Handle", "testing::Test::Run(",
    "testing::TestInfo::Run(", "testing::TestSuite::Run(",
    // Of internals.cc.
    "encapsulate::gtest_internals::(anonymous namespace)::WrappingFactory::"};

}  // namespace

bool RunsTests(const char* function) {
  return std::any_of(std::begin(kCallers), std::end(kCallers),
                     [&](const char* caller) {
                       return strncmp(function, caller, strlen(caller)) == 0;
                     });
}

const FramesLeftOut& GoogleTestFrames() {
  // The names of templates' functions begin with what these return.
  static const auto* const frames =
      new FramesLeftOut{{"testing::", "void testing::", "bool testing::"},
                        {std::begin(kCallers), std::end(kCallers)}};
  return *frames;
}

}  // namespace gtest_internals
}  // namespace encapsulate
