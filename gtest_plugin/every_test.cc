// SPDX-License-Identifier: Apache-2.0
//
// Linked into a program, it has every test of it encapsulated, whoever's the
// program's main() is.
#include "gtest_plugin/program/runner.h"

namespace encapsulate {
namespace {

bool EncapsulateEveryTest() {
  Runner::Get().EncapsulateEveryTest();
  return true;
}

[[maybe_unused]] const bool encapsulated = EncapsulateEveryTest();

}  // namespace
}  // namespace encapsulate
