// SPDX-License-Identifier: Apache-2.0
//
// Runs every test of a program in a process and a sandbox of its own, plain
// TEST()s and tests of any fixture included.
//
//   int main(int argc, char** argv) {
//     testing::InitGoogleTest(&argc, argv);
//     testing::AddGlobalTestEnvironment(
//         new encapsulate::EncapsulatedEnvironment);
//     return RUN_ALL_TESTS();
//   }
//
// Linking with //gtest_plugin:main does the same without a line of code, in
// place of GoogleTest's gtest_main or with a main() of the program's own. What
// that means for a test is said in encapsulated_test.h.
#ifndef GTEST_PLUGIN_ENCAPSULATED_ENVIRONMENT_H_
#define GTEST_PLUGIN_ENCAPSULATED_ENVIRONMENT_H_

#include "gtest/gtest.h"
#include "gtest_plugin/encapsulation.h"   // IWYU pragma: export
#include "gtest_plugin/expect_blocked.h"  // IWYU pragma: export

namespace encapsulate {

// Add one to GoogleTest, see the top of this file.
class EncapsulatedEnvironment : public testing::Environment {
 public:
  // Every test is encapsulated, with the program's options as they are.
  EncapsulatedEnvironment();
  // The same with `options` as the program's.
  explicit EncapsulatedEnvironment(TestOptions options);
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_ENCAPSULATED_ENVIRONMENT_H_
