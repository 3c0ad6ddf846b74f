// SPDX-License-Identifier: Apache-2.0
//
// Tests that know nothing of Encapsulate: for the plugin and for the launcher.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace {

// Both want to be the first.
void ExpectOwnScratch() {
  const char* scratch = getenv("TEST_TMPDIR");
  ASSERT_NE(scratch, nullptr);
  EXPECT_TRUE(std::filesystem::is_empty(scratch)) << scratch;
  EXPECT_TRUE(std::ofstream(std::string(scratch) + "/mine")
              << "x" << std::flush);
  EXPECT_FALSE(std::filesystem::exists("/tmp/mine_too"));
  EXPECT_TRUE(std::ofstream("/tmp/mine_too") << "x" << std::flush);
}

TEST(Ordinary, HasItsScratch) { ExpectOwnScratch(); }
TEST(Ordinary, HasItsScratchAgain) { ExpectOwnScratch(); }

TEST(Ordinary, IsReported) { RecordProperty("store", "open"); }

int ErrorOfConnecting() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(1);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int result =
      connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  const int error = result == 0 ? 0 : errno;
  close(fd);
  return error;
}

TEST(Ordinary, HasLoopback) { EXPECT_EQ(ErrorOfConnecting(), ECONNREFUSED); }
TEST(Network, HasNoLoopback) { EXPECT_EQ(ErrorOfConnecting(), ENETUNREACH); }

TEST(Directory, IsWritable) {
  const auto arguments = testing::internal::GetArgvs();
  ASSERT_GE(arguments.size(), 2u);
  EXPECT_TRUE(std::ofstream(arguments.back()) << "x" << std::flush);
}

// Shrugs the error off.
TEST(Reaching, Writes) { std::ofstream("/usr/no_such_file") << "x"; }

TEST(Hanging, ForEver) {
  for (;;) pause();
}

}  // namespace
