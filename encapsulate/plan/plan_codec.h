// SPDX-License-Identifier: Apache-2.0
//
// A plan as bytes, for a process that carries it out without having made it.
#ifndef ENCAPSULATE_PLAN_PLAN_CODEC_H_
#define ENCAPSULATE_PLAN_PLAN_CODEC_H_

#include <string>

#include "absl/strings/string_view.h"
#include "encapsulate/plan/plan.h"

namespace encapsulate {

// What the sandbox's init needs of a plan for Enter(). Two plans with the same
// bytes make the same sandbox: what else differs, environment and limits for
// example, is up to the child.
std::string WritePlan(const Plan& plan);

// False if `bytes` isn't what WritePlan() returns.
bool ReadPlan(absl::string_view bytes, Plan* plan);

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_PLAN_CODEC_H_
