// SPDX-License-Identifier: Apache-2.0
//
// What a process has that a child inherits by fork(2), and a child of a relay
// that was started earlier doesn't: it got what there was then.
//
// Memory, descriptors and signal handlers are shared with a PersistentRelay;
// directory, umask and environment are the plan's. What can't be asked for
// isn't compared: a Landlock domain that the process has entered meanwhile.
#ifndef ENCAPSULATE_LAUNCH_CALLER_STATE_H_
#define ENCAPSULATE_LAUNCH_CALLER_STATE_H_

#include <string>

#include "absl/types/optional.h"

namespace encapsulate {

// All of it for the calling thread, to be compared; nullopt if some of it can't
// be had, or if SIGCHLD is ignored, which no relay can bear.
absl::optional<std::string> CallerState();

}  // namespace encapsulate

#endif  // ENCAPSULATE_LAUNCH_CALLER_STATE_H_
