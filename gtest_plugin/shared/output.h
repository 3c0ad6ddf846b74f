// SPDX-License-Identifier: Apache-2.0
//
// What the plugin itself prints.
#ifndef GTEST_PLUGIN_SHARED_OUTPUT_H_
#define GTEST_PLUGIN_SHARED_OUTPUT_H_

#include <string>

namespace encapsulate {

// Prints "encapsulate: LINE" on stderr, after all output so far.
void PrintNotice(const std::string& line);

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_SHARED_OUTPUT_H_
