#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "encapsulate/resolver.h"
#include "encapsulate/setup.h"
#include "encapsulate/wire.h"

namespace encapsulate {
namespace {

// The kernel gives an interface that comes up 127.0.0.1 and ::1 by itself if
// it is loopback.
void BringLoopbackUp(Setup& setup) {
  const int fd = setup.Check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                             Step::kLoopback);
  struct ifreq request = {};
  strncpy(request.ifr_name, "lo", sizeof(request.ifr_name) - 1);
  request.ifr_flags = IFF_UP;
  setup.Check(ioctl(fd, SIOCSIFFLAGS, &request), Step::kLoopback);
  close(fd);
}

// Port 53 takes a capability, so it is done here, and the caller, who answers,
// gets the socket.
void Listen(Setup& setup, int type) {
  const int fd = setup.Check(
      socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), Step::kResolver);
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(kResolverPort);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setup.Check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
              Step::kResolver);
  if (type == SOCK_STREAM) setup.Check(listen(fd, 16), Step::kResolver);
  static Message message;
  message.kind = MessageKind::kResolver;
  message.number = type;
  if (!SendDescriptor(setup.control(), message, fd)) _exit(1);
  close(fd);
}

// The name of an interface in a RTM_NEWLINK message (rtnetlink(7)).
void CopyName(const nlmsghdr* header, char* name, size_t size) {
  const auto* link = static_cast<const ifinfomsg*>(NLMSG_DATA(header));
  auto rest = static_cast<int>(IFLA_PAYLOAD(header));
  for (const rtattr* attribute = IFLA_RTA(link); RTA_OK(attribute, rest);
       attribute = RTA_NEXT(attribute, rest)) {
    if (attribute->rta_type == IFLA_IFNAME) {
      strncpy(name, static_cast<const char*>(RTA_DATA(attribute)), size - 1);
    }
  }
}

// False at the end of the answer.
bool CheckLinks(Setup& setup, char* buffer, size_t size) {
  const bool want_loopback = setup.plan().network == Network::kLoopback;
  auto rest = static_cast<unsigned>(size);
  for (auto* header = reinterpret_cast<nlmsghdr*>(buffer);
       NLMSG_OK(header, rest); header = NLMSG_NEXT(header, rest)) {
    if (header->nlmsg_type == NLMSG_DONE) return false;
    if (header->nlmsg_type != RTM_NEWLINK) {
      setup.Fail(Step::kVerifyNetwork, -1, EPROTO);
    }
    const auto* link = static_cast<const ifinfomsg*>(NLMSG_DATA(header));
    const bool is_up = (link->ifi_flags & IFF_UP) != 0;
    const bool is_loopback = (link->ifi_flags & IFF_LOOPBACK) != 0;
    // Tunnel devices that the kernel adds to every namespace stay down.
    if (is_up != (is_loopback && want_loopback) && (is_up || is_loopback)) {
      char name[IFNAMSIZ] = {};
      CopyName(header, name, sizeof(name));
      setup.Fail(Step::kVerifyNetwork, -1, ENOTUNIQ, name);
    }
  }
  return true;
}

void VerifyInterfaces(Setup& setup) {
  const int fd =
      setup.Check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE),
                  Step::kVerifyNetwork);
  struct {
    nlmsghdr header;
    ifinfomsg link;
  } request = {};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  setup.Check(static_cast<int>(send(fd, &request, sizeof(request), 0)),
              Step::kVerifyNetwork);
  alignas(nlmsghdr) static char buffer[32768];
  ssize_t size;
  do {
    size = recv(fd, buffer, sizeof(buffer), 0);
    if (size <= 0) setup.Fail(Step::kVerifyNetwork);
  } while (CheckLinks(setup, buffer, static_cast<size_t>(size)));
  close(fd);
}

}  // namespace

void SetUpNetwork(Setup& setup) {
  if (setup.plan().network == Network::kHost) return;
  if (setup.plan().network == Network::kLoopback) BringLoopbackUp(setup);
  setup.Done(Step::kLoopback);
  if (setup.plan().resolver) {
    Listen(setup, SOCK_DGRAM);
    Listen(setup, SOCK_STREAM);
    setup.Done(Step::kResolver);
  }
  VerifyInterfaces(setup);
  setup.Done(Step::kVerifyNetwork);
}

}  // namespace encapsulate
