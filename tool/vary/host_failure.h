// SPDX-License-Identifier: Apache-2.0
//
// What the host refused, by errno: "cannot make a pipe: too many open files".
#ifndef TOOL_VARY_HOST_FAILURE_H_
#define TOOL_VARY_HOST_FAILURE_H_

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "encapsulate/base/error.h"

namespace encapsulate::tool {

inline absl::Status HostFailure(std::string verb, std::string object = "") {
  return MakeFailure({FailureKind::kHostRefused, std::move(verb),
                      std::move(object), "", errno});
}

}  // namespace encapsulate::tool

#endif  // TOOL_VARY_HOST_FAILURE_H_
