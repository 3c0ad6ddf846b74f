// SPDX-License-Identifier: Apache-2.0
//
// What the test program is told of itself by the kernel.
#ifndef GTEST_PLUGIN_PROGRAM_OWN_PROCESS_H_
#define GTEST_PLUGIN_PROGRAM_OWN_PROCESS_H_

#include <string>
#include <vector>

namespace encapsulate {

// The names of this process's threads but the calling one.
std::vector<std::string> OtherThreads();

// Whether a debugger or another tracer is attached to it.
bool IsTraced();

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_OWN_PROCESS_H_
