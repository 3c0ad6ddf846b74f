// SPDX-License-Identifier: Apache-2.0
//
// Attempts that are made so that a monitor may overlook them, without any race:
// each is refused, recorded, or counted as one that couldn't be looked at, and
// its harmless twin is not.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "encapsulate/plan/seccomp_filter.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/violations.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

constexpr size_t kSize = 4096;

Options Watching(const std::vector<std::string>& writable = {}) {
  Options options = Writable(writable);
  options.violations = Violations::kReport;
  return options;
}

// "write /usr/x EROFS", a line each.
std::string Targets(const Result& result) {
  std::vector<std::string> lines;
  for (const Violation& violation : result.record.violations) {
    const char* const error = strerrorname_np(violation.error);
    lines.push_back(absl::StrCat(RuleName(violation.rule), " ",
                                 violation.target, " ",
                                 error != nullptr ? error : "0"));
  }
  return absl::StrJoin(lines, "\n");
}

bool Opens(const char* path) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

bool Connects(const sockaddr_un* address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = connect(fd, reinterpret_cast<const sockaddr*>(address),
                                 sizeof(*address)) == 0;
  const int error = errno;
  close(fd);
  errno = error;
  return connected;
}

sockaddr_un Unix(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}

sockaddr_in Ipv4(const char* text, uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

// --- Memory ------------------------------------------------------------------

// Memory that only its own process and the kernel on its behalf can read; null
// where the kernel has none.
void* SecretMemory() {
  constexpr long kMemfdSecret = 447;
  const int fd = static_cast<int>(syscall(kMemfdSecret, O_CLOEXEC));
  if (fd < 0) return nullptr;
  void* const memory =
      ftruncate(fd, kSize) == 0
          ? mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
          : MAP_FAILED;
  close(fd);
  return memory == MAP_FAILED ? nullptr : memory;
}

bool HasSecretMemory() {
  void* const memory = SecretMemory();
  return memory != nullptr && munmap(memory, kSize) == 0;
}

TEST(HiddenAttemptsTest, ArgumentsThatOnlyTheKernelCanReadAreRefused) {
  REQUIRE_HOST(HasSecretMemory(), "this kernel has no memfd_secret(2)");
  const Scratch scratch;
  const std::string file = scratch.File("file", "");
  const Result result = RunEntered(Watching({scratch.path()}), [&] {
    auto* const secret = static_cast<char*>(SecretMemory());
    if (secret == nullptr) return 1;
    strcpy(secret, file.c_str());
    if (Opens(secret) || errno != EFAULT) return 2;
    // Reading isn't watched.
    return open(secret, O_RDONLY) >= 0 && Opens(file.c_str()) ? 0 : 3;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Targets(result), "");
  EXPECT_EQ(result.record.unseen, 1U);
}

TEST(HiddenAttemptsTest, ArgumentsInMemoryOnlyForWritingAreRefused) {
  const Scratch scratch;
  const Result result = RunEntered(Watching({scratch.path()}), [&] {
    auto* const memory =
        static_cast<char*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    strcpy(memory, "/usr/nothing");
    if (mprotect(memory, kSize, PROT_WRITE) != 0) return 1;
    return mkdir(memory, 0755) != 0 && errno == EFAULT ? 0 : 2;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Targets(result), "");
  EXPECT_EQ(result.record.unseen, 1U);
}

TEST(HiddenAttemptsTest, ArgumentsThatNobodyCanReadAreNoAttempts) {
  const Result result = RunEntered(Watching(), [] {
    void* const nothing =
        mmap(nullptr, kSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (const char* path : {reinterpret_cast<const char*>(8),
                             static_cast<const char*>(nothing)}) {
      if (mkdir(path, 0755) == 0 || errno != EFAULT) return 1;
    }
    return 0;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.record.unseen, 0U);
}

// A socket that is made after the others were masked is kept away by nobody but
// the monitor.
TEST(HiddenAttemptsTest, AHostSocketIsNotReachedByAnAddressInSecretMemory) {
  REQUIRE_HOST(HasSecretMemory(), "this kernel has no memfd_secret(2)");
  const Scratch scratch;
  const std::string inside = scratch.Directory("inside");
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  absl::StatusOr<absl::optional<Process>> child = Enter(Watching({inside}));
  ASSERT_TRUE(child.ok()) << child.status();
  if (!child->has_value()) {
    char byte;
    auto* const secret = static_cast<sockaddr_un*>(SecretMemory());
    if (secret == nullptr || read(go[0], &byte, 1) != 1) _exit(1);
    *secret = Unix(scratch / "late");
    if (Connects(secret) || errno != EFAULT) _exit(2);
    const UnixServer own(absl::StrCat(inside, "/own"));
    const sockaddr_un address = Unix(absl::StrCat(inside, "/own"));
    _exit(Connects(&address) ? 0 : 3);
  }
  const UnixServer late(scratch / "late");
  ASSERT_EQ(write(go[1], "x", 1), 1);
  const Result result = (*child)->Wait();
  for (int fd : go) close(fd);
  ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Targets(result), "");
  EXPECT_EQ(result.record.unseen, 1U);
}

// --- Paths -------------------------------------------------------------------

// Exit code of a body that needs a user namespace and gets none.
constexpr int kNoNamespace = 77;

#define SKIP_WITHOUT_NAMESPACE(result)                            \
  if ((result).exit_code == kNoNamespace) {                       \
    GTEST_SKIP() << "no user namespace can be made in a sandbox"; \
  }                                                               \
  static_assert(true, "")

TEST(HiddenAttemptsTest, ADirectoryUnderAMountIsItself) {
  const Scratch scratch;
  const std::string outside = scratch.Directory("outside");
  scratch.File("outside/file", "");
  const std::string inside = scratch.Directory("inside");
  scratch.File("inside/file", "");
  const Result result = RunEntered(Watching({inside}), [&] {
    if (chdir(outside.c_str()) != 0) return 1;
    const int directory = open(".", O_RDONLY | O_DIRECTORY);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return kNoNamespace;
    if (mount(inside.c_str(), outside.c_str(), nullptr, MS_BIND, nullptr) !=
        0) {
      return 2;
    }
    // Through the mount it is the directory inside.
    if (!Opens((outside + "/file").c_str())) return 3;
    if (Opens("file") || errno != EROFS) return 4;
    return mkdirat(directory, "new", 0755) != 0 && errno == EROFS ? 0 : 5;
  });
  SKIP_WITHOUT_NAMESPACE(result);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Targets(result), absl::StrCat("write ", outside, "/file EROFS\n",
                                          "write ", outside, "/new EROFS"));
  EXPECT_EQ(result.record.unseen, 0U);
}

TEST(HiddenAttemptsTest, ANewRootMayHoldAnything) {
  const Scratch scratch;
  const std::string root = scratch.Directory("root");
  scratch.Directory("root/proc");
  scratch.Directory("root/proc/3999999");
  scratch.Directory("root/proc/self");
  scratch.Directory("root/proc/self/fd");
  scratch.File("root/proc/self/fd/0", "");
  const Result result = RunEntered(Watching({scratch.path()}), [&] {
    const pid_t child = fork();
    if (child == 0) {
      for (;;) pause();
    }
    if (unshare(CLONE_NEWUSER) != 0) return kNoNamespace;
    if (chdir("/usr") != 0 || chroot(root.c_str()) != 0) return 1;
    if (kill(3999999, 0) == 0 || errno != ESRCH) return 2;
    // The working directory is still the old one.
    if (mkdir("nothing", 0755) == 0 || errno != EROFS) return 3;
    if (!Opens("/proc/self/fd/0")) return 4;
    return kill(child, SIGKILL) == 0 && waitpid(child, nullptr, 0) == child ? 0
                                                                            : 5;
  });
  SKIP_WITHOUT_NAMESPACE(result);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Targets(result),
            "signal pid 3999999 ESRCH\nwrite /usr/nothing EROFS");
}

TEST(HiddenAttemptsTest, ALinkWithASlashIsWhatItLeadsTo) {
  const Scratch scratch;
  const std::string outside = scratch.Directory("outside");
  const std::string inside = scratch.Directory("inside");
  const std::string link = inside + "/link";
  ASSERT_EQ(symlink(outside.c_str(), link.c_str()), 0);
  const Result result = RunEntered(Watching({inside}), [&] {
    if (lchown((link + "/").c_str(), getuid(), getgid()) == 0) return 1;
    return lchown(link.c_str(), getuid(), getgid()) == 0 ? 0 : 2;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Targets(result), absl::StrCat("write ", outside, " EROFS"));
}

// --- Tracers -----------------------------------------------------------------

// The monitor can't learn what the call leads to. What it aims at is found all
// the same.
TEST(HiddenAttemptsTest, ATracerOfItsOwnHidesNothing) {
  const Scratch scratch;
  const std::string file = scratch.File("file", "");
  const Result result = RunEntered(Watching({scratch.path()}), [&] {
    const pid_t child = fork();
    if (child == 0) {
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      raise(SIGSTOP);
      if (open("/proc/self/root/usr/nothing", O_WRONLY | O_CREAT, 0600) >= 0) {
        _exit(1);
      }
      _exit(Opens(("/proc/self/root" + file).c_str()) ? 0 : 2);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ptrace(PTRACE_CONT, child, nullptr, nullptr);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Targets(result), "write /usr/nothing EROFS");
  EXPECT_EQ(result.record.unseen, 0U);
}

// --- Messages ----------------------------------------------------------------

// Sends so many messages to loopback, and then one to `last`.
int SendMany(size_t count, sockaddr_in last) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in local = Ipv4("127.0.0.1", 9);
  char byte = 'x';
  iovec data = {&byte, 1};
  std::vector<mmsghdr> messages(count + 1);
  for (size_t i = 0; i < messages.size(); ++i) {
    msghdr& header = messages[i].msg_hdr;
    header.msg_name = i < count ? &local : &last;
    header.msg_namelen = sizeof(local);
    header.msg_iov = &data;
    header.msg_iovlen = 1;
  }
  const int sent =
      sendmmsg(fd, messages.data(), static_cast<unsigned>(messages.size()), 0);
  close(fd);
  return sent;
}

TEST(HiddenAttemptsTest, TheLastOfManyMessagesCounts) {
  for (int count : {1, 70, 1023}) {
    const Result result = RunEntered(Watching(), [&] {
      const auto size = static_cast<size_t>(count);
      if (SendMany(size, Ipv4("127.0.0.1", 9)) != count + 1) return 1;
      return SendMany(size, Ipv4("192.0.2.1", 9)) == count ? 0 : 2;
    });
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(Targets(result), "network 192.0.2.1:9 ENETUNREACH");
  }
}

TEST(HiddenAttemptsTest, TheHandoverIsForTheFiltersOwnListenerOnly) {
  const Result result = RunEntered(Watching(), [] {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char byte = 'x';
    iovec data = {&byte, 1};
    sockaddr_in outside = Ipv4("192.0.2.1", 9);
    msghdr own = {};
    for (msghdr* header : {HandoverHeader(), &own}) {
      *header = {};
      header->msg_name = &outside;
      header->msg_namelen = sizeof(outside);
      header->msg_iov = &data;
      header->msg_iovlen = 1;
      if (sendmsg(fd, header, kHandoverFlags) >= 0 || errno != EINVAL) {
        return 1;
      }
    }
    outside = Ipv4("127.0.0.1", 9);
    return sendmsg(fd, HandoverHeader(), MSG_NOSIGNAL) == 1 ? 0 : 2;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(Targets(result), "");
}

// --- What getaddrinfo(3) does ------------------------------------------------

TEST(HiddenAttemptsTest, SortingAddressesIsNoAttempt) {
  if (!HasStacks()) GTEST_SKIP() << "this kernel shows no stacks";
  const Scratch scratch;
  const std::string hosts = scratch.File(
      "hosts",
      "127.0.0.1 localhost\n192.0.2.1 two.example\n192.0.2.2 two.example\n");
  OnHostWith([&] { BindMount(hosts, "/etc/hosts"); },
             [] {
               const Result result = RunEntered(Watching(), [] {
                 addrinfo hints = {};
                 hints.ai_socktype = SOCK_STREAM;
                 addrinfo* found = nullptr;
                 if (getaddrinfo("two.example", "80", &hints, &found) != 0 ||
                     found->ai_next == nullptr) {
                   return 1;
                 }
                 freeaddrinfo(found);
                 // One's own datagram socket is.
                 const sockaddr_in outside = Ipv4("192.0.2.2", 80);
                 const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
                 return connect(fd, reinterpret_cast<const sockaddr*>(&outside),
                                sizeof(outside)) != 0
                            ? 0
                            : 2;
               });
               EXPECT_EQ(result.exit_code, 0);
               EXPECT_EQ(Targets(result), "network 192.0.2.2:80 ENETUNREACH");
             });
}

}  // namespace
}  // namespace encapsulate
