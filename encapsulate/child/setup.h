// SPDX-License-Identifier: Apache-2.0
//
// What runs between clone(2) and the command: the steps that turn a new child
// into a sandbox, in the child. Nothing here uses the heap, stdio or a lock,
// because the child may be a copy of one thread of a process with many.
//
// A step that fails sends a record of itself to the caller and ends the child,
// so the functions below return only when all is well.
#ifndef ENCAPSULATE_CHILD_SETUP_H_
#define ENCAPSULATE_CHILD_SETUP_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <ctime>

#include "encapsulate/child/message.h"
#include "encapsulate/plan/child_plan.h"

namespace encapsulate {

class FreshPlaces;

// The failure exit and the stop-watch of a child.
class Setup {
 public:
  Setup(const ChildPlan& plan, ChildNotes& notes, int control)
      : plan_(plan), notes_(notes), control_(control) {
    clock_gettime(CLOCK_MONOTONIC, &last_);
  }

  const ChildPlan& plan() const { return plan_; }
  ChildNotes& notes() const { return notes_; }
  int control() const { return control_; }

  // Sends the record {step, index, error, text} and exits.
  [[noreturn]] void Fail(Step step, int index = -1, int error = errno_now(),
                         const char* text = "") const;

  // Fails unless `result` is at least 0; hands it back.
  int Check(int result, Step step, int index = -1) const {
    if (result < 0) Fail(step, index);
    return result;
  }

  // Notes that `step` is done and how long it took since the last one.
  void Done(Step step);

  // Sends the times noted, as a message of `kind` with `number`.
  void Report(MessageKind kind, int number = 0);

 private:
  static int errno_now();

  const ChildPlan& plan_;
  ChildNotes& notes_;
  const int control_;
  struct timespec last_;
  uint32_t count_ = 0;
  StepRecord records_[32];
};

// mounts.cc: builds the filesystem view in this process's mount namespace and
// reads the mount table back. `mount_table` is this process's mountinfo, opened
// while the host's /proc was there. `stage` is set to a directory descriptor of
// the hidden tmpfs that holds overlays' upper directories. `fresh` are those of
// the same plan.
void BuildView(Setup& setup, int mount_table, int* stage, FreshPlaces* fresh);

// network.cc: in a network of its own, lets everybody use any port, and ping.
// Called while the sandbox's own /proc/sys can be written.
void ChangeNetworkSettings(Setup& setup);

// network.cc: brings loopback up, if the plan has it, and checks that no other
// interface is.
void SetUpNetwork(Setup& setup);

// privileges.cc: leaves the session keyring, drops every capability for good,
// and reads the result back. The bounding set, at two microseconds for each of
// some forty capabilities, keeps its own only if this process never `executes`
// anything. The capabilities in `kept` stay permitted, neither effective nor
// inheritable: no program that is executed has them.
void DropPrivileges(Setup& setup, bool executes, uint64_t kept = 0);

// Sets a limit of this process, or fails with errno. The caller's own hard
// limit binds anyway, and can't be raised: what is beyond it is taken for it.
int SetLimit(const ResourceLimit& limit);

// Makes capabilities effective that DropPrivileges() has kept.
void UseCapabilities(uint64_t kept);

// Filters system calls.
void FilterCalls(Setup& setup);

// Filters system calls with a monitor, who is told by `control`. False, with
// errno, if that fails. Takes the place of FilterCalls(): where one filter
// refuses, another can't hand the call to anybody.
bool WatchCalls(const ChildPlan& plan, int control);

// For the process that forks all the commands of a sandbox: filters its calls
// and theirs by the plan's watching filter, which has no handover, and returns
// the listener, or -1 with errno. `killable` as in SendListener().
int ListenToCalls(const ChildPlan& plan, bool* killable);

// inputs.cc: replaces descriptors opened for reading by ones that went through
// the read-only view. Called while nothing covers the host's paths yet.
void ReopenInputs(Setup& setup);

// inputs.cc: replaces descriptors of devices that are in the sandbox's /dev,
// such as /dev/null, by ones that were opened there: through the host's, root
// could change their modes for everybody. Called in the finished view.
void ReopenDevices(Setup& setup);

// guardian.cc: what init is where there are no namespaces. Has this process
// adopt the orphans of all that it starts.
void AdoptOrphans(Setup& setup);

// Enters the domain of a ruleset of the plan's; nothing if it is -1.
void EnterDomain(Setup& setup, int ruleset);

// Sends a signal to everybody inside but this process. What forks meanwhile is
// reached as well where Landlock keeps signals inside (ABI 6).
void SignalAll(const ChildPlan& plan, int proc, int signal);

// Kills everybody inside and waits until nobody is left.
void EndAll(const ChildPlan& plan, int proc);

// The caller is gone: ends everybody, removes what is left of the sandbox, and
// exits.
[[noreturn]] void EndForGood(const ChildPlan& plan, int proc);

// Such devices, opened before the calls that open them are filtered.
struct OpenedDevices {
  struct Device {
    dev_t device = 0;
    ino_t inode = 0;
    int flags = 0;  // of open(2)
    int file = -1;
  };
  static constexpr size_t kMost = 3;
  Device devices[kMost];
};
void OpenDevices(Setup& setup, OpenedDevices* opened);

// ReopenDevices(), which opens only what isn't among `opened`.
void ReopenDevices(Setup& setup, const OpenedDevices& opened);

// executable.cc: opens the program that the caller executes, if a child could
// change it, through the read-only view. Called as ReopenInputs() is.
void OpenExecutable(Setup& setup);

// Why a child goes on to execute the host's file.
struct MoveFailure {
  MoveStep step;
  int error;
};

// Has Enter()'s child execute the same file through the mount of the descriptor
// `file`, and checks that this is read-only. Takes a capability in the child's
// user namespace. Best called before the child has done much: pages that it has
// used have to be mapped once more.
bool MoveToView(int file, MoveFailure* failure);

// shared_mappings.cc: has Enter()'s child share no file of the host's with the
// caller by its memory, if the plan says so.
void MakeMappingsPrivate(Setup& setup);

// init.cc: all of it, in a process fresh from clone(2). `caller` is a pidfd of
// the caller, whose death ends the sandbox.
[[noreturn]] void RunInit(const ChildPlan& plan, ChildNotes& notes, int control,
                          int caller);

}  // namespace encapsulate

#endif  // ENCAPSULATE_CHILD_SETUP_H_
