// SPDX-License-Identifier: Apache-2.0
//
// Why a host refuses what a sandbox is made of, told apart by looking at the
// host's settings (holes: user namespaces off, AppArmor, a container, a
// chroot).
#ifndef ENCAPSULATE_HOST_CAUSES_H_
#define ENCAPSULATE_HOST_CAUSES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace encapsulate {

// Both are empty if errno says all that is known.
struct Cause {
  std::string reason;
  std::string hint;  // one action
};

// Whether something is used up, processes or descriptors.
Cause WhyUsedUp(int error);

// Why clone(2) or unshare(2) refuses namespaces with `error`.
Cause WhyNoNamespaces(int error);

// Whether user.max_cgroup_namespaces is 0 here. It may be inside a
// sandbox, and then nobody can mount a cgroup filesystem of his own.
bool CgroupNamespacesAreOff();

// kernel.yama.ptrace_scope; -1 on hosts without it.
int PtraceScope();

// Why the maps of a new user namespace can't be written.
Cause WhyNotMapped(int error);

// Why a fresh process may not do in its own namespace what it asked for.
Cause WhyNotPrivileged(int error);

// The same for calls that nothing but a filter or an old kernel refuses.
Cause WhyForbidden(int error);

// Why a fresh procfs or sysfs can't be mounted at `target`: the kernel refuses
// where the visible one is partly covered (mount_too_revealing() in the
// kernel's fs/namespace.c), and the covers are named.
Cause WhyNotRevealed(const std::string& target, int error);

// The error of a system call, errno, with what the host's settings say about
// it. `verb` is a Failure's: "fork".
absl::Status HostError(absl::string_view verb);

}  // namespace encapsulate

#endif  // ENCAPSULATE_HOST_CAUSES_H_
