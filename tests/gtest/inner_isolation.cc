// SPDX-License-Identifier: Apache-2.0
//
// Tests for isolation_test, which runs this program where namespaces are
// forbidden. Its main() is GoogleTest's.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_test.h"

namespace encapsulate {
namespace {

class LevelTest : public EncapsulatedTest {
 protected:
  static void SetUpTestSuite() { suite_pid_ = getpid(); }
  static pid_t suite_pid_;
};
pid_t LevelTest::suite_pid_ = 0;

TEST_F(LevelTest, WritesToItsScratch) {
  EXPECT_TRUE(IsEncapsulated());
  EXPECT_NE(getpid(), suite_pid_);
  EXPECT_EQ(ScratchDirectory(), getenv("TEST_TMPDIR"));
  const std::string file = ScratchDirectory() + "/file";
  EXPECT_TRUE(std::ofstream(file) << "x");
  EXPECT_EQ(chmod(file.c_str(), 0600), 0);
  EXPECT_TRUE(std::filesystem::is_empty(getenv("HOME")));
  EXPECT_FALSE(std::filesystem::equivalent(getenv("HOME"), ScratchDirectory()));
  EXPECT_STREQ(getenv("TMPDIR"), getenv("TEST_TMPDIR"));
}

TEST_F(LevelTest, FindsNothingOfAnotherTest) {
  EXPECT_TRUE(std::filesystem::is_empty(ScratchDirectory()));
  std::ofstream(ScratchDirectory() + "/other") << "x";
}

// GoogleTest makes a file in /tmp for it.
TEST_F(LevelTest, CapturesItsOutput) {
  testing::internal::CaptureStdout();
  printf("captured");
  fflush(stdout);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "captured");
}

TEST_F(LevelTest, DiesInDeathTests) {
  EXPECT_DEATH(
      {
        fprintf(stderr, "died");
        abort();
      },
      "died");
}

TEST_F(LevelTest, TalksToItself) {
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(server, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(server, 1), 0);
  getsockname(server, reinterpret_cast<sockaddr*>(&address), &size);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);
}

TEST_F(LevelTest, RunsPrograms) { EXPECT_EQ(system("true"), 0); }

TEST_F(LevelTest, LeavesAFileInTmp) {
  EXPECT_TRUE(std::ofstream("/tmp/left-by-inner-isolation") << "x");
}

TEST_F(LevelTest, FailsForAFile) {
  EXPECT_FALSE(std::ofstream("written-by-a-test").is_open());
}

TEST_F(LevelTest, FailsForAnAddress) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(80);
  inet_pton(AF_INET, "192.0.2.1", &address.sin_addr);
  EXPECT_NE(connect(client, reinterpret_cast<const sockaddr*>(&address),
                    sizeof(address)),
            0);
}

TEST_F(LevelTest, FailsLeavingAProcess) {
  EXPECT_EQ(system("sleep 1000 &"), 0);
}

}  // namespace
}  // namespace encapsulate
