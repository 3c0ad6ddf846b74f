// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/trial.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/environment.h"
#include "encapsulate/sandbox.h"
#include "tool/report.h"
#include "tool/vary/capture.h"
#include "tool/vary/host_failure.h"
#include "tool/vary/world.h"

namespace encapsulate::tool {
namespace {

namespace fs = std::filesystem;

// The names in a directory.
std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  return names;
}

// Makes descriptors 1 and 2 another while it lives.
class StandardOutput {
 public:
  explicit StandardOutput(int descriptor) {
    for (int number : {STDOUT_FILENO, STDERR_FILENO}) {
      UniqueFd& before = number == STDOUT_FILENO ? output_ : errors_;
      before = UniqueFd(fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
      dup2(descriptor, number);
    }
  }
  StandardOutput(const StandardOutput&) = delete;
  StandardOutput& operator=(const StandardOutput&) = delete;
  ~StandardOutput() {
    for (int number : {STDOUT_FILENO, STDERR_FILENO}) {
      const UniqueFd& before = number == STDOUT_FILENO ? output_ : errors_;
      if (before.valid()) {
        dup2(before.get(), number);
      } else {
        close(number);
      }
    }
  }

 private:
  UniqueFd output_;
  UniqueFd errors_;
};

}  // namespace

Experiment::Experiment(Options options, std::vector<std::string> command,
                       std::vector<std::string> compared)
    : options_(std::move(options)),
      command_(std::move(command)),
      compared_(std::move(compared)) {}

absl::StatusOr<Trial> Experiment::Run(const Variations& variations,
                                      const Cases* tests) {
  if (scratch_.path().empty()) {
    const absl::Status made = scratch_.Make();
    if (!made.ok()) return made;
  }
  const std::string scratch = absl::StrCat(scratch_.path(), "/", ++runs_);
  const std::string results = absl::StrCat(scratch, "/results");
  for (const std::string& directory : {scratch, results}) {
    if (mkdir(directory.c_str(), 0700) != 0) {
      return HostFailure("make the directory", directory);
    }
  }
  Options options = options_;
  options.writable.push_back(results);
  // The last slash asks for a file for each program.
  SetVariable("GTEST_OUTPUT", absl::StrCat("xml:", results, "/"),
              &*options.environment);
  if (tests != nullptr) {
    SetVariable("GTEST_FILTER", absl::StrJoin(*tests, ":"),
                &*options.environment);
  }
  lseek(STDIN_FILENO, 0, SEEK_SET);  // each run reads the same, if it can
  Trial trial;
  World world;
  absl::Status status = world.Make(variations, scratch, &options);
  if (!status.ok()) return status;
  absl::StatusOr<Capture> capture = Capture::Make(
      Holds(variations, VariationKind::kTerminal) ? Capture::Kind::kTerminal
                                                  : Capture::Kind::kPipe);
  if (!capture.ok()) return capture.status();
  absl::StatusOr<Process> process = [&]() -> absl::StatusOr<Process> {
    StandardOutput redirected(capture->descriptor());
    status = world.ReplaceInput();
    if (!status.ok()) return status;
    return Spawn(options, command_);
  }();
  if (!process.ok()) return process.status();
  trial.result = process->Wait();
  trial.output = capture->Finish();
  trial.exit_code = ExitCodeOf(trial.result, {options.violations});
  const std::vector<std::string> programs = NamesIn(results);
  for (const std::string& program : programs) {
    for (auto& test : ReadTestResults(
             ReadForeignFile(absl::StrCat(results, "/", program)))) {
      // Of one program, the name of it would say nothing.
      const absl::string_view name = absl::StripSuffix(program, ".xml");
      trial.tests[programs.size() == 1 ? test.first
                                       : absl::StrCat(name, ": ", test.first)] =
          std::move(test.second);
    }
  }
  for (const std::string& path : compared_) AddFileStates(path, &trial.files);
  RemoveAll(scratch);  // else the Scratch says so
  return trial;
}

namespace {

// Keys whose values differ, or that one hasn't.
template <typename Map, typename Equal>
void AddDifferences(const Map& one, const Map& other, const Equal& equal,
                    Cases* cases) {
  for (const auto& entry : one) {
    const auto found = other.find(entry.first);
    if (found == other.end() || !equal(entry.second, found->second)) {
      cases->insert(entry.first);
    }
  }
  for (const auto& entry : other) {
    if (one.count(entry.first) == 0) cases->insert(entry.first);
  }
}

}  // namespace

bool LostItsTests(const Trial& trial, const Trial& base) {
  return trial.tests.empty() && !base.tests.empty();
}

Cases Differences(const Trial& one, const Trial& other) {
  Cases cases;
  if (!LostItsTests(one, other) && !LostItsTests(other, one)) {
    AddDifferences(
        one.tests, other.tests,
        [](const TestResult& a, const TestResult& b) {
          return a.state == b.state;
        },
        &cases);
  }
  AddDifferences(
      one.files, other.files,
      [](const FileState& a, const FileState& b) { return a == b; }, &cases);
  if (cases.empty() && one.exit_code != other.exit_code) {
    cases.insert(kCommandCase);
  }
  return cases;
}

}  // namespace encapsulate::tool
