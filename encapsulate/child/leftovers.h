// SPDX-License-Identifier: Apache-2.0
//
// What runs inside beside the command. For init: no heap, no locks.
#ifndef ENCAPSULATE_CHILD_LEFTOVERS_H_
#define ENCAPSULATE_CHILD_LEFTOVERS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "encapsulate/child/message.h"

namespace encapsulate {

// Sends kLeftover on `control` for the first of the processes that are left
// when `command` has ended, and returns how many there are. Who is exiting, or
// is about to because of a fatal signal, isn't left. `proc` is the directory
// /proc, open for reading. -1, with errno, if that can't be known.
// With an `ancestor`, only who descends from it counts.
int ReportLeftovers(int proc, pid_t command, pid_t ancestor, int control);

// The same, told to `add` with `argument`.
int FindLeftovers(int proc, pid_t command, pid_t ancestor,
                  void (*add)(const Message& message, void* argument),
                  void* argument);

// Calls `act` for every process that descends from `ancestor`, as far as the
// directory /proc shows while it is read.
void ForEachBelow(int proc, pid_t ancestor, void (*act)(pid_t pid, int signal),
                  int signal);

// Reads a file below `directory` to the end of the buffer at most, and ends it
// with '\0'. -1, with errno, if it can't be read.
ssize_t ReadFileAt(int directory, const char* path, char* buffer, size_t size);

// The processor time that a process has used, in seconds, rounded down; 0 if it
// isn't known.
uint64_t CpuTime(int proc, pid_t pid);

}  // namespace encapsulate

#endif  // ENCAPSULATE_CHILD_LEFTOVERS_H_
