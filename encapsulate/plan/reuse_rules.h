// SPDX-License-Identifier: Apache-2.0
//
// Which sandboxes may be used again (see SandboxPool).
#ifndef ENCAPSULATE_PLAN_REUSE_RULES_H_
#define ENCAPSULATE_PLAN_REUSE_RULES_H_

#include <string>
#include <vector>

#include "encapsulate/options.h"
#include "encapsulate/plan/plan.h"

namespace encapsulate {

// Why a sandbox of `plan`, which `options` made, can't be proven to be
// untouched after its use; empty if it can. For people: "it has overlays".
std::string WhyNotReusable(const Options& options, const Plan& plan);

// Whether every option is the same.
bool AreEqual(const Options& a, const Options& b);
bool AreEqual(const std::vector<Allowed>& a, const std::vector<Allowed>& b);

// Has the sandbox that `plan` says made so that it can.
void MakeReusable(Plan* plan);

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_REUSE_RULES_H_
