// SPDX-License-Identifier: Apache-2.0
//
// For chaos_test: 200 tests of random acts that attack the program that runs
// them, each next to one that is as any other. The seed is INNER_CHAOS_SEED.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/gtest/hostile_acts.h"

namespace encapsulate {
namespace {

constexpr int kTests = 200;
constexpr unsigned kDefaultSeed = 20260710;
// How many of them hang.
constexpr int kEveryHangs = 50;

unsigned Seed() {
  const char* const given = getenv("INNER_CHAOS_SEED");
  return given != nullptr ? static_cast<unsigned>(strtoul(given, nullptr, 10))
                          : kDefaultSeed;
}

// The most memory that the program has had, in KiB.
long PeakOfProgram() {
  std::ifstream status("/proc/self/status");
  long peak = 0;
  for (std::string line; std::getline(status, line);) {
    if (sscanf(line.c_str(), "VmHWM: %ld kB", &peak) == 1) break;
  }
  return peak;
}

class Peak : public testing::Environment {
  void SetUp() override {
    printf("seed %u\n", Seed());
    before_ = PeakOfProgram();
  }
  void TearDown() override {
    printf("memory %ld\n", PeakOfProgram() - before_);
  }
  long before_ = 0;
};
[[maybe_unused]] testing::Environment* const peak =
    testing::AddGlobalTestEnvironment(new Peak);

// --- Acts after which the test goes on --------------------------------------

void CloseEveryDescriptor() {
  for (int fd = 0; fd < 1024; ++fd) close(fd);
}
void CloseTheBell() { close(hostile::FindBell()); }
void RingAndGoOn() { hostile::Ring(); }
void AnnounceAndGoOn() {
  static_cast<void>(write(hostile::FindBell(), "r", 1) == 1);
}
void AnswerItself() {
  const hostile::SharedMemory memory = hostile::FindSharedMemory();
  if (memory.begin != nullptr) *memory.answer() = 'b';
}
void KillEveryone() {
  signal(SIGTERM, SIG_IGN);
  kill(-1, SIGTERM);
}
void LimitItself() {
  const struct rlimit none = {0, 0};
  setrlimit(RLIMIT_NOFILE, &none);
  prlimit(1, RLIMIT_NOFILE, &none, nullptr);
}
void PrintMuch() {
  const std::string text(size_t{1} << 20, 'x');
  printf("%s", text.c_str());
}
void PrintControls() { printf("\33[2J\33]0;title\7\r\n"); }
void MakePipesSmall() {
  for (int fd = 0; fd < 1024; ++fd) {
    fcntl(fd, F_SETPIPE_SZ, 1);
    fcntl(fd, F_SETFL, O_DIRECT | O_NONBLOCK);
  }
}
void FailOften() {
  for (int i = 0; i < 200; ++i) GTEST_NONFATAL_FAILURE_("one of many");
}
void LeaveProcesses() {
  for (int i = 0; i < 5; ++i) {
    if (fork() == 0) {
      setsid();
      for (;;) pause();
    }
  }
}
void ForkAndReturn() { static_cast<void>(fork()); }
void ForbidToLook() { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
void UnmapTheResults() {
  const hostile::SharedMemory memory = hostile::FindSharedMemory();
  if (memory.begin != nullptr) madvise(memory.begin, memory.size, MADV_REMOVE);
}
void ReachOut() { mkdir("/etc/inner_chaos", 0700); }
void ChangeItsScratch() {
  const char* const scratch = getenv("TEST_TMPDIR");
  if (scratch != nullptr) chmod(scratch, 0);
}
void TakeSignals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;
    sigaction(signal, &ignore, nullptr);
  }
}

// --- Those that end it ------------------------------------------------------

void ExitZero() { exit(0); }
void UnderscoreExitZero() { _exit(0); }
void QuickExitZero() { quick_exit(0); }
void ExecuteAProgram() { execl("/bin/true", "true", nullptr); }
void KillItself() { kill(getpid(), SIGKILL); }
void Abort() { abort(); }
void Crash() {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
}
void Throw() { throw std::runtime_error("thrown"); }

// --- Those that hang --------------------------------------------------------

void StopItself() {
  for (;;) raise(SIGSTOP);
}
void WaitDeafly() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  for (;;) pause();
}
void RingForEver() { hostile::RingForEver(); }
void AnnounceForEver() { hostile::AnnounceForEver(); }

using Act = void (*)();

// A test with one of these never passes.
constexpr Act kFailing[] = {hostile::CommitRecordOfSizeZero,
                            hostile::CommitBeyondTheEnd,
                            hostile::CommitTextOf120MiB,
                            hostile::CommitTextOf1TiB,
                            hostile::CommitRecordOfNoKind,
                            hostile::ExpectWithoutEnd,
                            hostile::FillWithOnes,
                            hostile::FillWithNoise,

                            FailOften,
                            ExitZero,
                            UnderscoreExitZero,
                            QuickExitZero,
                            ExecuteAProgram,
                            KillItself,
                            Abort,
                            Crash,
                            Throw};
constexpr Act kOthers[] = {
    CloseEveryDescriptor, CloseTheBell,   RingAndGoOn,      AnnounceAndGoOn,
    AnswerItself,         KillEveryone,   LimitItself,      PrintMuch,
    PrintControls,        MakePipesSmall, ForkAndReturn,    LeaveProcesses,
    ForbidToLook,         ReachOut,       ChangeItsScratch, TakeSignals,
    UnmapTheResults};
constexpr Act kHanging[] = {StopItself, WaitDeafly, RingForEver,
                            AnnounceForEver};

class HostileTest : public testing::Test {
 public:
  explicit HostileTest(std::vector<Act> acts) : acts_(std::move(acts)) {}

 private:
  void TestBody() override {
    // What needs the plugin's memory and bell finds none elsewhere.
    ASSERT_NE(hostile::FindSharedMemory().begin, nullptr);
    for (Act act : acts_) act();
  }
  const std::vector<Act> acts_;
};

class HonestTest : public testing::Test {
 public:
  explicit HonestTest(int number) : number_(number) {}

 private:
  void TestBody() override {
    RecordProperty("number", number_);
    printf("this is test %d\n", number_);
    if (number_ % 3 == 1) ADD_FAILURE() << "as test " << number_ << " means to";
    if (number_ % 3 == 2) GTEST_SKIP() << "as test " << number_ << " means to";
  }
  const int number_;
};

bool Register() {
  std::mt19937 random(Seed());
  for (int i = 0; i < kTests; ++i) {
    // Up to two others come first, and what ends the test comes last.
    std::vector<Act> acts;
    for (unsigned others = random() % 3; others > 0; --others) {
      acts.push_back(kOthers[random() % std::size(kOthers)]);
    }
    const unsigned number = static_cast<unsigned>(random());
    const bool hangs = i % kEveryHangs == kEveryHangs / 2;
    acts.push_back(hangs ? kHanging[number % std::size(kHanging)]
                         : kFailing[number % std::size(kFailing)]);
    const std::string name = (hangs ? "Hangs" : "Hostile") + std::to_string(i);
    testing::RegisterTest(
        "ChaosTest", name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
        [acts]() -> testing::Test* { return new HostileTest(acts); });
    const std::string honest = "Honest" + std::to_string(i);
    testing::RegisterTest(
        "ChaosTest", honest.c_str(), nullptr, nullptr, __FILE__, __LINE__,
        [i]() -> testing::Test* { return new HonestTest(i); });
  }
  return true;
}
[[maybe_unused]] const bool registered = Register();

}  // namespace
}  // namespace encapsulate
