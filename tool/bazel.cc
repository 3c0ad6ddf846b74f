#include "tool/bazel.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "encapsulate/base/error.h"

namespace encapsulate::tool {
namespace {

constexpr const char* kOutputDirectories[] = {
    "TEST_TMPDIR",
    "TEST_UNDECLARED_OUTPUTS_DIR",
    "TEST_UNDECLARED_OUTPUTS_ANNOTATIONS_DIR",
    "COVERAGE_DIR",
};
constexpr const char* kOutputFiles[] = {
    "XML_OUTPUT_FILE",
    "TEST_PREMATURE_EXIT_FILE",
    "TEST_SHARD_STATUS_FILE",
    "TEST_WARNINGS_OUTPUT_FILE",
    "TEST_UNUSED_RUNFILES_LOG_FILE",
    "TEST_INFRASTRUCTURE_FAILURE_FILE",
};

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
  char current[PATH_MAX];
  if (directory.empty() || getcwd(current, sizeof(current)) == nullptr ||
      !absl::StrContains(absl::StrCat(current, "/"), ".runfiles/")) {
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
  std::vector<std::string> outputs;
  for (const char* name : kOutputDirectories) {
    outputs.push_back(Variable(name));
  }
  for (const char* name : kOutputFiles) {
    const std::string file = Variable(name);
    const size_t slash = file.rfind('/');
    if (slash != std::string::npos) outputs.push_back(file.substr(0, slash));
  }
  outputs.erase(std::remove_if(outputs.begin(), outputs.end(),
                               [](const std::string& path) {
                                 return path.empty() || !IsDirectory(path);
                               }),
                outputs.end());
  return outputs;
}

}  // namespace encapsulate::tool
