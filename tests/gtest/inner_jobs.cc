// SPDX-License-Identifier: Apache-2.0
//
// Tests for jobs_test, which runs this program several tests at a time. They
// meet in the working directory, which is a writable tree for them.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace {

void Append(const std::string& line) {
  const int fd = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string text = line + "\n";
  ASSERT_EQ(write(fd, text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
  close(fd);
}

void Make(const std::string& file) {
  close(open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

void AwaitFile(const std::string& file) {
  const int events = inotify_init1(IN_CLOEXEC);
  ASSERT_GE(inotify_add_watch(events, ".", IN_CREATE), 0);
  char buffer[4096];
  while (access(file.c_str(), F_OK) != 0) {
    ASSERT_GT(read(events, buffer, sizeof(buffer)), 0);
  }
  close(events);
}

TEST(MeetTest, First) {
  Make("first");
  AwaitFile("second");
}
TEST(MeetTest, Second) {
  Make("second");
  AwaitFile("first");
}

// Each writes when it starts and ends. In GoogleTest's order the last one comes
// after the one in between, which is to run alone.
class OrderTest : public testing::Test {
 protected:
  OrderTest() { Append("start " + Name()); }
  ~OrderTest() override { Append("end " + Name()); }
  static std::string Name() {
    return testing::UnitTest::GetInstance()->current_test_info()->name();
  }
};
TEST_F(OrderTest, A) {}
TEST_F(OrderTest, B) {}
TEST_F(OrderTest, C) {}

// While GoogleTest is at the first one, the others run, one at a time if two
// may.
class LongestTest : public OrderTest {};
TEST_F(LongestTest, Waits) { AwaitFile("three"); }
TEST_F(LongestTest, A) {}
TEST_F(LongestTest, B) {}
TEST_F(LongestTest, C) {}
TEST_F(LongestTest, Ends) { Make("three"); }

class FailingTest : public OrderTest {};
TEST_F(FailingTest, A) {}
TEST_F(FailingTest, B) { ADD_FAILURE(); }
TEST_F(FailingTest, C) {}

// The second one is at work, or has ended, before the first one ends.
TEST(TimeTest, Waits) { AwaitFile("worked"); }
TEST(TimeTest, Works) {
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  Make("worked");
}

// Below the program, two processes down, is the one that makes sandboxes ahead
// of need.
class HelperTest : public OrderTest {
 protected:
  static void SetUpTestSuite() {
    const pid_t reaper = ChildOf(getpid());
    const pid_t helper = ChildOf(reaper);
    ASSERT_GT(helper, 0);
    ASSERT_EQ(kill(helper, SIGKILL), 0);
    while (kill(helper, 0) == 0) sched_yield();
  }

 private:
  static pid_t ChildOf(pid_t pid) {
    const std::string number = std::to_string(pid);
    std::ifstream children("/proc/" + number + "/task/" + number + "/children");
    pid_t child = -1;
    children >> child;
    return child;
  }
};
TEST_F(HelperTest, A) {}
TEST_F(HelperTest, B) { EXPECT_NE(access("/etc", W_OK), 0); }
TEST_F(HelperTest, C) {}

// What a test has open, but for the plugin's own descriptor, which is high.
class DescriptorsTest : public testing::Test {
 protected:
  static void Record() {
    std::string numbers;
    for (int fd = 0; fd < 700; ++fd) {
      if (fcntl(fd, F_GETFD) >= 0) numbers += std::to_string(fd) + " ";
    }
    RecordProperty("open", numbers);
  }
};
TEST_F(DescriptorsTest, First) {
  Record();
  if (getenv("INNER_WAITS") != nullptr) AwaitFile("second");
}
TEST_F(DescriptorsTest, Second) {
  Record();
  Make("second");
}
TEST_F(DescriptorsTest, Last) { Record(); }

constexpr size_t kBlock = 1 << 20;
TEST(OutputTest, Waits) { AwaitFile("half"); }
TEST(OutputTest, WritesMoreThanIsHeld) {
  const std::string line = std::string(kBlock - 1, 'x') + "\n";
  for (int i = 0; i < 48; ++i) {
    fwrite(line.data(), 1, line.size(), stdout);
    if (i == 24) Make("half");
  }
}
TEST(OutputTest, IsBehindIt) { printf("behind\n"); }

// GoogleTest comes to the second one while it waits, and the third one does.
TEST(ProgressTest, First) { AwaitFile("started"); }
TEST(ProgressTest, Second) {
  Make("started");
  AwaitFile("go");
}
TEST(ProgressTest, Third) { AwaitFile("go"); }

// For what ends the sandbox of one of the first two from outside, and then lets
// the other one go on.
TEST(LostTest, First) {
  std::cout << "first at work" << std::endl;
  Make("first");
  AwaitFile("go");
}
TEST(LostTest, Second) {
  std::cout << "second at work" << std::endl;
  Make("second");
  AwaitFile("go");
}
TEST(LostTest, Third) {}

// For what ends the whole program from outside.
TEST(EndlessTest, First) {
  AwaitFile("second");
  Make("both");
  for (;;) pause();
}
TEST(EndlessTest, Second) {
  Make("second");
  for (;;) pause();
}

}  // namespace
