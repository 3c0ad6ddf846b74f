// SPDX-License-Identifier: Apache-2.0
//
// A string from inside a sandbox, in the tool's report for programs.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "encapsulate/base/json.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string json = encapsulate::JsonString(text);
  FUZZ_CHECK(json.size() >= 2 && json.front() == '"' && json.back() == '"');
  // Within the quotes: nothing that ends them early, and no control character.
  for (size_t i = 1; i + 1 < json.size(); ++i) {
    FUZZ_CHECK(json[i] != '"');
    FUZZ_CHECK(static_cast<unsigned char>(json[i]) >= 0x20);
    if (json[i] == '\\') ++i;
    FUZZ_CHECK(i + 1 < json.size());
  }
  return 0;
}
