// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/own_process.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "encapsulate/base/files.h"

namespace encapsulate {
std::vector<std::string> OtherThreads() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/task", error)) {
    if (entry.path().filename() == std::to_string(gettid())) continue;
    names.push_back(FirstLine((entry.path() / "comm").string()));
  }
  return names;
}

bool IsTraced() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    absl::string_view text = line;
    if (absl::ConsumePrefix(&text, "TracerPid:")) {
      return absl::StripAsciiWhitespace(text) != "0";
    }
  }
  return false;
}

}  // namespace encapsulate
