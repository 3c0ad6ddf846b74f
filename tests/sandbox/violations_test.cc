// SPDX-License-Identifier: Apache-2.0
//
// Violations: what reaches out is recorded exactly, and what doesn't is silent.
#include "encapsulate/violations.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support/attempts.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

void Populate(const std::string& tree) {
  WriteAll(absl::StrCat(tree, "/file"), "content");
  ASSERT_EQ(mkdir(absl::StrCat(tree, "/dir").c_str(), 0755), 0);
  ASSERT_EQ(symlink("file", absl::StrCat(tree, "/link").c_str()), 0);
}

std::string Describe(const Violation& violation) {
  const char* const error = strerrorname_np(violation.error);
  return absl::StrCat(RuleName(violation.rule), " ", violation.call, "(",
                      violation.arguments, ") -> ", violation.target, ": ",
                      error != nullptr ? error : "0");
}

std::string Describe(const std::vector<Violation>& violations) {
  std::vector<std::string> lines;
  lines.reserve(violations.size());
  for (const Violation& violation : violations) {
    lines.push_back(Describe(violation));
  }
  return absl::StrJoin(lines, "\n");
}

Options Watching(const std::vector<std::string>& writable = {}) {
  Options options = Writable(writable);
  options.violations = Violations::kReport;
  return options;
}

// Runs `body` in an entered child.
Result Enters(const Options& options, const std::function<void()>& body) {
  absl::StatusOr<absl::optional<Process>> child = Enter(options);
  if (!child.ok()) {
    ADD_FAILURE() << child.status();
    return {};
  }
  if (!child->has_value()) {
    body();
    _exit(0);
  }
  const Result result = (*child)->Wait();
  EXPECT_NE(result.outcome, Outcome::kLost) << result.lost;
  return result;
}

// How the attempt with that number is made: directly, from another thread ...
using Way = std::function<void(size_t number, const Aim&)>;

// Whether a call isn't built into this kernel. Without capabilities, nothing
// comes of trying it.
bool IsMissing(long call) {
  return RunEntered(Options(), [call] {
           return syscall(call, -1L, -1L, -1L, -1L, -1L) == -1 &&
                          errno == ENOSYS
                      ? 1
                      : 0;
         }).exit_code != 0;
}

