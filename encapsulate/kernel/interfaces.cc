// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/kernel/interfaces.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace encapsulate {
namespace {

// rtnetlink(7) carries out all the requests of one message, in their order.
enum Sequence : uint32_t { kUp, kMulticast, kBroadcast, kMulticast6, kList };

struct LinkRequest {
  nlmsghdr header;
  ifinfomsg link;
};

struct RouteRequest {
  nlmsghdr header;
  rtmsg route;
  rtattr out_header;
  int32_t out;
  rtattr to_header;
  uint8_t to[16];
};

template <typename Request>
void Fill(Request* request, Sequence sequence, uint16_t type, uint16_t flags) {
  request->header.nlmsg_len = sizeof(Request);
  request->header.nlmsg_type = type;
  request->header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  request->header.nlmsg_seq = sequence;
}

// The kernel gives an interface that comes up 127.0.0.1 and ::1 by itself if
// it is loopback, and the route for 127.255.255.255. Programs look for
// interfaces with IFF_MULTICAST; IFF_BROADCAST can't be set.
LinkRequest Up() {
  LinkRequest request = {};
  Fill(&request, kUp, RTM_NEWLINK, 0);
  request.link.ifi_index = kLoopbackIndex;
  request.link.ifi_flags = IFF_UP | IFF_MULTICAST;
  request.link.ifi_change = request.link.ifi_flags;
  return request;
}

// By loopback, to all addresses that begin with the first `bits` of `to`.
struct Route {
  Sequence sequence;
  uint8_t family;
  uint8_t bits;
  uint8_t to[4];
  uint8_t table;
  uint8_t type;
  uint8_t scope;
};

constexpr Route kRoutes[] = {
    // The scope is that of 127.0.0.1: in a wider one, the kernel would not
    // choose it as the source.
    {kMulticast,
     AF_INET,
     4,
     {224, 0, 0, 0},
     RT_TABLE_MAIN,
     RTN_UNICAST,
     RT_SCOPE_HOST},
    {kBroadcast,
     AF_INET,
     32,
     {255, 255, 255, 255},
     RT_TABLE_LOCAL,
     RTN_BROADCAST,
     RT_SCOPE_HOST},
    // IPv6 turns any other type of route by loopback into one that refuses.
    // Only groups that somebody has joined are delivered all the same.
    {kMulticast6,
     AF_INET6,
     8,
     {0xff, 0, 0, 0},
     RT_TABLE_LOCAL,
     RTN_LOCAL,
     RT_SCOPE_UNIVERSE},
};
constexpr size_t kRouteCount = sizeof(kRoutes) / sizeof(kRoutes[0]);

RouteRequest Add(const Route& route) {
  RouteRequest request = {};
  Fill(&request, route.sequence, RTM_NEWROUTE, NLM_F_CREATE);
  const size_t size = route.family == AF_INET ? 4 : 16;
  request.header.nlmsg_len =
      static_cast<uint32_t>(offsetof(RouteRequest, to) + size);
  request.route.rtm_family = route.family;
  request.route.rtm_dst_len = route.bits;
  request.route.rtm_protocol = RTPROT_BOOT;
  request.route.rtm_table = route.table;
  request.route.rtm_type = route.type;
  request.route.rtm_scope = route.scope;
  request.out_header = {RTA_LENGTH(sizeof(request.out)), RTA_OIF};
  request.out = kLoopbackIndex;
  request.to_header = {static_cast<uint16_t>(RTA_LENGTH(size)), RTA_DST};
  memcpy(request.to, route.to, sizeof(route.to));
  return request;
}

LinkRequest List() {
  LinkRequest request = {};
  Fill(&request, kList, RTM_GETLINK, NLM_F_DUMP);
  return request;
}

bool SendRequests(int fd, bool loopback) {
  LinkRequest up = Up();
  RouteRequest routes[kRouteCount];
  LinkRequest list = List();
  struct iovec parts[kRouteCount + 2];
  size_t count = 0;
  if (loopback) {
    parts[count++] = {&up, up.header.nlmsg_len};
    for (size_t i = 0; i < kRouteCount; ++i) {
      routes[i] = Add(kRoutes[i]);
      parts[count++] = {&routes[i], routes[i].header.nlmsg_len};
    }
  }
  parts[count++] = {&list, list.header.nlmsg_len};
  struct msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  return sendmsg(fd, &message, 0) >= 0;
}

// Without IPv6 there is nobody to send to: EOPNOTSUPP where the kernel has none
// (ipv6.disable=1), EACCES where it is off (net.ipv6.conf.lo.disable_ipv6).
bool IsNoIpv6(const nlmsghdr& header, int error) {
  return header.nlmsg_seq == kMulticast6 &&
         (error == EOPNOTSUPP || error == EACCES);
}

// The name of an interface in a RTM_NEWLINK message.
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

void CheckLink(const nlmsghdr* header, bool loopback,
               InterfaceFailure* failure) {
  const auto* link = static_cast<const ifinfomsg*>(NLMSG_DATA(header));
  const bool is_up = (link->ifi_flags & IFF_UP) != 0;
  const bool is_loopback = (link->ifi_flags & IFF_LOOPBACK) != 0;
  // Tunnel devices that the kernel adds to every namespace stay down.
  if (is_up == (is_loopback && loopback)) return;
  failure->error = ENOTUNIQ;
  failure->verifying = true;
  CopyName(header, failure->name, sizeof(failure->name));
}

// False at the end of the answers, or with a failure.
bool CheckAnswers(char* buffer, size_t size, bool loopback,
                  InterfaceFailure* failure) {
  auto rest = static_cast<unsigned>(size);
  for (auto* header = reinterpret_cast<nlmsghdr*>(buffer);
       NLMSG_OK(header, rest); header = NLMSG_NEXT(header, rest)) {
    if (header->nlmsg_type == NLMSG_DONE) return false;
    if (header->nlmsg_type == RTM_NEWLINK) {
      CheckLink(header, loopback, failure);
    } else if (header->nlmsg_type == NLMSG_ERROR) {
      const auto* answer = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
      if (IsNoIpv6(*header, -answer->error)) continue;
      failure->error = -answer->error;
      failure->verifying = header->nlmsg_seq == kList;
    } else {
      failure->error = EPROTO;
      failure->verifying = true;
    }
    if (failure->error != 0) return false;
  }
  return true;
}

}  // namespace

InterfaceFailure SetUpInterfaces(bool loopback) {
  InterfaceFailure failure;
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0 || !SendRequests(fd, loopback)) {
    failure.error = errno;
    if (fd >= 0) close(fd);
    return failure;
  }
  alignas(nlmsghdr) static char buffer[32768];
  ssize_t size;
  do {
    size = recv(fd, buffer, sizeof(buffer), 0);
    if (size > 0) continue;
    failure.error = size < 0 ? errno : EPROTO;
    failure.verifying = true;
    break;
  } while (CheckAnswers(buffer, static_cast<size_t>(size), loopback, &failure));
  close(fd);
  return failure;
}

}  // namespace encapsulate
