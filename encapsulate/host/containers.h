// SPDX-License-Identifier: Apache-2.0
//
// How to let a container do what a sandbox needs, in the words of what runs the
// container: Docker, Podman, Kubernetes, or the runners of GitHub and GitLab.
// The last three are told by the variables that they set.
#ifndef ENCAPSULATE_HOST_CONTAINERS_H_
#define ENCAPSULATE_HOST_CONTAINERS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace encapsulate {

// To make system calls that a container's seccomp profile refuses.
std::string HowToAllowCalls();

// To do what AppArmor or SELinux refuses to programs in containers.
std::string HowToLeaveConfinement();

// To see all of `tree`, which is /proc or /sys.
std::string HowToUnmask(absl::string_view tree);

}  // namespace encapsulate

#endif  // ENCAPSULATE_HOST_CONTAINERS_H_
