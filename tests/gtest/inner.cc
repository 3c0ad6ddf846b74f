// SPDX-License-Identifier: Apache-2.0
//
// Tests that behave in every way a test can. behaviours_test runs this program
// in ordinary GoogleTest and encapsulated, and compares what comes out.
//
// INNER_BASE is the fixture that all others derive from.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#ifdef INNER_FIXTURE
#include "gtest_plugin/encapsulated_test.h"
#define INNER_BASE encapsulate::EncapsulatedTest
#else
#define INNER_BASE testing::Test
#endif

namespace {

// TestResult::ClearTestPartResults(), which is private.
template <typename Name, auto kMember>
struct Reveal {
  friend constexpr auto Get(Name) { return kMember; }
};
struct ClearParts {
  friend constexpr auto Get(ClearParts);
};
template struct Reveal<ClearParts, &testing::TestResult::ClearTestPartResults>;

class Base : public INNER_BASE {};

void Append(const char* variable, const std::string& text) {
  const char* const path = getenv(variable);
  if (path == nullptr) return;
  // Inside a test nothing gets there.
  const std::string directory(path, strrchr(path, '/'));
  if (access(directory.c_str(), W_OK) != 0) return;
  std::ofstream(path, std::ios::app) << text << "\n";
}

// Every event, in the order in which a program's own listener sees them.
class Events : public testing::TestEventListener {
 public:
  void OnTestProgramStart(const testing::UnitTest&) override {
    Note("program start");
  }
  void OnTestIterationStart(const testing::UnitTest&, int i) override {
    Note("iteration " + std::to_string(i));
  }
  void OnEnvironmentsSetUpStart(const testing::UnitTest&) override {
    Note("environments");
  }
  void OnEnvironmentsSetUpEnd(const testing::UnitTest&) override {
    Note("environments set up");
  }
  void OnTestSuiteStart(const testing::TestSuite& suite) override {
    Note(std::string("suite ") + suite.name());
  }
  void OnTestStart(const testing::TestInfo& test) override {
    Note(std::string("test ") + test.name() + " " +
         (test.value_param() != nullptr ? test.value_param() : "-") + " " +
         (test.type_param() != nullptr ? test.type_param() : "-"));
  }
  void OnTestPartResult(const testing::TestPartResult& part) override {
    Note("part " + std::to_string(part.type()) + " " +
         (part.file_name() != nullptr ? part.file_name() : "(null)") + ":" +
         std::to_string(part.line_number()) + " [" + part.summary() + "] [" +
         part.message() + "]");
  }
  void OnTestEnd(const testing::TestInfo& test) override {
    const testing::TestResult& result = *test.result();
    std::string text = std::string("end ") + test.name();
    for (int i = 0; i < result.test_property_count(); ++i) {
      text += std::string(" ") + result.GetTestProperty(i).key() + "=" +
              result.GetTestProperty(i).value();
    }
    Note(text + (result.Passed() ? " passed" : "") +
         (result.Skipped() ? " skipped" : "") +
         (result.HasFatalFailure() ? " fatal" : "") +
         (result.HasNonfatalFailure() ? " nonfatal" : ""));
  }
  void OnTestSuiteEnd(const testing::TestSuite& suite) override {
    Note(std::string("suite end ") + suite.name());
  }
  void OnEnvironmentsTearDownStart(const testing::UnitTest&) override {
    Note("environments end");
  }
  void OnEnvironmentsTearDownEnd(const testing::UnitTest&) override {
    Note("environments torn down");
  }
  void OnTestIterationEnd(const testing::UnitTest&, int) override {
    Note("iteration end");
  }
  void OnTestProgramEnd(const testing::UnitTest&) override {
    Note("program end");
  }

