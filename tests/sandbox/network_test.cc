// SPDX-License-Identifier: Apache-2.0
//
// The network, and what other ways there are to talk to the host.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

Options With(Network network) {
  Options options;
  options.network = network;
  return options;
}

std::string Family(int family) { return absl::StrCat(family); }

// A server on the host's loopback.
class HostServer {
 public:
  HostServer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size),
              0);
    port_ = ntohs(address.sin_port);
  }
  ~HostServer() { close(fd_); }
  HostServer(const HostServer&) = delete;
  HostServer& operator=(const HostServer&) = delete;

  std::string port() const { return absl::StrCat(port_); }

 private:
  int fd_;
  int port_ = 0;
};

TEST(NetworkTest, HostsServersAreUnreachable) {
  const HostServer server;
  const std::vector<std::string> connect = {"connect-ip", "127.0.0.1",
                                            server.port()};
  EXPECT_EQ(Inside(With(Network::kLoopback), connect), "ECONNREFUSED");
  EXPECT_EQ(Inside(With(Network::kNone), connect), "ENETUNREACH");
  EXPECT_EQ(Inside(With(Network::kHost), connect), "ok");
  EXPECT_EQ(Outside(connect), "ok");
}

TEST(NetworkTest, OtherMachinesAreUnreachable) {
  // TEST-NET-1 and a documentation prefix: nobody answers, routed or not.
  EXPECT_EQ(Inside(Options(), {"connect-ip", "192.0.2.1", "80"}),
            "ENETUNREACH");
  REQUIRE_HOST(HasIpv6(), "this kernel has no IPv6");
  EXPECT_EQ(Inside(Options(), {"connect-ip", "2001:db8::1", "80"}),
            "ENETUNREACH");
}

TEST(NetworkTest, LoopbackIsUpForIpv6) {
  REQUIRE_HOST(HasIpv6(), "this kernel has no IPv6");
  EXPECT_EQ(Inside(With(Network::kLoopback), {"loopback", "6"}), "ok");
  EXPECT_NE(Inside(With(Network::kNone), {"loopback", "6"}), "ok");
}

TEST(NetworkTest, LoopbackIsUpAndNamesResolve) {
  EXPECT_EQ(Inside(With(Network::kLoopback), {"loopback", "4"}), "ok");
  EXPECT_NE(Inside(With(Network::kNone), {"loopback", "4"}), "ok");
  EXPECT_EQ(Inside(Options(), {"resolve", "localhost"}), "loopback");
  EXPECT_EQ(Inside(Options(), {"resolve"}), "loopback") << "its own name";
  Options named;
  named.hostname = "a-name-of-its-own";
  EXPECT_EQ(Inside(named, {"hostname"}), "a-name-of-its-own");
  EXPECT_EQ(Inside(named, {"resolve"}), "loopback");
  EXPECT_EQ(ShellInside(named, "hostname -f"), "a-name-of-its-own")
      << "not one that localhost has, too";
  EXPECT_EQ(Inside(Options(), {"hostname"}), Outside({"hostname"}));
  EXPECT_EQ(Inside(Options(), {"resolve", "no-such-host.invalid"}), "unknown");
}

TEST(NetworkTest, SysShowsTheSandboxsInterfaces) {
  const std::string inside = Inside(Options(), {"list", "/sys/class/net"});
  // The kernel may add tunnels to every namespace.
  EXPECT_NE(inside.find("lo"), std::string::npos) << inside;
  EXPECT_EQ(inside.find("eth"), std::string::npos) << inside;
  EXPECT_EQ(Inside(With(Network::kHost), {"list", "/sys/class/net"}),
            Outside({"list", "/sys/class/net"}));
}

// Abstract names are cut off by the namespace.
TEST(NetworkTest, AbstractSocketsBelongToTheNetwork) {
  const std::string name =
      absl::StrCat("@encapsulate-test-", getpid(), "-", geteuid());
  const UnixServer server(name);
  EXPECT_EQ(Inside(With(Network::kLoopback), {"connect-unix", name}),
            "ECONNREFUSED");
  EXPECT_EQ(Inside(With(Network::kNone), {"connect-unix", name}),
            "ECONNREFUSED");
  EXPECT_EQ(Inside(With(Network::kHost), {"connect-unix", name}), "ok");
  EXPECT_EQ(Outside({"connect-unix", name}), "ok");
}

