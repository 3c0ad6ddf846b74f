// SPDX-License-Identifier: Apache-2.0
//
// The plugin's flags and variables: one a line.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "gtest_plugin/shared/settings.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find('\0') != absl::string_view::npos) return 0;
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  encapsulate::Settings settings;
  static_cast<void>(encapsulate::ReadEnvironment(lines, &settings));
  std::vector<char*> argv;
  lines.insert(lines.begin(), "program");
  for (std::string& line : lines) argv.push_back(&line[0]);
  int argc = static_cast<int>(argv.size());
  argv.push_back(nullptr);
  static_cast<void>(encapsulate::TakeFlags(&argc, argv.data(), &settings));
  FUZZ_CHECK(argc >= 1 && static_cast<size_t>(argc) < argv.size());
  FUZZ_CHECK(argv[0] == lines[0]);
  encapsulate::Apply(settings, encapsulate::TestOptions());
  return 0;
}
