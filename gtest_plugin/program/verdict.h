// SPDX-License-Identifier: Apache-2.0
//
// What is to be said of a test whose process has ended: its failures, and lines
// besides. It is worked out from what is known by then, and from nothing else:
// neither the host nor a clock is asked.
#ifndef GTEST_PLUGIN_PROGRAM_VERDICT_H_
#define GTEST_PLUGIN_PROGRAM_VERDICT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/result.h"
#include "encapsulate/violations.h"
#include "gtest_plugin/shared/records.h"
#include "gtest_plugin/test_options.h"

namespace encapsulate {

// Violations of one test that are shown; the others are counted.
constexpr size_t kMostShownViolations = 20;

// What is known of a test.
struct Evidence {
  struct Position {
    std::string file;
    int line;
  };

  std::string test;  // "Suite.Test"

  // Of its options.
  Violations violations = Violations::kEnforce;
  Leftovers leftovers = Leftovers::kFail;
  WorkingDirectory working_directory = WorkingDirectory::kReadOnly;
  bool verbose = false;
  absl::Duration timeout;
  absl::string_view timeout_hint;  // a line, after a line break; "" for none

  // Of its view.
  std::string program;    // of the test
  std::string directory;  // where it works
  std::vector<std::string> writable;

  // How its process ended. Of its violations, the first kMostShownViolations
  // are symbolized.
  Result result;
  bool timed_out = false;

  // What its process has told.
  bool done = false;    // that the test came to its end
  bool failed = false;  // results so far
  bool failed_fatally = false;
  absl::optional<Record> end;  // kSignal, kExit, kQuickExit or kDeath
  std::vector<Record> strays;
  std::vector<Position> open_expectations;  // ExpectBlocked that didn't end
  bool overflowed = false;                  // there was no room for some of it
  std::string damage;                       // what is wrong with it; or ""
  // A result or the output has the text of EROFS.
  bool tells_read_only = false;
};

struct Finding {
  enum class Kind { kFatalFailure, kNonFatalFailure, kNote };
  // What belongs behind the text: nothing; the end of the test's output; or
  // that, and before it where the test stood.
  enum class Account { kNone, kOutput, kAll };

  Kind kind = Kind::kNote;
  std::string text;
  Account account = Account::kNone;
  // Of a failure that isn't at the test's own line.
  absl::optional<Evidence::Position> position;
};

// In the order in which they are to be shown.
std::vector<Finding> Classify(const Evidence& evidence);

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_VERDICT_H_
