// What goes on in a sandbox, seen from outside.
#ifndef ENCAPSULATE_INHABITANTS_H_
#define ENCAPSULATE_INHABITANTS_H_

#include <sys/types.h>

#include <vector>

#include "encapsulate/inhabitant.h"

namespace encapsulate {

// The processes that descend from `init`, a pidfd of which is `init_pidfd`, or
// from `relay` if that isn't -1, in the PID namespace of `init` and those below
// it. Threads that can be stopped
// are, for a moment, by ptrace(2).
std::vector<Inhabitant> ListInhabitants(pid_t init, int init_pidfd,
                                        pid_t relay);

}  // namespace encapsulate

#endif  // ENCAPSULATE_INHABITANTS_H_
