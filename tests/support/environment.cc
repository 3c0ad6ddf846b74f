// SPDX-License-Identifier: Apache-2.0

#include "tests/support/environment.h"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace encapsulate {
namespace {

std::string Variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

bool MustRunAll() { return Variable("REQUIRE_ALL_TESTS") == "1"; }

bool IsHostRoot() {
  if (geteuid() != 0) return false;
  std::ifstream map("/proc/self/uid_map");
  uint64_t inside = 1;
  uint64_t outside = 1;
  uint64_t count = 0;
  map >> inside >> outside >> count;
  return inside == 0 && outside == 0 && count == 4294967295;
}

std::string BuildPath(absl::string_view path) {
  return absl::StrCat(Variable("ENCAPSULATE_TEST_BUILD"), "/", path);
}

std::string ToolPath() { return BuildPath("tool/encapsulate"); }
std::string StaticToolPath() { return BuildPath("tool/encapsulate_static"); }
std::string ProbePath() { return BuildPath("tests/support/probe"); }
std::string AttemptPath() { return BuildPath("tests/support/attempt"); }

std::string ScratchPath() { return Variable("ENCAPSULATE_TEST_SCRATCH"); }

}  // namespace encapsulate
