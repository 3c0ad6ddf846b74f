// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/test_names.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

#include "encapsulate/inspect/thread_view.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

constexpr char kPython[] = "/usr/bin/python3.11";

std::string Live(const char* name) {
  const ThreadView self(getpid());
  return LiveVariable(self, self.Link("exe"), name);
}

// What `sleep` is said to run, with such a variable in its environment.
std::string Executed(const std::string& variable) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    const char* const arguments[] = {"sleep", "1000", nullptr};
    const char* const environment[] = {"A=b", variable.c_str(), nullptr};
    execve("/bin/sleep", const_cast<char* const*>(arguments),
           const_cast<char* const*>(environment));
    _exit(1);
  }
  close(ends[1]);
  // Its end is closed as soon as it executes.
  char byte;
  EXPECT_EQ(read(ends[0], &byte, 1), 0);
  close(ends[0]);
  const std::string name = NameOfTest(ThreadView(pid), "/bin/sleep");
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return name;
}

// Of a thread of that name.
std::string OfThread(const char* name) {
  std::promise<pid_t> tid;
  std::promise<void> looked;
  std::thread thread([&] {
    prctl(PR_SET_NAME, name, 0, 0, 0);
    tid.set_value(static_cast<pid_t>(syscall(SYS_gettid)));
    looked.get_future().wait();
  });
  const std::string test = NameOfTest(ThreadView(tid.get_future().get()), "/x");
  looked.set_value();
  thread.join();
  return test;
}

TEST(LiveVariableTest, IsTheOneOfThisMoment) {
  EXPECT_EQ(Live("ENCAPSULATE_LIVE"), "");
  setenv("ENCAPSULATE_LIVE", "one", 1);
  setenv("ENCAPSULATE_LIVER", "another", 1);
  EXPECT_EQ(Live("ENCAPSULATE_LIVE"), "one");
  setenv("ENCAPSULATE_LIVE", "two, and longer", 1);
  EXPECT_EQ(Live("ENCAPSULATE_LIVE"), "two, and longer");
  unsetenv("ENCAPSULATE_LIVE");
  EXPECT_EQ(Live("ENCAPSULATE_LIVE"), "");
  EXPECT_EQ(Live("ENCAPSULATE_LIVER"), "another");
}

TEST(LiveVariableTest, EnvironmentsMayBeForged) {
  char** const real = environ;
  setenv("ENCAPSULATE_LIVE", "one", 1);
  ASSERT_EQ(Live("ENCAPSULATE_LIVE"), "one");
  constexpr size_t kSize = 1 << 20;
  // A list without an end, of strings without an end.
  auto* const list =
      static_cast<char**>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  for (size_t i = 0; i < kSize / sizeof(char*); ++i) {
    list[i] = reinterpret_cast<char*>(list) + kSize - 1;
  }
  const std::vector<char**> forged = {nullptr, reinterpret_cast<char**>(1),
                                      reinterpret_cast<char**>(~0UL - 3), list};
  for (char** const one : forged) {
    // Nobody but this thread asks for a variable meanwhile.
    const ThreadView self(getpid());
    const std::string program = self.Link("exe");
    environ = one;
    const std::string value = LiveVariable(self, program, "ENCAPSULATE_LIVE");
    environ = real;
    EXPECT_EQ(value, "");
  }
  munmap(list, kSize);
}

TEST(NameOfTestTest, RunnersSayItInTheEnvironment) {
  EXPECT_EQ(Executed("PYTEST_CURRENT_TEST=test_shop.py::test_saves (call)"),
            "test_shop.py::test_saves");
  EXPECT_EQ(Executed("PYTEST_CURRENT_TEST=a.py::test[x (y)] (teardown)"),
            "a.py::test[x (y)]");
  EXPECT_EQ(Executed("NEXTEST_TEST_NAME=tests::saves"), "tests::saves");
  EXPECT_EQ(Executed("BATS_TEST_NAME=test_saves"), "test_saves");
  EXPECT_EQ(Executed("PYTEST_CURRENT_TESTS=x"), "");
  EXPECT_EQ(Executed("XPYTEST_CURRENT_TEST=x"), "");
  EXPECT_EQ(Executed("PYTEST_CURRENT_TEST"), "");
}

TEST(NameOfTestTest, NamesAreCut) {
  EXPECT_EQ(Executed("BATS_TEST_NAME=" + std::string(100000, 'x')),
            std::string(500, 'x'));
}

TEST(NameOfTestTest, PythonChangesItsOwnEnvironment) {
  setenv("PYTEST_CURRENT_TEST", "test_shop.py::test_saves (setup)", 1);
  EXPECT_EQ(NameOfTest(ThreadView(getpid()), kPython),
            "test_shop.py::test_saves");
  // Of others it is what they were started with.
  EXPECT_EQ(NameOfTest(ThreadView(getpid()), "/usr/bin/sh"), "");
  unsetenv("PYTEST_CURRENT_TEST");
  EXPECT_EQ(NameOfTest(ThreadView(getpid()), kPython), "");
}

TEST(NameOfTestTest, RustNamesThreadsByTests) {
  EXPECT_EQ(OfThread("tests::saves_al"), "tests::saves_al");
  EXPECT_EQ(OfThread("worker-1"), "");
}

TEST(NameOfTestTest, NothingIsKnownOfAThreadThatIsGone) {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  waitpid(pid, nullptr, 0);
  EXPECT_EQ(NameOfTest(ThreadView(pid), kPython), "");
}

}  // namespace
}  // namespace encapsulate
