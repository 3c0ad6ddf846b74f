// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/plan/seccomp_filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "absl/types/optional.h"
#include "encapsulate/plan/syscall_table.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

// What the filter answers to a call. Without `arguments`, only its number is
// known, and the answer is nothing if the filter wants to know more. So does
// the kernel fill its bitmap of calls that it lets pass without running the
// filter (Linux 5.11).
absl::optional<uint32_t> Answer(const FilterProgram& filter, uint32_t arch,
                                uint32_t number, const uint64_t* arguments) {
  uint32_t accumulator = 0;
  for (size_t at = 0; at < filter.size(); ++at) {
    const sock_filter& code = filter[at];
    bool jump = false;
    switch (code.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (code.k == offsetof(seccomp_data, nr)) {
          accumulator = number;
        } else if (code.k == offsetof(seccomp_data, arch)) {
          accumulator = arch;
        } else if (arguments == nullptr) {
          return absl::nullopt;
        } else {
          const size_t at_byte = code.k - offsetof(seccomp_data, args);
          accumulator = static_cast<uint32_t>(arguments[at_byte / 8] >>
                                              (at_byte % 8 * 8));
        }
        continue;
      case BPF_RET | BPF_K:
        return code.k;
      case BPF_JMP | BPF_JA:
        at += code.k;
        continue;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump = accumulator == code.k;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        jump = accumulator >= code.k;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        jump = (accumulator & code.k) != 0;
        break;
      default:
        ADD_FAILURE() << "an instruction that the bitmap doesn't know: "
                      << code.code;
        return absl::nullopt;
    }
    at += jump ? code.jt : code.jf;
  }
  ADD_FAILURE() << "the filter has no end";
  return absl::nullopt;
}

absl::optional<uint32_t> AnswerByNumber(const FilterProgram& filter,
                                        uint32_t arch, uint32_t number) {
  return Answer(filter, arch, number, nullptr);
}

TEST(FilterTest, LetsMostCallsPassByTheirNumberAlone) {
  for (OpenCalls open_calls :
       {OpenCalls::kRefuse, OpenCalls::kWatch, OpenCalls::kLeaveToOuter}) {
    for (CoreLimit core_limit : {CoreLimit::kFree, CoreLimit::kFixed}) {
      const FilterProgram& filter = GetFilter(open_calls, core_limit);
      for (uint32_t number :
           {SYS_getppid, SYS_read, SYS_write, SYS_close, SYS_mmap, SYS_futex,
            SYS_fstat, SYS_lseek, SYS_getdents64, SYS_execve, SYS_exit_group,
            SYS_clock_gettime, SYS_recvmsg, SYS_wait4}) {
        EXPECT_EQ(AnswerByNumber(filter, kNativeArch, number),
                  SECCOMP_RET_ALLOW)
            << number;
      }
      if (open_calls == OpenCalls::kLeaveToOuter) continue;
      EXPECT_EQ(AnswerByNumber(filter, kNativeArch, SYS_socket), absl::nullopt)
          << "its family counts";
    }
  }
}

TEST(FilterTest, LetsFilesBeOpenedByTheNumberAloneUnlessSomebodyWatches) {
  for (uint32_t number : {SYS_openat, SYS_unlinkat, SYS_connect}) {
    EXPECT_EQ(AnswerByNumber(GetFilter(OpenCalls::kRefuse, CoreLimit::kFixed),
                             kNativeArch, number),
              SECCOMP_RET_ALLOW)
        << number;
    EXPECT_NE(AnswerByNumber(GetFilter(OpenCalls::kWatch, CoreLimit::kFixed),
                             kNativeArch, number),
              SECCOMP_RET_ALLOW)
        << number;
  }
}

