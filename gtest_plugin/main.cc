// SPDX-License-Identifier: Apache-2.0
//
// GoogleTest's main() for a program whose every test is encapsulated. A program
// may have its own in place of it; every_test.cc sees to that.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "gtest_plugin/program/runner.h"
#include "gtest_plugin/settings.h"

int main(int argc, char** argv) {
  // A linker may leave out shared libraries that nobody refers to
  // (--as-needed), that of every_test.cc for one.
  encapsulate::Runner::Get().EncapsulateEveryTest();
  encapsulate::InitEncapsulate(&argc, argv);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
