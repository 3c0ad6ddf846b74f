// An ordinary GoogleTest program whose tests would get into each other's way:
// both want the same file and the same port.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace {

void ExpectNothingInTheWay() {
  EXPECT_FALSE(std::filesystem::exists("/tmp/server.pid"));
  std::ofstream("/tmp/server.pid") << getpid();

  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(8080);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(
      bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
      0);
}

TEST(ServerTest, Starts) { ExpectNothingInTheWay(); }
TEST(ServerTest, StartsAgain) { ExpectNothingInTheWay(); }

}  // namespace
