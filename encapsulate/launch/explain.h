// SPDX-License-Identifier: Apache-2.0
//
// Turns what failed, and where, into the one sentence that a person reads.
#ifndef ENCAPSULATE_LAUNCH_EXPLAIN_H_
#define ENCAPSULATE_LAUNCH_EXPLAIN_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "encapsulate/child/message.h"
#include "encapsulate/plan/plan.h"

namespace encapsulate {

// A step that failed: which, on what (see Step for `index` and `text`), errno.
struct FailedStep {
  Step step;
  int index = -1;
  int error = 0;
  std::string text;
};

absl::Status Explain(const Plan& plan, const FailedStep& failed);

// "mount places": a step's name in reports of where the time went.
absl::string_view StepName(Step step);

}  // namespace encapsulate

#endif  // ENCAPSULATE_LAUNCH_EXPLAIN_H_
