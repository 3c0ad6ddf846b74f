// SPDX-License-Identifier: Apache-2.0
//
// What a symbolizer wrote about a forged file.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "encapsulate/inspect/symbolizer_output.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const bool has_symbols = size % 2 == 1;
  for (const auto& found :
       encapsulate::ParseSymbolizerOutput(text, {1, 2, 16}, has_symbols)) {
    FUZZ_CHECK(found.second.size() <= encapsulate::kMaxPlacesOfAddress);
    for (const encapsulate::SymbolizedPlace& place : found.second) {
      FUZZ_CHECK(place.function.size() <= encapsulate::kMaxSymbolName);
      FUZZ_CHECK(place.file.size() <= encapsulate::kMaxSymbolName);
      FUZZ_CHECK(place.line >= 0);
      FUZZ_CHECK(place.line == 0 || !place.file.empty());
    }
  }
  return 0;
}
