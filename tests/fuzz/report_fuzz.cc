// SPDX-License-Identifier: Apache-2.0
//
// What the process of a test wrote into its report, and what it printed.
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "gtest_plugin/program/report.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  // No symbolizer: this is about the text.
  setenv("PATH", "/nothing", 1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  encapsulate::FormatReport(std::string(text));
  encapsulate::OutputTail tail;
  tail.Add(text.substr(0, size / 2));
  tail.Add(text.substr(size / 2));
  const std::string shown = tail.Format();
  FUZZ_CHECK(shown.size() < 32768);
  for (char c : shown) {
    FUZZ_CHECK(c == '\n' || c == '\t' ||
               !absl::ascii_iscntrl(static_cast<unsigned char>(c)));
  }
  return 0;
}
