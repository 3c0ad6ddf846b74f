// SPDX-License-Identifier: Apache-2.0
//
// The supervisor's part that makes sockets of IP, binds and connects them.
//
// A socket is bound to the loopback device before the command has it
// (SO_BINDTODEVICE, Linux 5.7), and binding it to another one takes a
// capability. So what the judge of addresses is fooled about reaches nobody,
// and nobody outside the host reaches a server inside.
//
// connect(2) to AF_UNSPEC takes the device away from a socket that sends
// datagrams (__udp_disconnect() in net/ipv4/udp.c), and bind(2) to an address
// of IPv6 with a scope replaces it (__inet6_bind() in net/ipv6/af_inet6.c).
// Both are performed here, where that is allowed. Where another thread changes
// what a descriptor stands for while a call waits, a socket can lose the device
// all the same. So datagrams that come in by another interface are dropped by a
// filter that can't be taken off (socket(7), SO_LOCK_FILTER; the kernel has
// none for streams of ordinary users), those that go out take loopback
// (IP_UNICAST_IF, IP_MULTICAST_IF in ip(7)), and options that say otherwise are
// answered here.
#include "encapsulate/supervisor/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kcmp.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "encapsulate/base/files.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/kernel/interfaces.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/supervisor/supervisor.h"

namespace encapsulate {
namespace {

constexpr int kTypeMask = 0xf;  // beside SOCK_CLOEXEC and the like
constexpr char kLoopback[] = "lo";

template <typename T>
bool SetOption(int fd, int level, int option, const T& value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

int GetOption(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

bool BindToLoopback(int fd) {
  return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, kLoopback,
                    sizeof(kLoopback)) == 0;
}

// Nothing is received that another interface has brought.
bool DropFromOthers(int fd) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
               static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_IFINDEX)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kLoopbackIndex, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, ~0U),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  return SetOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, program) &&
         SetOption(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
}

bool SendByLoopback(int fd) {
  const uint32_t index = htonl(kLoopbackIndex);
  ip_mreqn by_index = {};
  by_index.imr_ifindex = kLoopbackIndex;
  const bool ipv4 = SetOption(fd, IPPROTO_IP, IP_UNICAST_IF, index) &&
                    SetOption(fd, IPPROTO_IP, IP_MULTICAST_IF, by_index);
  if (GetOption(fd, SO_DOMAIN) != AF_INET6) return ipv4;
  // Not every kernel lets it have options of IPv4.
  if (!ipv4 && errno != ENOPROTOOPT) return false;
  return SetOption(fd, IPPROTO_IPV6, IPV6_UNICAST_IF, index) &&
         SetOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, kLoopbackIndex);
}

bool IsOfIp(int fd) {
  const int domain = GetOption(fd, SO_DOMAIN);
  return domain == AF_INET || domain == AF_INET6;
}

bool IsDatagramOfIp(int fd) {
  return IsOfIp(fd) && GetOption(fd, SO_TYPE) == SOCK_DGRAM;
}

// The process of a thread; 0 if it is gone.
pid_t ProcessOf(pid_t tid) {
  const std::string status =
      ReadFile(absl::StrCat("/proc/", tid, "/status")).value_or("");
  pid_t process = 0;
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    if (absl::ConsumePrefix(&line, "Tgid:\t")) {
      static_cast<void>(absl::SimpleAtoi(line, &process));
    }
  }
  return process;
}

// What a thread's descriptor stands for at this moment, whatever it will stand
// for later. Invalid, with errno: EBADF, or why it can't be had.
UniqueFd Duplicate(pid_t tid, int descriptor) {
  UniqueFd thread(sys::PidfdOpenThread(tid));
  if (!thread.valid() && errno == EINVAL) {
    // Before Linux 6.9 only by the process, whose first thread may have other
    // descriptors.
    const pid_t process = ProcessOf(tid);
    if (process != tid &&
        syscall(SYS_kcmp, process, tid, KCMP_FILES, 0L, 0L) != 0) {
      errno = EACCES;
      return UniqueFd();
    }
    thread = UniqueFd(sys::PidfdOpen(process));
  }
  if (!thread.valid()) return UniqueFd();
  return UniqueFd(sys::PidfdGetfd(thread.get(), descriptor));
}

}  // namespace

