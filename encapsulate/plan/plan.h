// SPDX-License-Identifier: Apache-2.0
//
// What a sandbox will be, worked out in the caller: paths resolved, sorted and
// checked, numbers and strings ready for system calls. The child only carries
// it out, see child_plan.h.
#ifndef ENCAPSULATE_PLAN_PLAN_H_
#define ENCAPSULATE_PLAN_PLAN_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "encapsulate/base/lookups.h"
#include "encapsulate/kernel/file_identity.h"
#include "encapsulate/options.h"
#include "encapsulate/plan/child_plan.h"

namespace encapsulate {

// Something that is mounted over the read-only view.
struct Place : PlaceValues {
  std::string target;     // absolute, no symbolic links
  std::string given;      // as the caller wrote it, for messages
  std::string source;     // kDevice: the host's node; kGenerated: content;
                          // kOverlay: the mount options
  FileIdentity identity;  // of target, when the plan was made
};

// A descriptor through which a file could be changed although it was opened
// for reading only; it is replaced by one that went through the view.
struct Input {
  int fd;
  std::string path;
};

// Its numbers are PlanValues.
struct Plan : PlanValues {
  // Without namespaces: directories that everybody uses, in which the
  // supervisor makes files for the command (supervisor.h), and ...
  std::vector<std::string> shared;
  // ... what init removes if the caller is killed: a directory of this
  // sandbox's. PlanValues::ledger has the others.
  std::string scratch;

  std::string uid_map;
  std::string gid_map;

  std::string hostname;  // empty: keep

  std::vector<Place> places;          // outer before inner
  std::vector<std::string> unmasked;  // below these, no socket is masked
  // Trees of the host in those, in which they are masked all the same.
  std::vector<std::string> masked;
  std::vector<std::string> make_directories;

  std::vector<Input> inputs;
  std::vector<int> keep_descriptors;  // sorted, the open ones of 0-2 included
  std::string directory;
  std::string directory_given;  // empty if it is the caller's

  // Enter(): the program that the caller executes, if the child has to be moved
  // to another mount of it, see executable.h.
  std::string executable;

  std::vector<ResourceLimit> limits;
  std::string hello;  // what to ask whether the monitor outside is there
  absl::optional<mode_t> umask;

  // The command; empty for Enter().
  std::string command;                   // as given
  std::vector<std::string> executables;  // paths to try, in order
  std::vector<const char*> argv;         // null-terminated
  std::vector<const char*> shell_argv;   // /bin/sh PATH args: execvp's ENOEXEC
  std::vector<const char*> envp;         // null-terminated
  std::vector<std::string> strings;      // what argv and envp point into
};

// What is done with a place, for messages: "overlay", "mount a private".
const char* VerbFor(PlaceKind kind);

// Works out the plan, or says what is wrong with the options. `command` is
// null for Enter(). The plan must not be moved or copied afterwards: argv
// points into it.
//
// What it depends on goes to `seen`: the plan would be the same for as long as
// that is the same, and the mount table, and all that CallerState reads
// (launch/caller_state.h). Of a plan that may be used again only (see
// WhyNotReusable()): what overlays, inputs and a terminal's job depend on isn't
// in it.
absl::Status MakePlan(const Options& options,
                      const std::vector<std::string>* command, Plan* plan,
                      Lookups* seen = nullptr);

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_PLAN_H_
