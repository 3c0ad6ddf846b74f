// Makes sandboxes ahead of need, for callers that enter many of the same kind.
//
//   encapsulate::SandboxPool pool(/*ahead=*/2);
//   for (int left = tests.size(); left-- > 0;) {
//     absl::StatusOr<absl::optional<Process>> child =
//         pool.Enter(options, /*more=*/left);
//     if (!child.ok()) return child.status();
//     if (!child->has_value()) _exit(RunTest(left));  // inside
//     const Result result = (*child)->Wait();
//   }
//
// A small fork server, not a fork of the caller, sets sandboxes up while the
// caller does something else, and takes them apart. Each is used once: nobody
// ever gets a network, process ids or mounts that somebody else had.
//
// The first sandbox of a kind is made in line, as by Enter(), and so is every
// one that wouldn't be the same if it was made ahead: with files as standard
// input, or with limits that need a cgroup. All have the same guarantees, but
// for one: the host's sockets are looked for when the sandbox is made. A socket
// that is bound between that and Enter() isn't masked.
//
// The fork server ends with the caller or the SandboxPool, however these end,
// and so do the sandboxes that weren't used. It takes about 2 MB of memory, and
// each sandbox that waits some hundred kB, most of it the kernel's. As the
// program in it is started from a file in memory, hosts with vm.memfd_noexec=2
// don't have it.
//
// Threads: one at a time. Fork: a child that was not made by Enter() has to
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

// Hands out sandboxes, see the top of this file.
class SandboxPool {
 public:
  // So many sandboxes wait at most, whatever is asked for.
  static constexpr int kMostAhead = 8;

  // `ahead` sandboxes are to wait for their use; 0 makes all of them in line.
  explicit SandboxPool(int ahead);
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

  // For a child that the caller forked: closes what belongs to the caller.
  void Disown();

 private:
  class Pool;

  // Whether there is one, for a sandbox of now; starts it if `more` are to
  // come.
  bool HasHelper(int more);

  const int ahead_;
  std::string why_in_line_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_SANDBOX_POOL_H_
