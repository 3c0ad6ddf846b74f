// SPDX-License-Identifier: Apache-2.0
//
// Where the name server of a watched sandbox listens, see name_server.h.
#ifndef ENCAPSULATE_PLAN_NAME_SERVER_ADDRESS_H_
#define ENCAPSULATE_PLAN_NAME_SERVER_ADDRESS_H_

namespace encapsulate {

// What the sandbox's resolv.conf says.
inline constexpr char kNameServerConfiguration[] = "nameserver 127.0.0.1\n";
inline constexpr int kNameServerPort = 53;

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_NAME_SERVER_ADDRESS_H_
