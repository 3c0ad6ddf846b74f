// SPDX-License-Identifier: Apache-2.0
//
// Whether a sandbox is as it was before somebody ran in it, so that somebody
// else may: what init looks at. Nobody is inside then.
//
// Calls that change something are not looked for here: the filter reports them
// before they are made (OpenCalls::kReport), and a sandbox in which one was
// made isn't used again, or has its fresh places renewed if that is all that it
// can have changed. What is left is what is done by being there and by
// reading: processes and their numbers, times of access, and what procfs makes
// up when it is asked for. Most of what else is compared can't have changed
// without a report; it is compared all the same.
//
// Not covered: statx(2) says of an entry in /sys when somebody first looked it
// up since the kernel last dropped it, and only the host's root can have that
// dropped. And how old the sandbox is, by the times of /proc/self and of the
// directories of /tmp: one that was made ahead of need is old as well. Of fresh
// places that were renewed, that they are younger than the rest of it.
#ifndef ENCAPSULATE_CHILD_REUSE_CHECK_H_
#define ENCAPSULATE_CHILD_REUSE_CHECK_H_

#include <fcntl.h>
#include <linux/stat.h>

#include <cstddef>
#include <cstdint>

#include "encapsulate/child/fresh_places.h"
#include "encapsulate/child/message.h"
#include "encapsulate/plan/child_plan.h"

namespace encapsulate {

class ReuseCheck {
 public:
  // The capabilities that it takes, which init keeps: of the sandbox's own user
  // namespace.
  static uint64_t Capabilities();

  // Both outlive it.
  ReuseCheck(const ChildPlan& plan, FreshPlaces* fresh)
      : plan_(plan), fresh_(*fresh) {}

  // Opens what the check looks through. Called in the finished view, with every
  // capability.
  void Open();

  // Notes how the sandbox is, when all that belongs to it is there. Returns why
  // it can't be compared later, or kNone.
  Trace Note();

  // What is different now; kNone if a process that starts now finds what the
  // first one found, its number included. With `renew`, fresh places are
  // renewed, whatever is in them.
  Trace Look(bool renew);

  // The directory /proc of a procfs that nobody else has, in which no process
  // is hidden; -1 if there is none.
  int proc() const { return proc_; }

 private:
  // What has times of its own, and can be read.
  struct Watched {
    int fd = -1;
    struct statx noted = {};
    uint64_t files = 0;
    uint64_t blocks = 0;
  };
  static constexpr size_t kMostWatched = 48;

  void Watch(const char* path, int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  void WatchFresh();
  void WatchParents(const char* path);
  // Those from `first` on. False if their times can't be set, or looked at.
  bool NoteWatched(size_t first);
  static bool Read(const Watched& watched, Watched* now);
  static bool AreAlike(const Watched& one, const Watched& other);
  bool IsAsNoted(const Watched& watched) const;
  bool MayHaveChangedProc();
  bool Renew();
  static bool MayWriteIn(int parent, const char* name, int levels);
  bool AreProcessesGone() const;
  int64_t CountSockets() const;

  const ChildPlan& plan_;
  FreshPlaces& fresh_;
  Trace obstacle_ = Trace::kNone;
  int proc_ = -1;
  int last_pid_ = -1;
  int mounts_ = -1;
  int sockets_ = -1;
  int projects_ = -1;
  int procfs_ = -1;  // the sandbox's, by which the kernel is told to drop
                     // what it holds ready of it
  int64_t most_sockets_ = 0;
  Watched watched_[kMostWatched];
  size_t count_ = 0;
  size_t first_fresh_ = 0;  // those from there on are in fresh places
  bool sealed_ = false;     // nobody may write to the network's files
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_CHILD_REUSE_CHECK_H_