 private:
  static void Note(const std::string& text) { Append("INNER_EVENTS", text); }
};

class SharedEnvironment : public testing::Environment {
  void SetUp() override {
    Append("INNER_CALLS", "environment set up");
    testing::Test::RecordProperty("program", "of program");
    const char* const skip = getenv("INNER_ENVIRONMENT");
    if (skip != nullptr && std::string(skip) == "skip") {
      GTEST_SKIP() << "the environment skips";
    }
    if (skip != nullptr && std::string(skip) == "fail") {
      FAIL() << "the environment fails";
    }
  }
  void TearDown() override { Append("INNER_CALLS", "environment torn down"); }
};

struct Destroyed {
  ~Destroyed() { Append("INNER_CALLS", "static destroyed"); }
};
Destroyed destroyed;

#if GTEST_HAS_EXCEPTIONS
// GoogleTest's documented way to end a test at its first failure.
class ThrowListener : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.type() == testing::TestPartResult::kFatalFailure) {
      throw testing::AssertionException(result);
    }
  }
};
#endif

const bool registered = [] {
  testing::AddGlobalTestEnvironment(new SharedEnvironment);
  testing::UnitTest::GetInstance()->listeners().Append(new Events);
#if GTEST_HAS_EXCEPTIONS
  if (getenv("INNER_THROW_LISTENER") != nullptr) {
    testing::UnitTest::GetInstance()->listeners().Append(new ThrowListener);
  }
#endif
  if (getenv("INNER_ATEXIT") != nullptr) {
    atexit([] { Append("INNER_CALLS", "atexit"); });
  }
  if (getenv("INNER_IGNORE_CHILDREN") != nullptr) signal(SIGCHLD, SIG_IGN);
  if (getenv("INNER_THREADS") != nullptr) {
    std::promise<void> named;
    std::thread([&] {
      prctl(PR_SET_NAME, "inner-helper");
      named.set_value();
      for (;;) pause();
    }).detach();
    named.get_future().wait();
  }
  return true;
}();

// --- Results ----------------------------------------------------------------

class ResultsTest : public Base {};

TEST_F(ResultsTest, Passes) { EXPECT_EQ(1, 1); }
TEST_F(ResultsTest, Fails) { EXPECT_EQ(1, 2) << "with a message"; }
TEST_F(ResultsTest, FailsTwiceAndFatally) {
  EXPECT_TRUE(false);
  ADD_FAILURE_AT("elsewhere.cc", 7) << "with a place of its own";
  ASSERT_TRUE(false) << "fatal";
  ADD_FAILURE() << "not reached";
}
TEST_F(ResultsTest, Skips) { GTEST_SKIP() << "not today"; }
TEST_F(ResultsTest, SucceedsExplicitly) { SUCCEED() << "well"; }
TEST_F(ResultsTest, SkipsAfterAFailure) {
  ADD_FAILURE() << "first";
  GTEST_SKIP() << "then";
}
TEST_F(ResultsTest, DISABLED_Disabled) { FAIL(); }
TEST_F(ResultsTest, FailsInAnUnknownPlace) {
  GTEST_MESSAGE_AT_(nullptr, -1, "nowhere",
                    testing::TestPartResult::kNonFatalFailure);
}
TEST_F(ResultsTest, HasALongMessage) {
  ADD_FAILURE() << std::string(300000, 'x') << "\x01\n<&>\"' \xc3\xa4";
}

void TraceTwice() {
  SCOPED_TRACE("outer");
  SCOPED_TRACE(testing::Message() << "inner " << 2);
  EXPECT_TRUE(false);
}
TEST_F(ResultsTest, HasTraces) {
  TraceTwice();
  ADD_FAILURE() << "without";
}
TEST_F(ResultsTest, InterceptsFailures) {
  EXPECT_FATAL_FAILURE(FAIL() << "expected", "expected");
  EXPECT_NONFATAL_FAILURE(ADD_FAILURE() << "expected", "expected");
}
TEST_F(ResultsTest, FailsToIntercept) {
  EXPECT_NONFATAL_FAILURE(static_cast<void>(0), "expected");
}
TEST_F(ResultsTest, FailsOnAThread) {
  std::thread([] { ADD_FAILURE() << "on a thread"; }).join();
}

