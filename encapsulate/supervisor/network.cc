// SPDX-License-Identifier: Apache-2.0
//
// The supervisor's part that tells who is at the other end of a socket on a
// loopback that the whole host uses. See sockets.cc for what holds without it.
//
// What isn't held by the sockets themselves is judged here: an interface named
// in a control message (ip(7), IP_PKTINFO), and other servers on loopback. No
// multicast group is joined: the kernel doesn't ask what the socket is bound
// to, but tells the routers of the interface that the group is on.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "encapsulate/kernel/interfaces.h"
#include "encapsulate/supervisor/sockets.h"
#include "encapsulate/supervisor/supervisor.h"

namespace encapsulate {
namespace {

constexpr int kDomainPort = 53;

// The kernel looks at no more messages of a sendmmsg (UIO_MAXIOV).
constexpr uint64_t kMostMessages = 1024;
constexpr size_t kLongestControl = 65536;

// SOCK_DIAG's answers, for one port.
struct Request {
  nlmsghdr header;
  inet_diag_req_v2 wanted;
};

// Whether a control message sends by another interface than loopback.
bool NamesInterface(std::vector<char>* control) {
  msghdr header = {};
  header.msg_control = control->data();
  header.msg_controllen = control->size();
  for (cmsghdr* one = CMSG_FIRSTHDR(&header); one != nullptr;
       one = CMSG_NXTHDR(&header, one)) {
    const size_t size = one->cmsg_len - CMSG_LEN(0);
    unsigned index = 0;
    if (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_PKTINFO &&
        size >= sizeof(in_pktinfo)) {
      in_pktinfo info;
      memcpy(&info, CMSG_DATA(one), sizeof(info));
      index = static_cast<unsigned>(info.ipi_ifindex);
    } else if (one->cmsg_level == IPPROTO_IPV6 &&
               one->cmsg_type == IPV6_PKTINFO && size >= sizeof(in6_pktinfo)) {
      in6_pktinfo info;
      memcpy(&info, CMSG_DATA(one), sizeof(info));
      index = info.ipi6_ifindex;
    }
    if (index > unsigned{kLoopbackIndex}) return true;
  }
  return false;
}

// The group that an option of kJoinOptions and its kind names, as it was read:
// "239.1.2.3". It is for people.
std::string GroupOf(const ThreadView& thread, int level, uint32_t option,
                    uint64_t address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (option == MCAST_JOIN_GROUP || option == MCAST_JOIN_SOURCE_GROUP) {
    sockaddr_storage group = {};
    // In both structs at the same place.
    if (!ReadWhole(thread, address + offsetof(group_req, gr_group), &group,
                   sizeof(group))) {
      return "a multicast group";
    }
    const void* const host =
        group.ss_family == AF_INET6
            ? static_cast<const void*>(
                  &reinterpret_cast<const sockaddr_in6&>(group).sin6_addr)
            : &reinterpret_cast<const sockaddr_in&>(group).sin_addr;
    inet_ntop(group.ss_family == AF_INET6 ? AF_INET6 : AF_INET, host, text,
              sizeof(text));
    return text;
  }
  // The others begin with it.
  in6_addr host = {};
  const bool ipv6 = level == IPPROTO_IPV6;
  if (!ReadWhole(thread, address, &host,
                 ipv6 ? sizeof(in6_addr) : sizeof(in_addr))) {
    return "a multicast group";
  }
  inet_ntop(ipv6 ? AF_INET6 : AF_INET, &host, text, sizeof(text));
  return text;
}

}  // namespace

Supervisor::Answer Supervisor::PerformSockets(const Call& call,
                                              const ThreadView& thread) {
  const auto& a = call.notification.data.args;
  const auto fd = static_cast<int>(a[0]);
  switch (call.notification.data.nr) {
    case SYS_socket:
      return MakeSocket(call);
    case SYS_bind:
      return Bind(thread, fd, a[1], a[2]);
    case SYS_connect:
      return Connect(thread, fd, a[1], a[2]);
    case SYS_sendto:
      return JudgePeer(thread, fd, a[4], a[5]);
    case SYS_sendmsg:
      return JudgeMessage(thread, fd, a[1]);
    case SYS_setsockopt: {
      if (setup_.network == Network::kHost) return Continue();
      const auto level = static_cast<int>(a[1]);
      const auto option = static_cast<int>(a[2]);
      if (ChoosesInterface(level, static_cast<uint32_t>(option))) {
        return ChooseInterface(thread, fd, level, option, a[3], a[4]);
      }
      // As where no interface has multicast.
      Answer answer = Refuse(ENODEV);
      answer.rule = Rule::kNetwork;
      answer.target =
          GroupOf(thread, level, static_cast<uint32_t>(option), a[3]);
      return answer;
    }
    case SYS_sendmmsg: {
      const uint64_t count = std::min(a[2], __u64{kMostMessages});
      for (uint64_t i = 0; i < count; ++i) {
        Answer answer = JudgeMessage(thread, fd, a[1] + i * sizeof(mmsghdr));
        if (answer.kind == Answer::Kind::kRefuse) return answer;
      }
      return Judge();
    }
    default:
      return Judge();
  }
}

// Whether somebody inside, or outside, has that port.
void Supervisor::FindHolders(int protocol, int port, bool* inside,
                             bool* outside) const {
  const UniqueFd netlink(
      socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  for (int family : {AF_INET, AF_INET6}) {
    Request request = {};
    request.header.nlmsg_len = sizeof(request);
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.wanted.sdiag_family = static_cast<uint8_t>(family);
    request.wanted.sdiag_protocol = static_cast<uint8_t>(protocol);
    request.wanted.idiag_states =
        protocol == IPPROTO_TCP ? 1U << TCP_LISTEN : ~0U;
    request.wanted.id.idiag_sport = htons(static_cast<uint16_t>(port));
    if (send(netlink.get(), &request, sizeof(request), 0) < 0) return;
    alignas(nlmsghdr) char buffer[16384];
    for (bool done = false; !done;) {
      const ssize_t size = recv(netlink.get(), buffer, sizeof(buffer), 0);
      if (size <= 0) break;
      auto left = static_cast<unsigned>(size);
      for (auto* one = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(one, left);
           one = NLMSG_NEXT(one, left)) {
        done |= one->nlmsg_type == NLMSG_DONE || one->nlmsg_type == NLMSG_ERROR;
        if (one->nlmsg_type != SOCK_DIAG_BY_FAMILY) continue;
        const auto* found = static_cast<inet_diag_msg*>(NLMSG_DATA(one));
        if (found->id.idiag_sport != request.wanted.id.idiag_sport) continue;
        (sockets_.count(found->idiag_inode) != 0 ? *inside : *outside) = true;
      }
    }
  }
}

Supervisor::Answer Supervisor::JudgePeer(const ThreadView& thread, int fd,
                                         uint64_t address,
                                         uint64_t size) const {
  sockaddr_storage peer = {};
  const size_t length = std::min<uint64_t>(size, sizeof(peer));
  if (setup_.network != Network::kLoopback || address == 0 ||
      length < sizeof(sockaddr_in) ||
      !ReadWhole(thread, address, &peer, length) || !IsLoopback(peer)) {
    return Judge();
  }
  const std::string protocol = thread.SocketProtocol(fd);
  const bool udp = absl::StartsWith(protocol, "UDP");
  if (!udp && !absl::StartsWith(protocol, "TCP")) return Judge();
  return JudgeServer(udp ? IPPROTO_UDP : IPPROTO_TCP, peer);
}

Supervisor::Answer Supervisor::JudgeServer(int protocol,
                                           const sockaddr_storage& peer) const {
  // The same place of both versions of IP.
  const int port = ntohs(reinterpret_cast<const sockaddr_in&>(peer).sin_port);
  if (port == 0) return Judge();
  bool inside = false;
  bool outside = false;
  FindHolders(protocol, port, &inside, &outside);
  // A container's name server may be behind a port that it isn't at.
  if (inside || (!outside && port != kDomainPort)) return Judge();
  Answer answer = Refuse(ECONNREFUSED);
  answer.rule = Rule::kNetwork;
  answer.target =
      absl::StrCat(peer.ss_family == AF_INET ? "127.0.0.1:" : "[::1]:", port);
  return answer;
}

Supervisor::Answer Supervisor::JudgeMessage(const ThreadView& thread, int fd,
                                            uint64_t address) const {
  msghdr header = {};
  if (!ReadWhole(thread, address, &header, sizeof(header))) return Judge();
  if (header.msg_controllen > 0 && header.msg_controllen < kLongestControl) {
    std::vector<char> control(header.msg_controllen);
    if (ReadWhole(thread, reinterpret_cast<uint64_t>(header.msg_control),
                  control.data(), control.size()) &&
        setup_.network == Network::kLoopback && NamesInterface(&control)) {
      Answer answer = Refuse(ENETUNREACH);
      answer.rule = Rule::kNetwork;
      answer.target = "another interface";
      return answer;
    }
  }
  return JudgePeer(thread, fd, reinterpret_cast<uint64_t>(header.msg_name),
                   header.msg_namelen);
}

}  // namespace encapsulate
