// SPDX-License-Identifier: Apache-2.0
//
// For code that runs in a sandbox of this library inside another one.
//
// The kernel has one watcher for all processes below a filter that has one
// (seccomp(2), EBUSY). Where the sandbox around this process has
// Options::violations on, it therefore watches for those inside as well:
// ViolationRecord::watched_outside. What only code inside knows, it can tell:
//
//   if (encapsulate::IsWatchedOutside()) {
//     encapsulate::NameTestOutside("StoreTest.Saves");
//   }
//
// Each function makes one system call and may be called from any thread, but
// for NameTestOutside(), which is the main thread's. What is told counts for
// the processes of the caller's PID namespace, and only while the calling
// process lives. Where that namespace is the one of the sandbox around (at
// level process, isolation.h), it counts for the calling process and those that
// descend from it. Without a watcher nothing happens.
#ifndef ENCAPSULATE_WATCHED_OUTSIDE_H_
#define ENCAPSULATE_WATCHED_OUTSIDE_H_

#include <cstdint>
#include <string>

#include "encapsulate/violations.h"

namespace encapsulate {

// Whether a sandbox of this build of the library is around this process and
// watches. It stays so for as long as the process lives.
bool IsWatchedOutside();

// Attempts from here on are those of the test `name`: Violation::test. False if
// nobody takes note.
bool NameTestOutside(const std::string& name);

// Process::BeginExpected() and EndExpected() for the one that watches. `number`
// is the caller's choice, another one for each. False if nobody takes note.
bool BeginExpectedOutside(int64_t number, Rule rule, const std::string& target);
// How many attempts there were.
int EndExpectedOutside(int64_t number);

}  // namespace encapsulate

#endif  // ENCAPSULATE_WATCHED_OUTSIDE_H_
