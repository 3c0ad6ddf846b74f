// SPDX-License-Identifier: Apache-2.0
//
// Who descends from whom, by /proc.
#ifndef ENCAPSULATE_INSPECT_PROCESSES_H_
#define ENCAPSULATE_INSPECT_PROCESSES_H_

#include <sys/types.h>

namespace encapsulate {

// Whether the process, or the thread, descends from `ancestor`, which adopts
// its orphans (PR_SET_CHILD_SUBREAPER), so that the line is never broken. False
// of `ancestor` itself, and of what isn't there. A process that ends while it
// is looked at may count as no descendant.
bool Descends(pid_t pid, pid_t ancestor);

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_PROCESSES_H_
