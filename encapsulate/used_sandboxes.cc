// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/used_sandboxes.h"

#include <fcntl.h>
#include <poll.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "encapsulate/host/host_sockets.h"
#include "encapsulate/launcher.h"
#include "encapsulate/plan/plan_codec.h"
#include "encapsulate/plan/reuse_rules.h"

namespace encapsulate {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(100);

}  // namespace

bool IsOfHost(Trace trace) { return trace >= Trace::kNoProcfs; }

absl::string_view TraceText(Trace trace) {
  switch (trace) {
    case Trace::kNone:
      return "";
    case Trace::kCall:
      return "it made a call that may leave something";
    case Trace::kEnd:
      return "it didn't end by itself";
    case Trace::kProcess:
      return "another process was left, or an orphan had ended";
    case Trace::kFiles:
      return "a directory of the sandbox's own has changed";
    case Trace::kSocket:
      return "a socket is left";
    case Trace::kMounts:
      return "the mount table has changed";
    case Trace::kSignal:
      return "a signal waits for init";
    case Trace::kNoProcfs:
      return "this host refuses a procfs without a mount point";
    case Trace::kNoPidNumbers:
      return "this host doesn't let pids start again (ns_last_pid)";
    case Trace::kNoRefresh:
      return "this host refuses to reconfigure procfs";
    case Trace::kNoTimes:
      return "the times of a directory of the sandbox's own can't be set";
    case Trace::kTooMuch:
      return "it has more directories of its own than are compared";
    case Trace::kNoComparison:
      return "this host doesn't let processes be compared (kcmp(2), "
             "get_robust_list(2))";
  }
  return "";
}

UsedSandboxes::UsedSandboxes(size_t most) : most_(most) {}

bool UsedSandboxes::MountsAreTheLast(const absl::optional<int>& caller) {
  // The descriptor stays at the mount namespace that it was opened in.
  if (!mount_table_.valid() || mount_table_of_ != caller) {
    mount_table_ =
        UniqueFd(open("/proc/thread-self/mountinfo", O_RDONLY | O_CLOEXEC));
    mount_table_of_ = caller;
    return false;
  }
  struct pollfd event = {mount_table_.get(), POLLPRI, 0};
  return poll(&event, 1, 0) == 0;
}

absl::StatusOr<UsedSandboxes::Planned*> UsedSandboxes::PlanFor(
    const Options& options) {
  const absl::optional<int> caller = caller_.Number();
  if (!MountsAreTheLast(caller)) {
    processes_.clear();
    planned_ = nullptr;
    // Other mounts may show other sockets.
    looked_ = absl::InfinitePast();
  }
  if (planned_ != nullptr && caller.has_value() && why_not.empty() &&
      planned_->kind.caller == *caller && planned_->kind.why_not.empty() &&
      AreEqual(planned_->options, options) && planned_->seen.AreSame()) {
    planned_->kind.sockets = CountLooks(*planned_->plan);
    return planned_.get();
  }
  planned_ = std::make_unique<Planned>();
  planned_->options = options;
  planned_->plan = std::make_shared<Plan>();
  Plan& plan = *planned_->plan;
  absl::Status status = MakePlan(options, nullptr, &plan, &planned_->seen);
  if (!status.ok()) {
    planned_ = nullptr;
    return status;
  }
  SandboxKind& kind = planned_->kind;
  kind.why_not = why_not.empty() ? WhyNotReusable(options, plan) : why_not;
  if (kind.why_not.empty() && !caller.has_value()) {
    kind.why_not = "this program ignores SIGCHLD, or its state can't be read";
  }
  if (kind.why_not.empty()) {
    kind.caller = *caller;
    kind.sockets = CountLooks(plan);
    plan.reusable = true;
    kind.plan = WritePlan(plan);
    // The last one as well: all children see the same.
    MakeReusable(&plan);
  }
  return planned_.get();
}

std::shared_ptr<Plan> UsedSandboxes::TakePlan() {
  std::shared_ptr<Plan> plan = std::move(planned_->plan);
  planned_ = nullptr;
  return plan;
}

int UsedSandboxes::CountLooks(const Plan& plan) {
  if (!plan.mask_sockets) return 0;
  const absl::Time now = absl::Now();
  const bool same = plan.unmasked == unmasked_ && plan.masked == masked_;
  if (same && now - looked_ < kLookEvery) return sockets_;
  absl::StatusOr<HostSockets> found =
      FindHostSockets(plan.unmasked, plan.masked);
  if (!found.ok() || !found->unknown.empty() || found->paths != paths_ ||
      !same) {
    ++sockets_;
    processes_.clear();
  }
  if (found.ok()) paths_ = std::move(found->paths);
  unmasked_ = plan.unmasked;
  masked_ = plan.masked;
  looked_ = now;
  return sockets_;
}

absl::optional<Process> UsedSandboxes::Take(const SandboxKind& kind) {
  for (size_t i = processes_.size(); i-- > 0;) {
    const std::shared_ptr<const SandboxKind> there =
        Launcher::Kind(&processes_[i]);
    if (there->plan != kind.plan || there->sockets != kind.sockets ||
        there->caller != kind.caller) {
      continue;
    }
    Process taken = std::move(processes_[i]);
    processes_.erase(processes_.begin() + static_cast<ptrdiff_t>(i));
    if (Launcher::FitsCaller(taken)) return taken;
  }
  return absl::nullopt;
}

void UsedSandboxes::Give(Process process) {
  // The others are of another kind, or of a caller that was different.
  if (processes_.size() == most_) processes_.pop_front();
  processes_.push_back(std::move(process));
}

void UsedSandboxes::CloseInChild() const {
  mount_table_.CloseInChild();
  caller_.CloseInChild();
  for (const Process& process : processes_) {
    Launcher::CloseInChild(process);
  }
}

}  // namespace encapsulate
