// SPDX-License-Identifier: Apache-2.0
//
// Changes what a call is about while the call waits to be judged, as code does
// that means to get around it:
//
//   racer chmod|chown|utime|setxattr|open INSIDE OUTSIDE ROUNDS
//   racer fchmod INSIDE OUTSIDE ROUNDS     the descriptor, in place of the path
//
// One thread makes the call with INSIDE or OUTSIDE, and another one exchanges
// them all the while. Prints how often the call succeeded. Then:
//
//   racer socket    prints the device of a new IP socket, and the errno of
//                   binding it to none
//   racer netlink PROTOCOL  prints the errno of such a socket
//   racer attach ID prints the errno of attaching that System V memory
//   racer userfaultfd
//                   prints the errno of asking for memory whose pages come when
//                   its owner likes
//   racer requests FILE
//                   prints the errno of each request of ioctl(2) that changes a
//                   file, or makes something, through a descriptor for reading;
//                   the last one only asks
//   racer datagram 4|6
//                   prints the device of a socket for datagrams after its
//                   association has been dissolved, whether another filter can
//                   be put in place of its own, and the errnos of sending to
//                   itself, and of each option that chooses an interface: the
//                   loopback device, then the one with index 2
//   racer dissolve ROUNDS
//                   connects such a socket while the family of the address
//                   changes, and prints its device
//   racer truncate PATH SIZE
//                   prints the errno of truncate(2)
//   racer bind PATH OTHER
//                   binds one socket to both, prints both errnos, and once a
//                   line was read the errno of changing OTHER's mode
//   racer multicast add|add-source|join|join-source GROUP
//                   prints the errno of joining the group on loopback by such
//                   an option, and that of setting how far packets go
//   racer group OTHER
//                   prints whether OTHER is a group of its session, and the
//                   errno of joining it, of beginning a group, of doing so by
//                   its number, of joining that of a child, and of changing the
//                   own group's priority
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

char path[PATH_MAX];
int descriptor = -1;
const char* names[2];
int files[2] = {-1, -1};
std::atomic<bool> stop{false};

void* Exchange(void*) {
  for (unsigned i = 0; !stop; ++i) {
    // Both are as long as the longer one, by slashes in front.
    memcpy(path, names[i % 2], strlen(names[i % 2]) + 1);
    if (files[0] >= 0) dup2(files[i % 2], descriptor);
  }
  return nullptr;
}

bool Call(const std::string& call) {
  if (call == "chmod") return chmod(path, 0755) == 0;
  if (call == "chown") return chown(path, getuid(), getgid()) == 0;
  if (call == "fchmod") return fchmod(descriptor, 0755) == 0;
  if (call == "setxattr") return setxattr(path, "user.race", "1", 1, 0) == 0;
  if (call == "utime") {
    const struct timeval times[2] = {{1, 0}, {1, 0}};
    return utimes(path, times) == 0;
  }
  const int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

std::string DeviceOf(int fd) {
  char device[IFNAMSIZ] = "";
  socklen_t size = sizeof(device);
  getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &size);
  return device;
}

int ErrorOf(int result) { return result < 0 ? errno : 0; }

template <typename T>
int SetOption(int fd, int level, int option, const T& value) {
  return ErrorOf(setsockopt(fd, level, option, &value, sizeof(value)));
}

int Socket() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return 1;
  const std::string device = DeviceOf(fd);
  printf("%s %d\n", device.c_str(),
         ErrorOf(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0)));
  return 0;
}

sockaddr_storage AddressOf(const char* text) {
  sockaddr_storage address = {};
  auto& v4 = reinterpret_cast<sockaddr_in&>(address);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    address.ss_family = AF_INET;
  } else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
    address.ss_family = AF_INET6;
  }
  return address;
}

