// SPDX-License-Identifier: Apache-2.0
//
// Encapsulated tests for composition_test.cc, which runs them in a sandbox of
// the tool's.
#include <fcntl.h>
#include <netdb.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_test.h"

namespace {

using encapsulate::EncapsulatedTest;
using encapsulate::ExpectBlocked;
using encapsulate::Rule;

void WriteTo(const std::string& path) {
  EXPECT_LT(open(path.c_str(), O_WRONLY | O_CREAT, 0600), 0);
}

class ComposedTest : public EncapsulatedTest {};

TEST_F(ComposedTest, StaysInside) {
  FILE* const file =
      fopen((encapsulate::ScratchDirectory() + "/x").c_str(), "w");
  ASSERT_NE(file, nullptr);
  fclose(file);
}

TEST_F(ComposedTest, ShrugsItOff) { WriteTo("/usr/composed"); }

// The same attempt as its neighbour's.
TEST_F(ComposedTest, ShrugsItOffToo) { WriteTo("/usr/composed"); }

TEST_F(ComposedTest, RunsAProgram) {
  EXPECT_NE(system("touch /usr/by-a-program 2>/dev/null"), 0);
}

TEST_F(ComposedTest, MakesARing) {
  EXPECT_EQ(syscall(SYS_io_uring_setup, 1, nullptr), -1);
  EXPECT_EQ(errno, ENOSYS);
}

TEST_F(ComposedTest, AsksForAName) {
  addrinfo* found = nullptr;
  EXPECT_NE(getaddrinfo("www.example.com", nullptr, nullptr, &found), 0);
}

TEST_F(ComposedTest, ExpectsIt) {
  const ExpectBlocked blocked(Rule::kWrite, "/usr/*");
  WriteTo("/usr/expected");
}

TEST_F(ComposedTest, ExpectsAName) {
  const ExpectBlocked blocked(Rule::kName, "*.example.com");
  addrinfo* found = nullptr;
  EXPECT_NE(getaddrinfo("www.example.com", nullptr, nullptr, &found), 0);
}

TEST_F(ComposedTest, ExpectsItInVain) {
  const ExpectBlocked blocked(Rule::kWrite, "/usr/*");
}

TEST_F(ComposedTest, EndsWithinItsScope) {
  new ExpectBlocked(Rule::kWrite, "/usr/*");
}

TEST_F(ComposedTest, AttemptsAndNeverEndsItsScope) {
  new ExpectBlocked(Rule::kWrite, "/usr/*");
  WriteTo("/usr/unended");
}

TEST_F(ComposedTest, ComesNext) { WriteTo("/usr/composed"); }

// Two tests that run at the same time: what the first one expects isn't what
// the second one does.
class PairTest : public EncapsulatedTest {
 protected:
  struct Shared {
    sem_t expects;
    sem_t attempted;
  };

  static void SetUpTestSuite() {
    shared_ = static_cast<Shared*>(mmap(nullptr, sizeof(Shared),
                                        PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    sem_init(&shared_->expects, /*pshared=*/1, 0);
    sem_init(&shared_->attempted, /*pshared=*/1, 0);
  }

  static Shared* shared_;
};

PairTest::Shared* PairTest::shared_;

TEST_F(PairTest, Expects) {
  const ExpectBlocked blocked(Rule::kWrite, "/usr/*");
  WriteTo("/usr/of-the-first");
  sem_post(&shared_->expects);
  sem_wait(&shared_->attempted);
}

TEST_F(PairTest, Attempts) {
  sem_wait(&shared_->expects);
  WriteTo("/usr/of-the-second");
  sem_post(&shared_->attempted);
}

TEST_F(ComposedTest, Forks) {
  const pid_t child = fork();
  if (child == 0) {
    open("/usr/by-a-child", O_WRONLY | O_CREAT, 0600);
    _exit(0);
  }
  waitpid(child, nullptr, 0);
}

}  // namespace
