// SPDX-License-Identifier: Apache-2.0

#include "tests/places/places.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "tests/places/call_filter.h"
#include "tests/places/prepare.h"
#include "tests/places/seccomp_profile.h"

namespace encapsulate::places {
namespace {

constexpr char kProfile[] =
#include "tests/places/namespaces_profile.inc"
    ;

// The same in every architecture; older headers lack them.
constexpr long kLandlockCreateRuleset = 444;
constexpr long kLandlockRestrictSelf = 446;

constexpr uint32_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                 CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                 CLONE_NEWNET;

// What Docker leaves to the root of a container.
constexpr int kContainerCapabilities[] = {
    CAP_CHOWN,   CAP_DAC_OVERRIDE,     CAP_FOWNER, CAP_FSETID,
    CAP_KILL,    CAP_SETGID,           CAP_SETUID, CAP_SETPCAP,
    CAP_NET_RAW, CAP_NET_BIND_SERVICE, CAP_MKNOD,  CAP_SYS_CHROOT,
    CAP_SETFCAP, CAP_AUDIT_WRITE};

void Load(CallFilter filter) {
  errno = filter.Load();
  MustWork(errno == 0 ? 0 : -1, "a filter of system calls");
}

SeccompProfile ReadProfile(absl::string_view text) {
  SeccompProfile profile;
  std::string error;
  if (!profile.Read(text, &error)) {
    errno = EINVAL;
    MustWork(-1, error.c_str());
  }
  return profile;
}

void KeepContainerCapabilities() {
  uint64_t kept = 0;
  for (int capability : kContainerCapabilities) kept |= 1ULL << capability;
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
       ++capability) {
    // A user may not, and has none.
    if ((kept >> capability & 1) == 0) {
      prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
  }
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  MustWork(syscall(SYS_capget, &header, data), "capget");
  for (int half = 0; half < 2; ++half) {
    const auto mask = static_cast<uint32_t>(kept >> (32 * half));
    data[half].permitted &= mask;
    data[half].effective = data[half].permitted;
    data[half].inheritable = 0;
  }
  MustWork(syscall(SYS_capset, &header, data), "capset");
}

void EnterDocker() {
  SeccompProfile profile = ReadProfile(kProfile);
  for (const char* name : {"unshare", "setns", "mount", "umount2", "pivot_root",
                           "mount_setattr", "open_tree", "move_mount", "fsopen",
                           "fsconfig", "fsmount", "fspick", "sethostname"}) {
    errno = EINVAL;
    MustWork(profile.Forbid(name) ? 0 : -1, name);
  }
  Load(CallFilter()
           .FailIf(SYS_clone, 0, CallFilter::Is::kWithAnyOf, kNamespaces, EPERM)
           .Fail({SYS_clone3}, ENOSYS));
  Load(profile.Filter());
  KeepContainerCapabilities();
}

// All that asks for a capability in the namespace.
void EnterAppArmor() {
  BecomeHost();
  ShowSetting("apparmor_restrict_unprivileged_userns", "1");
  DropCapabilities();
  CallFilter filter;
  for (const char* name :
       {"mount", "umount2", "pivot_root", "mount_setattr", "open_tree",
        "move_mount", "fsopen", "fsmount", "fspick", "setns", "sethostname"}) {
    const long number = CallNumber(name);
    if (number >= 0) filter.Fail({number}, EPERM);
  }
  Load(filter);
}

}  // namespace

std::vector<Place> AllPlaces() {
  return {Place::kNoLandlock, Place::kLandlockOff, Place::kNoUserNamespaces,
          Place::kAppArmor,   Place::kDocker,      Place::kDockerWithProfile,
          Place::kNoListener};
}

const char* PlaceName(Place place) {
  switch (place) {
    case Place::kNoLandlock:
      return "no-landlock";
    case Place::kLandlockOff:
      return "landlock-off";
    case Place::kNoUserNamespaces:
      return "no-user-namespaces";
    case Place::kAppArmor:
      return "apparmor";
    case Place::kDocker:
      return "docker";
    case Place::kDockerWithProfile:
      return "docker-with-profile";
    case Place::kNoListener:
      break;
  }
  return "no-listener";
}

absl::optional<Place> PlaceOfName(absl::string_view name) {
  for (Place place : AllPlaces()) {
    if (name == PlaceName(place)) return place;
  }
  return absl::nullopt;
}

absl::string_view NamespacesProfile() { return kProfile; }

void EnterContainer(absl::string_view profile) {
  Load(ReadProfile(profile).Filter());
  KeepContainerCapabilities();
}

void EnterPlace(Place place) {
  switch (place) {
    case Place::kNoLandlock:
      Load(CallFilter().Fail({kLandlockCreateRuleset, kLandlockRestrictSelf},
                             ENOSYS));
      return;
    case Place::kLandlockOff:
      Load(CallFilter().Fail({kLandlockCreateRuleset, kLandlockRestrictSelf},
                             EOPNOTSUPP));
      return;
    case Place::kNoUserNamespaces:
      BecomeHost();
      WriteFile("/proc/sys/user/max_user_namespaces", "0");
      DropCapabilities();
      return;
    case Place::kAppArmor:
      EnterAppArmor();
      return;
    case Place::kDocker:
      EnterDocker();
      return;
    case Place::kDockerWithProfile:
      EnterContainer(kProfile);
      return;
    case Place::kNoListener:
      Load(CallFilter().FailIf(SYS_seccomp, 1, CallFilter::Is::kWithAnyOf,
                               SECCOMP_FILTER_FLAG_NEW_LISTENER, EINVAL));
      return;
  }
}

}  // namespace encapsulate::places
