// SPDX-License-Identifier: Apache-2.0
//
// Tests for violations_test, which runs this program in every mode. They reach
// out, and most of them shrug it off.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_test.h"

namespace encapsulate {
namespace {

// The errno of connect(2).
int Connect(const char* address, uint16_t port = 80) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  inet_pton(AF_INET, address, &to.sin_addr);
  const int result = connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to));
  const int error = result == 0 ? 0 : errno;
  close(fd);
  return error;
}

void WriteTo(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) close(fd);
}

// As proc_pid_stat(5) has it.
char State(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string stat;
  std::getline(file, stat);
  const size_t name_end = stat.rfind(')');
  return name_end < stat.size() - 2 ? stat[name_end + 2] : '?';
}

// Takes its time whenever it hears something, if it is asked to.
class SlowListener : public testing::EmptyTestEventListener {
 public:
  void OnTestStart(const testing::TestInfo&) override { Dawdle(); }
  void OnTestPartResult(const testing::TestPartResult&) override { Dawdle(); }
  void OnTestEnd(const testing::TestInfo&) override { Dawdle(); }

 private:
  static void Dawdle() {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
};
[[maybe_unused]] const bool slow = [] {
  if (getenv("INNER_SLOW_LISTENER") == nullptr) return false;
  testing::UnitTest::GetInstance()->listeners().Append(new SlowListener);
  return true;
}();

// --- Whose failure it is -----------------------------------------------------

class ReachTest : public EncapsulatedTest {};

TEST_F(ReachTest, ShrugsItOff) { Connect("192.0.2.1"); }
TEST_F(ReachTest, StaysInside) {
  Connect("127.0.0.1", 1);
  WriteTo(ScratchDirectory() + "/file");
}
TEST_F(ReachTest, FailsBesides) {
  WriteTo("/usr/first");
  ADD_FAILURE() << "its own";
  WriteTo("/usr/second");
}
TEST_F(ReachTest, TriesOften) {
  for (int i = 0; i < 3; ++i) WriteTo("/usr/often");
}
TEST_F(ReachTest, IsSkipped) {
  WriteTo("/usr/skipped");
  GTEST_SKIP() << "for a reason";
}
TEST_F(ReachTest, RunsAProgram) {
  ASSERT_NE(system("mkdir /usr/made 2>/dev/null"), -1);
}
TEST_F(ReachTest, HasAThread) {
  std::thread([] { WriteTo("/usr/threads"); }).join();
}
TEST_F(ReachTest, TriesManyThings) {
  for (int i = 0; i < 30; ++i) WriteTo(absl::StrCat("/usr/many-", i));
}
TEST_F(ReachTest, WritesToItsDirectory) { WriteTo("written"); }
TEST_F(ReachTest, Crashes) {
  WriteTo("/usr/crash");
  raise(SIGKILL);
}
TEST_F(ReachTest, Exits) {
  WriteTo("/usr/exit");
  _exit(0);
}
TEST_F(ReachTest, Hangs) {
  WriteTo("/usr/hang");
  for (;;) pause();
}
TEST_F(ReachTest, CannotBeLookedAt) {
  prctl(PR_SET_DUMPABLE, 0);
  WriteTo("/usr/unseen");
}
TEST_F(ReachTest, ForbidsLookingAndStaysInside) {
  const std::string file = ScratchDirectory() + "/file";
  prctl(PR_SET_DUMPABLE, 0);
  EXPECT_TRUE(std::ifstream("/etc/passwd").is_open());
  const std::string command = "echo x > " + file;
  EXPECT_EQ(system(command.c_str()), 0);
}
TEST_F(ReachTest, DiesAsExpected) {
  const auto die = [] {
    WriteTo("/usr/dying");
    _exit(3);
  };
  EXPECT_EXIT(die(), testing::ExitedWithCode(3), "");
}
TEST_F(ReachTest, MakesASandbox) {
  Options options;
  options.violations = Violations::kReport;
  const auto result = encapsulate::Run(options, {"true"});
  if (geteuid() == 0) {
    // Root inside can't make any.
    ASSERT_FALSE(result.ok());
    printf("%s\n", std::string(result.status().message()).c_str());
    return;
  }
  ASSERT_TRUE(result.ok()) << result.status();
  // By the monitor of this test.
  EXPECT_TRUE(result->record.watched_outside);
  options.violations = Violations::kOff;
  const auto unwatched = encapsulate::Run(options, {"true"});
  ASSERT_TRUE(unwatched.ok()) << unwatched.status();
  EXPECT_FALSE(unwatched->record.watched_outside);
}
// Attempts to write to `path` as often as to ten others together, while a child
// disturbs it, each time somewhere else.
void AttemptWhile(const std::string& path, void (*disturb)(pid_t)) {
  constexpr int kTimes = 30;
  auto* const attempts = static_cast<std::atomic<int>*>(
      mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
           MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t test = getpid();
  const pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < kTimes; ++i) {
      while (*attempts <= i) sched_yield();
      disturb(test);
    }
    _exit(0);
  }
  while (waitpid(child, nullptr, WNOHANG) == 0) {
    WriteTo(absl::StrCat(path, "-", ++*attempts % 10));
    WriteTo(path);
  }
  printf("tried %d times\n", attempts->load());
}
TEST_F(ReachTest, IsPaused) {
  AttemptWhile("/usr/paused", [](pid_t test) {
    kill(test, SIGSTOP);
    while (State(test) != 'T') sched_yield();
    kill(test, SIGCONT);
  });
}
TEST_F(ReachTest, IsDebugged) {
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  AttemptWhile("/usr/debugged", [](pid_t test) {
    // Fails while the monitor has it.
    while (ptrace(PTRACE_SEIZE, test, nullptr, nullptr) != 0) sched_yield();
    ptrace(PTRACE_INTERRUPT, test, nullptr, nullptr);
    waitpid(test, nullptr, __WALL);
    ptrace(PTRACE_DETACH, test, nullptr, nullptr);
  });
}
TEST_F(ReachTest, RunsTests) {
  const std::string tests =
      absl::StrCat(std::filesystem::read_symlink("/proc/self/exe").string(),
                   " --gtest_filter=ReachTest.StaysInside");
  if (geteuid() == 0) {
    // Root inside can't make any sandbox.
    EXPECT_NE(system(tests.c_str()), 0);
    return;
  }
  EXPECT_EQ(system(tests.c_str()), 0);
  const std::string unwatched = tests + " --encapsulate_violations=off";
  EXPECT_EQ(system(unwatched.c_str()), 0);
}
// A test that runs ahead has nothing of the others'.
TEST_F(ReachTest, HoldsNoListener) {
  for (int fd = 0; fd < 1024; ++fd) {
    char target[256] = {};
    const std::string link = absl::StrCat("/proc/self/fd/", fd);
    if (readlink(link.c_str(), target, sizeof(target) - 1) < 0) continue;
    EXPECT_EQ(strstr(target, "seccomp"), nullptr) << target;
    EXPECT_EQ(strstr(target, "eventpoll"), nullptr) << target;
    EXPECT_EQ(strstr(target, "pidfd"), nullptr) << target;
  }
}

