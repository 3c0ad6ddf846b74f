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

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/leak.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/launch/fork_server.h"
#include "encapsulate/launch/launch.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/plan/plan_codec.h"
#include "encapsulate/sandbox_internal.h"

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

  // Takes a sandbox out; false if there is none.
  bool Take(const SharedPlan& plan, InitProcess* init, uint64_t* namespaces) {
    for (size_t i = 0; i < sandboxes_.size(); ++i) {
      if (!AreEqual(sandboxes_[i].plan, plan)) continue;
      if (!Have(i)) return false;
      Sandbox taken = std::move(sandboxes_[i]);
      sandboxes_.erase(sandboxes_.begin() + static_cast<ptrdiff_t>(i));
      *init = std::move(taken.init);
      *namespaces = taken.namespaces;
      return init->pid > 0;
    }
    return false;
  }

  // Has as many made as are missing to `count`, in the place of others if there
  // are more than `most` then.
  void Expect(const SharedPlan& plan, int count, int most) {
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
    }
  }

  // For a forked child: closes everything.
  static void Disown(std::unique_ptr<Pool> pool) {
    pool->server_->Disown();
    for (Sandbox& sandbox : pool->sandboxes_) sandbox.init = InitProcess();
    pool->mount_table_.Reset();
    pool->plan_file_.Reset();
    Leak(std::move(pool));
  }

 private:
  struct Sandbox {
    SharedPlan plan;
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

SandboxPool::SandboxPool(int ahead) : ahead_(std::min(ahead, kMostAhead)) {}

SandboxPool::~SandboxPool() = default;

absl::StatusOr<absl::optional<Process>> SandboxPool::Enter(
    const Options& options, int more) {
  auto plan = std::make_unique<Plan>();
  absl::Status status = MakePlan(options, nullptr, plan.get());
  if (!status.ok()) return status;
  const bool prepares = CanPrepare(options, *plan) && HasHelper(more);
  const Pool::SharedPlan shared =
      prepares ? pool_->Share(WritePlan(*plan)) : nullptr;
  InitProcess init;
  const bool taken = prepares && pool_->Take(shared, &init, &plan->namespaces);
  absl::StatusOr<absl::optional<Process>> entered = absl::optional<Process>();
  if (taken) {
    entered = EnterPrepared(options, std::move(plan), std::move(init),
                            pool_->server());
  }
  // Whatever went wrong, either does so again or not at all.
  if (!taken || !entered.ok()) entered = encapsulate::Enter(options);
  if (entered.ok() && !entered->has_value()) {
    Disown();
    return entered;
  }
  // Not before: whoever is woken may get this thread's processor, and now it
  // has nothing to do but wait for the child.
  if (prepares) pool_->Expect(shared, std::min(more, ahead_), ahead_);
  if (pool_ != nullptr && pool_->lost()) {
    why_in_line_ = "the process that makes sandboxes ahead of need has ended";
    pool_ = nullptr;
  }
  return entered;
}

bool SandboxPool::HasHelper(int more) {
  if (!why_in_line_.empty()) return false;
  if (pool_ == nullptr) {
    if (std::min(more, ahead_) <= 0) return false;
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
  if (pool_ != nullptr) Pool::Disown(std::move(pool_));
  why_in_line_ = "this process isn't the one that has the server";
}

}  // namespace encapsulate
