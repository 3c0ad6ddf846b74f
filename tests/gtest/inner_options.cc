// SPDX-License-Identifier: Apache-2.0
//
// Tests for options_test, which runs this program with options, flags and on
// hosts of every kind. Its main() is GoogleTest's.
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_test.h"

namespace encapsulate {
namespace {

class PlainTest : public EncapsulatedTest {};
TEST_F(PlainTest, SaysWhereItIs) {
  RecordProperty("encapsulated", IsEncapsulated() ? "yes" : "no");
  RecordProperty("scratch", ScratchDirectory());
  RecordProperty("trees", static_cast<int>(WritableTrees().size()));
  RecordProperty("network",
                 std::filesystem::read_symlink("/proc/self/ns/net").string());
}
TEST_F(PlainTest, LeavesAFileAndFails) {
  std::ofstream(ScratchDirectory() + "/evidence") << "text";
  ADD_FAILURE();
}
TEST_F(PlainTest, LeavesAFileAndPasses) {
  std::ofstream(ScratchDirectory() + "/evidence") << "text";
}
TEST_F(PlainTest, WritesToItsDirectory) {
  std::ofstream file("written");
  EXPECT_TRUE(file.is_open());
}

TEST_F(PlainTest, LetsAProgramWrite) { EXPECT_EQ(system("touch written"), 0); }
// What it writes to /tmp is thrown away, whatever is shown there.
TEST_F(PlainTest, ReadsItsData) {
  std::string text;
  std::ifstream("data") >> text;
  EXPECT_EQ(text, "text");
  EXPECT_TRUE(std::ofstream("/tmp/inner_options") << "x");
  // Another one that was there, unless all is.
  const char* const other = getenv("INNER_OTHER");
  EXPECT_TRUE(other == nullptr || access(other, F_OK) != 0);
}

TEST(OrdinaryTest, IsNotEncapsulated) { EXPECT_FALSE(IsEncapsulated()); }

class MistakenTest : public EncapsulatedTest {
 protected:
  static void SetUpTestSuite() {
    TestOptions options = ProgramOptions();
    options.writable = {"/there/is/no/such/tree"};
    SetSuiteOptions(options);
  }
};
TEST_F(MistakenTest, NeverRuns) { printf("it runs\n"); }

class MistakenTimeoutTest : public EncapsulatedTest {
 protected:
  static void SetUpTestSuite() {
    TestOptions options = ProgramOptions();
    options.limits.timeout = absl::Seconds(1);
    SetSuiteOptions(options);
  }
};
TEST_F(MistakenTimeoutTest, NeverRuns) { printf("it runs\n"); }

class HidingTest : public EncapsulatedTest {
 public:
  static void* operator new(std::size_t size) { return ::operator new(size); }
  static void operator delete(void* memory) { ::operator delete(memory); }
};
TEST_F(HidingTest, NeverRuns) { printf("it runs\n"); }

class ShortTest : public EncapsulatedTest {
 protected:
  static void SetUpTestSuite() {
    TestOptions options = ProgramOptions();
    options.timeout = absl::Milliseconds(100);
    SetSuiteOptions(options);
  }
};
TEST_F(ShortTest, Hangs) {
  for (;;) pause();
}

// The program's own is on the host.
class ExecutableTest : public EncapsulatedTest {};
TEST_F(ExecutableTest, CannotBeChanged) {
  EXPECT_EQ(chmod("/proc/self/exe", 06777), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_NE(system("chmod 06777 /proc/$PPID/exe"), 0);
}
TEST_F(ExecutableTest, CanBeExecuted) {
  EXPECT_EQ(system("exec /proc/$PPID/exe --gtest_list_tests >/dev/null"), 0);
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(_exit(3), testing::ExitedWithCode(3), "");
}

// Before any test.
[[maybe_unused]] const bool started = [] {
  if (getenv("INNER_THREAD") != nullptr) {
    std::thread([] {
      for (;;) pause();
    }).detach();
  }
  return true;
}();

// Looks for what its suite has made in the program.
class ServerTest : public EncapsulatedTest {
 protected:
  static void SetUpTestSuite() {
    int ends[2];
    int ready[2];
    ASSERT_EQ(pipe(ends), 0);
    ASSERT_EQ(pipe(ready), 0);
    server_ = fork();
    char byte = '!';
    if (server_ == 0) {
      close(ends[1]);
      prctl(PR_SET_NAME, "server", 0, 0, 0);
      if (write(ready[1], &byte, 1) != 1) _exit(1);
      _exit(static_cast<int>(read(ends[0], &byte, 1)));
    }
    close(ends[0]);
    to_server_ = ends[1];
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(listen(listener_, 1), 0);
    file_ = testing::TempDir() + "/made_by_suite";
    std::ofstream(file_) << "text";
  }
  static void TearDownTestSuite() {
    close(listener_);
    close(to_server_);
    waitpid(server_, nullptr, 0);
    remove(file_.c_str());
  }

  static pid_t server_;
  static int to_server_;
  static int listener_;
  static std::string file_;
};
pid_t ServerTest::server_ = -1;
int ServerTest::to_server_ = -1;
int ServerTest::listener_ = -1;
std::string ServerTest::file_;

TEST_F(ServerTest, FindsNothing) {
  EXPECT_EQ(kill(server_, 0), 0);
  EXPECT_TRUE(std::ifstream(file_).is_open()) << "cannot open " << file_;
}
TEST_F(ServerTest, FindsNothingAgain) {
  EXPECT_TRUE(std::ifstream(file_).is_open()) << "cannot open " << file_;
}
TEST_F(ServerTest, MissesNothing) {}

}  // namespace
}  // namespace encapsulate
