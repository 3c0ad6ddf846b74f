// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/sandbox_pool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "encapsulate/base/leak.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/launch/fork_server.h"
#include "encapsulate/launch/launch.h"
#include "encapsulate/launcher.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/plan/plan_codec.h"
#include "encapsulate/plan/reuse_rules.h"
#include "encapsulate/process_state.h"
#include "encapsulate/used_sandboxes.h"

namespace encapsulate {
namespace {

// What a sandbox is made from besides its plan, and what the fork server has
// from its start: a caller that changes it makes sandboxes itself from then on.
class CallerContext {
 public:
  static CallerContext Current() {
    CallerContext now;
    now.uid_ = geteuid();
    now.gid_ = getegid();
    const char* const kPaths[] = {"/", "/proc/thread-self/ns/mnt",
                                  "/proc/thread-self/ns/user"};
    for (size_t i = 0; i < 3; ++i) {
      struct stat info = {};
      if (stat(kPaths[i], &info) != 0) continue;
      now.files_[i][0] = info.st_dev;
      now.files_[i][1] = info.st_ino;
    }
    return now;
  }

  bool operator==(const CallerContext& other) const {
    return uid_ == other.uid_ && gid_ == other.gid_ &&
           std::equal(&files_[0][0], &files_[0][0] + 6, &other.files_[0][0]);
  }

 private:
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  uint64_t files_[3][2] = {};
};

// For callers that have one child at a time: the next one, and one that is
// being made.
constexpr int kLeastAhead = 2;

// Whether a sandbox that was made before can be the same as one made now.
bool CanPrepare(const Options& options, const Plan& plan) {
  return plan.inputs.empty() && !plan.foreground &&
         !options.limits.memory.has_value() &&
         !options.limits.processes.has_value();
}

}  // namespace

// The sandboxes that wait, or that the fork server is at.
class SandboxPool::Pool {
 public:
  // What WritePlan() says.
  using SharedPlan = std::shared_ptr<const std::string>;

  static absl::StatusOr<std::unique_ptr<Pool>> Start() {
    absl::StatusOr<std::unique_ptr<ForkServer>> server = ForkServer::Start();
    if (!server.ok()) return server.status();
    return std::unique_ptr<Pool>(new Pool(*std::move(server)));
  }

