// SPDX-License-Identifier: Apache-2.0
//
// Tries one thing and says how it went, for tests to run inside and outside a
// sandbox:
//
//   probe write /etc/passwd      prints "EROFS" or "ok"
//   probe caps                   prints what /proc/self/status says
//
// Commands that try something print "ok" or the name of the errno; those that
// look at something print what they see. The exit code is 0 unless the probe
// itself was misused (2).
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/limits.h>
#include <linux/vm_sockets.h>
#include <mqueue.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

using Arguments = std::vector<std::string>;

// Prints what became of a system call that returned `result`.
int Say(long result) {
  puts(result >= 0 ? "ok" : strerrorname_np(errno));
  return 0;
}

long Number(const std::string& text) {
  return strtol(text.c_str(), nullptr, 0);
}

// --- Files -----------------------------------------------------------------

int Open(const Arguments& args, int flags) {
  return Say(open(args[0].c_str(), flags | O_CLOEXEC | O_NOCTTY, 0644));
}

int Write(const Arguments& args) {
  const int fd = open(args[0].c_str(), O_WRONLY | O_CREAT | O_NONBLOCK, 0644);
  return Say(fd < 0 ? fd : write(fd, "x", 1));
}

int Read(const Arguments& args) {
  const int fd = open(args[0].c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY);
  char byte;
  return Say(fd < 0 ? fd : read(fd, &byte, 1));
}

int Show(const Arguments& args) {
  FILE* file = fopen(args[0].c_str(), "r");
  if (file == nullptr) return Say(-1);
  for (int byte; (byte = getc(file)) != EOF;) putchar(byte);
  return 0;
}

int List(const Arguments& args) {
  DIR* directory = opendir(args[0].c_str());
  if (directory == nullptr) return Say(-1);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) printf("%s ", name.c_str());
  putchar('\n');
  return 0;
}

// Everything that changes an inode through a descriptor opened for reading.
int SetAttributesByDescriptor(const Arguments& args) {
  const int fd = static_cast<int>(Number(args[0]));
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  printf("reopen ");
  Say(open(path, O_RDWR | O_CLOEXEC));
  printf("truncate ");
  Say(truncate(path, 0));
  printf("fchmod ");
  Say(fchmod(fd, 0600));
  printf("futimens ");
  Say(futimens(fd, nullptr));
  printf("fsetxattr ");
  return Say(fsetxattr(fd, "user.encapsulate", "x", 1, 0));
}

// --- Mounts ----------------------------------------------------------------

int RemountWritable(const Arguments& args) {
  return Say(
      mount(nullptr, args[0].c_str(), nullptr, MS_REMOUNT | MS_BIND, nullptr));
}

// Gets every capability that a new user namespace gives.
bool EnterNestedNamespaces(int flags) {
  if (unshare(CLONE_NEWUSER | flags) != 0) return false;
  mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  return true;
}

// Tries, with those capabilities, to write where the view is read-only.
int NestedWrite(const Arguments& args) {
  if (!EnterNestedNamespaces(CLONE_NEWNS)) {
    printf("unshare: ");
    return Say(-1);
  }
  mount(nullptr, args[0].c_str(), nullptr, MS_REMOUNT | MS_BIND, nullptr);
  umount2(args[0].c_str(), MNT_DETACH);
  const std::string file = args[0] + "/nested-write";
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT, 0644);
  if (fd >= 0) unlink(file.c_str());
  return Say(fd);
}

// Tries to look below a mount: `probe nested-uncover MOUNT FILE`.
int NestedUncover(const Arguments& args) {
  if (!EnterNestedNamespaces(CLONE_NEWNS)) return Say(-1);
  umount2(args[0].c_str(), MNT_DETACH);
  std::string parent = args[0].substr(0, args[0].rfind('/'));
  if (parent.empty()) parent = "/";
  // A bind mount that isn't recursive leaves the covers behind.
  if (mount(parent.c_str(), "/dev/shm", nullptr, MS_BIND, nullptr) != 0 ||
      chdir("/dev/shm") != 0) {
    return Say(-1);
  }
  const std::string file =
      args.size() > 1 ? args[1] : args[0].substr(args[0].rfind('/') + 1);
  struct stat info;
  if (stat(file.c_str(), &info) != 0) return Say(-1);
  return Say(S_ISREG(info.st_mode) ? open(file.c_str(), O_RDONLY) : 0);
}

