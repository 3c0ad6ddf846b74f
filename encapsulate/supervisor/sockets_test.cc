// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/supervisor/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "encapsulate/base/unique_fd.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

constexpr char kOwn[] = "10.9.0.1";
constexpr char kPeer[] = "10.9.0.2";
constexpr char kGroup[] = "239.1.2.3";

sockaddr_in Address(const char* host, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

UniqueFd Datagrams() {
  return UniqueFd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

bool BindTo(int fd, int port) {
  const sockaddr_in address = Address("0.0.0.0", port);
  return bind(fd, reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) == 0;
}

int SendTo(int fd, const char* host, int port) {
  const sockaddr_in address = Address(host, port);
  return static_cast<int>(sendto(fd, "x", 1, 0,
                                 reinterpret_cast<const sockaddr*>(&address),
                                 sizeof(address)));
}

// Its errno.
int DetachFilter(int fd) {
  const int ignored = 0;
  return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &ignored,
                    sizeof(ignored)) == 0
             ? 0
             : errno;
}

// As a socket is once it was disconnected where nobody noticed.
void LoseDevice(int fd) {
  sockaddr nobody = {};
  nobody.sa_family = AF_UNSPEC;
  EXPECT_EQ(connect(fd, &nobody, sizeof(nobody)), 0);
  char device[IFNAMSIZ] = "";
  socklen_t size = sizeof(device);
  EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &size), 0);
  EXPECT_STREQ(device, "");
}

// An interface whose other end is a descriptor: what is written to that has
// come in, and what goes out is read there.
class Tunnel {
 public:
  Tunnel() : file_(open("/dev/net/tun", O_RDWR | O_CLOEXEC)) {
    ifreq request = {};
    strncpy(request.ifr_name, "tun0", sizeof(request.ifr_name) - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    EXPECT_EQ(ioctl(file_.get(), TUNSETIFF, &request), 0) << strerror(errno);
    const UniqueFd control = Datagrams();
    const sockaddr_in address = Address(kOwn, 0);
    memcpy(&request.ifr_addr, &address, sizeof(address));
    EXPECT_EQ(ioctl(control.get(), SIOCSIFADDR, &request), 0);
    const sockaddr_in mask = Address("255.255.255.0", 0);
    memcpy(&request.ifr_netmask, &mask, sizeof(mask));
    EXPECT_EQ(ioctl(control.get(), SIOCSIFNETMASK, &request), 0);
    for (const char* name : {"lo", "tun0"}) {
      strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
      request.ifr_flags = IFF_UP | IFF_MULTICAST;
      EXPECT_EQ(ioctl(control.get(), SIOCSIFFLAGS, &request), 0);
    }
  }

  // A datagram for that port comes in.
  void Bring(int port) {
    struct {
      iphdr ip;
      udphdr udp;
      char byte;
    } __attribute__((packed)) packet = {};
    packet.ip.version = 4;
    packet.ip.ihl = sizeof(iphdr) / 4;
    packet.ip.tot_len = htons(sizeof(packet));
    packet.ip.ttl = 64;
    packet.ip.protocol = IPPROTO_UDP;
    packet.ip.saddr = Address(kPeer, 0).sin_addr.s_addr;
    packet.ip.daddr = Address(kOwn, 0).sin_addr.s_addr;
    uint16_t words[sizeof(iphdr) / 2];
    memcpy(words, &packet.ip, sizeof(words));
    uint32_t sum = 0;
    for (uint16_t word : words) sum += word;
    sum = (sum & 0xffff) + (sum >> 16);
    packet.ip.check = static_cast<uint16_t>(~((sum & 0xffff) + (sum >> 16)));
    packet.udp.source = htons(9);
    packet.udp.dest = htons(static_cast<uint16_t>(port));
    packet.udp.len = htons(sizeof(udphdr) + 1);
    EXPECT_EQ(write(file_.get(), &packet, sizeof(packet)),
              static_cast<ssize_t>(sizeof(packet)));
  }

  // The port of the next datagram of IPv4 that goes out.
  int NextPort() {
    for (;;) {
      unsigned char packet[2048];
      const ssize_t size = read(file_.get(), packet, sizeof(packet));
      iphdr ip;
      udphdr udp;
      if (size < static_cast<ssize_t>(sizeof(ip) + sizeof(udp))) return -1;
      memcpy(&ip, packet, sizeof(ip));
      if (ip.version != 4 || ip.protocol != IPPROTO_UDP) continue;
      memcpy(&udp, packet + size_t{4} * ip.ihl, sizeof(udp));
      return ntohs(udp.dest);
    }
  }

 private:
  const UniqueFd file_;
};

// In a process with a network of its own.
void InNetwork(const std::function<void()>& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    EXPECT_EQ(unshare(CLONE_NEWNET), 0);
    body();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

bool HasTunnels() {
  return geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0 &&
         UniqueFd(open("/dev/net/tun", O_RDWR | O_CLOEXEC)).valid();
}

TEST(KeepOnLoopbackTest, DropsWhatAnotherInterfaceBrings) {
  if (!HasTunnels()) GTEST_SKIP() << "no tunnels for this user";
  InNetwork([] {
    Tunnel tunnel;
    const UniqueFd kept = Datagrams();
    ASSERT_TRUE(KeepOnLoopback(kept.get()));
    LoseDevice(kept.get());
    const UniqueFd other = Datagrams();
    ASSERT_TRUE(BindTo(kept.get(), 7001));
    ASSERT_TRUE(BindTo(other.get(), 7002));
    tunnel.Bring(7001);
    tunnel.Bring(7002);
    char byte;
    EXPECT_EQ(recv(other.get(), &byte, 1, 0), 1);
    EXPECT_EQ(recv(kept.get(), &byte, 1, MSG_DONTWAIT), -1);
    // What comes by loopback is another matter.
    EXPECT_EQ(SendTo(other.get(), "127.0.0.1", 7001), 1);
    EXPECT_EQ(recv(kept.get(), &byte, 1, 0), 1);
    // Nobody takes the filter off.
    EXPECT_EQ(DetachFilter(kept.get()), EPERM);
  });
}

TEST(KeepOnLoopbackTest, SendsByLoopbackOnly) {
  if (!HasTunnels()) GTEST_SKIP() << "no tunnels for this user";
  InNetwork([] {
    Tunnel tunnel;
    const UniqueFd kept = Datagrams();
    ASSERT_TRUE(KeepOnLoopback(kept.get()));
    LoseDevice(kept.get());
    const UniqueFd other = Datagrams();
    SendTo(kept.get(), kPeer, 8001);
    SendTo(kept.get(), kGroup, 8002);
    EXPECT_EQ(SendTo(other.get(), kPeer, 8003), 1);
    EXPECT_EQ(tunnel.NextPort(), 8003);
  });
}

TEST(KeepOnLoopbackTest, StreamsAreBoundOnly) {
  const UniqueFd stream(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_TRUE(KeepOnLoopback(stream.get()));
  char device[IFNAMSIZ] = "";
  socklen_t size = sizeof(device);
  EXPECT_EQ(
      getsockopt(stream.get(), SOL_SOCKET, SO_BINDTODEVICE, device, &size), 0);
  EXPECT_STREQ(device, "lo");
  EXPECT_EQ(DetachFilter(stream.get()), ENOENT);
}

}  // namespace
}  // namespace encapsulate
