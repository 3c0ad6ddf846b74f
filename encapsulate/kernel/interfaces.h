// SPDX-License-Identifier: Apache-2.0
//
// The interfaces of a network namespace that is this process's own. System
// calls only, as in setup.h.
#ifndef ENCAPSULATE_KERNEL_INTERFACES_H_
#define ENCAPSULATE_KERNEL_INTERFACES_H_

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

namespace encapsulate {

// LOOPBACK_IFINDEX: the kernel gives it this index in every namespace.
inline constexpr int kLoopbackIndex = 1;

// Options of setsockopt(2) that say which interface a socket uses (socket(7),
// ip(7), ipv6(7)): at level SOL_SOCKET, IPPROTO_IP and IPPROTO_IPV6.
inline constexpr uint32_t kInterfaceOptions[] = {SO_BINDTODEVICE,
                                                 SO_BINDTOIFINDEX};
inline constexpr uint32_t kInterfaceOptionsOfIpv4[] = {IP_MULTICAST_IF,
                                                       IP_UNICAST_IF};
inline constexpr uint32_t kInterfaceOptionsOfIpv6[] = {
    IPV6_MULTICAST_IF, IPV6_UNICAST_IF, IPV6_PKTINFO, IPV6_2292PKTOPTIONS};

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
