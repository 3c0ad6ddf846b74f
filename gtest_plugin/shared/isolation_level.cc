// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/shared/isolation_level.h"

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "encapsulate/host_check.h"
#include "encapsulate/isolation.h"
#include "encapsulate/kernel/landlock.h"
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
  const char* const name = IsolationName(level);
  PrintNotice(absl::StrCat("isolation level ", name, ", which doesn't keep: ",
                           NamesOf(Kept::kNo, level, sys::LandlockAbi())));
  // Outside of any test, it is the run's.
  testing::Test::RecordProperty("encapsulate_isolation", name);
}

std::string DescribeWeakerLevel(Isolation refused) {
  const Isolation strongest = StrongestIsolation();
  if (strongest <= refused) return "";
  const char* const name = IsolationName(strongest);
  return absl::StrCat("level ", name,
                      " works on this host (--encapsulate_isolation=", name,
                      "), but doesn't keep: ",
                      NamesOf(Kept::kNo, strongest, sys::LandlockAbi()));
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
