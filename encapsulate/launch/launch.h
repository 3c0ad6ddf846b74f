// SPDX-License-Identifier: Apache-2.0
//
// From a plan to a running init: what setting up in line and setting up ahead
// of need have in common.
#ifndef ENCAPSULATE_LAUNCH_LAUNCH_H_
#define ENCAPSULATE_LAUNCH_LAUNCH_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/plan/plan.h"

namespace encapsulate {

struct InitProcess {
  pid_t pid = -1;
  UniqueFd pidfd;
  UniqueFd control;  // a socket to it, see message.h
};

// Starts a child that becomes the sandbox's init and ends with the process that
// the pidfd `caller` stands for. `exit_signal` is sent to this process at its
// end; 0 for none. To be called with all signals blocked. Takes the cgroup
// namespace out of the plan where there can't be one.
absl::Status StartInit(Plan* plan, int caller, int exit_signal,
                       InitProcess* init);

// What has to be done for a new init meanwhile: maps its ids, if the plan says
// that it waits for that, and finds the host's sockets for it to mask. An init
// that has died is no error here: it has left a record of why. Sockets that may
// be there, and can't be looked at, go to `unknown_sockets`.
absl::Status ServeInit(const Plan& plan, const InitProcess& init,
                       std::vector<std::string>* unknown_sockets);

}  // namespace encapsulate

#endif  // ENCAPSULATE_LAUNCH_LAUNCH_H_
