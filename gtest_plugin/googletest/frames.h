// SPDX-License-Identifier: Apache-2.0
//
// What of a stack is GoogleTest's, by the names that its functions have there.
// It takes nothing of GoogleTest itself: the tool, too, shows stacks of tests.
#ifndef GTEST_PLUGIN_GOOGLETEST_FRAMES_H_
#define GTEST_PLUGIN_GOOGLETEST_FRAMES_H_

#include "encapsulate/violation_text.h"

namespace encapsulate {
namespace gtest_internals {

// Whether a function, by its name in a stack, is one that tests are run by, of
// GoogleTest's or of the plugin's, and so says nothing about a test. Safe in a
// signal handler.
bool RunsTests(const char* function);

// All of GoogleTest's, and what is further out than a test.
const FramesLeftOut& GoogleTestFrames();

}  // namespace gtest_internals
}  // namespace encapsulate

#endif  // GTEST_PLUGIN_GOOGLETEST_FRAMES_H_
