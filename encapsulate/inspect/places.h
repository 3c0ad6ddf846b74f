// SPDX-License-Identifier: Apache-2.0
//
// What a sandbox without namespaces holds: mounts don't tell which files may be
// changed in it, nor a /proc of its own who is inside.
#ifndef ENCAPSULATE_INSPECT_PLACES_H_
#define ENCAPSULATE_INSPECT_PLACES_H_

#include <sys/types.h>

#include <string>

namespace encapsulate {

struct Found;

class Places {
 public:
  virtual ~Places() = default;

  // Whether the file that was found may be changed from inside.
  virtual bool Holds(const Found& found) const = 0;

  // Whether the entry of that name, there or not, may be made, replaced or
  // removed.
  virtual bool HoldsEntry(int directory, const std::string& name) const = 0;

  // Whether that process or thread is inside.
  virtual bool IsInside(pid_t pid) const = 0;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_PLACES_H_
