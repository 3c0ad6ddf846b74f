// SPDX-License-Identifier: Apache-2.0
//
// How many processors this process may use.
#ifndef GTEST_PLUGIN_SHARED_CORES_H_
#define GTEST_PLUGIN_SHARED_CORES_H_

#include <string>

#include "absl/strings/string_view.h"

namespace encapsulate {

// At least 1: the processors that it may run on (sched_getaffinity(2)), or
// fewer if a cgroup gives it less time than those have, rounded up.
int AvailableCores();

// The time that the cgroups allow, in processors; infinite if nothing is said.
// `root` goes in front of the paths /proc/self/cgroup, /proc/self/mountinfo and
// of the mount points in there.
double CoresOfCgroups(const std::string& root = "");

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_SHARED_CORES_H_
