// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/child/sanitizers.h"

// Weak, because they are there in instrumented programs only.
// NOLINTBEGIN(bugprone-reserved-identifier): the runtimes' own names.
extern "C" {
__attribute__((weak)) void __sanitizer_set_death_callback(void (*)());
__attribute__((weak)) int __lsan_do_recoverable_leak_check();
__attribute__((weak)) void __tsan_acquire(void*);
}
// NOLINTEND(bugprone-reserved-identifier)

namespace encapsulate {
namespace sanitizers {

bool IsThreadSanitizer() { return &__tsan_acquire != nullptr; }

void OnDeath(void (*function)()) {
  if (&__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(function);
  }
}

bool FindsLeaks() {
  return &__lsan_do_recoverable_leak_check != nullptr &&
         __lsan_do_recoverable_leak_check() != 0;
}

}  // namespace sanitizers
}  // namespace encapsulate
