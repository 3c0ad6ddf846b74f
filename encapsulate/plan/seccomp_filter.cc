// SPDX-License-Identifier: Apache-2.0
//
// Over 500 lines, because what becomes of each call, in every kind of filter,
// stands side by side here; how it is written as a program is in
// bpf_program.h.

#include "encapsulate/plan/seccomp_filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "encapsulate/kernel/interfaces.h"
#include "encapsulate/plan/bpf_program.h"
#include "encapsulate/plan/syscall_table.h"

namespace encapsulate {
namespace {

using Label = BpfProgram::Label;

// Numbers of the calls that set limits.
struct LimitCalls {
  int setrlimit;
  int prlimit;
};

#if defined(__x86_64__)
constexpr LimitCalls kNativeLimit = {SYS_setrlimit, SYS_prlimit64};
constexpr LimitCalls kCompatLimit = {75, 340};
#else
constexpr LimitCalls kNativeLimit = {SYS_setrlimit, SYS_prlimit64};
constexpr LimitCalls kCompatLimit = {75, 369};
#endif

// Keeps RLIMIT_CORE at kNoCore: setting it does nothing, and says that all is
// well, because programs that handle secrets insist on it.
constexpr uint32_t kPretend = SECCOMP_RET_ERRNO;  // errno 0: returns 0

Label KeepCoreBySetrlimit(BpfProgram& program) {
  program.IfEqual(RLIMIT_CORE, program.Return(kPretend),
                  program.Return(SECCOMP_RET_ALLOW));
  return program.Load(Argument(0));
}

// `otherwise` decides on other calls.
Label KeepCoreByPrlimit(Label otherwise, BpfProgram& program) {
  const Label allow = program.Return(SECCOMP_RET_ALLOW);
  const Label other = program.IfArgument(3, 0, program.Return(kPretend),
                                         program.Return(Errno(EPERM)));
  const Label core = program.IfArgument(2, 0, allow, other);  // it only asks
  program.IfEqual(RLIMIT_CORE, core, otherwise);
  return program.Load(Argument(1));
}

// Calls that change how the kernel treats some process, which they name. Init
// isn't to be changed from inside: it keeps the time and finds what is left. A
// capability that it keeps would not do, because nested user namespaces give
// every capability, and prlimit(2) asks for none. Pid 1 of a nested PID
// namespace has the same number, and is out of their reach as well.
struct ProcessCall {
  int native;
  int compat;
  int process;  // the argument that names it
  // The value of the first argument with which the call names every process of
  // a user, or -1.
  int all_of_user;
};

constexpr ProcessCall kProcessCalls[] = {
    {SYS_sched_setparam, 154, 0, -1},
    {SYS_sched_setscheduler, 156, 0, -1},
    {SYS_sched_setaffinity, 241, 0, -1},
#if defined(__x86_64__)
    {SYS_sched_setattr, 351, 0, -1},
    {SYS_setpriority, 97, 1, PRIO_USER},
    {SYS_ioprio_set, 289, 1, 3 /* IOPRIO_WHO_USER */},
#else
    {SYS_sched_setattr, 380, 0, -1},
    {SYS_setpriority, 97, 1, PRIO_USER},
    {SYS_ioprio_set, 314, 1, 3 /* IOPRIO_WHO_USER */},
#endif
};

constexpr uint32_t kInitPid = 1;

Label SpareInit(const ProcessCall& call, BpfProgram& program) {
  const Label allow = program.Return(SECCOMP_RET_ALLOW);
  const Label refuse = program.Return(Errno(EPERM));
  program.IfEqual(kInitPid, refuse, allow);
  const Label named = program.Load(Argument(call.process));
  if (call.all_of_user < 0) return named;
  program.IfEqual(static_cast<uint32_t>(call.all_of_user), refuse, named);
  return program.Load(Argument(0));
}

// It may be asked for its limits. `otherwise` decides on other calls.
Label SpareInitsLimits(Label otherwise, BpfProgram& program) {
  const Label refuse = program.Return(Errno(EPERM));
  const Label changed = program.IfArgument(2, 0, otherwise, refuse);
  program.IfEqual(kInitPid, changed, otherwise);
  return program.Load(Argument(0));
}

// accumulator is one of `values` ? yes : no
template <typename List = std::initializer_list<uint32_t>>
Label IfOneOf(const List& values, Label yes, Label no, BpfProgram& program) {
  for (uint32_t value : values) no = program.IfEqual(value, yes, no);
  return no;
}

// Of socketcall(2): those that make a socket, or those that don't.
std::vector<uint32_t> NumbersOf(bool make_socket) {
  std::vector<uint32_t> numbers;
  for (const Socketcall& call : kSocketcalls) {
    if (call.MakesSocket() == make_socket) numbers.push_back(call.number);
  }
  return numbers;
}

// Returns `action` if the call is meant, as far as its arguments tell; else
// goes on with `otherwise`.
Label Decide(const WatchedCall& call, When when, uint32_t action,
             Label otherwise, BpfProgram& program) {
  const size_t low = Argument(call.argument);
  const Label meant = program.Return(action);
  switch (when) {
    case When::kAlways:
    case When::kRecordingInputs:
      return meant;
    case When::kWriting:
      program.IfAny(kWritingFlags, meant, otherwise);
      return program.Load(low);
    case When::kGiven:
      return program.IfArgument(call.argument, 0, otherwise, meant);
    case When::kNamespaces:
      // CLONE_NEWTIME shares a bit with clone(2)'s exit signal.
      program.IfAny(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                        CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                        CLONE_NEWNET,
                    meant, otherwise);
      return program.Load(low);
    case When::kCloning:
      program.IfAny(1, meant, otherwise);  // OPEN_TREE_CLONE
      return program.Load(low);
    case When::kAttaching:
      IfOneOf({PTRACE_ATTACH, PTRACE_SEIZE}, meant, otherwise, program);
      return program.Load(low);
    case When::kForeignFamily:
      IfOneOf({AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}, otherwise, meant,
              program);
      return program.Load(low);
    case When::kRawSocket: {
      IfOneOf({IPPROTO_ICMP, IPPROTO_ICMPV6}, meant, otherwise, program);
      const Label protocol = program.Load(Argument(2));
      // SOCK_RAW is the number that has both bits.
      const Label datagram = program.IfAny(SOCK_DGRAM, meant, protocol);
      program.IfAny(SOCK_STREAM, datagram, protocol);
      const Label type = program.Load(Argument(1));
      IfOneOf({AF_INET, AF_INET6}, type, otherwise, program);
      return program.Load(low);
    }
    case When::kSocketcallSocket:
    case When::kSocketcallAddress:
      IfOneOf(NumbersOf(when == When::kSocketcallSocket), meant, otherwise,
              program);
      return program.Load(low);
    case When::kTyping:
      IfOneOf(kTypingRequests, meant, otherwise, program);
      return program.Load(low);
    case When::kSettingAttributes:
      IfOneOf(kAttributeRequests, meant, otherwise, program);
      return program.Load(low);
    case When::kSending: {
      program.IfEqual(kHandoverFlags, otherwise, meant);
      const Label handover = program.Load(Argument(2));
      return program.IfArgument(call.argument,
                                reinterpret_cast<uint64_t>(HandoverHeader()),
                                handover, meant);
    }
    case When::kJoining: {
      IfOneOf(kJoinOptions, meant, otherwise, program);
      const Label join = program.Load(Argument(2));
      IfOneOf(kJoinOptionsOfIpv6, meant, otherwise, program);
      const Label join_ipv6 = program.Load(Argument(2));
      program.IfEqual(IPPROTO_IP, join,
                      program.IfEqual(IPPROTO_IPV6, join_ipv6, otherwise));
      return program.Load(low);
    }
  }
  return otherwise;
}

// Whether the filter says nothing of the entry.
bool IsLeftOut(const WatchedCall& call, Inputs inputs) {
  return call.when == When::kRecordingInputs && inputs == Inputs::kIgnored;
}

// Reading is handed over like writing if inputs are recorded.
When WhenMeant(const WatchedCall& call, Inputs inputs) {
  return call.when == When::kWriting && inputs == Inputs::kRecorded
             ? When::kAlways
             : call.when;
}

// What becomes of the calls from a number on, up to the next entry's.
struct Range {
  uint32_t first;
  Label goes_on;
};

// Finds the range of the call's number, which is loaded.
Label Search(const std::vector<Range>& ranges, size_t first, size_t count,
             BpfProgram& program) {
  if (count == 1) return ranges[first].goes_on;
  const size_t half = count / 2;
  const Label upper = Search(ranges, first + half, count - half, program);
  const Label lower = Search(ranges, first, half, program);
  return program.IfFrom(ranges[first + half].first, upper, lower);
}

// Calls, besides those that are watched, after which something in a sandbox may
// be different although nothing is there: a count, or the next number. -1 where
// there is none.
struct TraceCall {
  int native;
  int compat;
};

constexpr TraceCall kTraceCalls[] = {
#if defined(__x86_64__)
    {SYS_shmget, 395},  {SYS_semget, 393},   {SYS_msgget, 399},
    {SYS_mq_open, 277}, {-1, 117 /* ipc */},
#else
    {SYS_shmget, 307},  {SYS_semget, 299},   {SYS_msgget, 303},
    {SYS_mq_open, 274}, {-1, 117 /* ipc */},
#endif
};

// Whoever made this file has looked at the calls up to this number, which are
// the same everywhere from 424 on. What a later one leaves, nobody knows.
constexpr uint32_t kLastKnownCall = 469;

// Sockets of a network namespace leave counts, addresses and connections that
// linger.
constexpr TraceCall kSocketCalls[] = {
#if defined(__x86_64__)
    {SYS_socket, 359},
    {SYS_socketpair, 360},
#else
    {SYS_socket, 281},
    {SYS_socketpair, 288},
#endif
};

void ReportTraces(bool native, std::map<uint32_t, Label>& calls,
                  BpfProgram& program) {
  const Label report = program.Return(SECCOMP_RET_USER_NOTIF);
  const Label allow = program.Return(SECCOMP_RET_ALLOW);
  for (const TraceCall& call : kTraceCalls) {
    const int number = native ? call.native : call.compat;
    if (number >= 0) calls[static_cast<uint32_t>(number)] = report;
  }
  for (const TraceCall& call : kSocketCalls) {
    program.IfEqual(AF_UNIX, allow, report);
    calls[static_cast<uint32_t>(native ? call.native : call.compat)] =
        program.Load(Argument(0));
  }
}

// Numbers that are the same everywhere, and newer than some headers.
constexpr uint32_t kPidfdSendSignal = 424;
constexpr uint32_t kClone3 = 435;
constexpr uint32_t kPidfdGetfd = 438;
constexpr uint32_t kProcessMadvise = 440;
constexpr uint32_t kSetxattrat = 463;
constexpr uint32_t kRemovexattrat = 466;
constexpr uint32_t kFileSetattr = 469;

// Requests of ioctl(2) that change files through a descriptor that is open for
// reading, and that no call performs: subvolumes of btrfs (its linux/btrfs.h),
// versions and layouts of ext4 (its fs/ext4/ext4.h), attributes of FAT
// (linux/msdos_fs.h), encryption and verity (linux/fscrypt.h, fsverity.h). And
// USERFAULTFD_IOC_NEW: see below.
constexpr uint32_t kRefusedRequests[] = {
    0x5000940e, 0x50009401, 0x50009417, 0x50009418, 0x5000940f,
    0x5000943f, 0x40086604, 0x40046604, 0x6609,     0x40047211,
    0x800c6613, 0x40806685, 0xaa00};

// Memory whose pages come when its owner likes would keep the supervisor
// waiting in its own reading.
constexpr uint32_t kUserfaultfd =
#ifdef __x86_64__
    323;
#else
    282;
#endif

// Calls that are about System V objects and POSIX queues, and others about
// processes that the first argument doesn't name.
constexpr int kPerformedCalls[] = {
    SYS_shmget,       SYS_shmat,           SYS_shmctl,     SYS_semget,
    SYS_semop,        SYS_semctl,          SYS_semtimedop, SYS_msgget,
    SYS_msgsnd,       SYS_msgrcv,          SYS_msgctl,     SYS_mq_open,
    SYS_mq_timedsend, SYS_mq_timedreceive, SYS_mq_notify,  SYS_mq_unlink,
    SYS_setpriority,  SYS_ioprio_set};

// Calls that change a process which the first argument names; 0 is the caller.
constexpr int kProcessArgumentCalls[] = {
    SYS_sched_setparam, SYS_sched_setscheduler, SYS_sched_setaffinity,
    SYS_sched_setattr,  SYS_migrate_pages,      SYS_move_pages};

// The machine's own calls, where no namespace holds anything.
Label SuperviseConvention(bool signals, CoreLimit core_limit, Inputs inputs,
                          BpfProgram& program) {
  const Label allow = program.Return(SECCOMP_RET_ALLOW);
  const Label notify = program.Return(SECCOMP_RET_USER_NOTIF);
  const Label missing = program.Return(Errno(ENOSYS));
  const Label refuse = program.Return(Errno(EPERM));
  std::map<uint32_t, Label> calls;
  const auto set = [&](long number, Label label) {
    calls[static_cast<uint32_t>(number)] = label;
  };
  // The entries for ioctl(2) load the request for it.
  set(SYS_ioctl, IfOneOf(kRefusedRequests, refuse, allow, program));
  for (size_t i = 0; i < kWatchedCallCount; ++i) {
    const WatchedCall& call = kWatchedCalls[i];
    if (call.native < 0 || call.native == SYS_socket ||
        IsLeftOut(call, inputs)) {
      continue;
    }
    Label& label =
        calls.emplace(static_cast<uint32_t>(call.native), allow).first->second;
    label = Decide(call, WhenMeant(call, inputs), SECCOMP_RET_USER_NOTIF, label,
                   program);
  }
  // Nor does a socket choose an interface by itself.
  Label& set_option = calls.at(SYS_setsockopt);
  const auto if_option = [&](const auto& options) {
    IfOneOf(options, notify, set_option, program);
    return program.Load(Argument(2));
  };
  const Label device = if_option(kInterfaceOptions);
  const Label ipv4 = if_option(kInterfaceOptionsOfIpv4);
  const Label ipv6 = if_option(kInterfaceOptionsOfIpv6);
  program.IfEqual(
      SOL_SOCKET, device,
      program.IfEqual(IPPROTO_IP, ipv4,
                      program.IfEqual(IPPROTO_IPV6, ipv6, set_option)));
  set_option = program.Load(Argument(1));
  // Every socket of the Internet is made by the supervisor.
  program.IfEqual(AF_UNIX, allow, notify);
  set(SYS_socket, program.Load(Argument(0)));
  for (int number : kPerformedCalls) set(number, notify);
  // Whoever begins a group of his own joins nobody's.
  set(SYS_setpgid, program.IfArgument(1, 0, allow, notify));
  program.IfEqual(0, allow, notify);
  const Label process = program.Load(Argument(0));
  for (int number : kProcessArgumentCalls) set(number, process);
  Label prlimit = program.IfArgument(2, 0, allow, process);
  if (core_limit == CoreLimit::kFixed) {
    set(SYS_setrlimit, KeepCoreBySetrlimit(program));
    prlimit = KeepCoreByPrlimit(prlimit, program);
  }
  set(SYS_prlimit64, prlimit);
  for (uint32_t number : {kClone3, kSetxattrat, kRemovexattrat, kFileSetattr}) {
    set(number, missing);
  }
  if (signals) set(kPidfdSendSignal, missing);
  for (uint32_t number : {kPidfdGetfd, kProcessMadvise, kUserfaultfd}) {
    set(number, refuse);
  }
  std::vector<Range> ranges = {{0, allow}};
  for (const auto& call : calls) {
    if (ranges.back().first == call.first) ranges.pop_back();
    ranges.push_back({call.first, call.second});
    ranges.push_back({call.first + 1, allow});
  }
  if (ranges.back().first == kLastKnownCall + 1) ranges.pop_back();
  ranges.push_back({kLastKnownCall + 1, missing});
  Search(ranges, 0, ranges.size(), program);
  return program.Load(offsetof(seccomp_data, nr));
}

FilterProgram MakeSupervisedFilter(bool signals, CoreLimit core_limit,
                                   Inputs inputs) {
  BpfProgram program;
  const Label other = program.Return(Errno(ENOSYS));
  const Label native =
      SuperviseConvention(signals, core_limit, inputs, program);
  program.IfEqual(kNativeArch, native, other);
  program.Load(offsetof(seccomp_data, arch));
  return std::move(program).Finish();
}

// All calls of one of the machine's calling conventions (seccomp(2): a filter
// that knows only one is no filter).
Label FilterConvention(uint32_t arch, OpenCalls open_calls,
                       CoreLimit core_limit, Inputs inputs,
                       BpfProgram& program) {
  const bool native = arch == kNativeArch;
  const bool report = open_calls == OpenCalls::kReport;
  const bool watch = open_calls == OpenCalls::kWatch || report;
  const bool leave = open_calls == OpenCalls::kLeaveToOuter;
  const Label allow = program.Return(SECCOMP_RET_ALLOW);
  std::map<uint32_t, Label> calls;
  std::map<std::tuple<When, int, uint32_t, Label>, Label> decided;
  for (size_t i = 0; i < kWatchedCallCount; ++i) {
    const WatchedCall& call = kWatchedCalls[i];
    const int number = native ? call.native : call.compat;
    if (number < 0 || leave || (!watch && call.denied == 0) ||
        IsLeftOut(call, inputs)) {
      continue;
    }
    // Whose network is its own tells nobody else.
    if (call.when == When::kJoining) continue;
    const uint32_t action =
        watch ? uint32_t{SECCOMP_RET_USER_NOTIF} : Errno(call.denied);
    Label& label =
        calls.emplace(static_cast<uint32_t>(number), allow).first->second;
    // The listener is handed over by the machine's own call.
    const bool hands_over = (native && !report) || call.when != When::kSending;
    const When when = hands_over ? WhenMeant(call, inputs) : When::kAlways;
    const auto same =
        decided.emplace(std::make_tuple(when, call.argument, action, label), 0);
    if (same.second) {
      same.first->second = Decide(call, when, action, label, program);
    }
    label = same.first->second;
  }
  if (report) ReportTraces(native, calls, program);
  for (const ProcessCall& call : kProcessCalls) {
    calls[static_cast<uint32_t>(native ? call.native : call.compat)] =
        SpareInit(call, program);
  }
  const LimitCalls& limit = native ? kNativeLimit : kCompatLimit;
  Label prlimit = allow;
  if (core_limit == CoreLimit::kFixed) {
    calls[static_cast<uint32_t>(limit.setrlimit)] =
        KeepCoreBySetrlimit(program);
    prlimit = KeepCoreByPrlimit(allow, program);
  }
  calls[static_cast<uint32_t>(limit.prlimit)] =
      SpareInitsLimits(prlimit, program);
  std::vector<Range> ranges = {{0, allow}};
  const auto add = [&](uint32_t first, Label goes_on) {
    if (ranges.back().first == first) ranges.pop_back();
    if (!ranges.empty() && ranges.back().goes_on == goes_on) return;
    ranges.push_back({first, goes_on});
  };
  for (const auto& call : calls) {
    add(call.first, call.second);
    add(call.first + 1, allow);
  }
  if (report) add(kLastKnownCall + 1, program.Return(SECCOMP_RET_USER_NOTIF));
#if defined(__x86_64__)
  if (native && !leave) {
    add(kX32Bit, program.Return(watch ? uint32_t{SECCOMP_RET_USER_NOTIF}
                                      : Errno(ENOSYS)));
  }
#endif
  Search(ranges, 0, ranges.size(), program);
  return program.Load(offsetof(seccomp_data, nr));
}

FilterProgram MakeFilter(OpenCalls open_calls, CoreLimit core_limit,
                         Inputs inputs) {
  if (open_calls == OpenCalls::kSupervise ||
      open_calls == OpenCalls::kSuperviseSignals) {
    return MakeSupervisedFilter(open_calls == OpenCalls::kSuperviseSignals,
                                core_limit, inputs);
  }
  BpfProgram program;
  // Another convention: nothing is known of it.
  Label label = program.Return(Errno(ENOSYS));
  const Label compat =
      FilterConvention(kCompatArch, open_calls, core_limit, inputs, program);
  const Label native =
      FilterConvention(kNativeArch, open_calls, core_limit, inputs, program);
  label = program.IfEqual(kCompatArch, compat, label);
  program.IfEqual(kNativeArch, native, label);
  program.Load(offsetof(seccomp_data, arch));
  return std::move(program).Finish();
}

template <OpenCalls open_calls, Inputs inputs>
const FilterProgram& GetFilter(CoreLimit core_limit) {
  if (core_limit == CoreLimit::kFree) {
    static const auto* const free =
        new FilterProgram(MakeFilter(open_calls, CoreLimit::kFree, inputs));
    return *free;
  }
  static const auto* const fixed =
      new FilterProgram(MakeFilter(open_calls, CoreLimit::kFixed, inputs));
  return *fixed;
}

template <OpenCalls open_calls>
const FilterProgram& GetFilter(CoreLimit core_limit, Inputs inputs) {
  return inputs == Inputs::kRecorded
             ? GetFilter<open_calls, Inputs::kRecorded>(core_limit)
             : GetFilter<open_calls, Inputs::kIgnored>(core_limit);
}

}  // namespace

const FilterProgram& GetFilter(OpenCalls open_calls, CoreLimit core_limit,
                               Inputs inputs) {
  switch (open_calls) {
    case OpenCalls::kWatch:
      return GetFilter<OpenCalls::kWatch>(core_limit, inputs);
    case OpenCalls::kReport:
      return GetFilter<OpenCalls::kReport, Inputs::kIgnored>(core_limit);
    case OpenCalls::kLeaveToOuter:
      return GetFilter<OpenCalls::kLeaveToOuter, Inputs::kIgnored>(core_limit);
    case OpenCalls::kSupervise:
      return GetFilter<OpenCalls::kSupervise>(core_limit, inputs);
    case OpenCalls::kSuperviseSignals:
      return GetFilter<OpenCalls::kSuperviseSignals>(core_limit, inputs);
    case OpenCalls::kRefuse:
      break;
  }
  return GetFilter<OpenCalls::kRefuse, Inputs::kIgnored>(core_limit);
}

msghdr* HandoverHeader() {
  static msghdr header;
  return &header;
}

}  // namespace encapsulate