TEST(FilterTest, ReadingIsHandedOverOnlyIfInputsAreRecorded) {
  const uint64_t for_reading[6] = {0, 0x1000, O_RDONLY | O_DIRECTORY};
  const uint64_t for_writing[6] = {0, 0x1000, O_WRONLY};
  for (OpenCalls open_calls : {OpenCalls::kWatch, OpenCalls::kSupervise,
                               OpenCalls::kSuperviseSignals}) {
    const FilterProgram& off =
        GetFilter(open_calls, CoreLimit::kFixed, Inputs::kIgnored);
    const FilterProgram& on =
        GetFilter(open_calls, CoreLimit::kFixed, Inputs::kRecorded);
    for (uint32_t number :
         {SYS_execve, SYS_execveat, SYS_readlinkat, SYS_getdents64}) {
      EXPECT_EQ(AnswerByNumber(off, kNativeArch, number), SECCOMP_RET_ALLOW)
          << number;
      EXPECT_EQ(AnswerByNumber(on, kNativeArch, number), SECCOMP_RET_USER_NOTIF)
          << number;
    }
    EXPECT_EQ(Answer(off, kNativeArch, SYS_openat, for_reading),
              SECCOMP_RET_ALLOW);
    EXPECT_EQ(Answer(on, kNativeArch, SYS_openat, for_reading),
              SECCOMP_RET_USER_NOTIF);
    for (const FilterProgram* filter : {&off, &on}) {
      EXPECT_EQ(Answer(*filter, kNativeArch, SYS_openat, for_writing),
                SECCOMP_RET_USER_NOTIF);
      for (uint32_t number : {SYS_read, SYS_close, SYS_mmap, SYS_newfstatat}) {
        EXPECT_EQ(AnswerByNumber(*filter, kNativeArch, number),
                  SECCOMP_RET_ALLOW)
            << number;
      }
    }
  }
}

TEST(FilterTest, HandsOverWhatNoNamespaceHolds) {
  for (OpenCalls open_calls :
       {OpenCalls::kSupervise, OpenCalls::kSuperviseSignals}) {
    for (CoreLimit core_limit : {CoreLimit::kFree, CoreLimit::kFixed}) {
      const FilterProgram& filter = GetFilter(open_calls, core_limit);
      for (uint32_t number :
           {SYS_fchmod, SYS_utimensat, SYS_shmget, SYS_mq_open, SYS_kill,
            SYS_unlinkat, SYS_setpriority, SYS_connect, SYS_mq_timedsend,
            SYS_mq_timedreceive, SYS_mq_notify}) {
        EXPECT_EQ(AnswerByNumber(filter, kNativeArch, number),
                  SECCOMP_RET_USER_NOTIF)
            << number;
      }
      for (uint32_t number : {SYS_read, SYS_execve, SYS_wait4, SYS_futex}) {
        EXPECT_EQ(AnswerByNumber(filter, kNativeArch, number),
                  SECCOMP_RET_ALLOW)
            << number;
        // Of 32-bit programs, none.
        EXPECT_EQ(AnswerByNumber(filter, kCompatArch, number),
                  uint32_t{SECCOMP_RET_ERRNO | ENOSYS});
      }
      // clone3, setxattrat, file_setattr, what isn't known, an x32 call.
      for (uint32_t number : {435U, 463U, 469U, 470U, 600U, kX32Bit | 1}) {
        EXPECT_EQ(AnswerByNumber(filter, kNativeArch, number),
                  uint32_t{SECCOMP_RET_ERRNO | ENOSYS})
            << number;
      }
      const uint64_t inet[6] = {AF_INET, SOCK_STREAM, 0};
      const uint64_t unix_domain[6] = {AF_UNIX, SOCK_STREAM, 0};
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_socket, inet),
                SECCOMP_RET_USER_NOTIF);
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_socket, unix_domain),
                SECCOMP_RET_ALLOW);
      const uint64_t netlink[6] = {AF_NETLINK, SOCK_RAW, 2};
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_socket, netlink),
                SECCOMP_RET_USER_NOTIF);
      for (uint64_t option : {IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP,
                              MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP}) {
        const uint64_t join[6] = {3, IPPROTO_IP, option};
        EXPECT_EQ(Answer(filter, kNativeArch, SYS_setsockopt, join),
                  SECCOMP_RET_USER_NOTIF);
      }
      for (uint64_t option :
           {IPV6_JOIN_GROUP, MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP}) {
        const uint64_t join[6] = {3, IPPROTO_IPV6, option};
        EXPECT_EQ(Answer(filter, kNativeArch, SYS_setsockopt, join),
                  SECCOMP_RET_USER_NOTIF);
      }
      // The same number at another level is another option.
      const uint64_t of_socket[6] = {3, SOL_SOCKET, IP_ADD_MEMBERSHIP};
      const uint64_t origin[6] = {3, IPPROTO_IP, IPV6_JOIN_GROUP};
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_setsockopt, of_socket),
                SECCOMP_RET_ALLOW);
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_setsockopt, origin),
                SECCOMP_RET_ALLOW);
      const uint64_t own[6] = {0, RLIMIT_NOFILE, 0x1000};
      const uint64_t other[6] = {4711, RLIMIT_NOFILE, 0x1000};
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_prlimit64, own),
                SECCOMP_RET_ALLOW);
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_prlimit64, other),
                SECCOMP_RET_USER_NOTIF);
      const uint64_t own_group[6] = {4711, 0};
      const uint64_t other_group[6] = {0, 4711};
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_setpgid, own_group),
                SECCOMP_RET_ALLOW);
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_setpgid, other_group),
                SECCOMP_RET_USER_NOTIF);
      const uint64_t subvolume[6] = {3, 0x5000940e};
      const uint64_t attributes[6] = {3, 0x40086602};
      const uint64_t size[6] = {3, 0x5413};
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_ioctl, subvolume),
                uint32_t{SECCOMP_RET_ERRNO | EPERM});
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_ioctl, attributes),
                SECCOMP_RET_USER_NOTIF);
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_ioctl, size),
                SECCOMP_RET_ALLOW);
    }
  }
  // pidfd_send_signal, which Landlock keeps inside from ABI 6 on.
  EXPECT_EQ(AnswerByNumber(GetFilter(OpenCalls::kSupervise, CoreLimit::kFixed),
                           kNativeArch, 424),
            SECCOMP_RET_ALLOW);
  EXPECT_EQ(
      AnswerByNumber(GetFilter(OpenCalls::kSuperviseSignals, CoreLimit::kFixed),
                     kNativeArch, 424),
      uint32_t{SECCOMP_RET_ERRNO | ENOSYS});
}

