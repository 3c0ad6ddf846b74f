// SPDX-License-Identifier: Apache-2.0
//
// Why a sandbox could not be made, for programs.
//
//   absl::StatusOr<encapsulate::Result> result = encapsulate::Run(...);
//   if (encapsulate::FailureKindOf(result.status()) ==
//       encapsulate::FailureKind::kCommandNotFound) ...
#ifndef ENCAPSULATE_FAILURE_H_
#define ENCAPSULATE_FAILURE_H_

#include "absl/status/status.h"

namespace encapsulate {

// What kind of failure a status from this library stands for.
enum class FailureKind {
  kNone,              // the status is OK or not of this library
  kInvalidOptions,    // the caller's mistake; nothing was started
  kHostRefused,       // the host doesn't allow what was asked for
  kCommandNotFound,   // no such program inside the sandbox
  kCommandNotUsable,  // found, but it can't be executed
};

// What `status` of this library stands for; kNone for any other.
FailureKind FailureKindOf(const absl::Status& status);

}  // namespace encapsulate

#endif  // ENCAPSULATE_FAILURE_H_