// --- Names that would spoil a report
// ------------------------------------------

class ForeignTextTest : public EncapsulatedTest {
 protected:
  static constexpr char kName[] = "\033[2J\nforged\xc2\x9b\xe2\x80\xae";
};
TEST_F(ForeignTextTest, Reaches) {
  prctl(PR_SET_NAME, kName);
  WriteTo(absl::StrCat("/usr/", kName));
}
TEST_F(ForeignTextTest, LeavesAProcessBehind) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  if (fork() == 0) {
    prctl(PR_SET_NAME, kName);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
}
TEST_F(ForeignTextTest, Hangs) {
  prctl(PR_SET_NAME, kName);
  for (;;) pause();
}

// --- In the program's own process
// ---------------------------------------------

class SuiteTest : public EncapsulatedTest {
 protected:
  // Not in a sandbox, so nobody's business.
  static void SetUpTestSuite() { WriteTo("/proc/version"); }
};
TEST_F(SuiteTest, Passes) {}

class DyingSuiteTest : public EncapsulatedTest {
 protected:
  static void SetUpTestSuite() { _exit(7); }
};
TEST_F(DyingSuiteTest, NeverRuns) {}

// --- What is allowed
// ----------------------------------------------------------

class AllowedTest : public EncapsulatedTest {
 protected:
  static void SetUpTestSuite() {
    TestOptions options = ProgramOptions();
    options.allowed.push_back(
        {Rule::kWrite, "/usr/cache-*", "the cache; it does without"});
    SetSuiteOptions(options);
  }
};
TEST_F(AllowedTest, UsesIt) {
  WriteTo("/usr/cache-a");
  WriteTo("/usr/cache-b");
}
TEST_F(AllowedTest, UsesADefault) { WriteTo("/usr/__pycache__"); }
TEST_F(AllowedTest, DoesMore) { WriteTo("/usr/cached"); }
TEST_F(AllowedTest, ExpectsIt) {
  const ExpectBlocked blocked(Rule::kWrite, "/usr/cache-*");
  WriteTo("/usr/cache-a");
}

class ReportingTest : public EncapsulatedTest {
 protected:
  static void SetUpTestSuite() {
    TestOptions options = ProgramOptions();
    options.violations = Violations::kReport;
    SetSuiteOptions(options);
  }
};
TEST_F(ReportingTest, ShrugsItOff) { WriteTo("/usr/reported"); }

// --- What is expected
// ---------------------------------------------------------

class ExpectTest : public EncapsulatedTest {};

