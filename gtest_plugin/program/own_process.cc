// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/own_process.h"

#include <sys/stat.h>
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
namespace {

// A directory has a link for each one in it, and two more (proc(5)).
bool HasOtherThreads() {
  constexpr nlink_t kOne = 3;
  struct stat info;
  return stat("/proc/self/task", &info) != 0 || info.st_nlink != kOne;
}

}  // namespace

std::vector<std::string> OtherThreads() {
  if (!HasOtherThreads()) return {};
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
