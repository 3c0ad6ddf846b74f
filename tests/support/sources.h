// SPDX-License-Identifier: Apache-2.0
//
// For tests that read the project's own sources: see sources.bzl.
#ifndef TESTS_SUPPORT_SOURCES_H_
#define TESTS_SUPPORT_SOURCES_H_

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace encapsulate {

inline std::vector<std::string> LinesOf(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// What stands before a comment that goes to the end of the line.
inline absl::string_view CodeOf(absl::string_view line) {
  return line.substr(0, line.find("//"));
}

}  // namespace encapsulate

#endif  // TESTS_SUPPORT_SOURCES_H_