int JoinByOption(int fd, const std::string& option, const char* group) {
  constexpr int kLoopback = 1;  // the number of its interface
  const sockaddr_storage address = AddressOf(group);
  const bool ipv6 = address.ss_family == AF_INET6;
  const int level = ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
  if (option == "join") {
    group_req request = {};
    request.gr_interface = kLoopback;
    request.gr_group = address;
    return setsockopt(fd, level, MCAST_JOIN_GROUP, &request, sizeof(request));
  }
  if (option == "join-source") {
    group_source_req request = {};
    request.gsr_interface = kLoopback;
    request.gsr_group = address;
    request.gsr_source = AddressOf(ipv6 ? "::1" : "127.0.0.1");
    return setsockopt(fd, level, MCAST_JOIN_SOURCE_GROUP, &request,
                      sizeof(request));
  }
  if (ipv6) {
    ipv6_mreq request = {};
    request.ipv6mr_multiaddr =
        reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    request.ipv6mr_interface = kLoopback;
    return setsockopt(fd, level, IPV6_JOIN_GROUP, &request, sizeof(request));
  }
  const in_addr host = reinterpret_cast<const sockaddr_in&>(address).sin_addr;
  if (option == "add-source") {
    ip_mreq_source request = {};
    request.imr_multiaddr = host;
    request.imr_interface.s_addr = htonl(INADDR_LOOPBACK);
    request.imr_sourceaddr.s_addr = htonl(INADDR_LOOPBACK);
    return setsockopt(fd, level, IP_ADD_SOURCE_MEMBERSHIP, &request,
                      sizeof(request));
  }
  ip_mreqn request = {};
  request.imr_multiaddr = host;
  request.imr_ifindex = kLoopback;
  return setsockopt(fd, level, IP_ADD_MEMBERSHIP, &request, sizeof(request));
}

int Multicast(const std::string& option, const char* group) {
  const int family = AddressOf(group).ss_family;
  const int fd = socket(family, SOCK_DGRAM, 0);
  const int joined = JoinByOption(fd, option, group) == 0 ? 0 : errno;
  const int hops = 1;
  const int set =
      family == AF_INET
          ? setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof(hops))
          : setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops,
                       sizeof(hops));
  printf("%d %d\n", joined, set == 0 ? 0 : errno);
  return 0;
}

// What it has sent to itself; its errno if that fails.
int Echo(int fd, const sockaddr_storage& own) {
  char byte = 'x';
  const auto* const to = reinterpret_cast<const sockaddr*>(&own);
  if (sendto(fd, &byte, 1, 0, to, sizeof(own)) != 1) return errno;
  return recv(fd, &byte, 1, 0) == 1 ? 0 : errno;
}

int Datagram(bool ipv6) {
  const int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
  sockaddr_storage own = AddressOf(ipv6 ? "::1" : "127.0.0.1");
  socklen_t size = sizeof(own);
  auto* const address = reinterpret_cast<sockaddr*>(&own);
  sockaddr nobody = {};
  nobody.sa_family = AF_UNSPEC;
  // The same place of both versions of IP.
  reinterpret_cast<sockaddr_in&>(own).sin_port = htons(9);
  if (connect(fd, address, size) != 0) return 1;
  printf("%d ", ErrorOf(connect(fd, &nobody, sizeof(nobody))));
  reinterpret_cast<sockaddr_in&>(own).sin_port = 0;
  const timeval patience = {10, 0};
  if (bind(fd, address, size) != 0 || getsockname(fd, address, &size) != 0 ||
      SetOption(fd, SOL_SOCKET, SO_RCVTIMEO, patience) != 0) {
    return 1;
  }
  printf("%s %d %d", DeviceOf(fd).c_str(),
         SetOption(fd, SOL_SOCKET, SO_DETACH_FILTER, 0), Echo(fd, own));
  for (const int index : {1, 2}) {
    const auto network_order = htonl(static_cast<uint32_t>(index));
    printf(" |");
    if (index == 1) {
      printf(" %d", ErrorOf(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo",
                                       sizeof("lo"))));
    }
    printf(" %d", SetOption(fd, SOL_SOCKET, SO_BINDTOIFINDEX, index));
    if (ipv6) {
      in6_pktinfo info = {};
      info.ipi6_ifindex = static_cast<unsigned>(index);
      printf(" %d %d %d", SetOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, index),
             SetOption(fd, IPPROTO_IPV6, IPV6_UNICAST_IF, network_order),
             SetOption(fd, IPPROTO_IPV6, IPV6_PKTINFO, info));
    } else {
      ip_mreqn by_index = {};
      by_index.imr_ifindex = index;
      // An address of loopback, and one of nobody's.
      in_addr by_address = {};
      by_address.s_addr = htonl(index == 1 ? INADDR_LOOPBACK : 0xc0000201U);
      printf(" %d %d %d", SetOption(fd, IPPROTO_IP, IP_MULTICAST_IF, by_index),
             SetOption(fd, IPPROTO_IP, IP_MULTICAST_IF, by_address),
             SetOption(fd, IPPROTO_IP, IP_UNICAST_IF, network_order));
    }
  }
  printf(" | %d\n", Echo(fd, own));
  return 0;
}

