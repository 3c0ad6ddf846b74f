#include "encapsulate/filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "absl/types/optional.h"
#include "encapsulate/watched_calls.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

// What the filter answers to a call of which only the number is known; nothing
// if it wants to know more. So does the kernel fill its bitmap of calls that it
// lets pass without running the filter (Linux 5.11).
absl::optional<uint32_t> AnswerByNumber(const FilterProgram& filter,
                                        uint32_t arch, uint32_t number) {
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
        } else {
          return absl::nullopt;
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

TEST(FilterTest, LetsMostCallsPassByTheirNumberAlone) {
  for (bool watch : {false, true}) {
    for (bool no_core : {false, true}) {
      const FilterProgram& filter = GetFilter(watch, no_core);
      for (uint32_t number :
           {SYS_getppid, SYS_read, SYS_write, SYS_close, SYS_mmap, SYS_futex,
            SYS_fstat, SYS_lseek, SYS_getdents64, SYS_execve, SYS_exit_group,
            SYS_clock_gettime, SYS_recvmsg, SYS_wait4}) {
        EXPECT_EQ(AnswerByNumber(filter, kNativeArch, number),
                  SECCOMP_RET_ALLOW)
            << number;
      }
      EXPECT_EQ(AnswerByNumber(filter, kNativeArch, SYS_socket), absl::nullopt)
          << "its family counts";
    }
  }
}

TEST(FilterTest, LetsFilesBeOpenedByTheNumberAloneUnlessSomebodyWatches) {
  for (uint32_t number : {SYS_openat, SYS_unlinkat, SYS_connect}) {
    EXPECT_EQ(AnswerByNumber(GetFilter(false, true), kNativeArch, number),
              SECCOMP_RET_ALLOW)
        << number;
    EXPECT_NE(AnswerByNumber(GetFilter(true, true), kNativeArch, number),
              SECCOMP_RET_ALLOW)
        << number;
  }
}

TEST(FilterTest, RefusesCallingConventionsThatItDoesNotKnow) {
  for (bool watch : {false, true}) {
    constexpr uint32_t kOther = AUDIT_ARCH_RISCV64;
    EXPECT_EQ(AnswerByNumber(GetFilter(watch, true), kOther, SYS_getppid),
              SECCOMP_RET_ERRNO | static_cast<uint32_t>(ENOSYS));
  }
}

}  // namespace
}  // namespace encapsulate