// `probe nested-mount TYPE [cgroup|net|pid]...`: mounts a filesystem in new
// namespaces and says whether it can be written.
int NestedMount(const Arguments& args) {
  int flags = CLONE_NEWNS;
  for (size_t i = 1; i < args.size(); ++i) {
    if (args[i] == "cgroup") flags |= CLONE_NEWCGROUP;
    if (args[i] == "net") flags |= CLONE_NEWNET;
    if (args[i] == "pid") flags |= CLONE_NEWPID;
  }
  if (!EnterNestedNamespaces(flags)) {
    printf("unshare: ");
    return Say(-1);
  }
  if ((flags & CLONE_NEWPID) != 0) {
    const pid_t child = fork();
    if (child != 0) {
      waitpid(child, nullptr, 0);
      return 0;
    }
  }
  const int result = mount("probe", "/dev/shm", args[0].c_str(), 0, nullptr);
  Say(result);
  if (result == 0) {
    printf("mkdir ");
    Say(mkdir("/dev/shm/encapsulate-test", 0755));
    printf("write ");
    Say(open("/dev/shm/cgroup.procs", O_WRONLY | O_CLOEXEC));
    rmdir("/dev/shm/encapsulate-test");
  }
  fflush(stdout);
  return 0;
}

// --- Sockets ---------------------------------------------------------------

sockaddr_un UnixAddress(const std::string& path, socklen_t* size) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const bool abstract = path[0] == '@';
  memcpy(address.sun_path, path.data(),
         std::min(path.size(), sizeof(address.sun_path) - 1));
  if (abstract) address.sun_path[0] = '\0';
  *size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() +
                                 (abstract ? 0 : 1));
  return address;
}

int ConnectUnix(const Arguments& args) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  socklen_t size;
  const sockaddr_un address = UnixAddress(args[0], &size);
  return Say(connect(fd, reinterpret_cast<const sockaddr*>(&address), size));
}

int SocketFamily(const Arguments& args) {
  const int type = args.size() > 1 ? static_cast<int>(Number(args[1]))
                                   : static_cast<int>(SOCK_DGRAM);
  return Say(socket(static_cast<int>(Number(args[0])), type, 0));
}

int SocketPairFamily(const Arguments& args) {
  int pair[2];
  return Say(
      socketpair(static_cast<int>(Number(args[0])), SOCK_STREAM, 0, pair));
}

// A server and a client of the loopback network: `probe loopback 4|6`.
int Loopback(const Arguments& args) {
  addrinfo hints = {};
  hints.ai_family = args[0] == "6" ? AF_INET6 : AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (getaddrinfo(args[0] == "6" ? "::1" : "127.0.0.1", "0", &hints, &found) !=
      0) {
    return 2;
  }
  const int server = socket(hints.ai_family, SOCK_STREAM, 0);
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  if (server < 0 || bind(server, found->ai_addr, found->ai_addrlen) != 0 ||
      listen(server, 1) != 0 ||
      getsockname(server, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return Say(-1);
  }
  const int client = socket(hints.ai_family, SOCK_STREAM, 0);
  return Say(connect(client, reinterpret_cast<sockaddr*>(&address), size));
}

// `probe connect-ip ADDRESS PORT`, waiting for at most a second.
int ConnectIp(const Arguments& args) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (getaddrinfo(args[0].c_str(), args[1].c_str(), &hints, &found) != 0) {
    return 2;
  }
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connect(fd, found->ai_addr, found->ai_addrlen) == 0) return Say(0);
  if (errno != EINPROGRESS) return Say(-1);
  struct pollfd event = {fd, POLLOUT, 0};
  poll(&event, 1, 1000);
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  errno = event.revents == 0 ? ETIMEDOUT : error;
  return Say(errno == 0 ? 0 : -1);
}

