// SPDX-License-Identifier: Apache-2.0

#include "tool/bazel.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/environment.h"

namespace encapsulate::tool {
namespace {

std::string Variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

bool IsDirectory(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace

absl::Status EnterCallersDirectory() {
  std::string directory = Variable("BAZELW_WORKING_DIRECTORY");
  if (directory.empty()) directory = Variable("BUILD_WORKING_DIRECTORY");
  // It is for this run of Bazel's, not for one inside.
  unsetenv("BAZELW_WORKING_DIRECTORY");
  if (directory.empty() ||
      !absl::StrContains(CurrentDirectory() + "/", ".runfiles/")) {
    return absl::OkStatus();
  }
  if (chdir(directory.c_str()) == 0) return absl::OkStatus();
  return MakeFailure({FailureKind::kInvalidOptions,
                      absl::StrCat("change to directory ", Quote(directory),
                                   ", from which 'bazel run' was called"),
                      "", "", errno});
}

bool IsRunUnderTest(const std::vector<std::string>& arguments) {
  if (Variable("TEST_TARGET").empty() || Variable("TEST_SRCDIR").empty()) {
    return false;
  }
  const std::string program = Variable("TEST_BINARY");
  if (program.empty()) {
    return !arguments.empty() && IsProgram(arguments.front());
  }
  return absl::c_any_of(arguments, [&](absl::string_view argument) {
    return absl::StripPrefix(argument, "./") ==
           absl::StripPrefix(program, "./");
  });
}

bool IsProgram(const std::string& argument) {
  struct stat info;
  return stat(argument.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         access(argument.c_str(), X_OK) == 0;
}

std::vector<std::string> TestOutputs() {
  std::vector<std::string> outputs =
      BazelOutputs(CurrentEnvironment(), OutputOf::kProgram);
  outputs.erase(std::remove_if(
                    outputs.begin(), outputs.end(),
                    [](const std::string& path) { return !IsDirectory(path); }),
                outputs.end());
  return outputs;
}

}  // namespace encapsulate::tool
