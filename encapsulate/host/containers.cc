// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host/containers.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace encapsulate {
namespace {

enum class Runner { kDocker, kKubernetes, kGithub, kGitlab };

bool IsTrue(const char* variable) {
  const char* const value = getenv(variable);
  return value != nullptr && strcmp(value, "true") == 0;
}

// Kubernetes comes first: the runners of both can be pods, and then the pod is
// what has to be changed.
Runner FindRunner() {
  if (getenv("KUBERNETES_SERVICE_HOST") != nullptr) return Runner::kKubernetes;
  if (IsTrue("GITHUB_ACTIONS")) return Runner::kGithub;
  if (IsTrue("GITLAB_CI")) return Runner::kGitlab;
  return Runner::kDocker;  // or Podman, or none
}

std::string GithubOption(absl::string_view option) {
  return absl::StrCat("let the job's container have options: --security-opt ",
                      option);
}

std::string GitlabOption(absl::string_view option) {
  return absl::StrCat(
      "in the runner's config.toml, [runners.docker], set "
      "security_opt = [\"",
      option, "\"]");
}

// How to give an option to the container that this runs in. `pod` and `by_hand`
// are for those who have another name for it.
std::string HowToGive(absl::string_view option, const char* pod,
                      const char* by_hand) {
  switch (FindRunner()) {
    case Runner::kKubernetes:
      return pod;
    case Runner::kGithub:
      return GithubOption(option);
    case Runner::kGitlab:
      return GitlabOption(option);
    case Runner::kDocker:
      break;
  }
  return by_hand;
}

}  // namespace

std::string HowToAllowCalls() {
  return HowToGive("seccomp=unconfined",
                   "set the pod's securityContext.seccompProfile.type to "
                   "Unconfined",
                   "for Docker and Podman, run it with --security-opt "
                   "seccomp=unconfined");
}

std::string HowToLeaveConfinement() {
  return HowToGive("apparmor=unconfined",
                   "set the pod's securityContext.appArmorProfile.type to "
                   "Unconfined",
                   "for Docker, run it with --security-opt "
                   "apparmor=unconfined, for Podman with --security-opt "
                   "label=disable");
}

std::string HowToUnmask(absl::string_view tree) {
  switch (FindRunner()) {
    case Runner::kKubernetes:
      return "set the container's securityContext.procMount to Unmasked, which "
             "takes hostUsers: false for the pod";
    case Runner::kGithub:
      return GithubOption("systempaths=unconfined");
    case Runner::kGitlab:
      // systempaths is an option of Docker's command line, which the runner
      // doesn't use.
      return "in the runner's config.toml, [runners.docker], set privileged = "
             "true";
    case Runner::kDocker:
      break;
  }
  return absl::StrCat("unmask ", tree,
                      ", for Docker with --security-opt "
                      "systempaths=unconfined, for Podman with --security-opt "
                      "unmask=ALL");
}

}  // namespace encapsulate
