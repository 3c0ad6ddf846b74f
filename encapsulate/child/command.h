// SPDX-License-Identifier: Apache-2.0
//
// Starts the command: what its process does between clone(2) and execve(2).
#ifndef ENCAPSULATE_CHILD_COMMAND_H_
#define ENCAPSULATE_CHILD_COMMAND_H_

#include <signal.h>
#include <sys/types.h>

#include "encapsulate/child/setup.h"

namespace encapsulate {

// What init has changed for itself, and the command gets back.
struct Inherited {
  mode_t umask;
  struct sigaction child_action;  // of SIGCHLD
  int terminal;  // the caller's, -1: none, or not for a foreground job
};

// Returns the pid of a process that executes the plan's command. Shares init's
// memory until then. Fails as a step of `setup` does.
pid_t StartCommand(Setup& setup, const Inherited& inherited);

}  // namespace encapsulate

#endif  // ENCAPSULATE_CHILD_COMMAND_H_