int Resolve(const Arguments& args) {
  std::string name = args.empty() ? "" : args[0];
  if (name.empty()) {
    char buffer[256] = {};
    gethostname(buffer, sizeof(buffer) - 1);
    name = buffer;
  }
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) {
    puts("unknown");
    return 0;
  }
  // Only loopback counts.
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    char text[INET6_ADDRSTRLEN] = {};
    getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof(text), nullptr, 0,
                NI_NUMERICHOST);
    if (strncmp(text, "127.", 4) != 0 && strcmp(text, "::1") != 0) {
      puts(text);
      return 0;
    }
  }
  puts("loopback");
  return 0;
}

// --- System calls by other ways in -----------------------------------------

int IoctlTty(unsigned long request) {
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0) return Say(-1);
  grantpt(master);
  unlockpt(master);
  // Its own terminal: a kernel that would allow the call gives another errno.
  setsid();
  const int terminal = open(ptsname(master), O_RDWR);
  char byte = 'x';
  printf("low ");
  Say(ioctl(terminal, request, &byte));
  printf("high ");
  return Say(
      syscall(SYS_ioctl, terminal, request | 0xffffffff00000000UL, &byte));
}

#if defined(__x86_64__)
// A 32-bit system call from 64-bit code. Pointers have to lie low.
long Call32(long number, long first = 0, long second = 0, long third = 0) {
  long result;
  asm volatile("int $0x80"
               : "=a"(result)
               : "a"(number), "b"(first), "c"(second), "d"(third)
               : "memory", "r8", "r9", "r10", "r11");
  if (static_cast<int>(result) < 0 && static_cast<int>(result) > -4096) {
    errno = -static_cast<int>(result);
    return -1;
  }
  return result;
}

uint32_t* LowMemory() {
  return static_cast<uint32_t*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
                                     -1, 0));
}
#endif

int Call(const Arguments& args) {
  const std::string& what = args[0];
  io_uring_params params = {};
  if (what == "io_uring") return Say(syscall(SYS_io_uring_setup, 1, &params));
  if (what == "keyctl") {
    return Say(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID,
                       KEY_SPEC_SESSION_KEYRING, 0));
  }
  if (what == "add_key") {
    return Say(syscall(SYS_add_key, "user", "encapsulate", "x", 1,
                       KEY_SPEC_PROCESS_KEYRING));
  }
  if (what == "request_key") {
    return Say(syscall(SYS_request_key, "user", "encapsulate", nullptr, 0));
  }
  if (what == "getpid") return Say(syscall(SYS_getpid));
#if defined(__x86_64__)
  constexpr long kX32 = 0x40000000;
  if (what == "x32") return Say(syscall(kX32 + SYS_getpid));
  if (what == "x32-socket") {
    return Say(syscall(kX32 + SYS_socket, AF_VSOCK, SOCK_STREAM, 0));
  }
  if (what == "i386-getpid") return Say(Call32(20));
  if (what == "i386-socket") {
    return Say(Call32(359, Number(args[1]), SOCK_STREAM, 0));
  }
  if (what == "i386-socketcall") {
    uint32_t* low = LowMemory();
    low[0] = static_cast<uint32_t>(Number(args[1]));
    low[1] = SOCK_STREAM;
    low[2] = 0;
    return Say(
        Call32(102, 1, static_cast<long>(reinterpret_cast<uintptr_t>(low))));
  }
  if (what == "i386-io_uring") {
    return Say(Call32(
        425, 1, static_cast<long>(reinterpret_cast<uintptr_t>(LowMemory()))));
  }
  if (what == "i386-keyctl") return Say(Call32(288, 0, -3, 0));
  if (what == "i386-tiocsti") {
    uint32_t* low = LowMemory();
    low[0] = 'x';
    return Say(Call32(54, 0, TIOCSTI,
                      static_cast<long>(reinterpret_cast<uintptr_t>(low))));
  }
