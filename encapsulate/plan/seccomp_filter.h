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

// The program, made on the first call. `watch`: calls go to the monitor; if
// there is none any more, they fail with ENOSYS. `no_core`: RLIMIT_CORE stays
// what it is, see Plan::core_limit. Thread-safe; the result lives for ever.
const FilterProgram& GetFilter(bool watch, bool no_core);

// The one call of sendmsg(2) that a filter with a monitor lets pass, because by
// it the monitor gets to know of the filter: this header, with these flags,
// which make no sense together. Once it is made, a second filter refuses these
// flags for good (WatchCalls()).
msghdr* HandoverHeader();
inline constexpr int kHandoverFlags = MSG_NOSIGNAL | MSG_SYN | MSG_RST;

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_SECCOMP_FILTER_H_
