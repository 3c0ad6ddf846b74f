// SPDX-License-Identifier: Apache-2.0
//
// What loopback is good for inside: multicast, broadcast, ping, and every port.
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/violations.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

constexpr int kPatience = 20000;  // milliseconds

bool Fails(int error, int result) { return result == -1 && errno == error; }

bool HostHasIpv6() {
  const UniqueFd any(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::ifstream file("/proc/sys/net/ipv6/conf/default/disable_ipv6");
  std::string disabled;
  return any.valid() && file >> disabled && disabled == "0";
}

// An IPv4 or IPv6 address.
struct Address {
  Address(const char* text, int port) {
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
      v4.sin_family = AF_INET;
      v4.sin_port = htons(static_cast<uint16_t>(port));
      size = sizeof(v4);
    } else {
      inet_pton(AF_INET6, text, &v6.sin6_addr);
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(static_cast<uint16_t>(port));
      size = sizeof(v6);
    }
  }
  const sockaddr* get() const { return &any; }
  int family() const { return any.sa_family; }

  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6 = {};
  };
  socklen_t size;
};

// A datagram socket bound to "any" at a port that the kernel chose.
class Receiver {
 public:
  explicit Receiver(int family)
      : fd_(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    Address any(family == AF_INET ? "0.0.0.0" : "::", 0);
    if (bind(fd_.get(), any.get(), any.size) != 0 ||
        getsockname(fd_.get(), &any.any, &any.size) != 0) {
      return;
    }
    port_ = ntohs(any.v4.sin_port);  // both have it in the same place
  }

  int fd() const { return fd_.get(); }
  int port() const { return port_; }