bool CanDuplicate() {
  const UniqueFd self(sys::PidfdOpen(getpid()));
  return self.valid() &&
         UniqueFd(sys::PidfdGetfd(self.get(), self.get())).valid();
}

bool IsLoopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    const uint32_t host = ntohl(in.sin_addr.s_addr);
    return host == INADDR_ANY || host >> 24 == 127;
  }
  if (address.ss_family != AF_INET6) return false;
  const auto& in = reinterpret_cast<const sockaddr_in6&>(address);
  const uint8_t* const host = in.sin6_addr.s6_addr;
  return IN6_IS_ADDR_LOOPBACK(&in.sin6_addr) ||
         IN6_IS_ADDR_UNSPECIFIED(&in.sin6_addr) ||
         (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr) &&
          (host[12] == 127 ||
           (host[12] | host[13] | host[14] | host[15]) == 0));
}

bool ChoosesInterface(int level, uint32_t option) {
  switch (level) {
    case SOL_SOCKET:
      return absl::c_linear_search(kInterfaceOptions, option);
    case IPPROTO_IP:
      return absl::c_linear_search(kInterfaceOptionsOfIpv4, option);
    case IPPROTO_IPV6:
      return absl::c_linear_search(kInterfaceOptionsOfIpv6, option);
    default:
      return false;
  }
}

bool KeepOnLoopback(int fd) {
  // Once it is bound, it has no say in what it sends by (EINVAL).
  return (!IsDatagramOfIp(fd) || (DropFromOthers(fd) && SendByLoopback(fd))) &&
         BindToLoopback(fd);
}

Supervisor::Answer Supervisor::MakeSocket(const Call& call) {
  const auto& a = call.notification.data.args;
  const auto family = static_cast<int>(a[0]);
  if (family == AF_NETLINK) {
    // By the others, users talk to each other, and drivers to everybody.
    const bool known = static_cast<int>(a[2]) == NETLINK_ROUTE ||
                       static_cast<int>(a[2]) == NETLINK_SOCK_DIAG;
    return known || setup_.network == Network::kHost ? Continue()
                                                     : Refuse(EPROTONOSUPPORT);
  }
  if (family != AF_INET && family != AF_INET6) return Judge();
  if (setup_.network == Network::kNone) return Refuse(EAFNOSUPPORT);
  const int type = static_cast<int>(a[1]) & kTypeMask;
  const auto protocol = static_cast<int>(a[2]);
  const bool tcp = type == SOCK_STREAM &&
                   (protocol == IPPROTO_IP || protocol == IPPROTO_TCP);
  const bool udp =
      type == SOCK_DGRAM && (protocol == IPPROTO_IP || protocol == IPPROTO_UDP);
  if (setup_.network == Network::kHost) {
    return tcp || udp ? Continue() : Judge();
  }
  // Of MPTCP, SCTP and ICMP nobody knows what a bound device holds.
  if (!tcp && !udp) {
    return Refuse(type == SOCK_RAW ? EPERM : EPROTONOSUPPORT);
  }
  UniqueFd made(
      socket(family, static_cast<int>(a[1]) | SOCK_CLOEXEC, protocol));
  if (!made.valid()) return Fail(errno);
  struct stat info;
  if (!KeepOnLoopback(made.get()) || fstat(made.get(), &info) != 0) {
    return Fail(EACCES);
  }
  Answer answer = Send(call, std::move(made), (a[1] & SOCK_CLOEXEC) != 0);
  if (answer.kind == Answer::Kind::kSent) sockets_.insert(info.st_ino);
  return answer;
}

