// SPDX-License-Identifier: Apache-2.0
//
// The interfaces of a network namespace that is this process's own. System
// calls only, as in setup.h.
#ifndef ENCAPSULATE_KERNEL_INTERFACES_H_
#define ENCAPSULATE_KERNEL_INTERFACES_H_

#include <net/if.h>

namespace encapsulate {

// LOOPBACK_IFINDEX: the kernel gives it this index in every namespace.
inline constexpr int kLoopbackIndex = 1;

struct InterfaceFailure {
  int error = 0;  // errno; 0 if nothing failed
  // Loopback is set up, but the interfaces aren't as they should be.
  bool verifying = false;
  // The interface that is up and shouldn't be, or the other way round.
  char name[IFNAMSIZ] = {};
};

// Brings loopback up if `loopback`, so that multicast and broadcast work on it
// as on any other interface, and checks that it is up, or that it isn't, and
// that no other interface is.
InterfaceFailure SetUpInterfaces(bool loopback);

}  // namespace encapsulate

#endif  // ENCAPSULATE_KERNEL_INTERFACES_H_