  ~Pool() {
    for (const Sandbox& sandbox : sandboxes_) Kill(sandbox);
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  std::shared_ptr<const void> server() const { return server_; }
  bool lost() const { return lost_; }
  bool FitsSurroundings() const { return made_in_ == CallerContext::Current(); }

  // Drops what was made before the host's mount table changed.
  void Refresh() {
    struct pollfd event = {mount_table_.get(), POLLPRI, 0};
    if (poll(&event, 1, 0) <= 0) return;
    while (!sandboxes_.empty()) Drop(0);
  }

  // Most plans are like the last one.
  SharedPlan Share(std::string plan) const {
    if (written_ != nullptr && *written_ == plan) return written_;
    return std::make_shared<const std::string>(std::move(plan));
  }

  // Takes a sandbox out; false if there is none. `kind` gets what Expect() was
  // told of it.
  bool Take(const SharedPlan& plan, InitProcess* init, uint64_t* namespaces,
            SandboxKind* kind) {
    for (size_t i = 0; i < sandboxes_.size(); ++i) {
      if (!AreEqual(sandboxes_[i].plan, plan)) continue;
      if (!Have(i)) return false;
      Sandbox taken = std::move(sandboxes_[i]);
      sandboxes_.erase(sandboxes_.begin() + static_cast<ptrdiff_t>(i));
      *init = std::move(taken.init);
      *namespaces = taken.namespaces;
      kind->sockets = taken.sockets;
      return init->pid > 0;
    }
    return false;
  }

  // Has as many made as are missing to `count`, in the place of others if there
  // are more than `most` then.
  void Expect(const SharedPlan& plan, int sockets, int count, int most) {
    const auto is_other = [&plan](const Sandbox& sandbox) {
      return !AreEqual(sandbox.plan, plan);
    };
    const auto others =
        std::count_if(sandboxes_.begin(), sandboxes_.end(), is_other);
    int missing =
        count - static_cast<int>(sandboxes_.size()) + static_cast<int>(others);
    if (missing <= 0) return;
    while (!lost_ && static_cast<int>(sandboxes_.size()) + missing > most) {
      const auto other =
          std::find_if(sandboxes_.begin(), sandboxes_.end(), is_other);
      Drop(static_cast<size_t>(other - sandboxes_.begin()));
    }
    if (lost_ || !WriteFile(plan)) return;
    lost_ = !server_->Ask(plan_file_.get(), missing);
    if (lost_) return;
    for (; missing > 0; --missing) {
      sandboxes_.emplace_back();
      sandboxes_.back().plan = plan;
      sandboxes_.back().sockets = sockets;
    }
  }

  // For a forked child: closes everything. It must never be destroyed then.
  void CloseInChild() const {
    server_->CloseInChild();
    for (const Sandbox& sandbox : sandboxes_) {
      sandbox.init.pidfd.CloseInChild();
      sandbox.init.control.CloseInChild();
    }
    mount_table_.CloseInChild();
    plan_file_.CloseInChild();
  }

 private:
  struct Sandbox {
    SharedPlan plan;
    int sockets = 0;  // as in SandboxKind
    bool received = false;
    InitProcess init;
    uint64_t namespaces = 0;
  };

  explicit Pool(std::unique_ptr<ForkServer> server)
      : server_(std::move(server)),
        made_in_(CallerContext::Current()),
        mount_table_(
            open("/proc/thread-self/mountinfo", O_RDONLY | O_CLOEXEC)) {}

  static bool AreEqual(const SharedPlan& a, const SharedPlan& b) {
    return a == b || *a == *b;
  }

  static void Kill(const Sandbox& sandbox) {
    if (sandbox.init.pid > 0) {
      sys::PidfdSendSignal(sandbox.init.pidfd.get(), SIGKILL);
    }
  }

  // Waits for the i-th sandbox. If the fork server is lost, only those that
  // were received are left.
  bool Have(size_t i) {
    for (size_t j = 0; j <= i; ++j) {
      Sandbox& next = sandboxes_[j];
      if (next.received) continue;
      if (!server_->Receive(&next.init, &next.namespaces)) {
        lost_ = true;
        sandboxes_.resize(j);
        return false;
      }
      next.received = true;
    }
    return true;
  }

  void Drop(size_t i) {
    if (!Have(i)) return;
    Kill(sandboxes_[i]);
    sandboxes_.erase(sandboxes_.begin() + static_cast<ptrdiff_t>(i));
  }

  // A file for every plan: the fork server may not have read the last one yet.
  bool WriteFile(const SharedPlan& plan) {
    if (plan_file_.valid() && AreEqual(plan, written_)) return true;
    plan_file_ = UniqueFd(static_cast<int>(
        syscall(SYS_memfd_create, "plan", unsigned{MFD_CLOEXEC})));
    written_ = plan;
    if (plan_file_.valid() &&
        write(plan_file_.get(), plan->data(), plan->size()) ==
            static_cast<ssize_t>(plan->size())) {
      return true;
    }
    plan_file_.Reset();
    return false;
  }

  const std::shared_ptr<ForkServer> server_;
  const CallerContext made_in_;
  UniqueFd mount_table_;
  // In the order in which they were asked for; those that have been received
  // come first.
  std::deque<Sandbox> sandboxes_;
  bool lost_ = false;
  UniqueFd plan_file_;
  SharedPlan written_;
};

SandboxPool::SandboxPool(int ahead, Reuse reuse)
    : ahead_(std::min(ahead, kMostAhead)),
      used_(reuse == Reuse::kOn ? std::make_unique<UsedSandboxes>(
                                      static_cast<size_t>(std::max(ahead, 1)))
                                : nullptr) {}

// What a child has disowned is for nobody to end.
SandboxPool::~SandboxPool() {
  if (!disowned_) return;
  if (used_ != nullptr) Leak(std::move(used_));
  if (pool_ != nullptr) Leak(std::move(pool_));
}

absl::StatusOr<absl::optional<Process>> SandboxPool::Enter(
    const Options& options, int more) {
  if (disowned_) return encapsulate::Enter(options);
  if (options.isolation != Isolation::kNamespaces) {
    ++fresh_;
    absl::StatusOr<absl::optional<Process>> entered =
        encapsulate::Enter(options);
    if (entered.ok() && !entered->has_value()) Disown();
    if (entered.ok() && entered->has_value()) {
      SandboxKind kind;
      kind.why_not = "its isolation level isn't namespaces";
      Launcher::Kind(&**entered) =
          std::make_shared<const SandboxKind>(std::move(kind));
    }
    return entered;
  }
  SandboxKind kind;
  std::shared_ptr<Plan> plan;
  if (used_ != nullptr) {
    absl::optional<absl::StatusOr<absl::optional<Process>>> entered =
        EnterUsed(options, &kind, &plan);
    if (entered.has_value()) return *std::move(entered);
  }
  ++fresh_;
  return EnterFresh(options, std::move(plan), more, std::move(kind));
}

absl::optional<absl::StatusOr<absl::optional<Process>>> SandboxPool::EnterUsed(
    const Options& options, SandboxKind* kind, std::shared_ptr<Plan>* plan) {
  using Entered = absl::StatusOr<absl::optional<Process>>;
  const absl::StatusOr<UsedSandboxes::Planned*> planned =
      used_->PlanFor(options);
  if (!planned.ok()) return Entered(planned.status());
  if ((*planned)->kind.why_not.empty()) {
    absl::optional<Process> taken = used_->Take((*planned)->kind);
    if (taken.has_value()) {
      std::shared_ptr<const SandboxKind> there = Launcher::Kind(&*taken);
      Entered entered =
          Launcher::EnterAgain(options, (*planned)->plan, *std::move(taken));
      if (entered.ok() && !entered->has_value()) Disown();
      if (entered.ok() && entered->has_value()) {
        Launcher::Kind(&**entered) = std::move(there);
      }
      // Whatever went wrong, either does so again or not at all.
      if (entered.ok()) return entered;
    }
  }
  *kind = (*planned)->kind;
  if (!kind->why_not.empty()) *plan = used_->TakePlan();
  return absl::nullopt;
}

absl::StatusOr<absl::optional<Process>> SandboxPool::EnterFresh(
    const Options& options, std::shared_ptr<Plan> plan, int more,
    SandboxKind kind) {
  if (plan == nullptr) {
    plan = std::make_shared<Plan>();
    absl::Status status = MakePlan(options, nullptr, plan.get());
    if (!status.ok()) return status;
  }
  const bool reusable = used_ != nullptr && kind.why_not.empty();
  if (reusable) {
    plan->reusable = true;
    kind.plan = WritePlan(*plan);
    MakeReusable(plan.get());
  }
  // Of one that may be used again, no other is needed until one isn't.
  const int ahead = std::min(
      more, reusable && discarded_ == 0 ? ahead_ - kLeastAhead : ahead_);
  const bool prepares = CanPrepare(options, *plan) && HasHelper(ahead);
  const Pool::SharedPlan shared =
      prepares ? pool_->Share(WritePlan(*plan)) : nullptr;
  const int sockets = kind.sockets;
  InitProcess init;
  const bool taken =
      prepares && pool_->Take(shared, &init, &plan->namespaces, &kind);
  absl::StatusOr<absl::optional<Process>> entered = absl::optional<Process>();
  if (taken) {
    entered = Launcher::EnterPrepared(options, std::move(plan), std::move(init),
                                      pool_->server());
  }
  // Whatever went wrong, either does so again or not at all.
  if (reusable && (!taken || !entered.ok())) {
    kind.sockets = sockets;
    entered = Launcher::StartChild(options, /*reusable=*/true);
  }
  if (!entered.ok() || (!taken && !reusable)) {
    entered = encapsulate::Enter(options);
  }
  if (entered.ok() && !entered->has_value()) {
    Disown();
    return entered;
  }
  if (entered.ok()) {
    // The relay has what this thread had when it was started.
    if (reusable && !used_->IsCaller(kind.caller)) {
      kind.caller = 0;  // nobody's number
    }
    Launcher::Kind(&**entered) =
        std::make_shared<const SandboxKind>(std::move(kind));
  }
  // Not before: whoever is woken may get this thread's processor, and now it
  // has nothing to do but wait for the child.
  if (prepares) {
    pool_->Expect(shared, sockets, ahead, ahead_);
  }
  if (pool_ != nullptr && pool_->lost()) {
    why_in_line_ = "the process that makes sandboxes ahead of need has ended";
    pool_ = nullptr;
  }
  return entered;
}

std::string SandboxPool::Give(Process process) {
  if (used_ == nullptr || disowned_) return "";
  if (!Launcher::IsReusable(process)) return Launcher::Kind(&process)->why_not;
  const Trace left = Launcher::WhatIsLeft(process);
  if (left == Trace::kNone) {
    used_->Give(std::move(process));
    return "";
  }
  ++discarded_;
  if (IsOfHost(left)) used_->why_not = std::string(TraceText(left));
  return std::string(TraceText(left));
}

bool SandboxPool::HasHelper(int ahead) {
  if (!why_in_line_.empty()) return false;
  if (pool_ == nullptr) {
    if (ahead <= 0) return false;
    absl::StatusOr<std::unique_ptr<Pool>> pool = Pool::Start();
    if (!pool.ok()) {
      why_in_line_ = std::string(pool.status().message());
      return false;
    }
    pool_ = *std::move(pool);
  }
  if (!pool_->FitsSurroundings()) return false;
  pool_->Refresh();
  return true;
}

void SandboxPool::Disown() {
  if (disowned_) return;
  disowned_ = true;
  if (used_ != nullptr) used_->CloseInChild();
  if (pool_ != nullptr) pool_->CloseInChild();
}

}  // namespace encapsulate
