// SPDX-License-Identifier: Apache-2.0
//
// The names of Unix sockets, as the kernel lists them (proc_pid_net(5)), and
// what is known of names.
#ifndef ENCAPSULATE_HOST_UNIX_NAMES_H_
#define ENCAPSULATE_HOST_UNIX_NAMES_H_

#include <functional>
#include <set>
#include <string>

#include "absl/strings/string_view.h"

namespace encapsulate {

// Calls `use` with the name of each socket that has one in the caller's network
// namespace: a path, or '@' and an abstract name whose zero bytes are '@'s. A
// name may hold line feeds. False, with errno, if the list couldn't be read to
// its end; where there is none, nothing is listed.
bool ListUnixNames(const std::function<void(absl::string_view)>& use);

// Where desktops, databases and agents listen on most machines, in places that
// a sandbox has for itself: who tries such a name means the host's.
bool IsWellKnownUnixName(absl::string_view name);

// The host's sockets, asked for by name: read when the first one is, so that
// what doesn't ask doesn't pay.
class HostUnixNames {
 public:
  // Of an abstract name, whether some process has it; of a path, whether some
  // process has bound it and the socket is still there.
  bool Has(const std::string& name);

 private:
  bool read_ = false;
  std::set<std::string> names_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_HOST_UNIX_NAMES_H_