// A socket that is made right in a shared directory is made here: whether it is
// the command's shows only once it is bound.
Supervisor::Answer Supervisor::Bind(const ThreadView& thread, int fd,
                                    uint64_t address, uint64_t size) {
  if (duplicates_ && setup_.network == Network::kLoopback) {
    const UniqueFd socket = Duplicate(thread.tid(), fd);
    if (!socket.valid()) return Fail(errno == EBADF ? EBADF : EACCES);
    if (IsOfIp(socket.get())) {
      return BindToAddress(thread, socket, address, size);
    }
  }
  sockaddr_un name = {};
  const size_t length = std::min<uint64_t>(size, sizeof(name));
  if (length <= offsetof(sockaddr_un, sun_path) ||
      !ReadWhole(thread, address, &name, length) ||
      name.sun_family != AF_UNIX || name.sun_path[0] == '\0') {
    return Judge();
  }
  const std::string path(
      name.sun_path,
      strnlen(name.sun_path, length - offsetof(sockaddr_un, sun_path)));
  Entry entry;
  if (!FindEntryOf(thread, AT_FDCWD, path, &entry)) return Judge();
  switch (entry.realm) {
    case Realm::kNew:
      if (duplicates_) return BindShared(thread, fd, entry.path);
      // What is there later is taken for it.
      made_.AddSocketName(entry.path);
      return Continue();
    case Realm::kWritable:
    case Realm::kMade:
      return Continue();
    default:
      return Judge();
  }
}

Supervisor::Answer Supervisor::BindToAddress(const ThreadView& thread,
                                             const UniqueFd& socket,
                                             uint64_t address, uint64_t size) {
  sockaddr_storage own = {};
  if (size > sizeof(own)) return Fail(EINVAL);
  if (!ReadWhole(thread, address, &own, size)) return Fail(EFAULT);
  const bool of_ip = own.ss_family == AF_INET || own.ss_family == AF_INET6;
  if (of_ip && !IsLoopback(own)) return Refuse(EADDRNOTAVAIL);
  return ResultOf(bind(socket.get(), reinterpret_cast<sockaddr*>(&own),
                       static_cast<socklen_t>(size)));
}

Supervisor::Answer Supervisor::BindShared(const ThreadView& thread, int fd,
                                          const std::string& path) {
  const UniqueFd socket = Duplicate(thread.tid(), fd);
  if (!socket.valid()) return Fail(errno == EBADF ? EBADF : EACCES);
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof(name.sun_path)) return Fail(ENAMETOOLONG);
  memcpy(name.sun_path, path.data(), path.size());
  struct stat info;
  if (fstat(socket.get(), &info) != 0) return Fail(errno);
  if (!S_ISSOCK(info.st_mode)) return Fail(ENOTSOCK);
  // The file gets the socket's mode, without the bits of this process's umask,
  // which more than one thread has (unix_bind() in net/unix/af_unix.c).
  const mode_t mode = 0777 & ~thread.ReadStatus().umask;
  if (fchmod(socket.get(), mode) != 0) return Fail(errno);
  // Nothing was there, no link either: the call fails if there is now.
  const int bound =
      bind(socket.get(), reinterpret_cast<sockaddr*>(&name),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                  path.size() + 1));
  const int error = errno;
  static_cast<void>(fchmod(socket.get(), info.st_mode & 07777) < 0);
  if (bound != 0) return Fail(error);
  made_.Add(path);
  const UniqueFd file(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (file.valid() && made_.HasFile(file.get())) {
    static_cast<void>(chmod(PathThrough(file.get()).c_str(), mode) < 0);
  }
  return Value(0);
}

