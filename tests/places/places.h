// SPDX-License-Identifier: Apache-2.0
//
// Places that forbid what sandboxes are made of, for tests: what a process
// finds there is what it would find in such a container or on such a host, as
// far as sandboxes care.
//
//   InFork([] {
//     EnterPlace(Place::kDocker);
//     EXPECT_EQ(unshare(CLONE_NEWUSER), -1);
//   });
//
// tests/places/place.cc runs a command in one.
#ifndef TESTS_PLACES_PLACES_H_
#define TESTS_PLACES_PLACES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace encapsulate::places {

enum class Place {
  // A kernel without Landlock, and one that has it turned off.
  kNoLandlock,
  kLandlockOff,
  // User namespaces turned off by a limit.
  kNoUserNamespaces,
  // User namespaces that give no capability, as AppArmor restricts them on
  // Ubuntu.
  kAppArmor,
  // A container with the seccomp profile that Docker has by default and the
  // capabilities that it leaves to root. Its mounts are the host's.
  kDocker,
  // The same with docs/seccomp/encapsulate.json in place of that profile.
  kDockerWithProfile,
  // Filters can't have a listener, as in gVisor.
  kNoListener,
};

// In an order in which several of them can be entered.
std::vector<Place> AllPlaces();

// "docker"
const char* PlaceName(Place place);
absl::optional<Place> PlaceOfName(absl::string_view name);

// Moves this process there, for good. What fails ends it, see prepare.h.
void EnterPlace(Place place);

// docs/seccomp/encapsulate.json
absl::string_view NamespacesProfile();

// Enters kDockerWithProfile with another profile.
void EnterContainer(absl::string_view profile);

}  // namespace encapsulate::places

#endif  // TESTS_PLACES_PLACES_H_
