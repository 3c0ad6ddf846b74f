// SPDX-License-Identifier: Apache-2.0
//
// Inputs: what sandboxed code read of the host, or asked for in vain.
//
//   encapsulate::Options options;
//   options.inputs = true;
//   absl::StatusOr<encapsulate::Result> result = Run(options, command);
//   if (!result.ok()) return;
//   for (const std::string& file : result->inputs.read) {
//     std::cerr << file << "\n";
//   }
//
// A test is hermetic if it reads nothing but what it declares. Here a system
// call that opens a file for reading, executes a program, lists a directory or
// reads a symbolic link waits until the caller, in Process::Handle(), has noted
// what it is about; then it goes on as it is. So nothing changes but the time
// that such calls take, and without Options::inputs nothing waits.
//
// It is a report, not a wall. A path is read out of the thread's memory before
// the kernel reads it again, so code that changes it in between is recorded for
// another file. docs/inputs.md says what else isn't seen: files that were open
// or mapped before, what the kernel opens itself (an interpreter, a loader),
// and whoever only asks whether a file is there (stat(2), access(2)).
//
// No inputs are files that the sandbox itself makes: fresh directories, and
// what the code has made or replaced, in writable trees, before it read it; nor
// the entries of /proc that are about processes.
//
// Needs Linux 5.5, as violations do (violations.h), and at level process that
// violations are watched as well: it has nobody else who watches.
#ifndef ENCAPSULATE_INPUTS_H_
#define ENCAPSULATE_INPUTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace encapsulate {

// Distinct paths that are kept of a run; more are only counted.
inline constexpr size_t kMaxInputs = 50000;

// What a run read. Each list is sorted and has every path once. Paths are
// absolute and without symbolic links, as seen inside. Where a link leads out
// of `directory`, they are as the code asked for them: so data that lies there
// by links, as Bazel's runfiles do, is told from the same file by its own path.
struct InputRecord {
  // In which the code started.
  std::string directory;
  // Files, devices and FIFOs that were opened for reading, or tried to be.
  std::vector<std::string> read;
  // Paths that were opened, executed or read as a link, and led to nothing.
  std::vector<std::string> absent;
  // Directories whose entries were read.
  std::vector<std::string> listed;
  // Symbolic links whose text was read.
  std::vector<std::string> links;
  // Programs that were executed, or tried to be.
  std::vector<std::string> executed;
  // Calls about other paths, once kMaxInputs were kept.
  uint64_t beyond = 0;
  // Calls that couldn't be looked at, see ViolationRecord::unseen. They went
  // on.
  uint64_t unseen = 0;
  // A sandbox of this library around this one watches, and the kernel has one
  // watcher only: nothing is recorded here.
  bool watched_outside = false;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_INPUTS_H_