// The same one each time, since their order is nobody's.
TEST_F(ResultsTest, FailsOnManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int j = 0; j < 25; ++j) {
        const testing::TestInfo* const test =
            testing::UnitTest::GetInstance()->current_test_info();
        ADD_FAILURE() << "one of many, in " << test->name();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

class OtherFixture : public Base {};
// ResultsTest's, so GoogleTest refuses to run it. TEST_F() checks it when it
// is compiled; RegisterTest() doesn't.
class MixedTest : public OtherFixture {
  void TestBody() override { ADD_FAILURE() << "not reached"; }
};

// --- Properties -------------------------------------------------------------

class PropertiesTest : public Base {
 protected:
  static void SetUpTestSuite() { RecordProperty("suite", "of suite"); }
};
TEST_F(PropertiesTest, Records) {
  RecordProperty("key", "first");
  RecordProperty("number", 42);
  RecordProperty("key", "last");
  RecordProperty("markup", "<&\"'>\n");
}
TEST_F(PropertiesTest, RecordsAReservedKey) { RecordProperty("name", "x"); }
TEST_F(PropertiesTest, RecordsAndFails) {
  RecordProperty("before", "1");
  ADD_FAILURE();
  RecordProperty("after", "2");
}

// --- Phases -----------------------------------------------------------------

class PhasesTest : public Base {
 protected:
  static void SetUpTestSuite() {
    Append("INNER_CALLS", "suite set up");
    shared = new int(41);
  }
  static void TearDownTestSuite() {
    Append("INNER_CALLS", "suite torn down " + std::to_string(*shared));
    delete shared;
  }
  PhasesTest() { std::cout << "constructor\n"; }
  ~PhasesTest() override { std::cout << "destructor" << std::endl; }
  void SetUp() override { std::cout << "SetUp\n"; }
  void TearDown() override { std::cout << "TearDown\n"; }
  static int* shared;
};
int* PhasesTest::shared = nullptr;

TEST_F(PhasesTest, SeesAndChangesWhatIsShared) {
  EXPECT_EQ(*shared, 41);
  ++*shared;
  EXPECT_EQ(*shared, 42);
}
TEST_F(PhasesTest, RunsEveryPhase) { printf("body\n"); }

enum class Doing { kSkip, kFail, kFatal, kThrow };
void Do(Doing what, const char* where) {
  switch (what) {
    case Doing::kSkip:
      GTEST_SKIP() << "skipped in " << where;
    case Doing::kFail:
      ADD_FAILURE() << "failed in " << where;
      break;
    case Doing::kFatal:
      FAIL() << "failed fatally in " << where;
    case Doing::kThrow:
#if GTEST_HAS_EXCEPTIONS
      throw std::runtime_error(where);
#else
      break;
#endif
  }
}

// NOLINTBEGIN(bugprone-macro-parentheses,bugprone-exception-escape): the macro
// writes classes, and some of them misbehave on purpose.
#define INNER_PHASE(name, in_constructor, in_set_up, in_tear_down, \
                    in_destructor)                                 \
  class name : public Base {                                       \
   protected:                                                      \
    name() { in_constructor; }                                     \
    ~name() override { in_destructor; }                            \
    void SetUp() override {                                        \
      printf("SetUp\n");                                           \
      in_set_up;                                                   \
    }                                                              \
    void TearDown() override {                                     \
      printf("TearDown\n");                                        \
      in_tear_down;                                                \
    }                                                              \
  };                                                               \
  TEST_F(name, Runs) { printf("body\n"); }

constexpr int kNothing = 0;
#define INNER_NOTHING static_cast<void>(kNothing)
INNER_PHASE(ConstructorSkipsTest, Do(Doing::kSkip, "constructor"),
            INNER_NOTHING, INNER_NOTHING, INNER_NOTHING)