#endif
  return 2;
}

// --- Privileges ------------------------------------------------------------

int Capabilities(const Arguments&) {
  FILE* file = fopen("/proc/self/status", "r");
  char line[512];
  while (file != nullptr && fgets(line, sizeof(line), file) != nullptr) {
    if (strncmp(line, "Cap", 3) == 0 || strncmp(line, "NoNewPrivs", 10) == 0 ||
        strncmp(line, "Seccomp:", 8) == 0) {
      fputs(line, stdout);
    }
  }
  return 0;
}

int SecureBits(const Arguments&) {
  printf("%d\n", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
  return 0;
}

int Descriptors(const Arguments&) {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return Say(-1);
  std::vector<int> open_ones;
  while (const dirent* entry = readdir(directory)) {
    const int fd = atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != dirfd(directory)) {
      open_ones.push_back(fd);
    }
  }
  std::sort(open_ones.begin(), open_ones.end());
  for (int fd : open_ones) printf("%d ", fd);
  putchar('\n');
  return 0;
}

int CoreLimit(const Arguments&) {
  rlimit limit = {};
  const rlimit none = {};
  setrlimit(RLIMIT_CORE, &none);
  prlimit(0, RLIMIT_CORE, &none, &limit);
  getrlimit(RLIMIT_CORE, &limit);
  printf("%llu %llu\n", static_cast<unsigned long long>(limit.rlim_cur),
         static_cast<unsigned long long>(limit.rlim_max));
  return 0;
}

int SetUserId(const Arguments& args) {
  return Say(setuid(static_cast<uid_t>(Number(args[0]))));
}

// --- Processes -------------------------------------------------------------

int KillProcess(const Arguments& args) {
  return Say(kill(static_cast<pid_t>(Number(args[0])),
                  args.size() > 1 ? static_cast<int>(Number(args[1])) : 0));
}

// Tries to change how the kernel treats a process, "self" or a pid, by every
// call that does so; for init, through all processes of this user as well.
int ChangeProcess(const Arguments& args) {
  const pid_t pid =
      args[0] == "self" ? getpid() : static_cast<pid_t>(Number(args[0]));
  const int who = static_cast<int>(pid);
  struct SchedAttr {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t times[3];
  } attr = {sizeof(SchedAttr), SCHED_OTHER, 0, 19, 0, {}};
  constexpr int kIdleClass = 3 << 13;
  const sched_param parameter = {};
  rlimit limit = {};
  cpu_set_t processors;
  sched_getaffinity(0, sizeof(processors), &processors);
  printf("prlimit-get ");
  Say(prlimit(pid, RLIMIT_NOFILE, nullptr, &limit));
  getrlimit(RLIMIT_NOFILE, &limit);
  printf("prlimit ");
  Say(prlimit(pid, RLIMIT_NOFILE, &limit, nullptr));
  printf("setaffinity ");
  Say(sched_setaffinity(pid, sizeof(processors), &processors));
  printf("setparam ");
  Say(sched_setparam(pid, &parameter));
  printf("setscheduler ");
  Say(sched_setscheduler(pid, SCHED_BATCH, &parameter));
  printf("setattr ");
  Say(syscall(SYS_sched_setattr, pid, &attr, 0));
  printf("setpriority ");
  Say(setpriority(PRIO_PROCESS, static_cast<id_t>(who), 19));
  printf("ioprio ");
  Say(syscall(SYS_ioprio_set, 1, who, kIdleClass));
  if (pid != 1) return 0;
  printf("user-priority ");
  Say(setpriority(PRIO_USER, getuid(), 19));
  printf("user-ioprio ");
  return Say(syscall(SYS_ioprio_set, 3, getuid(), kIdleClass));
}

// The same with the capabilities of a nested user namespace.
int NestedChangeProcess(const Arguments& args) {
  if (!EnterNestedNamespaces(0)) return Say(-1);
  return ChangeProcess(args);
}

int Pids(const Arguments&) {
  DIR* directory = opendir("/proc");
  int count = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') ++count;
  }
  printf("%d\n", count);
  return 0;
}