TEST(NetworkTest, OnlyFamiliesThatNamespacesIsolateExist) {
  for (Network network : {Network::kLoopback, Network::kNone, Network::kHost}) {
    const Options options = With(network);
    for (int family : {AF_VSOCK, AF_ALG, AF_BLUETOOTH, AF_TIPC, AF_QIPCRTR,
                       AF_RDS, AF_SMC, AF_PACKET, AF_CAN, AF_XDP, AF_KEY,
                       AF_NFC, AF_KCM, AF_IB, AF_APPLETALK, 45, 46, 255}) {
      EXPECT_EQ(Inside(options, {"socket", Family(family), "1"}),
                "EAFNOSUPPORT")
          << family;
      EXPECT_EQ(Inside(options, {"socketpair", Family(family)}), "EAFNOSUPPORT")
          << family;
    }
    for (int family : {AF_UNIX, AF_INET, AF_NETLINK}) {
      EXPECT_EQ(Inside(options, {"socket", Family(family)}), "ok") << family;
    }
    EXPECT_EQ(Inside(options, {"socket", Family(AF_INET6)}),
              HasIpv6() ? "ok" : "EAFNOSUPPORT");
    EXPECT_EQ(Inside(options, {"socketpair", Family(AF_UNIX)}), "ok");
    // Raw sockets take a capability.
    EXPECT_EQ(Inside(options, {"socket", Family(AF_INET), "3"}),
              "EPROTONOSUPPORT");
  }
}

TEST(NetworkTest, VsockWorksOutside) {
  const std::string outside = Outside({"socket", Family(AF_VSOCK), "1"});
  REQUIRE_HOST(outside == "ok", "this host has no AF_VSOCK");
  EXPECT_EQ(Inside(Options(), {"socket", Family(AF_VSOCK), "1"}),
            "EAFNOSUPPORT");
}

#if defined(__x86_64__)
TEST(NetworkTest, OtherCallingConventionsAreFilteredAsWell) {
  EXPECT_EQ(Inside(Options(), {"call", "x32"}), "ENOSYS");
  EXPECT_EQ(Inside(Options(), {"call", "x32-socket"}), "ENOSYS");
  ONLY_WITH_32_BIT_CALLS();
  EXPECT_EQ(Inside(Options(), {"call", "i386-getpid"}), "ok");
  for (int family : {AF_VSOCK, AF_ALG}) {
    EXPECT_EQ(Inside(Options(), {"call", "i386-socket", Family(family)}),
              "EAFNOSUPPORT");
    EXPECT_EQ(Inside(Options(), {"call", "i386-socketcall", Family(family)}),
              "EAFNOSUPPORT");
  }
  EXPECT_EQ(Inside(Options(), {"call", "i386-socket", Family(AF_UNIX)}), "ok");
  // The price, see SECURITY.md: a filter can't see this call's family.
  EXPECT_EQ(Inside(Options(), {"call", "i386-socketcall", Family(AF_UNIX)}),
            "EAFNOSUPPORT");
  EXPECT_EQ(Outside({"call", "i386-socketcall", Family(AF_UNIX)}), "ok");
  EXPECT_EQ(Inside(Options(), {"call", "i386-io_uring"}), "ENOSYS");
  EXPECT_EQ(Inside(Options(), {"call", "i386-keyctl"}), "ENOSYS");
  EXPECT_EQ(Inside(Options(), {"call", "i386-tiocsti"}), "EPERM");
  EXPECT_NE(Outside({"call", "i386-tiocsti"}), "EPERM");
}
#endif

TEST(NetworkTest, IoUringIsClosed) {
  EXPECT_EQ(Inside(Options(), {"call", "io_uring"}), "ENOSYS");
  EXPECT_EQ(Inside(Options(), {"call", "getpid"}), "ok");
  const std::string outside = Outside({"call", "io_uring"});
  REQUIRE_HOST(outside == "ok", "no io_uring here: " + outside);
}

}  // namespace
}  // namespace encapsulate
