// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/unwind.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "encapsulate/inspect/registers.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

// Where the calls below return to, in this process and so in its child.
void* outer_return = nullptr;
void* middle_return = nullptr;

__attribute__((noinline)) int Innermost(int depth) {
  middle_return = __builtin_return_address(0);
  raise(SIGSTOP);
  return depth;
}

__attribute__((noinline)) int Middle(int depth) {
  outer_return = __builtin_return_address(0);
  const int below = Innermost(depth + 1);
  asm volatile("" ::: "memory");  // so that it stays a call
  return below + 1;
}

// Calls itself, so often that the stack is cut.
__attribute__((noinline)) int Deep(int depth) {
  const int below = depth == 0 ? Innermost(0) : Deep(depth - 1);
  asm volatile("" ::: "memory");  // so that it stays a call
  return below + 1;
}

class StoppedChild {
 public:
  explicit StoppedChild(int (*function)(int), int argument) : pid_(fork()) {
    if (pid_ == 0) {
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      _exit(function(argument));
    }
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFSTOPPED(status));
  }
  ~StoppedChild() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  StoppedChild(const StoppedChild&) = delete;
  StoppedChild& operator=(const StoppedChild&) = delete;

  std::vector<Frame> Stack(const StackLimits& limits = {}) const {
    const absl::optional<StoppedState> state = ReadStoppedState(pid_);
    EXPECT_TRUE(state.has_value() && state->registers.has_value());
    return Unwind(ThreadView(pid_), *state->registers, limits);
  }

  // What the child has in a variable of this program's.
  uint64_t Peek(const void* variable) const {
    uint64_t value = 0;
    EXPECT_EQ(ThreadView(pid_).Read(reinterpret_cast<uint64_t>(variable),
                                    &value, sizeof(value)),
              sizeof(value));
    return value;
  }

 private:
  const pid_t pid_;
};

std::string OwnProgram() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  return std::string(path, static_cast<size_t>(size > 0 ? size : 0));
}

// A frame's address is that of the call, just before where it returns to.
size_t PlaceOf(uint64_t returns_to, const std::vector<Frame>& stack) {
  for (size_t i = 0; i < stack.size(); ++i) {
    if (stack[i].address < returns_to && stack[i].address + 16 > returns_to) {
      return i;
    }
  }
  return stack.size();
}

TEST(UnwindTest, FindsEachCallerInOrder) {
  const StoppedChild child(&Middle, 1);
  const std::vector<Frame> stack = child.Stack();
  const size_t middle = PlaceOf(child.Peek(&middle_return), stack);
  const size_t outer = PlaceOf(child.Peek(&outer_return), stack);
  ASSERT_LT(middle, stack.size());
  ASSERT_LT(outer, stack.size());
  EXPECT_EQ(outer, middle + 1);
  // raise(3) stopped it, in the C library.
  EXPECT_GE(middle, 2U);
  EXPECT_EQ(stack[middle].object, OwnProgram());
  EXPECT_GT(stack[middle].offset, 0U);
}

TEST(UnwindTest, CutsADeepStack) {
  const StoppedChild child(&Deep, 1000);
  EXPECT_EQ(child.Stack().size(), static_cast<size_t>(kMaxFrames));
}

TEST(UnwindTest, EndsWhereItsBudgetDoes) {
  const StoppedChild child(&Deep, 1000);
  StackLimits limits;
  limits.reads = 4;
  const std::vector<Frame> stack = child.Stack(limits);
  EXPECT_GE(stack.size(), 1U);
  EXPECT_LT(stack.size(), static_cast<size_t>(kMaxFrames));
}

TEST(UnwindTest, HasNoFrameWhereNothingIsMapped) {
  Registers registers;
  registers.pc = 8;
  EXPECT_TRUE(Unwind(ThreadView(getpid()), registers).empty());
}

}  // namespace
}  // namespace encapsulate