Supervisor::Answer Supervisor::Connect(const ThreadView& thread, int fd,
                                       uint64_t address, uint64_t size) const {
  if (setup_.network != Network::kLoopback) return Judge();
  if (!duplicates_) return JudgePeer(thread, fd, address, size);
  const UniqueFd socket = Duplicate(thread.tid(), fd);
  if (!socket.valid()) return Fail(errno == EBADF ? EBADF : EACCES);
  if (!IsDatagramOfIp(socket.get())) {
    return JudgePeer(thread, fd, address, size);
  }
  sockaddr_storage peer = {};
  if (size > sizeof(peer)) return Fail(EINVAL);
  if (!ReadWhole(thread, address, &peer, size)) return Fail(EFAULT);
  const bool disconnects = peer.ss_family == AF_UNSPEC;
  // The same place of both versions of IP.
  const bool to_port = reinterpret_cast<const sockaddr_in&>(peer).sin_port != 0;
  if (!disconnects && size >= sizeof(sockaddr_in) && to_port) {
    if (!IsLoopback(peer)) return Refuse(ENETUNREACH);
    Answer answer = JudgeServer(IPPROTO_UDP, peer);
    if (answer.kind == Answer::Kind::kRefuse) return answer;
  }
  const int connected =
      connect(socket.get(), reinterpret_cast<sockaddr*>(&peer),
              static_cast<socklen_t>(size));
  const int error = errno;
  if (disconnects && !BindToLoopback(socket.get())) return Fail(EACCES);
  return connected == 0 ? Value(0) : Fail(error);
}

// The device that a socket is bound to, and those that it sends by, are
// loopback, and stay that.
Supervisor::Answer Supervisor::ChooseInterface(const ThreadView& thread, int fd,
                                               int level, int option,
                                               uint64_t value,
                                               uint64_t size) const {
  UniqueFd socket;
  if (duplicates_) {
    socket = Duplicate(thread.tid(), fd);
    if (!socket.valid()) return Fail(errno == EBADF ? EBADF : EACCES);
    if (GetOption(socket.get(), SO_DOMAIN) < 0) return Fail(ENOTSOCK);
  }
  char bytes[sizeof(in6_pktinfo)] = {};
  size = std::min<uint64_t>(size, sizeof(bytes));
  if (!ReadWhole(thread, value, bytes, size)) return Fail(EFAULT);
  uint32_t number;
  memcpy(&number, bytes, sizeof(number));
  const auto is_loopback = [](uint32_t index) {
    return index == uint32_t{kLoopbackIndex};
  };
  if (level == SOL_SOCKET) {
    const bool same =
        option == SO_BINDTODEVICE
            ? std::string(bytes, strnlen(bytes, size)) == kLoopback
            : is_loopback(number);
    return same ? Value(0) : Fail(EPERM);
  }
  bool same = false;
  if (level == IPPROTO_IPV6 && option == IPV6_PKTINFO) {
    in6_pktinfo info;
    memcpy(&info, bytes, sizeof(info));
    if (size < sizeof(info)) return Fail(EINVAL);
    if (!duplicates_) return Fail(EOPNOTSUPP);
    if (info.ipi6_ifindex != 0 && !is_loopback(info.ipi6_ifindex)) {
      return Fail(ENODEV);
    }
    return ResultOf(SetOption(socket.get(), level, option, info) ? 0 : -1);
  }
  if (option == IP_UNICAST_IF || option == IPV6_UNICAST_IF) {
    number = ntohl(number);
    same = number == 0 || is_loopback(number);
  } else if (level == IPPROTO_IPV6) {
    same = option == IPV6_MULTICAST_IF && (number == 0 || is_loopback(number));
  } else {
    // An address, or ip_mreq, or ip_mreqn.
    ip_mreqn wanted = {};
    if (size >= sizeof(ip_mreq)) {
      memcpy(&wanted, bytes, std::min<size_t>(size, sizeof(wanted)));
    } else {
      wanted.imr_address.s_addr = number;
    }
    sockaddr_storage storage = {};
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_addr = wanted.imr_address;
    same = wanted.imr_ifindex != 0 ? wanted.imr_ifindex == kLoopbackIndex
                                   : IsLoopback(storage);
  }
  return same ? Value(0) : Fail(ENODEV);
}

}  // namespace encapsulate
