// SPDX-License-Identifier: Apache-2.0
//
// A plan as bytes, which the helper reads.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/plan/plan_codec.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  encapsulate::Plan plan;
  if (encapsulate::ReadPlan(bytes, &plan)) {
    FUZZ_CHECK(encapsulate::WritePlan(plan) == bytes);
  }
  return 0;
}
