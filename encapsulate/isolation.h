// SPDX-License-Identifier: Apache-2.0
//
// Isolation levels, and what each of them keeps.
//
//   for (const Promise& promise : Promises()) {
//     if (HowKept(promise, Isolation::kLandlock, abi) != Kept::kWall) ...
//   }
//
// This table is the only one: the documentation's, the messages' and the tests'
// are made from it. Plain data, without any system call; safe in every thread,
// and in a forked child.
#ifndef ENCAPSULATE_ISOLATION_H_
#define ENCAPSULATE_ISOLATION_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace encapsulate {

// What isolates. A weaker level is used only where it is asked for by its name.
enum class Isolation {
  // Namespaces and mounts. The only level that is a security boundary.
  kNamespaces,
  // Landlock (Linux 5.13) and a supervisor that performs calls, for places that
  // forbid namespaces, such as containers.
  kLandlock,
  // A process of its own that is watched and cleaned up after. Nothing keeps
  // code inside from reaching out.
  kProcess,
  // The strongest of these that the host grants.
  kBest,
};

// "namespaces", "landlock", "process", "best": as in flags and messages.
const char* IsolationName(Isolation level);
// The level of such a name; nullopt if there is none.
absl::optional<Isolation> IsolationOfName(absl::string_view name);
// Those that isolate, the strongest first; kBest isn't one.
std::vector<Isolation> AllIsolations();

// How far a level keeps a promise.
enum class Kept {
  kWall,        // whatever the code does
  kHonestCode,  // unless the code means to get around it
  kNo,          // not at all
};

// "wall", "honest code", "no"
const char* KeptName(Kept kept);

// One thing that code inside can't do, or that it finds.
struct Promise {
  // A few words, for lists in messages: "own ports".
  const char* name;
  // What is promised, as a sentence.
  const char* sentence;
  Kept namespaces;
  Kept landlock;
  Kept process;
  // The ABI of Landlock from which level landlock keeps it so; 0 if every one
  // does.
  int landlock_abi = 0;
  // Below that ABI.
  Kept landlock_below = Kept::kNo;
};

// In the order of the documentation.
const std::vector<Promise>& Promises();

// How `level`, which isn't kBest, keeps the promise where Landlock has
// `landlock_abi`.
Kept HowKept(const Promise& promise, Isolation level, int landlock_abi);

// The names of the promises that `level` keeps in this way, separated by ", ";
// empty if there are none.
std::string NamesOf(Kept kept, Isolation level, int landlock_abi);

// The Linux that brought this ABI of Landlock: "6.12". Above the latest that is
// known it is that one's; 0 and less have none, "".
const char* LinuxOfLandlock(int landlock_abi);

}  // namespace encapsulate

#endif  // ENCAPSULATE_ISOLATION_H_
