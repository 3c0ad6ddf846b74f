// SPDX-License-Identifier: Apache-2.0
//
// Sandboxes for callers that enter many of the same kind: used again, or made
// ahead of need.
//
//   encapsulate::SandboxPool pool(/*ahead=*/2, encapsulate::Reuse::kOn);
//   for (int left = tests.size(); left-- > 0;) {
//     absl::StatusOr<absl::optional<Process>> child =
//         pool.Enter(options, /*more=*/left);
//     if (!child.ok()) return child.status();
//     if (!child->has_value()) _exit(RunTest(left));  // inside
//     const Result result = (*child)->Wait();
//     pool.Give(**std::move(child));
//   }
//
// A sandbox is used again if, and only if, it is proven that nobody who runs in
// it can tell that somebody did before. While a child runs, the filter reports
// every call that may leave something behind; afterwards init compares what can
// be looked at (child/reuse_check.h). A tmpfs of the sandbox's own, such as
// /tmp, in which the child may have changed something is mounted anew. Whatever
// else is different, and whatever nobody knows, ends the sandbox, as do a
// signal that ended the child and processes that it left. With Reuse::kOn, a
// child doesn't see the sandbox's init in /proc.
//
// Otherwise a small fork server, not a fork of the caller, sets sandboxes up
// while the caller does something else, and takes them apart. For a caller of
// one child at a time it isn't started before the first sandbox was ended that
// could have been used again.
//
// The first sandbox of a kind is made in line, as by Enter(), and so is every
// one that wouldn't be the same if it was made ahead: with files as standard
// input, or with limits that need a cgroup. All have the same guarantees, but
// for one: the host's sockets are looked for when the sandbox is made, and
// before it is used again if the last look was more than 0.1 s ago. A socket
// that is bound between that and Enter() isn't masked.
//
// The fork server ends with the caller or the SandboxPool, however these end,
// and so do the sandboxes that weren't used. It takes about 2 MB of memory, and
// each sandbox that waits some hundred kB, most of it the kernel's. As the
// program in it is started from a file in memory, hosts with vm.memfd_noexec=2
// don't have it.
//
// Threads: one at a time; a sandbox is used again as long as the thread lives
// that entered it first. Fork: a child that was not made by Enter() has to
// call Disown() if it isn't trusted like its parent.
#ifndef ENCAPSULATE_SANDBOX_POOL_H_
#define ENCAPSULATE_SANDBOX_POOL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "encapsulate/options.h"
#include "encapsulate/sandbox.h"

namespace encapsulate {

struct Plan;
struct SandboxKind;
class UsedSandboxes;

// Whether sandboxes are used again.
enum class Reuse {
  kOff,
  kOn,
};

// Hands out sandboxes and takes them back, see the top of this file.
class SandboxPool {
 public:
  // So many sandboxes wait at most, whatever is asked for.
  static constexpr int kMostAhead = 8;

  // `ahead` sandboxes are to wait for their use; 0 makes all of them in line.
  explicit SandboxPool(int ahead, Reuse reuse = Reuse::kOff);
  // Returns when the fork server and what it made is gone, but for the
  // sandboxes of Processes: those go with them.
  ~SandboxPool();
  SandboxPool(const SandboxPool&) = delete;
  SandboxPool& operator=(const SandboxPool&) = delete;

  // Enter() of sandbox.h, with the same errors. `more` says how many sandboxes
  // with such options are expected to be asked for later; with 0, none is made
  // ahead. The child finds nothing of the SandboxPool's.
  absl::StatusOr<absl::optional<Process>> Enter(const Options& options,
                                                int more);

  // Why all sandboxes are made in line since the fork server ended or could not
  // be started, for people; empty while there is no reason to.
  const std::string& WhyInLine() const { return why_in_line_; }

  // Takes the sandbox of a Process that Enter() has returned, after Wait(), and
  // says why it isn't used again, for people; empty if it is.
  std::string Give(Process process);

  // Sandboxes that were entered and had been entered by nobody before.
  int fresh() const { return fresh_; }

  // For a child that the caller forked: closes what belongs to the caller.
  void Disown();

 private:
  class Pool;

  // Into one that is used again; nullopt if there is none. `kind` gets what one
  // has that is made in its place, and `plan` its plan, if that is known.
  absl::optional<absl::StatusOr<absl::optional<Process>>> EnterUsed(
      const Options& options, SandboxKind* kind, std::shared_ptr<Plan>* plan);
  // `plan` may be null.
  absl::StatusOr<absl::optional<Process>> EnterFresh(const Options& options,
                                                     std::shared_ptr<Plan> plan,
                                                     int more,
                                                     SandboxKind kind);
  // Whether there is one, for a sandbox of now; starts it if some are to be
  // made `ahead`.
  bool HasHelper(int ahead);

  const int ahead_;
  std::string why_in_line_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<UsedSandboxes> used_;  // null: none is used again
  bool disowned_ = false;
  int fresh_ = 0;
  int discarded_ = 0;  // that could have been used again, but for their use
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_SANDBOX_POOL_H_
