// SPDX-License-Identifier: Apache-2.0
//
// The fresh places of a sandbox: each tmpfs of its own (PlaceKind::kTmpfs and
// kShm), with the mount points and directories that the plan has made in it.
//
// In a sandbox that may be used again they are mounted after everything else,
// so that they can be taken away, and mounted anew, when a child has changed
// something in them. The new ones have the same options, owners, modes, inode
// numbers and places in the mount table as the first ones. The kernel gives
// them other numbers of devices and of mounts, as it does in each sandbox, and
// by these and by their times they are younger than the rest of the view.
#ifndef ENCAPSULATE_CHILD_FRESH_PLACES_H_
#define ENCAPSULATE_CHILD_FRESH_PLACES_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "encapsulate/child/message.h"
#include "encapsulate/plan/child_plan.h"

namespace encapsulate {

// The step that failed, and its index, as in Setup::Fail(); errno says why.
struct StepFailure {
  Step step;
  int index;
};

inline bool IsFresh(PlaceKind kind) {
  return kind == PlaceKind::kTmpfs || kind == PlaceKind::kShm;
}

// Whether `path` is or lies in a fresh place.
bool IsInFreshPlace(const ChildPlan& plan, const char* path);

// All of these return false, with errno.
// mkdir -p of everything above `path`; what exists already is fine.
bool MakeParents(const char* path);
// What the place is to be mounted on.
bool MakePoint(const ChildPlace& place);
bool MountFresh(const ChildPlace& place);
bool MakeDirectories(const ChildPlan& plan, StepFailure* failure);

class FreshPlaces {
 public:
  static constexpr size_t kMost = 8;

  explicit FreshPlaces(const ChildPlan& plan);

  // Whether they are mounted by Mount(), and can be renewed: the sandbox may be
  // used again, and nothing but other fresh places is mounted in them.
  bool can_renew() const { return can_renew_; }

  // Whether the place's mount point is in another fresh place.
  bool HoldPoint(const ChildPlace& place) const { return Outer(place) >= 0; }

  // Mounts them in the finished view, and makes what belongs in them.
  bool Mount(StepFailure* failure) const;

  // Reads the mount table back, by a file that is open on it. False, with
  // errno, if they aren't what Mount() has mounted, or aren't the last.
  // `point` is set to the one that isn't.
  bool Note(int mount_table, const char** point);

  // Mounts others in their place. Nobody else may be inside, and this process
  // has nothing open in them; its working directory becomes the root. False if
  // the mount table isn't as it was noted then; somebody has changed it who
  // isn't this process if `mount_table` polls readable afterwards.
  bool Renew(int mount_table);

  // Writes the device numbers of their filesystems, as many as there are.
  void WriteDevices(Message* message) const;

 private:
  // What the mount table holds: a hash of all that isn't fresh, and one of what
  // must be the same in those that are.
  struct Table {
    uint64_t others = 0;
    uint64_t fresh = 0;
    dev_t devices[kMost] = {};
    const char* wrong = nullptr;
  };
  bool Read(int mount_table, Table* table) const;
  // The number of the innermost one around `place`, or -1.
  int Outer(const ChildPlace& place) const;

  const ChildPlan& plan_;
  const ChildPlace* places_[kMost] = {};  // outer before inner
  size_t count_ = 0;
  bool can_renew_ = false;
  Table noted_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_CHILD_FRESH_PLACES_H_