sockaddr_storage raced;

void* ChangeFamily(void*) {
  for (unsigned i = 0; !stop; ++i) {
    *const_cast<volatile sa_family_t*>(&raced.ss_family) =
        i % 2 == 0 ? AF_INET : AF_UNSPEC;
  }
  return nullptr;
}

int Dissolve(int rounds) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  raced = AddressOf("127.0.0.1");
  reinterpret_cast<sockaddr_in&>(raced).sin_port = htons(9);
  pthread_t thread;
  if (pthread_create(&thread, nullptr, ChangeFamily, nullptr) != 0) return 4;
  int kept = 0;
  for (int i = 0; i < rounds; ++i) {
    static_cast<void>(
        connect(fd, reinterpret_cast<sockaddr*>(&raced), sizeof(sockaddr_in)));
    if (DeviceOf(fd) == "lo") ++kept;
  }
  stop = true;
  pthread_join(thread, nullptr);
  printf("%d\n", kept);
  return 0;
}

int Bind(const char* one, const char* other) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  for (const char* name : {one, other}) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
    printf("%d ", ErrorOf(bind(fd, reinterpret_cast<sockaddr*>(&address),
                               sizeof(address))));
  }
  struct stat info;
  if (stat(one, &info) == 0) printf("%o ", info.st_mode & 07777);
  fflush(stdout);
  getchar();
  printf("%d\n", ErrorOf(chmod(other, 0700)));
  return 0;
}

int Userfaultfd() {
  constexpr int kOfUserMode = 1;  // UFFD_USER_MODE_ONLY: for everybody
  const long fd = syscall(SYS_userfaultfd, O_CLOEXEC | kOfUserMode);
  printf("%d\n", fd < 0 ? errno : 0);
  return 0;
}

int Requests(const char* file) {
  constexpr unsigned long kRequests[] = {
      // btrfs: making, snapshots, removing subvolumes (linux/btrfs.h)
      0x5000940e, 0x50009401, 0x50009417, 0x50009418, 0x5000940f, 0x5000943f,
      // ext4: versions, of 32-bit programs too, and layouts (fs/ext4/ext4.h)
      0x40086604, 0x40046604, 0x6609,
      // attributes of FAT (linux/msdos_fs.h)
      0x40047211,
      // encryption and verity (linux/fscrypt.h, linux/fsverity.h)
      0x800c6613, 0x40806685,
      // USERFAULTFD_IOC_NEW (linux/userfaultfd.h)
      0xaa00, FS_IOC_GETFLAGS};
  const int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 3;
  for (unsigned long request : kRequests) {
    char argument[4096] = {};  // as large as the largest of them
    printf("%d ", ioctl(fd, request, argument) == 0 ? 0 : errno);
  }
  printf("\n");
  return 0;
}

