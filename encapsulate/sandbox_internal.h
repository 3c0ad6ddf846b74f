// SPDX-License-Identifier: Apache-2.0
//
// What the library's own files know of sandbox.h besides.
#ifndef ENCAPSULATE_SANDBOX_INTERNAL_H_
#define ENCAPSULATE_SANDBOX_INTERNAL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "encapsulate/child/message.h"
#include "encapsulate/launch/launch.h"
#include "encapsulate/options.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/sandbox.h"

namespace encapsulate {

// Enter() into the sandbox of an init that somebody else has started by
// `plan`, which `options` made. `maker` lives as long as the sandbox: its
// parent reaps it.
absl::StatusOr<absl::optional<Process>> EnterPrepared(
    const Options& options, std::unique_ptr<Plan> plan, InitProcess init,
    std::shared_ptr<const void> maker);

// Enter() into a new sandbox that may be used again. MakeReusable() has been
// called for the plan of one that is prepared so.
absl::StatusOr<absl::optional<Process>> EnterReusable(const Options& options);

// What a pool says of a sandbox, kept with it: of one kind are those that can
// take each other's place.
struct SandboxKind {
  std::string plan;     // as WritePlan() has it
  int sockets = 0;      // which of the host's were masked
  std::string why_not;  // ... it can't be used again; empty if it may
};
void SetKind(std::shared_ptr<const SandboxKind> kind, Process* process);
std::shared_ptr<const SandboxKind> KindOf(const Process& process);

// Whether it was made so that it may be used again.
bool IsReusable(const Process& process);

// After Wait(): what keeps the sandbox of such a Process from being used again;
// kNone if nobody who runs in it next can tell that somebody did before.
Trace WhatIsLeft(const Process& process);

// Whether a child that is forked for it now has what it would have if this
// process forked it; `caller_state` is CallerState().
bool FitsCaller(const Process& process, const std::string& caller_state);

// Enter() into the sandbox of `process`, in which nothing is left. `plan` is as
// the sandbox's, as far as WritePlan() tells.
absl::StatusOr<absl::optional<Process>> EnterAgain(const Options& options,
                                                   std::unique_ptr<Plan> plan,
                                                   Process process);

}  // namespace encapsulate

#endif  // ENCAPSULATE_SANDBOX_INTERNAL_H_