// A filter that refused it would keep the outer monitor from seeing it.
TEST(FilterTest, LeavesWhatIsRefusedToTheOuterFilter) {
  for (uint32_t number : {SYS_keyctl, SYS_io_uring_setup, SYS_socket}) {
    EXPECT_NE(AnswerByNumber(GetFilter(OpenCalls::kRefuse, CoreLimit::kFixed),
                             kNativeArch, number),
              SECCOMP_RET_ALLOW)
        << number;
    EXPECT_EQ(
        AnswerByNumber(GetFilter(OpenCalls::kLeaveToOuter, CoreLimit::kFixed),
                       kNativeArch, number),
        SECCOMP_RET_ALLOW)
        << number;
  }
}

#if defined(__x86_64__)
TEST(FilterTest, SparesInitInEveryCallingConvention) {
  struct Call {
    uint32_t native;
    uint32_t compat;
    uint64_t arguments[6];
    size_t process;  // the argument that names it
  };
  const Call kCalls[] = {
      {SYS_prlimit64, 340, {0, RLIMIT_NOFILE, 0x1000}, 0},
      {SYS_sched_setparam, 154, {}, 0},
      {SYS_sched_setscheduler, 156, {}, 0},
      {SYS_sched_setaffinity, 241, {}, 0},
      {SYS_sched_setattr, 351, {}, 0},
      {SYS_setpriority, 97, {PRIO_PROCESS}, 1},
      {SYS_setpriority, 97, {PRIO_PGRP}, 1},
      {SYS_ioprio_set, 289, {1}, 1},
      {SYS_ioprio_set, 289, {2}, 1},
  };
  constexpr uint32_t kRefused = SECCOMP_RET_ERRNO | EPERM;
  for (OpenCalls open_calls :
       {OpenCalls::kRefuse, OpenCalls::kWatch, OpenCalls::kLeaveToOuter}) {
    for (CoreLimit core_limit : {CoreLimit::kFree, CoreLimit::kFixed}) {
      const FilterProgram& filter = GetFilter(open_calls, core_limit);
      for (const Call& call : kCalls) {
        Call on_init = call;
        // The kernel takes the low half.
        on_init.arguments[call.process] = uint64_t{7} << 32 | 1;
        Call on_other = call;
        on_other.arguments[call.process] = 2;
        EXPECT_EQ(Answer(filter, kNativeArch, call.native, on_init.arguments),
                  kRefused)
            << call.native;
        EXPECT_EQ(Answer(filter, kCompatArch, call.compat, on_init.arguments),
                  kRefused)
            << call.compat;
        EXPECT_EQ(Answer(filter, kNativeArch, call.native, on_other.arguments),
                  SECCOMP_RET_ALLOW)
            << call.native;
        EXPECT_EQ(Answer(filter, kCompatArch, call.compat, on_other.arguments),
                  SECCOMP_RET_ALLOW)
            << call.compat;
      }
      const uint64_t asks[6] = {1, RLIMIT_NOFILE, 0, 0x1000};
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_prlimit64, asks),
                SECCOMP_RET_ALLOW);
    }
  }
}
#endif