// Leaves a process behind that ignores every signal it can, in a session of
// its own. Says when it is there.
int Daemon(const Arguments&) {
  int ready[2];
  if (pipe(ready) != 0) return Say(-1);
  const pid_t between = fork();
  if (between == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction ignore = {};
      ignore.sa_handler = SIG_IGN;
      sigaction(signal, &ignore, nullptr);
    }
    write(ready[1], "x", 1);
    for (;;) pause();
  }
  // The one in between is gone before the daemon is all that is left.
  waitpid(between, nullptr, 0);
  char byte;
  return Say(read(ready[0], &byte, 1));
}

int Exit(const Arguments& args) { _exit(static_cast<int>(Number(args[0]))); }

int Die(const Arguments& args) {
  const int signal = static_cast<int>(Number(args[0]));
  if (signal == SIGABRT) abort();
  raise(signal);
  return 0;
}

// Has its parent as a tracer when something happens: a signal that is handled,
// also in a thread or in a sibling that nobody waits for; one that ends it;
// another program.
int TraceMe(const Arguments& args) {
  const std::string& what = args[0];
  static volatile sig_atomic_t handled = 0;
  signal(SIGUSR1, [](int) { handled = 1; });
  const auto take_signal = [] {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) return;
    syscall(SYS_tkill, syscall(SYS_gettid), SIGUSR1);
  };
  if (what == "thread") {
    std::thread(take_signal).join();
    return handled != 0 ? 0 : 1;
  }
  if (what == "sibling") {
    int ends[2];
    if (pipe(ends) != 0) return 1;
    if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr,
                nullptr) == 0) {
      take_signal();
      write(ends[1], handled != 0 ? "x" : "", handled != 0 ? 1 : 0);
      _exit(0);
    }
    close(ends[1]);
    char byte;
    return read(ends[0], &byte, 1) == 1 ? 0 : 1;
  }
  take_signal();
  if (handled == 0) return 1;
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) return 1;
  if (what == "exec") execl("/bin/true", "true", nullptr);
  if (what == "term") raise(SIGTERM);
  if (what == "trap") raise(SIGTRAP);
  return what == "handled" ? 0 : 1;
}

// Says "ready", waits for a signal of the list and names it.
int AwaitSignal(const Arguments& args) {
  sigset_t set;
  sigemptyset(&set);
  for (const std::string& signal : args) {
    sigaddset(&set, static_cast<int>(Number(signal)));
  }
  sigprocmask(SIG_BLOCK, &set, nullptr);
  puts("ready");
  fflush(stdout);
  int got = 0;
  sigwait(&set, &got);
  printf("%d\n", got);
  return 0;
}

