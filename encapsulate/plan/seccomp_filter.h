// SPDX-License-Identifier: Apache-2.0
//
// The system-call filter of a sandbox, as a program for seccomp(2).
//
// It allows by default and refuses what namespaces leave open. With a monitor,
// the calls by which code may reach out, the refused ones included, are handed
// to it instead (seccomp_unotify(2)); both programs come from one table
// (syscall_table.h). A call that isn't in it is decided by its number alone, so
// that the kernel (5.11 and later) does so from a bitmap without running the
// program.
#ifndef ENCAPSULATE_PLAN_SECCOMP_FILTER_H_
#define ENCAPSULATE_PLAN_SECCOMP_FILTER_H_

#include <linux/filter.h>
#include <sys/socket.h>

#include <vector>

namespace encapsulate {

using FilterProgram = std::vector<sock_filter>;

// What becomes of the calls that namespaces leave open.
enum class OpenCalls {
  // They are refused.
  kRefuse,
  // They go to the monitor, and so do the others by which code may reach out.
  // If there is no monitor any more, they fail with ENOSYS.
  kWatch,
  // The same for a sandbox that is to be used again, whose filter nobody has to
  // hand over: the monitor also gets every call after which something inside
  // may be different in a way that nobody can look for. Calls that this library
  // doesn't know are among them. The process that installs it makes none.
  kReport,
  // They go on, to a filter around this one that watches (outer_monitor.h).
  kLeaveToOuter,
  // As kWatch, where no namespace holds anything: the supervisor also gets the
  // calls that it performs or judges in place of one (supervisor.h). Calls that
  // this library doesn't know fail with ENOSYS, and so do those of 32-bit
  // programs, clone3(2), and others that hide in memory what they do.
  kSupervise,
  // The same where Landlock doesn't keep signals inside (before ABI 6).
  kSuperviseSignals,
};

// Whether RLIMIT_CORE can be changed, see Plan::core_limit.
enum class CoreLimit { kFree, kFixed };

// Whether the monitor also gets the calls that only read, see Options::inputs.
// It counts for kWatch and for those that supervise.
enum class Inputs { kIgnored, kRecorded };

// The program, made on the first call. Thread-safe; the result lives for ever.
const FilterProgram& GetFilter(OpenCalls open_calls, CoreLimit core_limit,
                               Inputs inputs = Inputs::kIgnored);

// The one call of sendmsg(2) that a filter with a monitor lets pass, because by
// it the monitor gets to know of the filter: this header, with these flags,
// which make no sense together. Once it is made, a second filter refuses these
// flags for good (WatchCalls()).
msghdr* HandoverHeader();
inline constexpr int kHandoverFlags = MSG_NOSIGNAL | MSG_SYN | MSG_RST;

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_SECCOMP_FILTER_H_
