// SPDX-License-Identifier: Apache-2.0
//
// For tests that mean to be blocked: within the scope, attempts to reach out
// are no violations, and the test fails if there are none.
//
//   TEST_F(FetchTest, DoesWithoutTheNetwork) {
//     const encapsulate::ExpectBlocked blocked(encapsulate::Rule::kNetwork,
//                                              "192.0.2.1:*");
//     EXPECT_FALSE(Fetch("http://192.0.2.1/").ok());
//   }
#ifndef GTEST_PLUGIN_EXPECT_BLOCKED_H_
#define GTEST_PLUGIN_EXPECT_BLOCKED_H_

#include <string>

#include "encapsulate/violations.h"

namespace encapsulate {

// Of whatever runs in the test's sandbox, other threads and processes included,
// it takes what fits, and nothing else. Attempts count while they are made: let
// threads and processes come to their end within the scope. Of nested scopes
// that fit, the inner one takes an attempt.
//
// Put it around a death test or a fork(2): in another process than the test's
// own it does nothing. It does nothing either, and so never fails, where nobody
// watches: with Violations::kOff, and wherever the test isn't encapsulated
// (--encapsulate_mode=off, a debugger). There is no wall then either: if the
// code mustn't run without one, ask IsEncapsulated().
class [[nodiscard]] ExpectBlocked {
 public:
  // What `rule` says of `target`, as in Allowed: `*` stands for anything. The
  // rest says where the scope begins, for people.
  explicit ExpectBlocked(Rule rule, std::string target = "*",
                         const char* file = __builtin_FILE(),
                         int line = __builtin_LINE());
  ~ExpectBlocked();
  ExpectBlocked(const ExpectBlocked&) = delete;
  ExpectBlocked& operator=(const ExpectBlocked&) = delete;

 private:
  const Rule rule_;
  const std::string target_;
  const char* const file_;
  const int line_;
  const int number_;  // 0: nobody watches
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_EXPECT_BLOCKED_H_