// Forks orphans and counts the zombies that stay.
int Orphans(const Arguments& args) {
  for (long i = 0; i < Number(args[0]); ++i) {
    const pid_t child = fork();
    if (child == 0) {
      if (fork() == 0) _exit(0);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
  }
  // Orphans are init's; once they are reaped only init and this are left.
  for (;;) {
    DIR* directory = opendir("/proc");
    int count = 0;
    while (const dirent* entry = readdir(directory)) {
      if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') ++count;
    }
    closedir(directory);
    if (count == 2) return Say(0);
    sched_yield();
  }
}

// Says its pid and waits to be killed.
int Wait(const Arguments&) {
  printf("%d\n", getpid());
  fflush(stdout);
  for (;;) pause();
}

// --- Inter-process communication -------------------------------------------

int SharedMemory(const Arguments& args) {
  return Say(shmget(static_cast<key_t>(Number(args[0])), 1, 0));
}

int MessageQueue(const Arguments& args) {
  return Say(mq_open(args[0].c_str(), O_RDONLY));
}

int HostName(const Arguments&) {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  puts(name);
  return 0;
}

int UserIds(const Arguments&) {
  printf("%d %d\n", geteuid(), getegid());
  return 0;
}

struct Command {
  size_t arguments;
  std::function<int(const Arguments&)> run;
};

const std::map<std::string, Command>& Commands() {
  static const auto& commands = *new std::map<std::string, Command>{
      {"await-signal", {1, AwaitSignal}},
      {"call", {1, Call}},
      {"caps", {0, Capabilities}},
      {"change-process", {1, ChangeProcess}},
      {"chdir",
       {1, [](const Arguments& a) { return Say(chdir(a[0].c_str())); }}},
      {"chmod",
       {1, [](const Arguments& a) { return Say(chmod(a[0].c_str(), 0600)); }}},
      {"connect-ip", {2, ConnectIp}},
      {"connect-unix", {1, ConnectUnix}},
      {"core-limit", {0, CoreLimit}},
      {"daemon", {0, Daemon}},
      {"die", {1, Die}},
      {"exit", {1, Exit}},
      {"fds", {0, Descriptors}},
      {"fifo-write",
       {1, [](const Arguments& a) { return Open(a, O_WRONLY | O_NONBLOCK); }}},
      {"flock",
       {1,
        [](const Arguments& a) {
          const int fd = open(a[0].c_str(), O_RDONLY | O_CLOEXEC);
          return Say(fd < 0 ? fd : flock(fd, LOCK_EX | LOCK_NB));
        }}},
      {"hostname", {0, HostName}},
      {"ids", {0, UserIds}},
      {"kill", {1, KillProcess}},
      {"link",
       {2,
        [](const Arguments& a) {
          return Say(link(a[0].c_str(), a[1].c_str()));
        }}},
      {"list", {1, List}},
      {"loopback", {1, Loopback}},
      {"mkdir",
       {1, [](const Arguments& a) { return Say(mkdir(a[0].c_str(), 0755)); }}},
      {"mknod",
       {3,
        [](const Arguments& a) {
          return Say(
              mknod(a[0].c_str(), S_IFCHR | 0666,
                    static_cast<dev_t>(Number(a[1]) << 8 | Number(a[2]))));
        }}},
      {"mq", {1, MessageQueue}},
      {"nested-change-process", {1, NestedChangeProcess}},
      {"nested-mount", {1, NestedMount}},
      {"nested-uncover", {1, NestedUncover}},
      {"nested-write", {1, NestedWrite}},
      {"open",
       {1, [](const Arguments& a) { return Open(a, O_RDONLY | O_NONBLOCK); }}},
      {"open-write",
       {1, [](const Arguments& a) { return Open(a, O_WRONLY | O_NONBLOCK); }}},
      {"orphans", {1, Orphans}},
      {"pids", {0, Pids}},
      {"read", {1, Read}},
      {"remount", {1, RemountWritable}},
      {"rename",
       {2,
        [](const Arguments& a) {
          return Say(rename(a[0].c_str(), a[1].c_str()));
        }}},
      {"resolve", {0, Resolve}},
      {"securebits", {0, SecureBits}},
      {"setattr-by-fd", {1, SetAttributesByDescriptor}},
      {"setuid", {1, SetUserId}},
      {"shm", {1, SharedMemory}},
      {"show", {1, Show}},
      {"socket", {1, SocketFamily}},
      {"socketpair", {1, SocketPairFamily}},
      {"tioclinux", {0, [](const Arguments&) { return IoctlTty(TIOCLINUX); }}},
      {"tiocsti", {0, [](const Arguments&) { return IoctlTty(TIOCSTI); }}},
      {"traceme", {1, TraceMe}},
      {"unlink",
       {1, [](const Arguments& a) { return Say(unlink(a[0].c_str())); }}},
      {"wait", {0, Wait}},
      {"write", {1, Write}},
  };
  return commands;
}

}  // namespace

int main(int argc, char** argv) {
  const auto found = argc < 2 ? Commands().end() : Commands().find(argv[1]);
  const Arguments arguments(argv + std::min(argc, 2), argv + argc);
  if (found == Commands().end() || arguments.size() < found->second.arguments) {
    fputs("usage: probe COMMAND ARGUMENT...\n", stderr);
    return 2;
  }
  return found->second.run(arguments);
}
