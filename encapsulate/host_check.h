// SPDX-License-Identifier: Apache-2.0
//
// What this host lets a sandbox do, found out by trying.
//
//   for (const HostFeature& feature : CheckHost()) {
//     if (feature.support == HostSupport::kRefused) ...
//   }
//
// Every probe runs in a child process with namespaces of its own and leaves
// nothing on the host. Takes some milliseconds. Call it before threads start,
// or accept that the children are forked from a process with threads: they
// make system calls only.
#ifndef ENCAPSULATE_HOST_CHECK_H_
#define ENCAPSULATE_HOST_CHECK_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "encapsulate/isolation.h"

namespace encapsulate {

// Whether the host has a feature.
enum class HostSupport {
  kOk,  // it works
  // One feature can't be used, or something is slower; sandboxes work.
  kUnavailable,
  // No sandbox can be made.
  kRefused,
};

// A feature and what trying it gave.
struct HostFeature {
  std::string name;     // "user namespaces"
  HostSupport support;  // what trying it gave
  std::string reason;   // empty if it works
  std::string hint;     // one action that mends it; empty if none is known
};

// In the order in which a sandbox needs them; the last one is a whole sandbox.
std::vector<HostFeature> CheckHost();

// Whether no feature is refused.
bool CanSandbox(const std::vector<HostFeature>& features);

// Whether the host grants an isolation level, see isolation.h.
struct LevelSupport {
  Isolation level;     // not kBest
  bool works;          // what trying it gave
  std::string reason;  // empty if it works
  std::string hint;    // one action that mends it; empty if none is known
  // The names of promises that it doesn't keep here; empty if there are none.
  std::string missing;
  // Of those that it keeps for honest code only; empty if there are none.
  std::string honest_code;
};

// The strongest level first. `features` are CheckHost()'s, which decide about
// level namespaces; the others are tried.
std::vector<LevelSupport> CheckLevels(const std::vector<HostFeature>& features);

// What Isolation::kBest stands for on this host: the first of CheckLevels()
// that works. A host that is short of processes, descriptors or memory grants
// level namespaces; using it says then what is short. Tries a sandbox, once in
// a process.
Isolation StrongestIsolation();

// For messages, and empty for level namespaces: "isolation level landlock,
// which doesn't keep: ...". `level` isn't kBest.
std::string DescribeIsolation(Isolation level);

// For a message once the host has refused a level: what the strongest that it
// grants instead is called, how to choose it by `flag`, and what it doesn't
// keep. Empty if it grants no weaker one. As StrongestIsolation().
std::string DescribeWeakerLevel(Isolation refused, absl::string_view flag);

}  // namespace encapsulate

#endif  // ENCAPSULATE_HOST_CHECK_H_
