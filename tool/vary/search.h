// SPDX-License-Identifier: Apache-2.0
//
// Finds which of many variations change a result, in few runs.
//
//   const std::vector<Finding> findings = FindCauses(world, cases, run);
#ifndef TOOL_VARY_SEARCH_H_
#define TOOL_VARY_SEARCH_H_

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tool/vary/variations.h"

namespace encapsulate::tool {

// Names of what has a result of its own: tests, and the command itself.
using Cases = std::set<std::string>;

// Variations that change the results of some cases; each of them is needed for
// that. Without any, the results changed once and not again.
struct Finding {
  Variations variations;
  Cases cases;
};

// Runs the command with variations and returns which of `cases` then differ
// from what they are without any.
using DiffersIn =
    std::function<Cases(const Variations& variations, const Cases& cases)>;

// `cases` differ where all of `world` holds. A single cause of n variations is
// found in two runs for each time that n can be halved. Each half in which a
// case differs is followed, so that two causes of one case are both found;
// those that only act together take a run for each variation more.
std::vector<Finding> FindCauses(const Variations& world, const Cases& cases,
                                const DiffersIn& differs);

}  // namespace encapsulate::tool

#endif  // TOOL_VARY_SEARCH_H_
