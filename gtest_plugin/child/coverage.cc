// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/child/coverage.h"

// Weak, because they are there in instrumented programs only. gcc's are in an
// archive, from which a weak reference pulls nothing: the build file asks the
// linker for them.
// NOLINTBEGIN(bugprone-reserved-identifier): the runtimes' own names.
extern "C" {
__attribute__((weak)) void __gcov_dump();
__attribute__((weak)) void __gcov_reset();
__attribute__((weak)) int __llvm_profile_write_file();
__attribute__((weak)) void __llvm_profile_reset_counters();
}
// NOLINTEND(bugprone-reserved-identifier)

namespace encapsulate {
namespace coverage {

void Reset() {
  if (&__gcov_reset != nullptr) __gcov_reset();
  if (&__llvm_profile_reset_counters != nullptr) {
    __llvm_profile_reset_counters();
  }
}

void Save() {
  if (&__gcov_dump != nullptr) __gcov_dump();
  if (&__llvm_profile_write_file != nullptr) {
    static_cast<void>(__llvm_profile_write_file());
  }
}

}  // namespace coverage
}  // namespace encapsulate