// The errno of it in a child.
template <typename Call>
int InChild(const Call& call) {
  const pid_t child = fork();
  if (child == 0) _exit(call() == 0 ? 0 : errno);
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int Group(pid_t other) {
  printf("%s\n", getsid(other) == getsid(0) ? "same session" : "another one");
  fflush(stdout);
  const int joined = InChild([&] {
    // What it would be for.
    return setpgid(0, other) == 0 ? setpriority(PRIO_PGRP, 0, 15) : -1;
  });
  const int begun = InChild([] { return setpgid(0, 0); });
  const int by_number = InChild([] { return setpgid(0, getpid()); });
  int go[2];
  if (pipe(go) != 0) return 3;
  const pid_t first = fork();
  if (first == 0) {
    char byte;
    close(go[1]);
    _exit(read(go[0], &byte, 1) == 0 ? 0 : 1);
  }
  setpgid(first, first);
  const int of_child = InChild([&] { return setpgid(0, first); });
  const int changed = InChild([] { return setpriority(PRIO_PGRP, 0, 5); });
  close(go[1]);
  waitpid(first, nullptr, 0);
  printf("%d %d %d %d %d\n", joined, begun, by_number, of_child, changed);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "socket") == 0) return Socket();
  if (argc == 3 && strcmp(argv[1], "netlink") == 0) {
    const int fd = socket(AF_NETLINK, SOCK_RAW, atoi(argv[2]));
    printf("%d\n", fd < 0 ? errno : 0);
    return 0;
  }
  if (argc == 3 && strcmp(argv[1], "attach") == 0) {
    const void* const at = shmat(atoi(argv[2]), nullptr, 0);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): as shmat(2) has it
    printf("%d\n", at == reinterpret_cast<void*>(-1) ? errno : 0);
    return 0;
  }
  if (argc == 3 && strcmp(argv[1], "group") == 0) return Group(atoi(argv[2]));
  if (argc == 2 && strcmp(argv[1], "userfaultfd") == 0) return Userfaultfd();
  if (argc == 3 && strcmp(argv[1], "requests") == 0) return Requests(argv[2]);
  if (argc == 3 && strcmp(argv[1], "datagram") == 0) {
    return Datagram(strcmp(argv[2], "6") == 0);
  }
  if (argc == 3 && strcmp(argv[1], "dissolve") == 0) {
    return Dissolve(atoi(argv[2]));
  }
  if (argc == 4 && strcmp(argv[1], "bind") == 0) return Bind(argv[2], argv[3]);
  if (argc == 4 && strcmp(argv[1], "truncate") == 0) {
    printf("%d\n", ErrorOf(truncate(argv[2], atoi(argv[3]))));
    return 0;
  }
  if (argc == 4 && strcmp(argv[1], "multicast") == 0) {
    return Multicast(argv[2], argv[3]);
  }
  if (argc != 5) return 2;
  const std::string call = argv[1];
  std::string one = argv[2];
  std::string other = argv[3];
  while (one.size() < other.size()) one.insert(0, "/");
  while (other.size() < one.size()) other.insert(0, "/");
  names[0] = one.c_str();
  names[1] = other.c_str();
  if (call == "fchmod") {
    for (int i = 0; i < 2; ++i) files[i] = open(names[i], O_RDONLY | O_CLOEXEC);
    descriptor = dup(files[0]);
    if (files[0] < 0 || files[1] < 0 || descriptor < 0) return 3;
  }
  memcpy(path, names[0], one.size() + 1);
  pthread_t thread;
  if (pthread_create(&thread, nullptr, Exchange, nullptr) != 0) return 4;
  int succeeded = 0;
  for (int i = atoi(argv[4]); i > 0; --i) succeeded += Call(call) ? 1 : 0;
  stop = true;
  pthread_join(thread, nullptr);
  printf("%d\n", succeeded);
  return 0;
}
