// SPDX-License-Identifier: Apache-2.0
//
// What a program of tests wrote as GoogleTest's XML.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "tests/fuzz/check.h"
#include "tool/vary/test_results.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& test : encapsulate::tool::ReadTestResults(text)) {
    FUZZ_CHECK(test.first.find('.') != std::string::npos);
    FUZZ_CHECK(test.second.message.size() <= size);
    FUZZ_CHECK(test.second.message.empty() ||
               test.second.state ==
                   encapsulate::tool::TestResult::State::kFailed);
  }
  return 0;
}