TEST(FilterTest, ReportsWhatMayLeaveATrace) {
  for (CoreLimit core : {CoreLimit::kFree, CoreLimit::kFixed}) {
    const FilterProgram& filter = GetFilter(OpenCalls::kReport, core);
    // All that is watched, and what nobody could look for afterwards.
    for (uint32_t number :
         {uint32_t{SYS_unlinkat}, uint32_t{SYS_mkdirat}, uint32_t{SYS_fchmodat},
          uint32_t{SYS_utimensat}, uint32_t{SYS_kill}, uint32_t{SYS_connect},
          uint32_t{SYS_sendmsg}, uint32_t{SYS_shmget}, uint32_t{SYS_semget},
          uint32_t{SYS_msgget}, uint32_t{SYS_mq_open},
          uint32_t{437} /* openat2 */, uint32_t{470}, uint32_t{5000}}) {
      EXPECT_EQ(AnswerByNumber(filter, kNativeArch, number),
                SECCOMP_RET_USER_NOTIF)
          << number;
    }
    for (uint32_t number : {uint32_t{117} /* ipc */, uint32_t{470}}) {
      EXPECT_EQ(AnswerByNumber(filter, kCompatArch, number),
                SECCOMP_RET_USER_NOTIF)
          << number;
    }
    for (uint32_t family : {AF_INET, AF_INET6, AF_NETLINK, AF_PACKET}) {
      const uint64_t arguments[6] = {family, SOCK_DGRAM, 0};
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_socket, arguments),
                SECCOMP_RET_USER_NOTIF)
          << family;
      EXPECT_EQ(Answer(filter, kNativeArch, SYS_socketpair, arguments),
                SECCOMP_RET_USER_NOTIF)
          << family;
    }
    const uint64_t local[6] = {AF_UNIX, SOCK_STREAM, 0};
    EXPECT_EQ(Answer(filter, kNativeArch, SYS_socket, local),
              SECCOMP_RET_ALLOW);
    const uint64_t reads[6] = {0, 0x1000, O_RDONLY | O_DIRECTORY};
    EXPECT_EQ(Answer(filter, kNativeArch, SYS_openat, reads),
              SECCOMP_RET_ALLOW);
    const uint64_t nameless[6] = {0, 0x1000, O_TMPFILE | O_RDWR};
    EXPECT_EQ(Answer(filter, kNativeArch, SYS_openat, nameless),
              SECCOMP_RET_USER_NOTIF);
    // What the process that forks the others calls.
    for (uint32_t number : {SYS_futex, SYS_wait4, SYS_exit_group, SYS_ptrace}) {
      EXPECT_NE(AnswerByNumber(filter, kNativeArch, number),
                SECCOMP_RET_USER_NOTIF)
          << number;
    }
  }
}

TEST(FilterTest, HasNoHandoverWhereNobodyHandsOver) {
  const auto header = reinterpret_cast<uintptr_t>(HandoverHeader());
  const uint64_t arguments[6] = {3, header, kHandoverFlags};
  EXPECT_EQ(Answer(GetFilter(OpenCalls::kWatch, CoreLimit::kFixed), kNativeArch,
                   SYS_sendmsg, arguments),
            SECCOMP_RET_ALLOW);
  EXPECT_EQ(Answer(GetFilter(OpenCalls::kReport, CoreLimit::kFixed),
                   kNativeArch, SYS_sendmsg, arguments),
            SECCOMP_RET_USER_NOTIF);
}

TEST(FilterTest, RefusesCallingConventionsThatItDoesNotKnow) {
  for (OpenCalls open_calls :
       {OpenCalls::kRefuse, OpenCalls::kWatch, OpenCalls::kLeaveToOuter}) {
    constexpr uint32_t kOther = AUDIT_ARCH_RISCV64;
    EXPECT_EQ(AnswerByNumber(GetFilter(open_calls, CoreLimit::kFixed), kOther,
                             SYS_getppid),
              SECCOMP_RET_ERRNO | static_cast<uint32_t>(ENOSYS));
  }
}

}  // namespace
}  // namespace encapsulate
