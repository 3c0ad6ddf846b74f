// SPDX-License-Identifier: Apache-2.0
//
// The file of --encapsulate_inputs: what the tests of this program read.
#ifndef GTEST_PLUGIN_PROGRAM_INPUTS_FILE_H_
#define GTEST_PLUGIN_PROGRAM_INPUTS_FILE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "encapsulate/inputs.h"
#include "gtest_plugin/program/output_file.h"

namespace encapsulate {

class InputsFile {
 public:
  // Makes an empty file; none if `path` is empty. Fails if it can't be written.
  absl::Status Create(const std::string& path);

  // Keeps what the test read.
  void Add(const std::string& test, const InputRecord& inputs);

  // Writes what was added since Create(), by the names of tests. Fails if the
  // file isn't there any more.
  absl::Status Write();

 private:
  absl::optional<OutputFile> file_;
  // A test's name and its line; a test that runs again has another one.
  std::vector<std::pair<std::string, std::string>> lines_;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_INPUTS_FILE_H_