  // Of any interface.
  bool Join(const char* group) const {
    const Address address(group, 0);
    if (address.family() == AF_INET) {
      ip_mreq request = {};
      request.imr_multiaddr = address.v4.sin_addr;
      return setsockopt(fd(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &request,
                        sizeof(request)) == 0;
    }
    ipv6_mreq request = {};
    request.ipv6mr_multiaddr = address.v6.sin6_addr;
    return setsockopt(fd(), IPPROTO_IPV6, IPV6_JOIN_GROUP, &request,
                      sizeof(request)) == 0;
  }

  // Whether a datagram with that text comes.
  bool Receives(const std::string& text) const {
    struct pollfd event = {fd(), POLLIN, 0};
    char buffer[64];
    return poll(&event, 1, kPatience) == 1 &&
           recv(fd(), buffer, sizeof(buffer), 0) ==
               static_cast<ssize_t>(text.size()) &&
           memcmp(buffer, text.data(), text.size()) == 0;
  }

 private:
  UniqueFd fd_;
  int port_ = -1;
};

int Send(int fd, const Address& to, const std::string& text) {
  return static_cast<int>(
      sendto(fd, text.data(), text.size(), 0, to.get(), to.size));
}

// 0, or the number of the step that failed.
int JoinAndReceive(const char* group) {
  const int family = Address(group, 0).family();
  const Receiver receiver(family);
  const UniqueFd sender(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const Address to(group, receiver.port());
  // Nobody has joined: sent, and heard by nobody.
  if (Send(sender.get(), to, "early") < 0) return 1;
  if (!receiver.Join(group)) return 2;
  if (Send(sender.get(), to, "late") < 0) return 3;
  return receiver.Receives("late") ? 0 : 4;
}

int Broadcast(const char* address) {
  const Receiver receiver(AF_INET);
  const UniqueFd sender(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const Address to(address, receiver.port());
  if (!Fails(EACCES, Send(sender.get(), to, "no"))) return 1;
  const int on = 1;
  setsockopt(sender.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
  if (Send(sender.get(), to, "all") < 0) return 2;
  return receiver.Receives("all") ? 0 : 3;
}

int Bind(const char* address, int type, int port) {
  const Address to(address, port);
  const UniqueFd fd(socket(to.family(), type | SOCK_CLOEXEC, 0));
  return bind(fd.get(), to.get(), to.size);
}

// Sends an echo request and waits for its answer.
int Ping(const char* address) {
  const Address to(address, 0);
  const bool v6 = to.family() == AF_INET6;
  const int protocol = v6 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP};
  const UniqueFd fd(socket(to.family(), SOCK_DGRAM | SOCK_CLOEXEC, protocol));
  if (!fd.valid()) return 1;
  icmphdr request = {};
  constexpr uint8_t kEcho6 = 128;
  request.type = v6 ? kEcho6 : uint8_t{ICMP_ECHO};
  if (sendto(fd.get(), &request, sizeof(request), 0, to.get(), to.size) < 0) {
    return 2;
  }
  struct pollfd event = {fd.get(), POLLIN, 0};
  icmphdr answer = {};
  if (poll(&event, 1, kPatience) != 1 ||
      recv(fd.get(), &answer, sizeof(answer), 0) != sizeof(answer)) {
    return 3;
  }
  constexpr uint8_t kReply6 = 129;
  return answer.type == (v6 ? kReply6 : uint8_t{ICMP_ECHOREPLY}) ? 0 : 4;
}

// The violations of a run, "network 192.0.2.1:9".
std::string Violated(const Result& result) {
  std::string text;
  for (const Violation& violation : result.record.violations) {
    absl::StrAppend(&text, RuleName(violation.rule), " ", violation.target,
                    "\n");
  }
  return text;
}

class LoopbackTest : public ::testing::TestWithParam<Violations> {
 protected:
  LoopbackTest() { options_.violations = GetParam(); }

  // Expects that `body` returns 0 and violates nothing.
  void ExpectWorks(const std::function<int()>& body) const {
    const Result result = RunEntered(options_, body);
    EXPECT_EQ(result.outcome, Outcome::kExited);
    EXPECT_EQ(result.exit_code, 0) << "the step that failed";
    EXPECT_EQ(Violated(result), "");
  }

  Options options_;
};

INSTANTIATE_TEST_SUITE_P(Watched, LoopbackTest,
                         ::testing::Values(Violations::kOff,
                                           Violations::kReport));

TEST_P(LoopbackTest, MulticastReachesWhoHasJoined) {
  std::vector<const char*> groups = {"224.0.0.251", "239.255.0.1"};
  if (HostHasIpv6()) {
    groups.insert(groups.end(), {"ff02::fb", "ff05::1:3", "ff0e::1234"});
  }
  for (const char* group : groups) {
    SCOPED_TRACE(group);
    ExpectWorks([&] { return JoinAndReceive(group); });
  }
}

TEST_P(LoopbackTest, LoopbackSaysThatItHasMulticast) {
  ExpectWorks([] {
    const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct ifreq request = {};
    strncpy(request.ifr_name, "lo", sizeof(request.ifr_name) - 1);
    if (ioctl(fd.get(), SIOCGIFFLAGS, &request) != 0) return 1;
    return (request.ifr_flags & IFF_MULTICAST) != 0 ? 0 : 2;
  });
}

TEST_P(LoopbackTest, BroadcastReachesEverybody) {
  for (const char* address : {"255.255.255.255", "127.255.255.255"}) {
    SCOPED_TRACE(address);
    ExpectWorks([&] { return Broadcast(address); });
  }
}

TEST_P(LoopbackTest, EveryPortIsFree) {
  for (const char* address : {"127.0.0.1", "0.0.0.0", "::1", "::"}) {
    if (strchr(address, ':') != nullptr && !HostHasIpv6()) continue;
    SCOPED_TRACE(address);
    ExpectWorks([&] {
      for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
        for (int port : {1, 80, 443, 1023, 1024}) {
          if (Bind(address, type, port) != 0) return 1;
        }
      }
      return 0;
    });
  }
  // That of a watched sandbox's name server isn't.
  const bool watched = GetParam() != Violations::kOff;
  ExpectWorks([&] {
    const int bound = Bind("127.0.0.1", SOCK_STREAM, 53);
    return (watched ? Fails(EADDRINUSE, bound) : bound == 0) ? 0 : 1;
  });
  if (!IsHostRoot()) {
    std::ifstream file("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    int start = 0;
    REQUIRE_HOST(file >> start && start > 1, "every port is free outside");
    EXPECT_TRUE(Fails(EACCES, Bind("127.0.0.1", SOCK_STREAM, 1)));
  }
}

TEST_P(LoopbackTest, PingIsAnswered) {
  ExpectWorks([] { return Ping("127.0.0.1"); });
  if (HostHasIpv6()) ExpectWorks([] { return Ping("::1"); });
  options_.identity = Identity::kRoot;
  ExpectWorks([] { return Ping("127.0.0.1"); });
  // A raw socket still takes a capability.
  const Result raw = RunEntered(options_, [] {
    return Fails(EPERM, socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)) ? 0 : 1;
  });
  EXPECT_EQ(raw.exit_code, 0);
  EXPECT_EQ(Violated(raw),
            GetParam() == Violations::kOff ? "" : "privilege SOCK_RAW\n");
}

TEST_P(LoopbackTest, WithoutLoopbackNobodyIsReached) {
  options_.network = Network::kNone;
  const Result result = RunEntered(options_, [] {
    const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    for (const char* address : {"239.255.0.1", "255.255.255.255"}) {
      const int on = 1;
      setsockopt(fd.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
      if (!Fails(ENETUNREACH, Send(fd.get(), Address(address, 9), "x"))) {
        return 1;
      }
    }
    return Receiver(AF_INET).Join("239.255.0.1") ? 2 : 0;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Violated(result),
            GetParam() == Violations::kOff
                ? ""
                : "network 239.255.0.1:9\nnetwork 255.255.255.255:9\n");
}

}  // namespace
}  // namespace encapsulate
