// SPDX-License-Identifier: Apache-2.0
//
// A cgroup of its own for one sandbox, where the host lets the caller make one.
//
// Works with cgroup v2 (a delegated subtree, as systemd gives to user services
// with Delegate=yes) and with v1 (root, or a hierarchy that was handed over).
// See cgroups(7). The directory is made below the caller's own cgroup and is
// the only thing that Encapsulate ever makes on a host. A process that is
// started first takes it away if the caller is killed.
#ifndef ENCAPSULATE_PLAN_CGROUP_H_
#define ENCAPSULATE_PLAN_CGROUP_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "encapsulate/options.h"
#include "encapsulate/result.h"

namespace encapsulate {

class Cgroup {
 public:
  // Makes a cgroup with `limits.memory` and `limits.processes`, those of them
  // that are set. Fails, with the reason and what to do, if a controller is
  // missing or may not be used.
  static absl::StatusOr<Cgroup> Make(const Limits& limits);

  // Whether Make() could limit this, as far as one can see without doing it.
  static absl::Status MayLimitMemory();
  static absl::Status MayLimitProcesses();

  Cgroup() = default;
  Cgroup(Cgroup&&) noexcept;
  Cgroup& operator=(Cgroup&&) noexcept;
  ~Cgroup();  // removes what is left

  bool empty() const { return directories_.empty(); }

  absl::Status Add(pid_t pid) const;

  // Which limits have been run into. Call before Remove().
  std::vector<LimitHit> LimitsHit() const;

  // Forgets the cgroup without removing it: in a forked child.
  void Disown();

  // Removes the cgroup, which must be empty of processes, and returns when it
  // is gone.
  void Remove();

 private:
  // Starts the process that removes `directories_` once this one is dead.
  absl::Status WatchOver();
  [[noreturn]] void RemoveWhenDead(int caller) const;

  std::vector<std::string> directories_;  // one per hierarchy
  std::string memory_;                    // the directory with that controller
  std::string processes_;
  pid_t remover_ = -1;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_CGROUP_H_
