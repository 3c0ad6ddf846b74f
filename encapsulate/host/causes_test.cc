// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host/causes.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

// With the variables of one runner, and of no other.
class RunnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : kVariables) unsetenv(name);
  }
  void TearDown() override { SetUp(); }

  static constexpr const char* kVariables[] = {"KUBERNETES_SERVICE_HOST",
                                               "GITHUB_ACTIONS", "GITLAB_CI"};
};

using Variables = std::vector<std::pair<const char*, const char*>>;

TEST_F(RunnerTest, EachIsToldWhatToSet) {
  struct Case {
    Variables variables;
    const char* calls;
    const char* confinement;
  };
  const std::vector<Case> cases = {
      {{},
       "for Docker and Podman, run it with --security-opt seccomp=unconfined",
       "for Docker, run it with --security-opt apparmor=unconfined, for Podman "
       "with --security-opt label=disable"},
      {{{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}},
       "set the pod's securityContext.seccompProfile.type to Unconfined",
       "set the pod's securityContext.appArmorProfile.type to Unconfined"},
      {{{"GITHUB_ACTIONS", "true"}},
       "let the job's container have options: --security-opt "
       "seccomp=unconfined",
       "let the job's container have options: --security-opt "
       "apparmor=unconfined"},
      {{{"GITLAB_CI", "true"}},
       "in the runner's config.toml, [runners.docker], set security_opt = "
       "[\"seccomp=unconfined\"]",
       "in the runner's config.toml, [runners.docker], set security_opt = "
       "[\"apparmor=unconfined\"]"},
      // A runner in a pod: the pod is what has to be changed.
      {{{"GITLAB_CI", "true"}, {"KUBERNETES_SERVICE_HOST", "10.0.0.1"}},
       "set the pod's securityContext.seccompProfile.type to Unconfined",
       "set the pod's securityContext.appArmorProfile.type to Unconfined"},
  };
  for (const Case& c : cases) {
    SetUp();
    for (const auto& variable : c.variables) {
      setenv(variable.first, variable.second, 1);
    }
    EXPECT_EQ(WhyForbidden(ENOSYS).hint, c.calls);
    EXPECT_EQ(WhyForbidden(EACCES).hint, c.confinement);
  }
}

TEST(CausesTest, ANewKernelIsNotCalledOld) {
  // This test runs on Linux 5.10 at least, as the project does.
  for (const Cause& cause : {WhyForbidden(ENOSYS), WhyNoNamespaces(ENOSYS)}) {
    EXPECT_EQ(cause.reason,
              "probably a container's seccomp profile filters the call");
    EXPECT_FALSE(absl::StrContains(cause.hint, "5.10")) << cause.hint;
  }
}

// The host's own user namespace has a well-known number.
TEST(CausesTest, NestingIsBlamedOnlyInsideAnotherNamespace) {
  struct stat own;
  ASSERT_EQ(stat("/proc/self/ns/user", &own), 0);
  EXPECT_EQ(absl::StrContains(WhyNoNamespaces(ENOSPC).reason, "32 deep"),
            own.st_ino != 0xEFFFFFFD);
  const pid_t child = fork();
  if (child == 0) {
    const bool nested = unshare(CLONE_NEWUSER) == 0 &&
                        absl::StrContains(WhyNoNamespaces(ENOSPC).reason,
                                          "of a namespace around this one");
    _exit(nested ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(CausesTest, SeccompIsBlamedOnlyWhereThereIsAFilter) {
  const bool filtered = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2;
  for (const Cause& cause : {WhyForbidden(EPERM), WhyNoNamespaces(EPERM)}) {
    EXPECT_EQ(absl::StrContains(cause.reason, "seccomp profile"), filtered)
        << cause.reason;
  }
}

}  // namespace
}  // namespace encapsulate
