// SPDX-License-Identifier: Apache-2.0
//
// The parts of which MakePlan() puts a plan together, and what they share.
#ifndef ENCAPSULATE_PLAN_PLAN_PARTS_H_
#define ENCAPSULATE_PLAN_PLAN_PARTS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/lookups.h"
#include "encapsulate/options.h"
#include "encapsulate/plan/plan.h"

namespace encapsulate {

// plan_places.cc: what is mounted over the view, and what is masked in it.
// Relative paths are below `directory`.
absl::Status PlanPlaces(const Options& options, const std::string& directory,
                        Plan* plan, Lookups* seen);

// plan_descriptors.cc: which descriptors the command gets, and how; its
// terminal. After PlanPlaces().
absl::Status PlanDescriptors(const Options& options, Plan* plan, Lookups* seen);

// plan_level.cc: says which of the options a level without namespaces can't
// keep. `enters`: for Enter().
absl::Status CheckLevel(const Options& options, bool enters);

// Beyond it the kernel's sums overflow, and a limit turns into another one.
inline constexpr uint64_t kMostBytes = INT64_MAX;

// What is wrong with the options: a Failure without its kind.
inline absl::Status Invalid(std::string verb, std::string object,
                            std::string reason, int error = 0,
                            std::string hint = "") {
  return MakeFailure({FailureKind::kInvalidOptions, std::move(verb),
                      std::move(object), std::move(reason), error,
                      std::move(hint)});
}

inline absl::Status Invalid(std::string sentence) {
  return Invalid("", "", std::move(sentence));
}

// What a line of /etc/hosts can hold as part of one name.
inline bool IsOfHostName(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         absl::StrContains("-_.", absl::string_view(&c, 1));
}

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_PLAN_PARTS_H_
