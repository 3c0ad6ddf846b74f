// SPDX-License-Identifier: Apache-2.0
//
// The one connect(2) to an address outside that sends nothing and means
// nothing: getaddrinfo(3) connects a datagram socket to each address that a
// name has, to sort them by what the kernel would send from (RFC 6724).
#ifndef ENCAPSULATE_INSPECT_ADDRESS_SORT_H_
#define ENCAPSULATE_INSPECT_ADDRESS_SORT_H_

#include <vector>

#include "encapsulate/inspect/thread_view.h"
#include "encapsulate/violations.h"

namespace encapsulate {

// Whether the thread, which is stopped behind a connect(2) of a datagram
// socket, was called from getaddrinfo(3) itself. The functions that
// getaddrinfo(3) calls to ask name servers don't count.
bool SortsAddresses(const ThreadView& thread, const std::vector<Frame>& stack);

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_ADDRESS_SORT_H_