INNER_PHASE(ConstructorFailsTest, Do(Doing::kFail, "constructor"),
            INNER_NOTHING, INNER_NOTHING, INNER_NOTHING)
INNER_PHASE(ConstructorFailsFatallyTest, Do(Doing::kFatal, "constructor"),
            INNER_NOTHING, INNER_NOTHING, INNER_NOTHING)
INNER_PHASE(SetUpSkipsTest, INNER_NOTHING, Do(Doing::kSkip, "SetUp"),
            INNER_NOTHING, INNER_NOTHING)
INNER_PHASE(SetUpFailsFatallyTest, INNER_NOTHING, Do(Doing::kFatal, "SetUp"),
            INNER_NOTHING, INNER_NOTHING)
INNER_PHASE(TearDownFailsTest, INNER_NOTHING, INNER_NOTHING,
            Do(Doing::kFatal, "TearDown"), INNER_NOTHING)
INNER_PHASE(DestructorFailsTest, INNER_NOTHING, INNER_NOTHING, INNER_NOTHING,
            Do(Doing::kFail, "destructor"))
#if GTEST_HAS_EXCEPTIONS
INNER_PHASE(ConstructorThrowsTest, Do(Doing::kThrow, "constructor"),
            INNER_NOTHING, INNER_NOTHING, INNER_NOTHING)
INNER_PHASE(SetUpThrowsTest, INNER_NOTHING, Do(Doing::kThrow, "SetUp"),
            INNER_NOTHING, INNER_NOTHING)
INNER_PHASE(TearDownThrowsTest, INNER_NOTHING, INNER_NOTHING,
            Do(Doing::kThrow, "TearDown"), INNER_NOTHING)
// NOLINTEND(bugprone-macro-parentheses,bugprone-exception-escape)
class BodyThrowsTest : public Base {};
TEST_F(BodyThrowsTest, AnException) { throw std::runtime_error("body"); }
TEST_F(BodyThrowsTest, AnInt) { throw 5; }  // NOLINT
#endif

class SuiteSkipsTest : public Base {
 protected:
  static void SetUpTestSuite() { GTEST_SKIP() << "the suite skips"; }
};
TEST_F(SuiteSkipsTest, Runs) { printf("body\n"); }

class SuiteFailsTest : public Base {
 protected:
  static void SetUpTestSuite() { FAIL() << "the suite fails"; }
};
TEST_F(SuiteFailsTest, Runs) { printf("body\n"); }

// --- Output -----------------------------------------------------------------

class OutputTest : public Base {};
TEST_F(OutputTest, IsOrdered) {
  printf("printf without a newline, ");
  std::cout << "cout\n";
  fflush(stdout);
  std::cout.flush();
  fprintf(stderr, "stderr\n");
  if (write(STDOUT_FILENO, "write(2)\n", 9) != 9) abort();
  EXPECT_TRUE(false);
  printf("after the failure\n");
  EXPECT_TRUE(false);
  printf("the end, without a newline");
}
TEST_F(OutputTest, OfProcesses) {
  fflush(stdout);
  EXPECT_EQ(system("echo from a shell; (echo and its child)"), 0);
}
TEST_F(OutputTest, IsCaptured) {
  testing::internal::CaptureStdout();
  printf("captured");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "captured");
  testing::internal::CaptureStderr();
  fprintf(stderr, "also");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "also");
}
TEST_F(OutputTest, GoesToTempDir) {
  const std::string path = testing::TempDir() + "inner_file";
  std::ofstream(path) << "text";
  std::string text;
  std::ifstream(path) >> text;
  EXPECT_EQ(text, "text");
  remove(path.c_str());
}
TEST_F(OutputTest, OfAForkedProcess) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    EXPECT_TRUE(false) << "in a forked process";
    fflush(stdout);
    _exit(0);
  }
  EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
}

// --- GoogleMock -------------------------------------------------------------

