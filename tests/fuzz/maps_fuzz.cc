// SPDX-License-Identifier: Apache-2.0
//
// /proc/PID/maps, with paths that a program chose.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "encapsulate/inspect/modules.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  for (const encapsulate::Mapping& mapping : encapsulate::ParseMaps(text)) {
    FUZZ_CHECK(text.find(mapping.path) != absl::string_view::npos);
  }
  return 0;
}
