// SPDX-License-Identifier: Apache-2.0
//
// The ExpectBlocked of a test that have begun and not ended.
#ifndef GTEST_PLUGIN_PROGRAM_EXPECTATIONS_H_
#define GTEST_PLUGIN_PROGRAM_EXPECTATIONS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "encapsulate/sandbox.h"
#include "gtest_plugin/program/verdict.h"
#include "gtest_plugin/shared/channel.h"
#include "gtest_plugin/shared/records.h"

namespace encapsulate {

class Expectations {
 public:
  // Takes a record of kind kBeginExpected. False if there are too many by now,
  // or there is one of that number.
  bool Begin(const Record& record, Process* process);

  // Takes one of kind kEndExpected, and says whether anything was blocked;
  // absent if it hasn't begun.
  absl::optional<Answer> End(const Record& record, Process* process);

  // Where those stand that haven't ended.
  std::vector<Evidence::Position> Open() const;

 private:
  struct Expected {
    int number;  // the process's
    std::string file;
    int line;
    size_t size;  // in bytes_
  };

  std::map<int64_t, Expected> expected_;  // by the test's own numbers
  size_t bytes_ = 0;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_EXPECTATIONS_H_
