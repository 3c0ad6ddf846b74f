// SPDX-License-Identifier: Apache-2.0
//
// Runs a command in a sandbox.
#include <cstdio>

#include "encapsulate/sandbox.h"

int main() {
  const encapsulate::Options options;
  const absl::StatusOr<encapsulate::Result> result =
      encapsulate::Run(options, {"sh", "-c", "! touch /usr/no 2>/dev/null"});
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    return 1;
  }
  return result->ok() ? 0 : 1;
}
