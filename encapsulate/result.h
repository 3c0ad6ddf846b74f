// SPDX-License-Identifier: Apache-2.0
//
// How a sandboxed command ended, and why a sandbox could not be made.
//
// One law: a non-OK status from Spawn(), Run() or Enter() means that the
// command never ran. Whatever the command did, dying included, is a Result.
#ifndef ENCAPSULATE_RESULT_H_
#define ENCAPSULATE_RESULT_H_

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "encapsulate/failure.h"
#include "encapsulate/inputs.h"
#include "encapsulate/isolation.h"
#include "encapsulate/violations.h"

namespace encapsulate {

// How a command ended.
enum class Outcome {
  kExited,    // Result::exit_code
  kSignaled,  // Result::signal
  kTimedOut,  // Limits::timeout passed; exit_code or signal say how it ended
  // The command ran, and how it ended, or all that it left, can't be known:
  // init was killed from outside, or couldn't look at something at the end.
  // Result::lost says which. What else the Result holds may not be whole.
  kLost,
};

// A limit that ended the command or was run into while it ran. kCpuTime and
// kFileSize are those that ended the command itself, by SIGXCPU and SIGXFSZ, or
// by the SIGKILL that follows SIGXCPU (which isn't told of a child of Enter()).
// kMemory and kProcesses are known by a cgroup: RLIMIT_NPROC doesn't tell.
enum class LimitHit { kCpuTime, kFileSize, kMemory, kProcesses };

// A process that was still there when the command had ended, and was killed.
struct Leftover {
  pid_t pid;            // inside the sandbox
  std::string name;     // as in /proc/PID/comm
  std::string command;  // its arguments, joined by spaces; may be empty
};

// Something that an overlay caught.
struct OverlayChange {
  // What happened to the file or directory.
  enum class Kind {
    kWritten,  // a file's data or attributes, or it is new
    kMadeDirectory,
    kDeleted,
    // A directory that was there has another mode, owner, ACL or extended
    // attribute; of the overlay's own directory, another mode. Its times change
    // with what is in it, and don't count.
    kChangedDirectory,
  };
  Kind kind;         // what happened
  std::string path;  // absolute, as seen inside
};

// How a command ended, what it used, and what it tried.
struct Result {
  Outcome outcome = Outcome::kExited;  // by itself, by a signal, or by timeout
  int exit_code = 0;                   // 0 unless it exited; -1 if it is lost
  int signal = 0;                      // 0 unless a signal ended the command
  // Why the command is lost, as a status would say it: "cannot ...".
  std::string lost;
  std::vector<LimitHit> limits_hit;  // each once
  // From the start of the set-up in the sandbox to the command's end.
  absl::Duration wall_time;
  // Of every process that the sandbox's init reaped, the command included.
  struct rusage usage = {};
  // Processes that were still there at the command's end.
  std::vector<Leftover> leftovers;
  // Beyond the first 64, leftovers are only counted.
  int leftover_count = 0;
  std::vector<OverlayChange> overlay_changes;  // sorted by path
  // What was attempted, if Options::violations is on; not symbolized.
  ViolationRecord record;

  // What was read, if Options::inputs is on.
  InputRecord inputs;

  // What isolated the command: not Isolation::kBest.
  Isolation isolation = Isolation::kNamespaces;
  // Without namespaces: the names, sorted, of what the command left in
  // directories that everybody uses (/tmp), and was removed.
  std::vector<std::string> temporary_files;

  // Sockets of the host that may be there and weren't masked, because a mount
  // on the way to them (NFS, FUSE) didn't answer within two seconds. Connecting
  // to one would succeed should it answer again.
  std::vector<std::string> unknown_sockets;

  // Whether Options::violations was Violations::kEnforce.
  bool enforced = false;

  // Whether something was attempted, or may have been, that no exception is
  // about.
  bool violated() const {
    return !record.violations.empty() || record.beyond > 0 || record.unseen > 0;
  }

  // Whether the command exited with 0 and, with Violations::kEnforce, nothing
  // was violated. Leftovers don't count.
  bool ok() const {
    return outcome == Outcome::kExited && exit_code == 0 &&
           !(enforced && violated());
  }
};

// The names used in reports: "exited", "signaled", "timed-out", "lost".
const char* OutcomeName(Outcome outcome);
// "cpu-time", "file-size", "memory", "processes".
const char* LimitName(LimitHit limit);
// "SIGSEGV"; "SIGRTMIN+3"; "signal 0" for what isn't one.
std::string SignalName(int signal);

}  // namespace encapsulate

#endif  // ENCAPSULATE_RESULT_H_
