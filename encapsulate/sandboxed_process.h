// SPDX-License-Identifier: Apache-2.0
//
// What Process::Processes() says of the processes in a sandbox.
#ifndef ENCAPSULATE_SANDBOXED_PROCESS_H_
#define ENCAPSULATE_SANDBOXED_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "encapsulate/violations.h"

namespace encapsulate {

// A thread inside, and where it stands.
struct SandboxedThread {
  pid_t tid = 0;         // inside the sandbox
  std::string name;      // as in /proc/PID/comm
  char state = '\0';     // as in proc_pid_stat(5): 'R' runs, 'S' waits
  std::string waits_in;  // "wait4", "read of /dev/null (descriptor 0)", or ""
  // Innermost first; not symbolized. Empty where it can't be had: the thread
  // doesn't stop, or is being traced.
  std::vector<Frame> stack;
};

// A process inside.
struct SandboxedProcess {
  pid_t pid = 0;  // inside the sandbox
  // 0: a process outside, for the child of Enter().
  pid_t parent = 0;
  std::string command;  // its arguments, joined by spaces; may be empty
  std::vector<SandboxedThread> threads;  // the first one has its name
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_SANDBOXED_PROCESS_H_
