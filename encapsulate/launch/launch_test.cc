// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/launch/launch.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/signals_blocked.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/child/message.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/options.h"
#include "encapsulate/plan/plan.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

class LaunchTest : public ::testing::Test {
 protected:
  LaunchTest() {
    std::string path = absl::StrCat(::testing::TempDir(), "/launch-XXXXXX");
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    root_ = std::filesystem::canonical(path).string();
    for (const char* name : {"tree", "tree/inner", "other", "other/inner"}) {
      EXPECT_EQ(mkdir(Path(name).c_str(), 0755), 0);
    }
  }
  ~LaunchTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  std::string Path(const std::string& name) const {
    return absl::StrCat(root_, "/", name);
  }

  Plan PlanWithTree(const std::string& tree) const {
    Options options;
    options.writable = {tree};
    const std::vector<std::string> command = {"true"};
    Plan plan;
    const absl::Status status = MakePlan(options, &command, &plan);
    EXPECT_TRUE(status.ok()) << status;
    return plan;
  }

  void ReplaceByLink(const std::string& name) const {
    ASSERT_EQ(rename(Path(name).c_str(), Path("moved").c_str()), 0);
    ASSERT_EQ(symlink("other", Path(name).c_str()), 0);
  }

  // The link stands where "tree" was when the plan was made.
  void ExpectNoLinkToBeFollowed(const std::string& tree) const {
    Plan plan = PlanWithTree(Path(tree));
    ReplaceByLink("tree");
    Message message;
    Start(&plan, &message);
    EXPECT_EQ(message.kind, MessageKind::kFailed);
    EXPECT_EQ(message.step, Step::kCloneTree);
    EXPECT_EQ(message.error, ELOOP);
  }

  // The first word of init that it failed or that the command runs.
  static void Start(Plan* plan, Message* message) {
    const UniqueFd caller(sys::PidfdOpen(getpid()));
    InitProcess init;
    {
      const SignalsBlocked blocked;
      plan->signal_mask = blocked.before();
      const absl::Status status = StartInit(plan, caller.get(), SIGCHLD, &init);
      ASSERT_TRUE(status.ok()) << status;
    }
    std::vector<std::string> unknown_sockets;
    EXPECT_TRUE(ServeInit(*plan, init, &unknown_sockets).ok());
    do {
      ASSERT_TRUE(ReceiveMessage(init.control.get(), message));
    } while (message->kind != MessageKind::kFailed &&
             message->kind != MessageKind::kStarted);
    kill(init.pid, SIGKILL);
    EXPECT_EQ(waitpid(init.pid, nullptr, 0), init.pid);
  }

  std::string root_;
};

TEST_F(LaunchTest, ATreeIsMountedAsItWasPlanned) {
  Plan plan = PlanWithTree(Path("tree"));
  Message message;
  Start(&plan, &message);
  EXPECT_EQ(message.kind, MessageKind::kStarted);
}

TEST_F(LaunchTest, ALinkInPlaceOfTheTreeIsNotFollowed) {
  ExpectNoLinkToBeFollowed("tree");
}

TEST_F(LaunchTest, ALinkOnTheWayToTheTreeIsNotFollowed) {
  ExpectNoLinkToBeFollowed("tree/inner");
}

}  // namespace
}  // namespace encapsulate
