// SPDX-License-Identifier: Apache-2.0
//
// One run of a command, and whether two of them say the same.
#ifndef TOOL_VARY_TRIAL_H_
#define TOOL_VARY_TRIAL_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "encapsulate/options.h"
#include "encapsulate/result.h"
#include "tool/vary/compared_files.h"
#include "tool/vary/scratch.h"
#include "tool/vary/search.h"
#include "tool/vary/test_results.h"
#include "tool/vary/variations.h"

namespace encapsulate::tool {

// The command's own name among the cases.
inline constexpr char kCommandCase[] = "";

// What a run says. Of a command that runs tests of GoogleTest, each test's
// result counts, else the way in which the command ended; files that are to be
// compared count in any case.
struct Trial {
  Result result;
  int exit_code = 0;  // as the tool's own
  std::map<std::string, TestResult> tests;
  FileStates files;    // of --vary-compare
  std::string output;  // the end of it
};

class Experiment {
 public:
  // `compared` are files and trees that the command makes, see --vary-compare.
  Experiment(Options options, std::vector<std::string> command,
             std::vector<std::string> compared);
  Experiment(const Experiment&) = delete;
  Experiment& operator=(const Experiment&) = delete;

  // Of GoogleTest's tests, runs only `tests`, if there are any. An error if the
  // command can't be run at all.
  absl::StatusOr<Trial> Run(const Variations& variations,
                            const Cases* tests = nullptr);

 private:
  Options options_;
  std::vector<std::string> command_;
  std::vector<std::string> compared_;
  Scratch scratch_;
  int runs_ = 0;
};

// Whether `trial` has no results of tests, though `base` has: its program
// crashed.
bool LostItsTests(const Trial& trial, const Trial& base);

// The tests, files and kCommandCase that differ. The command's end is left out
// where tests say more, and tests where one of the two lost them.
Cases Differences(const Trial& one, const Trial& other);

}  // namespace encapsulate::tool

#endif  // TOOL_VARY_TRIAL_H_
