// SPDX-License-Identifier: Apache-2.0
//
// What sanitizers know of the process of a test. Without them these functions
// do nothing.
#ifndef GTEST_PLUGIN_CHILD_SANITIZERS_H_
#define GTEST_PLUGIN_CHILD_SANITIZERS_H_

namespace encapsulate {
namespace sanitizers {

bool IsThreadSanitizer();

// Calls `function` when a sanitizer is about to end the process.
void OnDeath(void (*function)());

// Whether LeakSanitizer finds leaks now; it then prints them.
bool FindsLeaks();

}  // namespace sanitizers
}  // namespace encapsulate

#endif  // GTEST_PLUGIN_CHILD_SANITIZERS_H_