TEST_F(ExpectTest, IsMet) {
  const ExpectBlocked blocked(Rule::kNetwork, "192.0.2.1:*");
  EXPECT_EQ(Connect("192.0.2.1"), ENETUNREACH);
}
TEST_F(ExpectTest, IsMetByAnything) {
  const ExpectBlocked blocked(Rule::kNetwork);
  Connect("192.0.2.1");
  Connect("192.0.2.2");
}
TEST_F(ExpectTest, IsUnmet) {
  const ExpectBlocked blocked(Rule::kNetwork, "192.0.2.1:*");
  Connect("127.0.0.1", 1);
}
TEST_F(ExpectTest, IsUnmetByAnotherRule) {
  const ExpectBlocked blocked(Rule::kNetwork);
  WriteTo("/usr/other-rule");
}
TEST_F(ExpectTest, IsUnmetByAnotherTarget) {
  const ExpectBlocked blocked(Rule::kNetwork, "192.0.2.1:*");
  Connect("192.0.2.10");
}
TEST_F(ExpectTest, IsUnmetByWhatCameBefore) {
  WriteTo("/usr/before");
  const ExpectBlocked blocked(Rule::kWrite, "/usr/before");
}
TEST_F(ExpectTest, TakesNothingAfterIt) {
  {
    const ExpectBlocked blocked(Rule::kWrite, "/usr/after");
    WriteTo("/usr/after");
  }
  WriteTo("/usr/after");
}
TEST_F(ExpectTest, IsUnmetByWhatSucceeds) {
  const ExpectBlocked blocked(Rule::kWrite);
  WriteTo(ScratchDirectory() + "/file");
}
TEST_F(ExpectTest, InnerScopeTakesWhatFits) {
  const ExpectBlocked outer(Rule::kWrite, "/usr/*");
  const ExpectBlocked inner(Rule::kWrite, "/usr/inner");
  WriteTo("/usr/inner");
}
TEST_F(ExpectTest, NestedScopesAreBothMet) {
  const ExpectBlocked outer(Rule::kWrite, "/usr/*");
  {
    const ExpectBlocked inner(Rule::kWrite, "/usr/inner");
    WriteTo("/usr/inner");
    WriteTo("/usr/outer");
  }
  WriteTo("/usr/inner");
}
TEST_F(ExpectTest, TakesWhatProcessesDo) {
  const ExpectBlocked blocked(Rule::kWrite, "/usr/*");
  ASSERT_NE(system("mkdir /usr/made 2>/dev/null"), -1);
  const pid_t pid = fork();
  if (pid == 0) {
    WriteTo("/usr/forked");
    _exit(0);
  }
  ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
  std::thread([] { WriteTo("/usr/threads"); }).join();
}
TEST_F(ExpectTest, TakesWhatADeathTestDoes) {
  const ExpectBlocked blocked(Rule::kWrite, "/usr/dying");
  const auto die = [] {
    // In another process it does nothing.
    const ExpectBlocked unmet(Rule::kNetwork);
    WriteTo("/usr/dying");
    exit(3);
  };
  EXPECT_EXIT(die(), testing::ExitedWithCode(3), "");
}
TEST_F(ExpectTest, HasTraces) {
  SCOPED_TRACE("on the way");
  const ExpectBlocked blocked(Rule::kNetwork);
}
TEST_F(ExpectTest, WorksInThreads) {
  std::thread threads[4];
  for (int i = 0; i < 4; ++i) {
    threads[i] = std::thread([i] {
      for (int j = 0; j < 20; ++j) {
        const std::string path = absl::StrCat("/usr/thread-", i, "-", j);
        const ExpectBlocked blocked(Rule::kWrite, path);
        WriteTo(path);
        EXPECT_NE(access(path.c_str(), F_OK), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}
TEST_F(ExpectTest, OutlivesItsTest) {
  new ExpectBlocked(Rule::kWrite, "/usr/never");
}
TEST_F(ExpectTest, LosesTheWay) {
  const ExpectBlocked blocked(Rule::kWrite, "/usr/lost");
  for (int fd = 3; fd < 1024; ++fd) close(fd);
}
// What ended leaves nothing behind that later ones had to go through.
TEST_F(ExpectTest, IsCheapToRepeat) {
  for (int i = 0; i < 500; ++i) {
    const ExpectBlocked blocked(Rule::kWrite, "/usr/again");
    WriteTo("/usr/again");
  }
}

class ScopedFixture : public EncapsulatedTest {
 protected:
  ScopedFixture() { WriteTo("/usr/fixture"); }
  ~ScopedFixture() override { WriteTo("/usr/fixture"); }

 private:
  const ExpectBlocked blocked_{Rule::kWrite, "/usr/fixture"};
};
TEST_F(ScopedFixture, ExpectsForItsWholeLife) {}

// Not in a sandbox.
TEST(OrdinaryTest, ExpectBlockedDoesNothing) {
  const ExpectBlocked blocked(Rule::kNetwork);
}

}  // namespace
}  // namespace encapsulate
