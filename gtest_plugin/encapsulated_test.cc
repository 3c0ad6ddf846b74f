// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/encapsulated_test.h"

#include <cstddef>
#include <new>

#include "encapsulate/base/error.h"
#include "gtest_plugin/googletest/internals.h"
#include "gtest_plugin/program/runner.h"

namespace encapsulate {

void* EncapsulatedTest::operator new(std::size_t size) noexcept {
  return Runner::Get().RunElsewhere() ? nullptr : ::operator new(size);
}

void* EncapsulatedTest::operator new(std::size_t size,
                                     std::align_val_t alignment) noexcept {
  return Runner::Get().RunElsewhere() ? nullptr
                                      : ::operator new(size, alignment);
}

void EncapsulatedTest::operator delete(void* memory) noexcept {
  ::operator delete(memory);
}

void EncapsulatedTest::operator delete(void* memory,
                                       std::align_val_t alignment) noexcept {
  ::operator delete(memory, alignment);
}

EncapsulatedTest::EncapsulatedTest() {
  if (!Runner::Get().IsOutside()) return;
  const testing::TestInfo& test =
      *testing::UnitTest::GetInstance()->current_test_info();
  gtest_internals::AddResultAt(
      test.file(), test.line(), testing::TestPartResult::kFatalFailure,
      Words({FailureKind::kInvalidOptions, "encapsulate this test", "",
             "its fixture has an operator new of its own, which hides that of "
             "EncapsulatedTest",
             0,
             "add `using encapsulate::EncapsulatedTest::operator new;` and "
             "`operator delete` to it, or use EncapsulatedEnvironment"}));
}

}  // namespace encapsulate