class Turtle {
 public:
  virtual ~Turtle() = default;
  virtual int Move(int distance) = 0;
};
class MockTurtle : public Turtle {
 public:
  MOCK_METHOD(int, Move, (int distance), (override));
};
class MocksTest : public Base {
 protected:
  MockTurtle member_;
};
TEST_F(MocksTest, AreSatisfied) {
  EXPECT_CALL(member_, Move(3)).WillOnce(testing::Return(4));
  EXPECT_EQ(member_.Move(3), 4);
}
TEST_F(MocksTest, InMembersAreVerified) { EXPECT_CALL(member_, Move(1)); }
TEST_F(MocksTest, ReportUnexpectedCalls) {
  EXPECT_CALL(member_, Move(1)).Times(testing::AnyNumber());
  member_.Move(2);
}
TEST_F(MocksTest, ShowUninterestingCalls) { member_.Move(2); }

// --- Death tests ------------------------------------------------------------

class InnerDeathTest : public Base {};
void Die() {
  fprintf(stderr, "dying\n");
  _exit(3);
}
TEST_F(InnerDeathTest, FastStyle) {
  testing::FLAGS_gtest_death_test_style = "fast";
  EXPECT_EXIT(Die(), testing::ExitedWithCode(3), "dying");
  EXPECT_DEATH(abort(), "");
  EXPECT_EXIT(exit(4), testing::ExitedWithCode(4), "");
  EXPECT_EXIT(raise(SIGKILL), testing::KilledBySignal(SIGKILL), "");
}
TEST_F(InnerDeathTest, ThreadsafeStyle) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(Die(), testing::ExitedWithCode(3), "dying");
  EXPECT_DEATH(abort(), "");
}
TEST_F(InnerDeathTest, SurvivesFast) {
  testing::FLAGS_gtest_death_test_style = "fast";
  EXPECT_DEATH(static_cast<void>(0), "");
}
TEST_F(InnerDeathTest, SurvivesThreadsafe) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(static_cast<void>(0), "");
}

// --- Parameters -------------------------------------------------------------

class ParametersTest : public Base, public testing::WithParamInterface<int> {};
TEST_P(ParametersTest, AreGiven) { EXPECT_NE(GetParam(), 2); }
std::vector<int> AtRunTime() { return {1, 2, static_cast<int>(sizeof(int))}; }
INSTANTIATE_TEST_SUITE_P(Inner, ParametersTest, testing::ValuesIn(AtRunTime()));
INSTANTIATE_TEST_SUITE_P(Named, ParametersTest, testing::Values(7),
                         [](const testing::TestParamInfo<int>& info) {
                           return "Seven" + std::to_string(info.index);
                         });

template <typename T>
class TypesTest : public Base {};
using InnerTypes = testing::Types<char, int>;
TYPED_TEST_SUITE(TypesTest, InnerTypes);
TYPED_TEST(TypesTest, AreGiven) { EXPECT_EQ(sizeof(TypeParam), 4U); }

class RegisteredTest : public Base {
 public:
  explicit RegisteredTest(int value) : value_(value) {}
  void TestBody() override { EXPECT_EQ(value_, 1); }

 private:
  const int value_;
};
const bool tests_registered = [] {
  for (int value : {1, 2}) {
    testing::RegisterTest("RegisteredTest",
                          ("Is" + std::to_string(value)).c_str(), nullptr,
                          std::to_string(value).c_str(), __FILE__, __LINE__,
                          [=]() -> Base* { return new RegisteredTest(value); });
  }
  testing::RegisterTest("MixedTest", "First", nullptr, nullptr, __FILE__,
                        __LINE__,
                        []() -> Base* { return new RegisteredTest(1); });
  testing::RegisterTest("MixedTest", "OfAnotherFixture", nullptr, nullptr,
                        __FILE__, __LINE__,
                        []() -> OtherFixture* { return new MixedTest; });
  return true;
}();

// --- Order and repetition ---------------------------------------------------

