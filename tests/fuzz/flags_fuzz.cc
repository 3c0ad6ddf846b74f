// SPDX-License-Identifier: Apache-2.0
//
// The tool's command line: an argument a line.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "encapsulate/options.h"
#include "tests/fuzz/check.h"
#include "tool/command_line.h"
#include "tool/flag_types.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  // No argument holds a NUL.
  if (text.find('\0') != absl::string_view::npos) return 0;
  const std::vector<std::string> arguments = absl::StrSplit(text, '\n');
  const absl::StatusOr<encapsulate::tool::CommandLine> line =
      encapsulate::tool::ParseCommandLine(arguments);
  FUZZ_CHECK(line.ok() || !line.status().message().empty());
  FUZZ_CHECK(!line.ok() || line->command.size() <= arguments.size());
  for (const std::string& argument : arguments) {
    std::string error;
    encapsulate::tool::Time time;
    encapsulate::tool::Size bytes;
    encapsulate::Allowed allowed;
    encapsulate::Tmpfs tmpfs;
    AbslParseFlag(argument, &time, &error);
    AbslParseFlag(argument, &bytes, &error);
    encapsulate::tool::ParseAllowed(argument, &allowed, &error);
    encapsulate::tool::ParseTmpfs(argument, &tmpfs, &error);
  }
  return 0;
}
