// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/shared/isolation_level.h"

#include <cstdlib>

#include "encapsulate/host_check.h"
#include "encapsulate/isolation.h"
#include "gtest/gtest.h"
#include "gtest_plugin/shared/output.h"

namespace encapsulate {

TestOptions WithLevel(TestOptions options) {
  if (options.isolation == Isolation::kBest) {
    options.isolation = StrongestIsolation();
  }
  return options;
}

void SayLevel(const TestOptions& options) {
  const Isolation level = WithLevel(options).isolation;
  if (level == Isolation::kNamespaces) return;
  PrintNotice(DescribeIsolation(level));
  // Outside of any test, it is the run's.
  testing::Test::RecordProperty("encapsulate_isolation", IsolationName(level));
}

void UseOwnScratch(View* view) {
  const char* const scratch = getenv("TEST_TMPDIR");
  if (view->options.isolation == Isolation::kNamespaces || scratch == nullptr) {
    return;
  }
  view->scratch = scratch;
  view->writable.push_back(view->scratch);
}

}  // namespace encapsulate
