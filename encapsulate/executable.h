// SPDX-License-Identifier: Apache-2.0
//
// Keeps the file that this process executes out of its children's reach.
//
// A forked child inherits its parent's executable: the kernel's mm->exe_file
// and the mappings of the program refer to the mount that it was executed
// through, whatever mount namespace the child enters. /proc/self/exe leads
// there, and so does /proc/PID/exe for programs that the child executes: the
// owner of the file could change its mode, owner, times, attributes and flags
// on the host.
//
// So the process is moved to a read-only mount of the same file. Every mapping
// of it is made anew through that mount, and PR_SET_MM_MAP (prctl(2)) then lets
// mm->exe_file follow. The text of /proc/self/exe and the lines of
// /proc/self/maps stay what they were.
#ifndef ENCAPSULATE_EXECUTABLE_H_
#define ENCAPSULATE_EXECUTABLE_H_

#include "encapsulate/host/exposed_executable.h"  // ExecutableIsExposed()

namespace encapsulate {

// Moves this process, once for all its children, which then cost nothing. Needs
// a process with one thread. If it fails, Enter() moves each child instead,
// which takes some tenths of a millisecond. True if nothing is exposed.
//
// The mount belongs to no mount namespace; a mapping of one page, which is
// called "/.encapsulate" in /proc/self/maps, keeps it.
bool ProtectExecutable();

}  // namespace encapsulate

#endif  // ENCAPSULATE_EXECUTABLE_H_
