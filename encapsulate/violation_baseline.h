// SPDX-License-Identifier: Apache-2.0
//
// Violations that are known, so that a run fails for new ones only.
//
//   absl::StatusOr<Baseline> baseline = Baseline::Read(text);
//   ...
//   for (const Violation& violation : result.record.violations) {
//     if (!baseline->Has(violation)) ...  // a new one
//   }
//
// A violation is known by its rule, test, program and AllowPattern(): what has
// another number in each run is the same one. The file has a line for each,
// which can be read and merged by people.
#ifndef ENCAPSULATE_VIOLATION_BASELINE_H_
#define ENCAPSULATE_VIOLATION_BASELINE_H_

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encapsulate/violations.h"

namespace encapsulate {

// The violations that are known. Copies are independent.
class Baseline {
 public:
  // An empty one.
  Baseline() = default;
  // That of a file. InvalidArgument, with the number of the line, for what
  // isn't one.
  static absl::StatusOr<Baseline> Read(absl::string_view text);

  // Knows it from now on.
  void Add(const Violation& violation);
  // The file: sorted, so that two of the same violations are equal.
  std::string Write() const;

  // Whether it is known.
  bool Has(const Violation& violation) const;
  // The lines that none of `violations` fits.
  std::vector<std::string> Gone(const std::vector<Violation>& violations) const;
  // How many lines it has.
  size_t size() const { return lines_.size(); }

 private:
  std::set<std::string> lines_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_VIOLATION_BASELINE_H_
