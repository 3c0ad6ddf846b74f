// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/encapsulated_environment.h"

#include <utility>

#include "gtest_plugin/program/runner.h"

namespace encapsulate {

EncapsulatedEnvironment::EncapsulatedEnvironment() {
  Runner::Get().EncapsulateEveryTest();
}

EncapsulatedEnvironment::EncapsulatedEnvironment(TestOptions options)
    : EncapsulatedEnvironment() {
  SetProgramOptions(std::move(options));
}

}  // namespace encapsulate