class ManyTest : public Base {
 protected:
  void LeaveFile() {
    const std::string path = testing::TempDir() + "many";
    if (getenv("INNER_FRESH") == nullptr) return;
    struct stat info;
    EXPECT_NE(stat(path.c_str(), &info), 0) << path << " is there already";
    std::ofstream(path.c_str()) << "x";
  }
};
TEST_F(ManyTest, A) { LeaveFile(); }
TEST_F(ManyTest, B) { LeaveFile(); }
TEST_F(ManyTest, C) { ADD_FAILURE(); }
TEST_F(ManyTest, D) { LeaveFile(); }
class MoreTest : public Base {};
TEST_F(MoreTest, E) {}
TEST_F(MoreTest, F) { GTEST_SKIP(); }

// --- Ends that an ordinary program doesn't survive ---------------------------

// Says so first.
[[noreturn]] __attribute__((noinline)) void WaitForever(int fd) {
  prctl(PR_SET_NAME, "forever");
  if (write(fd, "x", 1) != 1) _exit(1);
  for (;;) pause();
}

class EndsTest : public Base {
 protected:
  void SetUp() override { RecordProperty("before", "the end"); }
};
TEST_F(EndsTest, BySegmentationFault) {
  SCOPED_TRACE("on the way");
  EXPECT_TRUE(false) << "before the crash";
  printf("unfinished line");
  *reinterpret_cast<volatile int*>(8) = 1;
}
TEST_F(EndsTest, ByAbort) { abort(); }
TEST_F(EndsTest, ByAbortWithMuchUnwritten) {
  // More than a pipe takes at once.
  static char buffer[400000];
  setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
  fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
  for (int i = 0; i < 3000; ++i) printf("%099d\n", i);
  abort();
}
TEST_F(EndsTest, ByKill) { raise(SIGKILL); }
TEST_F(EndsTest, ByExitZero) {
  printf("before exit");
  exit(0);
}
TEST_F(EndsTest, ByExitThree) { exit(3); }
TEST_F(EndsTest, ByUnderscoreExitZero) { _exit(0); }
TEST_F(EndsTest, ByClosingEverything) {
  for (int fd = 3; fd < 1100; ++fd) close(fd);
  EXPECT_TRUE(false) << "after closing";
}
TEST_F(EndsTest, ByIgnoringChildren) {
  signal(SIGCHLD, SIG_IGN);
  abort();
}
TEST_F(EndsTest, ByHanging) {
  SCOPED_TRACE("on the way");
  EXPECT_TRUE(false) << "before the hang";
  std::thread([] {
    prctl(PR_SET_NAME, "second");
    for (;;) pause();
  }).detach();
  std::thread([] {
    prctl(PR_SET_NAME, "deaf");
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    for (;;) pause();
  }).detach();
  printf("an unfinished line");
  for (;;) pause();
}
TEST_F(EndsTest, ByHangingProcesses) {
  // A command, a process of this program, and one that nobody waits for.
  int in[2];
  int ready[2];
  ASSERT_EQ(pipe2(in, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  if (fork() == 0) {
    dup2(in[0], STDIN_FILENO);
    execl("/bin/cat", "cat", "-", nullptr);
    _exit(127);
  }
  if (fork() == 0) WaitForever(ready[1]);
  if (fork() == 0) _exit(0);
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  for (;;) pause();
}
TEST_F(EndsTest, ByHangingDeafly) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  WaitForever(STDOUT_FILENO);
}
TEST_F(EndsTest, ByOverflowOfTheStack) {
  struct Recursion {
    static int Down(const volatile char* above) {
      volatile char here[4096];
      here[0] = above != nullptr ? above[0] : '\1';
      // Never true, which no compiler knows.
      if (getpid() == 0) return 0;
      return Down(here) + here[0];
    }
  };
  EXPECT_EQ(Recursion::Down(nullptr), 0);
}
TEST_F(EndsTest, ByOverflowOfTheStackInTurns) {
  struct Turns {
    [[gnu::noinline]] static int First(const volatile char* above, int depth) {
      volatile char here[4096];
      here[0] = above != nullptr ? above[0] : '\1';
      if (getpid() == 0) return 0;
      return Second(here, depth + 1) + here[0];
    }
    [[gnu::noinline]] static int Second(const volatile char* above, int depth) {
      volatile char here[4096];
      here[0] = above[0];
      if (getpid() == 0) return 0;
      // Once a third one has its turn.
      return (depth == 199 ? Third(here, depth) : First(here, depth + 1)) +
             here[0];
    }
    [[gnu::noinline]] static int Third(const volatile char* above, int depth) {
      volatile char here[4096];
      here[0] = above[0];
      if (getpid() == 0) return 0;
      return First(here, depth + 1) + here[0];
    }
  };
  EXPECT_EQ(Turns::First(nullptr, 0), 0);
}
TEST_F(EndsTest, ByQuickExit) { quick_exit(0); }
TEST_F(EndsTest, ByExecutingAProgram) {
  execl("/bin/sh", "sh", "-c", "exit 0", nullptr);
}
TEST_F(EndsTest, ForkedProcessReturns) {
  const pid_t pid = fork();
  if (pid == 0) return;
  EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
}
TEST_F(EndsTest, LeavesAProcess) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  if (fork() == 0) {
    prctl(PR_SET_NAME, "left-behind");
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
}
TEST_F(EndsTest, LeavesAMock) {
  auto* const mock = new MockTurtle;
  EXPECT_CALL(*mock, Move(1));
}
TEST_F(EndsTest, LeavesAMockOnPurpose) {
  auto* const mock = new MockTurtle;
  testing::Mock::AllowLeak(mock);
  EXPECT_CALL(*mock, Move(1)).Times(testing::AnyNumber());
}
TEST_F(EndsTest, WritesToItsDirectory) {
  const int fd = open("written", O_WRONLY | O_CREAT, 0666);
  EXPECT_GE(fd, 0) << strerror(errno);
}
TEST_F(EndsTest, WaitsForTheEnd) {
  // For the test that ends the whole program from outside.
  std::cout << getpid() << std::endl;
  for (;;) pause();
}
TEST_F(EndsTest, AfterAll) {}

#if GTEST_HAS_EXCEPTIONS
class ThrowListenerTest : public Base {};
void FailFatally() { ASSERT_TRUE(false) << "in a subroutine"; }
TEST_F(ThrowListenerTest, EndsAtTheFirstFatalFailure) {
  FailFatally();
  printf("reached only without the listener\n");
}
// With several tests at a time, it fails before GoogleTest comes to it.
TEST_F(ThrowListenerTest, EndsThereAgain) {
  EXPECT_TRUE(true);
  FailFatally();
  printf("reached only without the listener\n");
}
#endif

// As GoogleTest's own tests do, which look at results that aren't theirs.
class ClearsTest : public Base {
 protected:
  static void Clear() {
    const testing::TestResult* const result =
        testing::UnitTest::GetInstance()->current_test_info()->result();
    (const_cast<testing::TestResult*>(result)->*Get(ClearParts{}))();
  }
};
TEST_F(ClearsTest, AFailure) {
  ADD_FAILURE() << "dropped";
  Clear();
}
TEST_F(ClearsTest, AFailureAndFailsAgain) {
  ADD_FAILURE() << "dropped";
  ADD_FAILURE() << "dropped too";
  Clear();
  ADD_FAILURE() << "stays";
}
TEST_F(ClearsTest, NothingBeforeItFails) {
  Clear();
  ADD_FAILURE() << "stays";
}
TEST_F(ClearsTest, AFatalFailureAndGoesOn) {
  [] { FAIL() << "dropped"; }();
  Clear();
  SUCCEED();
  RecordProperty("goes", "on");
}

}  // namespace
