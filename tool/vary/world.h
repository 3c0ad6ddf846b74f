// SPDX-License-Identifier: Apache-2.0
//
// Makes variations hold for a command.
//
//   Options options = ...;
//   World world;
//   absl::Status status = world.Make(variations, scratch, &options);
//   if (status.ok()) status = world.ReplaceInput();
//   absl::StatusOr<Process> process = Spawn(options, command);
//
// While it lives, this process itself has what a command inherits and Options
// don't name: one processor, addresses, descriptors, standard input. So there
// may be one World at a time, in a process with one thread.
#ifndef TOOL_VARY_WORLD_H_
#define TOOL_VARY_WORLD_H_

#include <sched.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/options.h"
#include "tool/vary/variations.h"

namespace encapsulate::tool {

class World {
 public:
  World() = default;
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  // Everything as it was.
  ~World();

  // Call it once, before other descriptors are opened, whose numbers the
  // command couldn't have. `scratch` is an empty directory on the disk, in
  // which the command gets its TMPDIR and TEST_TMPDIR in any case. An error
  // names what this host refuses.
  absl::Status Make(const Variations& variations, const std::string& scratch,
                    Options* options);

  // The rest, right before the command starts: with standard input closed,
  // whatever is opened here may take its place.
  absl::Status ReplaceInput();

 private:
  absl::Status Apply(VariationKind kind, Options* options);
  absl::Status UseOneCpu();
  absl::Status Load();
  absl::Status FixAddresses();
  absl::Status TakeDescriptors(Options* options);

  absl::optional<cpu_set_t> cpus_;
  absl::optional<int> persona_;
  absl::optional<struct rlimit> descriptors_;
  std::vector<pid_t> load_;
  std::vector<UniqueFd> taken_;
  struct Moved {
    int number;
    UniqueFd aside;
  };
  std::vector<Moved> moved_;
  absl::optional<VariationKind> input_;
  absl::optional<UniqueFd> standard_input_;
};

// Why `variation` can't hold or would change nothing here; empty if it would.
std::string WhyWithout(const Variation& variation);

}  // namespace encapsulate::tool

#endif  // TOOL_VARY_WORLD_H_
