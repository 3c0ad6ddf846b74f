// SPDX-License-Identifier: Apache-2.0
//
// Violations: attempts of sandboxed code to reach out, each with what it tried,
// what it saw and where from.
//
//   encapsulate::Options options;
//   options.violations = encapsulate::Violations::kEnforce;
//   options.allowed.push_back({encapsulate::Rule::kWrite, "/opt/cache/*",
//                              "the compiler's cache; it does without"});
//   absl::StatusOr<encapsulate::Result> result = Run(options, command);
//   if (!result.ok() || result->ok()) return;
//   encapsulate::Symbolize(&result->record.violations);
//   for (const encapsulate::Violation& violation : result->record.violations) {
//     std::cerr << violation.call << "(" << violation.arguments << ")\n";
//   }
//
// The sandbox denies the same things whether anybody watches or not; most
// sandboxes leave it at that, and code that ignores the error passes. Here
// the attempt is recorded: namespaces and mounts deny, and seccomp's
// user notification (seccomp_unotify(2)) is the monitor. A system call that may
// reach out is looked at before it runs, while its thread waits; if it aims
// outside and fails, it is a violation. Reading, and all that happens in
// writable places, never waits for anybody. With Network::kLoopback, a name
// server inside answers questions for names that aren't local with NXDOMAIN,
// and those are violations, too.
//
// No violation are calls that succeed, and those that fail for want of a file
// or because there is one (ENOENT, EEXIST, ENOTDIR, EISDIR): `mkdir -p /usr` is
// silent. A socket that isn't there is another matter: where nobody inside
// could have made it, connecting means one of the host's, and so it does where
// the host has one of that name behind a private directory or in its network.
// No violation is connect(2) of a datagram socket to port 0, by which resolvers
// ask for a route without sending anything.
//
// Needs Linux 5.5 (SECCOMP_USER_NOTIF_FLAG_CONTINUE); see HostCheck. On 5.19
// and later, signals don't interrupt a call that is being looked at.
// docs/violations.md says how it works and what isn't seen.
#ifndef ENCAPSULATE_VIOLATIONS_H_
#define ENCAPSULATE_VIOLATIONS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace encapsulate {

// What becomes of attempts to reach out. They fail in every mode.
enum class Violations {
  // Nobody watches, and nothing costs anything.
  kOff,
  // They are recorded in Result::record.
  kReport,
  // The same, and a run with violations has failed: Result::ok() is false. The
  // tool says so by its exit code, the plugin by failing the test.
  kEnforce,
};

// What was violated. Rules are few, so that people can name them.
enum class Rule : uint8_t {
  kWrite,         // "write": change a file or directory outside writable trees
  kNetwork,       // "network": reach, or pose as, an address beyond loopback
  kName,          // "name": ask for a host by a name that isn't local
  kHostSocket,    // "host-socket": a Unix socket of a process outside
  kFifo,          // "fifo": a FIFO of processes outside
  kDevice,        // "device": a device node, open or made
  kSocketFamily,  // "socket-family": sockets that no namespace isolates
  kSignal,        // "signal": a process outside, by kill(2) and its kin
  kTrace,         // "trace": a process outside, by ptrace(2) and its kin
  kPrivilege,     // "privilege": mounts, namespaces, clock, modules, bpf ...
  kKeyring,       // "keyring": keys, which belong to no namespace
  kTerminal,      // "terminal": type into the caller's terminal
  kIoUring,       // "io-uring": it would go around the filter
};

// "write", "host-socket": as in flags, reports and messages.
const char* RuleName(Rule rule);
// "nothing changes outside writable trees"
absl::string_view DescribeRule(Rule rule);
// The rule of such a name; nullopt if there is none.
absl::optional<Rule> RuleOfName(absl::string_view name);
// In the order above.
std::vector<Rule> AllRules();

// An exception: what `rule` says of `target` is neither recorded nor counted as
// a violation. The call still fails.
struct Allowed {
  // What kind of attempt.
  Rule rule;
  // Compared with Violation::target; `*` stands for anything, slashes
  // included, `?` for one character.
  std::string target;
  // For people; it is shown wherever the exception was used.
  std::string reason;
};

