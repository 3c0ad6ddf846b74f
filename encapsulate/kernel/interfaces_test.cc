// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/kernel/interfaces.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>

#include "gtest/gtest.h"

namespace encapsulate {
namespace {

// Runs `body` in a child with a network namespace of its own.
void InOwnNetwork(const std::function<void()>& body) {
  constexpr int kRefused = 77;
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) _exit(kRefused);
    body();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kRefused) {
    GTEST_SKIP() << "this host refuses a network namespace";
  }
  EXPECT_EQ(status, 0) << "see above";
}

TEST(InterfacesTest, LoopbackIsUpOnRequest) {
  InOwnNetwork([] {
    const InterfaceFailure failure = SetUpInterfaces(/*loopback=*/true);
    EXPECT_EQ(failure.error, 0);
    EXPECT_FALSE(failure.verifying);
    EXPECT_EQ(failure.name, std::string());
  });
}

TEST(InterfacesTest, LoopbackStaysDown) {
  InOwnNetwork([] {
    EXPECT_EQ(SetUpInterfaces(/*loopback=*/false).error, 0);
    EXPECT_EQ(SetUpInterfaces(/*loopback=*/false).error, 0);
  });
}

TEST(InterfacesTest, AnInterfaceThatIsUpAndShouldNotBeIsNamed) {
  InOwnNetwork([] {
    ASSERT_EQ(SetUpInterfaces(/*loopback=*/true).error, 0);
    const InterfaceFailure failure = SetUpInterfaces(/*loopback=*/false);
    EXPECT_EQ(failure.error, ENOTUNIQ);
    EXPECT_TRUE(failure.verifying);
    EXPECT_EQ(failure.name, std::string("lo"));
  });
}

}  // namespace
}  // namespace encapsulate
