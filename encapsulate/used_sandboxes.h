// SPDX-License-Identifier: Apache-2.0
//
// The sandboxes of a SandboxPool that can be used again, and what decides which
// of them a child may get.
#ifndef ENCAPSULATE_USED_SANDBOXES_H_
#define ENCAPSULATE_USED_SANDBOXES_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/base/lookups.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/child/message.h"
#include "encapsulate/launch/caller_state.h"
#include "encapsulate/options.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/process_state.h"
#include "encapsulate/sandbox.h"

namespace encapsulate {

class UsedSandboxes {
 public:
  // The plan that options make, and what sandboxes it is for.
  struct Planned {
    Options options;
    std::shared_ptr<Plan> plan;
    Lookups seen;
    SandboxKind kind;
  };

  // Keeps `most` at most.
  explicit UsedSandboxes(size_t most);

  // Why no sandbox can be used again on this host; "" while that isn't known.
  std::string why_not;

  // Drops what isn't any more as it would be if it was made now. The plan is
  // the last one, as long as the options are, and nothing that it depends on
  // has changed: the paths and files that it is made from, the descriptors, the
  // mount table, and the state of the calling thread. It belongs to this object
  // until the next call.
  absl::StatusOr<Planned*> PlanFor(const Options& options);

  // The plan itself, for a sandbox that can't be used again.
  std::shared_ptr<Plan> TakePlan();

  // Whether the calling thread's state is still the one of that number.
  bool IsCaller(int number) { return caller_.Number() == number; }

  // One in which a child has what the caller has.
  absl::optional<Process> Take(const SandboxKind& kind);

  void Give(Process process);

  // For a forked child: closes everything. It must never be destroyed then.
  void CloseInChild() const;

 private:
  // Whether the calling thread's mount table is what it was the last time.
  bool MountsAreTheLast(const absl::optional<int>& caller);
  // The number that stands for the host's sockets of now.
  int CountLooks(const Plan& plan);

  const size_t most_;
  UniqueFd mount_table_;
  absl::optional<int> mount_table_of_;  // whose
  CallerState caller_;
  std::unique_ptr<Planned> planned_;
  std::deque<Process> processes_;
  int sockets_ = 0;
  std::vector<std::string> paths_;
  std::vector<std::string> unmasked_;
  std::vector<std::string> masked_;
  absl::Time looked_ = absl::InfinitePast();
};

// Whether it isn't what a child left.
bool IsOfHost(Trace trace);

// "a socket is left".
absl::string_view TraceText(Trace trace);

}  // namespace encapsulate

#endif  // ENCAPSULATE_USED_SANDBOXES_H_
