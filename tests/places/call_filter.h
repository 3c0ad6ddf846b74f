// SPDX-License-Identifier: Apache-2.0
//
// Filters of system calls as kernels and containers have them, for tests.
//
//   CallFilter().Fail({SYS_mount}, EPERM).Load();
//
// The first rule that a call meets counts. Of several filters the strictest
// counts.
#ifndef TESTS_PLACES_CALL_FILTER_H_
#define TESTS_PLACES_CALL_FILTER_H_

#include <linux/filter.h>

#include <cstdint>
#include <vector>

namespace encapsulate::places {

class CallFilter {
 public:
  // What a rule compares an argument with. The upper half is left out.
  enum class Is { kEqual, kLess, kWithAnyOf, kWithNoneOf };

  CallFilter();

  // These fail with `error`; with 0 they say that all is well, and do nothing.
  CallFilter& Fail(const std::vector<long>& numbers, int error);
  // The same of one call, by its argument at `index`.
  CallFilter& FailIf(long number, int index, Is is, uint32_t value, int error);
  // Goes on without looking at the rules that follow.
  CallFilter& Allow(const std::vector<long>& numbers);
  CallFilter& AllowIf(long number, int index, Is is, uint32_t value);
  // Those above fail.
  CallFilter& FailAbove(long number, int error);
  // What meets no rule fails; else it goes on. Calls of other conventions than
  // the machine's own always do.
  CallFilter& FailOthers(int error);

  // Binds this process and all that it starts from now on. 0, or errno.
  int Load();

 private:
  CallFilter& Add(long number, uint32_t action);
  CallFilter& AddIf(long number, int index, Is is, uint32_t value,
                    uint32_t action);

  std::vector<sock_filter> program_;
  uint32_t otherwise_;
};

}  // namespace encapsulate::places

#endif  // TESTS_PLACES_CALL_FILTER_H_