bool HasFileFlags() {
  const Scratch scratch;
  const UniqueFd file(
      open((scratch / "file").c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
  int flags = 0;
  return ioctl(file.get(), FS_IOC_GETFLAGS, &flags) == 0;
}

// Whether this host has what the attempt is made with.
bool CanMake(const Attempt& attempt) {
  if (attempt.needs == 0) return true;
  static auto* const known = new std::map<long, bool>();
  const auto found = known->find(attempt.needs);
  if (found != known->end()) return found->second;
  const bool can = attempt.needs == kIpv6         ? HasIpv6()
                   : attempt.needs == kFileFlags  ? HasFileFlags()
                   : attempt.needs == k32BitCalls ? Has32BitCalls()
                                                  : !IsMissing(attempt.needs);
  known->emplace(attempt.needs, can);
  return can;
}

void MakeThose(bool of_32_bits, const Way& way) {
  for (size_t number = 0; number < Attempts().size(); ++number) {
    const Attempt& attempt = Attempts()[number];
    if ((attempt.needs == k32BitCalls) != of_32_bits) continue;
    SCOPED_TRACE(attempt.name);
    if (!CanMake(attempt)) {
      std::cout << "not attempted, this host has no such thing: "
                << attempt.name << "\n";
      continue;
    }
    const Scratch scratch;
    const std::string outside = scratch.Directory("outside");
    const std::string inside = scratch.Directory("inside");
    const std::string other = scratch.Directory("inside/other");
    Populate(outside);
    Populate(inside);
    Populate(other);
    const Result result = Enters(Watching({inside}), [&] {
      // A process to aim at, whose signals do no harm.
      const pid_t child = fork();
      if (child == 0) {
        signal(SIGUSR1, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        for (;;) pause();
      }
      way(number, {true, outside, other, "192.0.2.1", "2001:db8::1", 3999999});
      way(number, {false, inside, other, "127.0.0.1", "::1", child});
    });
    EXPECT_EQ(result.signal, 0);
    const std::string got = Describe(result.record.violations);
    // What is predicted leaves modes aside.
    const std::string settings_errno =
        geteuid() == 0 || !HasStacks() ? "EROFS" : "EACCES";
    const std::string wanted = absl::StrReplaceAll(
        attempt.records,
        {{"$T", outside}, {"$W", other}, {"$E", settings_errno}});
    EXPECT_EQ(got, wanted);
    for (const Violation& violation : result.record.violations) {
      if (HasStacks()) {
        EXPECT_EQ(violation.error_predicted, attempt.predicted);
      }
      EXPECT_EQ(violation.count, 1U);
    }
  }
}

void MakeAll(const Way& way) { MakeThose(/*of_32_bits=*/false, way); }

void MakeDirectly(size_t number, const Aim& aim) {
  Attempts()[number].make(aim);
}

void MakeInThread(size_t number, const Aim& aim) {
  std::thread([&] { MakeDirectly(number, aim); }).join();
}

void MakeInGrandchild(size_t number, const Aim& aim) {
  const pid_t child = fork();
  if (child == 0) {
    const pid_t grandchild = fork();
    if (grandchild == 0) MakeDirectly(number, aim);
    if (grandchild > 0) waitpid(grandchild, nullptr, 0);
    _exit(0);
  }
  waitpid(child, nullptr, 0);
}

void MakeInProgram(size_t number, const Aim& aim) {
  const pid_t child = fork();
  if (child == 0) {
    execl(AttemptPath().c_str(), "attempt", std::to_string(number).c_str(),
          aim.outside ? "outside" : "inside", aim.tree.c_str(),
          aim.other.c_str(), aim.ipv4, aim.ipv6,
          std::to_string(aim.pid).c_str(), nullptr);
    _exit(1);
  }
  waitpid(child, nullptr, 0);
}

TEST(ViolationsTest, EveryAttemptIsRecordedAndItsTwinIsNot) {
  EXPECT_GE(Attempts().size(), 120U);
  MakeAll(MakeDirectly);
}

TEST(ViolationsTest, AttemptsAreRecordedWithoutStacks) {
  InFork([] {
    ForgetStacks();
    EXPECT_FALSE(HasStacks());
    MakeAll(MakeDirectly);
  });
}

TEST(ViolationsTest, AttemptsOfOtherThreadsAreRecorded) {
  MakeAll(MakeInThread);
}

TEST(ViolationsTest, AttemptsOfGrandchildrenAreRecorded) {
  MakeAll(MakeInGrandchild);
}

// A static one, where the C library's archive is installed.
TEST(ViolationsTest, AttemptsOfExecutedProgramsAreRecorded) {
  MakeAll(MakeInProgram);
}

#if defined(__x86_64__)
// Where the kernel has no 32-bit calls, trying one ends the program.
TEST(ViolationsTest, AttemptsByThirtyTwoBitCallsAreRecorded) {
  ONLY_WITH_32_BIT_CALLS();
  for (const auto& way :
       {MakeDirectly, MakeInThread, MakeInGrandchild, MakeInProgram}) {
    MakeThose(/*of_32_bits=*/true, way);
  }
}

TEST(ViolationsTest, AttemptsByThirtyTwoBitCallsAreRecordedWithoutStacks) {
  ONLY_WITH_32_BIT_CALLS();
  InFork([] {
    ForgetStacks();
    MakeThose(/*of_32_bits=*/true, MakeDirectly);
  });
}
#endif

}  // namespace
}  // namespace encapsulate
