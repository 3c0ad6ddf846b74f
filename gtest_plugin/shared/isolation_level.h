// SPDX-License-Identifier: Apache-2.0
//
// The level of isolation that tests run at.
#ifndef GTEST_PLUGIN_SHARED_ISOLATION_LEVEL_H_
#define GTEST_PLUGIN_SHARED_ISOLATION_LEVEL_H_

#include "gtest_plugin/shared/view.h"
#include "gtest_plugin/test_options.h"

namespace encapsulate {

// `options` with the strongest level that the host grants in place of
// Isolation::kBest.
TestOptions WithLevel(TestOptions options);

// Says on stderr, and as a property of the run, which level `options` are
// about, unless that is namespaces.
void SayLevel(const TestOptions& options);

// In the process of a test: takes the directories that the library has made
// where nothing is mounted.
void UseOwnScratch(View* view);

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_SHARED_ISOLATION_LEVEL_H_
