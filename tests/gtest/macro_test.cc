// SPDX-License-Identifier: Apache-2.0
//
// The attributes of encapsulated_cc_test are the options of its tests.
#include <fcntl.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_environment.h"

namespace encapsulate {
namespace {

TEST(MacroTest, AttributesAreOptions) {
  ASSERT_TRUE(IsEncapsulated());
  const TestOptions& options = OptionsInForce();
  EXPECT_EQ(options.working_directory, WorkingDirectory::kOverlay);
  EXPECT_EQ(options.network, Network::kNone);
  EXPECT_EQ(options.leftovers, Leftovers::kNote);
  EXPECT_EQ(options.violations, Violations::kReport);
  EXPECT_EQ(options.timeout, absl::Seconds(20));
  EXPECT_EQ(options.writable,
            std::vector<std::string>({"/dev/full", "/dev/zero"}));
  EXPECT_EQ(options.alone, std::vector<std::string>({"Macro*", "X.Y"}));
  EXPECT_THAT(ScratchDirectory(),
              testing::StartsWith(getenv("TEST_UNDECLARED_OUTPUTS_DIR")))
      << "where it would be kept";
  EXPECT_GE(open("written", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 0);
}

}  // namespace
}  // namespace encapsulate
