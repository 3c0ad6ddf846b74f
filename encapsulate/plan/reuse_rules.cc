// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/plan/reuse_rules.h"

#include <sched.h>

#include <cstdint>
#include <string>

#include "absl/algorithm/container.h"
#include "encapsulate/plan/seccomp_filter.h"

namespace encapsulate {

std::string WhyNotReusable(const Options& options, const Plan& plan) {
  constexpr uint64_t kOwn = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
                            CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;
  if (!plan.command.empty()) return "it is for a command";
  if (plan.watching_filter == nullptr) {
    return "without violations nobody sees what is done inside";
  }
  if ((plan.namespaces & kOwn) != kOwn || plan.network == Network::kHost) {
    return "it shares a namespace with the host";
  }
  if (options.limits.memory.has_value() ||
      options.limits.processes.has_value()) {
    return "it has limits of its own for memory or processes";
  }
  if (plan.timeout_nanoseconds != 0) return "it has a timeout";
  if (plan.root_writable) return "'/' is writable";
  if (absl::c_any_of(plan.places, [](const Place& place) {
        return place.kind == PlaceKind::kOverlay;
      })) {
    return "it has overlays";
  }
  if (!plan.inputs.empty()) return "a file is its standard input";
  if (!plan.executable.empty()) return "it could change the program's file";
  if (plan.foreground) return "it has the terminal";
  return "";
}

void MakeReusable(Plan* plan) {
  plan->reusable = true;
  plan->watching_filter = &GetFilter(
      OpenCalls::kReport,
      plan->core_limit == kNoCore ? CoreLimit::kFixed : CoreLimit::kFree);
}

}  // namespace encapsulate
