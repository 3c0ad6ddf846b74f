// SPDX-License-Identifier: Apache-2.0
//
// From a plan of level landlock to the domains that its init and its command
// enter.
#ifndef ENCAPSULATE_LAUNCH_DOMAINS_H_
#define ENCAPSULATE_LAUNCH_DOMAINS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/plan/plan.h"

namespace encapsulate {

struct Domains {
  // Of init: signals of what is in it stay in it. Invalid before ABI 6, which
  // has no such domain.
  UniqueFd outer;
  // Of the command: it writes where the plan says so, and reaches neither
  // signals nor abstract sockets of others.
  UniqueFd inner;
};

// Makes the rulesets, and puts their descriptors (3 or higher) into the plan.
// Directories in which the supervisor makes files let sockets be made, and
// nothing else.
absl::Status MakeDomains(Plan* plan, Domains* domains);

// Device nodes that every command may write to, as far as this host has them.
std::vector<std::string> WritableDevices(const Plan& plan);

}  // namespace encapsulate

#endif  // ENCAPSULATE_LAUNCH_DOMAINS_H_