// What programs try everywhere and do without: the C library's name caches,
// byte code, font and linker caches. Short, in one file
// (default_allowed.cc), each with its reason.
const std::vector<Allowed>& DefaultAllowed();

// A call on the stack of the thread that made it, innermost first.
struct Frame {
  uint64_t address = 0;  // the instruction, in the process
  std::string object;    // the mapped file, as seen inside; empty if unknown
  // Of the instruction in `object`, as `addr2line -e` takes it.
  uint64_t offset = 0;
  // Filled in by Symbolize(), as far as it can be known.
  std::string function;  // demangled
  std::string file;      // the source, as the debug information has it
  int line = 0;          // in `file`; 0 if unknown
};

// One thing that was tried, however often. Two attempts are the same if rule,
// call, target and program are.
struct Violation {
  Rule rule = Rule::kWrite;  // what was violated
  std::string call;          // "openat"
  std::string arguments;     // AT_FDCWD, "x", O_WRONLY|O_CREAT, 0644
  // What it was about: an absolute path as seen inside, "192.0.2.1:80",
  // "[2001:db8::1]:53", "pid 4711", "AF_VSOCK", "CLOCK_REALTIME".
  std::string target;
  // The errno that the code saw the first time; 0 for a name, whose answer is
  // NXDOMAIN.
  int error = 0;
  // It was worked out, not read: the process was being traced by somebody else,
  // or may not be traced.
  bool error_predicted = false;
  pid_t pid = 0;        // of the process, inside the sandbox
  pid_t tid = 0;        // of the thread, inside the sandbox
  std::string program;  // its executable, as seen inside
  std::string thread;   // the thread's name
  // The test that made it, as the runner inside says: a GoogleTest program with
  // the plugin, pytest, cargo, cargo-nextest or bats (docs/launchers.md); empty
  // if none does. Attempts of two tests are not the same.
  std::string test;
  uint64_t count = 0;  // how often it was attempted
  absl::Time first;    // when the first attempt was made
  // Of the first attempt. Empty if the process could not be stopped.
  std::vector<Frame> stack;
};

// An exception that was used.
struct AllowedUse {
  Allowed allowed;     // as in Options::allowed
  uint64_t count = 0;  // how many attempts it fitted
  // Code inside said that it expects this, see watched_outside.h. Whoever is
  // inside can, so it is always shown.
  bool by_note = false;
};

// Distinct violations that are kept; more are only counted.
inline constexpr size_t kMaxViolations = 10000;

// What a run attempted.
struct ViolationRecord {
  // In the order in which they were first made.
  std::vector<Violation> violations;
  // Beyond the first kMaxViolations distinct ones, attempts are only counted.
  uint64_t beyond = 0;
  // Calls that couldn't be looked at, and any of which may have reached out:
  // their process forbids it (PR_SET_DUMPABLE, prctl(2)), which holds only for
  // children of Enter() that haven't executed another program, or has its
  // arguments where only the kernel can read them (memfd_secret(2)): those
  // calls are refused with EFAULT.
  uint64_t unseen = 0;
  // A sandbox of this library around this one watches, and the kernel has one
  // watcher only (seccomp(2)): the outer one records what is attempted here,
  // but for names, which are in `violations` as always. So `violations` being
  // empty says nothing of the other rules.
  bool watched_outside = false;
  // The exceptions of Options::allowed that were used.
  std::vector<AllowedUse> allowed;
};

// Fills in functions, files and lines of every stack: by llvm-symbolizer or
// addr2line, whichever is installed, in one run for each object, and where
// neither is, by Abseil's symbolizer for this program's own functions. Takes
// tens of milliseconds for a large program, and a minute at most: a symbolizer
// that hangs is ended, and not asked again. Call it when somebody is going to
// read the stacks, for all of them at once. What was looked up before is not
// looked up again.
void Symbolize(std::vector<Violation>* violations);
// The same for one violation.
void Symbolize(Violation* violation);

}  // namespace encapsulate

#endif  // ENCAPSULATE_VIOLATIONS_H_
