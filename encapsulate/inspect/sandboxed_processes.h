// SPDX-License-Identifier: Apache-2.0
//
// What goes on in a sandbox, seen from outside.
#ifndef ENCAPSULATE_INSPECT_SANDBOXED_PROCESSES_H_
#define ENCAPSULATE_INSPECT_SANDBOXED_PROCESSES_H_

#include <sys/types.h>

#include <vector>

#include "encapsulate/sandboxed_process.h"

namespace encapsulate {

// The processes that descend from `init`, a pidfd of which is `init_pidfd`, or
// from `relay` if that isn't -1, in the PID namespace of `init` and those below
// it. Threads that can be stopped
// are, for a moment, by ptrace(2).
std::vector<SandboxedProcess> ListSandboxedProcesses(pid_t init, int init_pidfd,
                                                     pid_t relay);

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_SANDBOXED_PROCESSES_H_
