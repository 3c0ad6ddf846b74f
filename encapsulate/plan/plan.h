// SPDX-License-Identifier: Apache-2.0
//
// What a sandbox will be, worked out in the caller: paths resolved, sorted and
// checked, numbers and strings ready for system calls. The child only carries
// it out. Plain data; reading it takes no lock and no heap.
#ifndef ENCAPSULATE_PLAN_PLAN_H_
#define ENCAPSULATE_PLAN_PLAN_H_

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "encapsulate/kernel/file_identity.h"
#include "encapsulate/options.h"
#include "encapsulate/plan/seccomp_filter.h"

namespace encapsulate {

enum class PlaceKind : uint8_t {
  // The caller's.
  kWritable,
  kTmpfs,
  kOverlay,
  kHidden,
  kShown,
  // Every sandbox's.
  kDev,     // a fresh directory that holds the places below
  kDevice,  // one of the host's device nodes
  kDevPts,
  kShm,
  kMqueue,
  kProc,
  kSys,
  kCgroup,
  kGenerated,  // a file of our own, /etc/hosts for example
};

// Something that is mounted over the read-only view.
struct Place {
  PlaceKind kind;
  std::string target;  // absolute, no symbolic links
  std::string given;   // as the caller wrote it, for messages
  bool directory = true;
  bool make_point = false;  // target lies in a fresh place: make it first
  bool seal = false;        // read-only once everything inside it is mounted
  bool devices = false;     // device nodes in it work
  uint64_t size = 0;        // kTmpfs; 0 is the kernel's default
  std::string source;       // kDevice: the host's node; kGenerated: content;
                            // kOverlay: the mount options
  FileIdentity identity;    // of target, when the plan was made
  int tree = -1;            // in the child: the clone to attach, of a writable
                            // or shown tree, or an overlay in a fresh place
  int lower = -1;           // in the child: the directory below an overlay
};

// A descriptor through which a file could be changed although it was opened
// for reading only; it is replaced by one that went through the view.
struct Input {
  int fd;
  std::string path;
  // In the child, -1 until then: duplicates of the descriptor as it was and as
  // it is now, to bring the caller's file offset up to date at the end.
  int original = -1;
  int reopened = -1;
};

struct ResourceLimit {
  int resource;  // RLIMIT_...
  uint64_t soft;
  uint64_t hard;
};

// The RLIMIT_CORE that no core file comes from. With 0, the kernel would still
// start the program that core_pattern may name, outside of any sandbox; with 1,
// which that program's own crashes are marked by, it doesn't (core(5)).
inline constexpr uint64_t kNoCore = 1;

struct Plan {
  // What isolates; not kBest.
  Isolation isolation = Isolation::kNamespaces;
  uint64_t namespaces = 0;  // CLONE_NEW... of all

  // Without namespaces: directories that everybody uses, in which the
  // supervisor makes files for the command (supervisor.h), and ...
  std::vector<std::string> shared;
  // ... what init removes if the caller is killed: a directory of this
  // sandbox's, and what a file names (ledger.h), which is the caller's
  // descriptor.
  std::string scratch;
  int ledger = -1;
  // Level landlock: the ABI, and the caller's descriptors of the rulesets that
  // init and the command enter; -1 for none.
  int landlock_abi = 0;
  int outer_domain = -1;
  int inner_domain = -1;

  // user_namespaces(7). The caller writes the maps if it may map more than
  // itself; else the child does.
  bool map_from_outside = false;
  bool wait_for_go = false;  // the caller has something to do first
  std::string uid_map;
  std::string gid_map;

  std::string hostname;  // empty: keep

  bool root_writable = false;  // "/" is among the writable trees
  std::vector<Place> places;   // outer before inner
  // Whether the host's sockets are masked, and below which paths they aren't.
  // The caller looks for them while the child is at work.
  bool mask_sockets = false;
  std::vector<std::string> unmasked;
  // Trees of the host in those, in which they are masked all the same.
  std::vector<std::string> masked;
  std::vector<std::string> make_directories;
  bool forbid_cgroups = false;  // the caller's cgroup could be changed
  bool protect_proc = false;    // its owner could write kernel settings
  bool host_sys = false;        // /sys stays the host's, read-only

  Network network = Network::kLoopback;
  // Whether the caller answers questions for names, see name_server.h.
  bool name_server = false;

  std::vector<Input> inputs;
  std::vector<int> keep_descriptors;  // sorted, the open ones of 0-2 included
  std::string directory;
  std::string directory_given;  // empty if it is the caller's

  // Enter(): the program that the caller executes, if the child has to be moved
  // to another mount of it, see executable.h.
  std::string executable;
  int executable_file = -1;       // in the child: that file through the view
  bool must_move = false;         // and it is an error if that can't be done
  bool private_mappings = false;  // Enter(): see SharedMappings

  std::vector<ResourceLimit> limits;
  // Not among `limits`, because it has to be set before system calls are
  // filtered.
  uint64_t core_limit = kNoCore;
  // Made by the caller, once for all sandboxes. With a monitor, the command
  // gets the second one instead. Null at level process.
  const FilterProgram* filter = nullptr;
  // A monitor around this sandbox watches: see outer_monitor.h. Then the filter
  // leaves to the outer one what that one hands over, and `hello` is what to
  // ask whether it is there.
  bool watched_outside = false;
  std::string hello;
  const FilterProgram* watching_filter = nullptr;  // null: nobody watches
  absl::optional<mode_t> umask;
  int64_t timeout_nanoseconds = 0;  // 0: none
  int64_t grace_nanoseconds = 0;

  bool foreground = false;
  // The command stays in the caller's session, whose terminal it needs.
  bool shares_session = false;
  int terminal = -1;           // a descriptor (0-2) of the caller's terminal
  bool owns_terminal = false;  // and the command gets it from the start
  sigset_t signal_mask = {};   // what the command starts with
  bool list_overlay_changes = false;

  // Enter(): the sandbox may be used again, see SandboxPool.
  bool reusable = false;

  bool replace_environment = false;  // Enter(): by `strings`
  // The command; empty for Enter().
  std::string command;                   // as given
  std::vector<std::string> executables;  // paths to try, in order
  std::vector<const char*> argv;         // null-terminated
  std::vector<const char*> shell_argv;   // /bin/sh PATH args: execvp's ENOEXEC
  std::vector<const char*> envp;         // null-terminated
  std::vector<std::string> strings;      // what argv and envp point into
};

inline bool HasNamespaces(const Plan& plan) {
  return plan.isolation == Isolation::kNamespaces;
}

// What is done with a place, for messages: "overlay", "mount a private".
const char* VerbFor(PlaceKind kind);

// Works out the plan, or says what is wrong with the options. `command` is
// null for Enter(). The plan must not be moved or copied afterwards: argv
// points into it.
absl::Status MakePlan(const Options& options,
                      const std::vector<std::string>* command, Plan* plan);

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_PLAN_H_
