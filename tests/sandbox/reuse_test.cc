// SPDX-License-Identifier: Apache-2.0
//
// Sandboxes that are used again: one child does something, and the next one
// looks. Whatever the first one did, the second finds what a child in a new
// sandbox finds; and sandboxes in which something was done that can be found
// aren't used again.
#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/executable.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/sandbox_pool.h"
#include "gtest/gtest.h"
#include "tests/support/rights.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

constexpr int kMany = 1000;

Options Plain() {
  Options options;
  options.tmpfs = {{"/tmp", 0}};
  options.make_directories = {"/tmp/made/twice"};
  options.directory = "/";
  options.violations = Violations::kReport;
  return options;
}

// --- What a child can read --------------------------------------------------

std::string Content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> Names(const std::string& directory) {
  std::vector<std::string> names;
  DIR* const open = opendir(directory.c_str());
  if (open == nullptr) return {"none"};
  while (const dirent* entry = readdir(open)) names.emplace_back(entry->d_name);
  closedir(open);
  std::sort(names.begin(), names.end());
  return names;
}

// When this process began, by the clock of files.
double Began() {
  double up = 0;
  std::ifstream("/proc/uptime") >> up;
  const std::string text = Content("/proc/self/stat");
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string field;
  for (int i = 0; i < 20; ++i) fields >> field;
  const double age = up - std::stod(field) / sysconf(_SC_CLK_TCK);
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec + now.tv_nsec / 1e9 - age;
}

// What is the same in every new sandbox: times only as far as they tell one
// another's order.
std::string Described(const char* path, double began) {
  struct statx info = {};
  if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW,
            STATX_BASIC_STATS | STATX_BTIME, &info) != 0) {
    return absl::StrCat(path, ": ", strerror(errno), "\n");
  }
  const auto seconds = [](const statx_timestamp& time) {
    return time.tv_sec + time.tv_nsec / 1e9;
  };
  // What procfs makes up is as old as the first question for it. Its root is as
  // old as the sandbox.
  const bool older =
      strcmp(path, "/proc") != 0 && seconds(info.stx_ctime) < began - 0.05;
  return absl::StrCat(
      path, ": ", info.stx_mode, " ", info.stx_uid, " ", info.stx_gid, " ",
      // That of /proc counts all of the host's processes.
      strcmp(path, "/proc") != 0 ? info.stx_nlink : 0, " ", info.stx_size, " ",
      info.stx_attributes, " ",
      absl::StartsWith(path, "/proc") ? (older ? "old" : "new") : "",
      // Of what isn't procfs: read since, changed since.
      absl::StartsWith(path, "/proc")
          ? ""
          : absl::StrCat(
                seconds(info.stx_mtime) - seconds(info.stx_btime) > 0.5, " ",
                seconds(info.stx_ctime) - seconds(info.stx_mtime) > 0.5, " ",
                seconds(info.stx_atime) > seconds(info.stx_mtime)),
      "\n");
}

std::string Lines(const std::string& text,
                  const std::vector<std::string>& starts) {
  std::string kept;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    for (const std::string& start : starts) {
      if (absl::StartsWith(line, start)) absl::StrAppend(&kept, line, "\n");
    }
  }
  return kept;
}

// Mount points and options, without the numbers.
std::string Mounts() {
  std::string mounts;
  for (absl::string_view line :
       absl::StrSplit(Content("/proc/self/mountinfo"), '\n')) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    for (size_t i = 3; i < fields.size(); ++i) {
      absl::StrAppend(&mounts, fields[i], " ");
    }
    mounts += "\n";
  }
  return mounts;
}

// Whether the number of its filesystem is the one of the mount table.
bool IsAsListed(const char* path) {
  struct stat info = {};
  stat(path, &info);
  const std::string device =
      absl::StrCat(major(info.st_dev), ":", minor(info.st_dev));
  bool listed = false;
  for (absl::string_view line :
       absl::StrSplit(Content("/proc/self/mountinfo"), '\n')) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    // The last one on a point is the one that is seen.
    if (fields.size() > 4 && fields[4] == path) listed = fields[2] == device;
  }
  return listed;
}

// Paths in the order in which their mounts were made.
std::string ByAge() {
  constexpr unsigned kUniqueMount = 0x4000;  // STATX_MNT_ID_UNIQUE, Linux 6.8
  std::vector<std::pair<uint64_t, std::string>> mounts;
  for (const char* path : {"/", "/dev", "/dev/null", "/dev/pts", "/dev/shm",
                           "/proc", "/sys", "/tmp"}) {
    struct statx info = {};
    statx(AT_FDCWD, path, 0, kUniqueMount, &info);
    if ((info.stx_mask & kUniqueMount) == 0) return "unknown";
    mounts.emplace_back(info.stx_mnt_id, path);
  }
  std::sort(mounts.begin(), mounts.end());
  std::string paths;
  for (const auto& mount : mounts) absl::StrAppend(&paths, mount.second, " ");
  return paths;
}

// Of what is in a directory, in its order: name, inode number and offset.
std::string Entries(const char* directory) {
  std::string entries;
  DIR* const open = opendir(directory);
  while (const dirent* entry = readdir(open)) {
    absl::StrAppend(&entries, entry->d_name, " ",
                    strcmp(entry->d_name, "..") != 0 ? entry->d_ino : 0, " ",
                    entry->d_off, "\n");
  }
  closedir(open);
  return entries;
}

// The last part changes what it finds out.
std::string Snapshot() {
  const double began = Began();
  std::string all;
  const auto add = [&](absl::string_view name, const std::string& text) {
    absl::StrAppend(&all, "== ", name, "\n", text, "\n");
  };
  // Before anything else looks there.
  std::string described;
  for (const char* path : {"/tmp",
                           "/tmp/made",
                           "/tmp/made/twice",
                           "/dev",
                           "/dev/shm",
                           "/dev/mqueue",
                           "/dev/pts",
                           "/dev/pts/ptmx",
                           "/etc/hosts",
                           "/proc",
                           "/proc/cpuinfo",
                           "/proc/meminfo",
                           "/proc/1",
                           "/proc/self/status",
                           "/proc/self/net/tcp",
                           "/proc/self/net/unix",
                           "/proc/sys/kernel/osrelease",
                           "/proc/sys/net/ipv4/ip_forward",
                           "/proc/sysvipc/shm",
                           "/proc/locks"}) {
    described += Described(path, began);
  }
  add("stat", described);
  add("ids", absl::StrCat(getpid(), " ", getppid(), " ", getpgrp(), " ",
                          getsid(0), " ", getuid(), " ", gettid()));
  std::string names;
  for (const char* path : {"/tmp", "/tmp/made", "/dev", "/dev/shm",
                           "/dev/mqueue", "/dev/pts", "/proc/self/fd"}) {
    absl::StrAppend(&names, path, ": ", absl::StrJoin(Names(path), " "), "\n");
  }
  std::string processes;
  for (const std::string& name : Names("/proc")) {
    if (isdigit(name[0]) != 0) absl::StrAppend(&processes, name, " ");
  }
  add("names", names);
  add("processes", processes);
  add("descriptors", absl::StrCat(Names("/proc/self/fd").size()));
  const std::string load = Content("/proc/loadavg");
  add("last pid", load.substr(load.rfind(' ')));
  add("mounts", Mounts());
  add("mounts by age", ByAge());
  for (const char* path : {"/tmp", "/tmp/made", "/dev/shm"}) {
    char attributes[256];
    const ssize_t size = listxattr(path, attributes, sizeof(attributes));
    add(path, absl::StrCat(Entries(path),
                           size > 0 ? absl::string_view(
                                          attributes, static_cast<size_t>(size))
                                    : ""));
  }
  add("devices", absl::StrCat(IsAsListed("/tmp"), IsAsListed("/dev/shm")));
  for (const char* path :
       {"/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg",
        "/proc/self/limits", "/proc/self/cgroup", "/proc/self/oom_score_adj",
        "/proc/self/coredump_filter", "/proc/self/net/snmp",
        "/proc/self/net/netstat", "/proc/self/net/dev", "/proc/self/net/route",
        "/proc/self/net/arp", "/proc/self/uid_map", "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/ns_last_pid"}) {
    add(path, Content(path));
  }
  // Without the numbers that the whole host counts on.
  for (const char* path :
       {"/proc/self/net/tcp", "/proc/self/net/udp", "/proc/self/net/tcp6"}) {
    std::string sockets;
    for (absl::string_view line : absl::StrSplit(Content(path), '\n')) {
      const std::vector<std::string> fields =
          absl::StrSplit(line, ' ', absl::SkipEmpty());
      for (size_t i = 1; i < std::min<size_t>(fields.size(), 5); ++i) {
        absl::StrAppend(&sockets, fields[i], " ");
      }
      sockets += "\n";
    }
    add(path, sockets);
  }
  // TCP's memory is the host's, and init's own sockets take a while to go.
  add("sockets", Lines(Content("/proc/self/net/sockstat"), {"UDP", "RAW"}));
  const std::string netlink = Content("/proc/self/net/netlink");
  add("netlink",
      absl::StrCat(std::count(netlink.begin(), netlink.end(), '\n')));
  std::string unix_names;
  for (absl::string_view line :
       absl::StrSplit(Content("/proc/self/net/unix"), '\n')) {
    absl::StrAppend(&unix_names, line.substr(line.rfind(' ') + 1), "\n");
  }
  add("unix", unix_names);
  add("status", Lines(Content("/proc/self/status"),
                      {"Name",    "Umask",  "State",   "PPid",   "TracerPid",
                       "Uid",     "Gid",    "FDSize",  "Groups", "NSpid",
                       "NSpgid",  "NSsid",  "Threads", "SigPnd", "ShdPnd",
                       "SigBlk",  "SigIgn", "SigCgt",  "Cap",    "NoNewPrivs",
                       "Seccomp", "Specul", "Cpus",    "Mems"}));
  add("scheduling",
      absl::StrCat(getpriority(PRIO_PROCESS, 0), " ", sched_getscheduler(0),
                   " ", syscall(SYS_ioprio_get, 1, 0), " ",
                   prctl(PR_GET_TIMERSLACK), " ", prctl(PR_GET_SECUREBITS)));
  for (const char* path : {"/tmp", "/dev/shm"}) {
    struct statfs space;
    statfs(path, &space);
    add(path,
        absl::StrCat(space.f_files - space.f_ffree, " ",
                     space.f_blocks - space.f_bfree, " ", space.f_flags, " ",
                     space.f_type, " ", space.f_blocks, " ", space.f_files, " ",
                     space.f_bsize, " ", space.f_namelen));
  }
  char directory[4096];
  add("directory", getcwd(directory, sizeof(directory)));
  add("shm", absl::StrCat(shmget(IPC_PRIVATE, 4096, 0600)));
  add("sem", absl::StrCat(semget(IPC_PRIVATE, 1, 0600)));
  add("msg", absl::StrCat(msgget(IPC_PRIVATE, 0600)));
  struct stat info = {};
  const int file = open("/tmp/file", O_CREAT | O_RDWR, 0600);
  fstat(file, &info);
  add("inode", absl::StrCat(info.st_ino, " ", info.st_mode));
  const int nameless = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  fstat(nameless, &info);
  add("next inode", absl::StrCat(info.st_ino));
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  add("pty", terminal >= 0 ? ptsname(terminal) : strerror(errno));
  return all;
}

// --- Running it -------------------------------------------------------------

struct Ended {
  Result result;
  std::string told;
  std::string why_not;  // it isn't used again
};

Ended RunIn(SandboxPool* pool, const Options& options,
            const std::function<std::string()>& body, int more = kMany) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  absl::StatusOr<absl::optional<Process>> child = pool->Enter(options, more);
  if (!child.ok()) {
    ADD_FAILURE() << child.status();
    close(ends[0]);
    close(ends[1]);
    return {};
  }
  if (!child->has_value()) {
    close(ends[0]);
    const std::string told = body();
    size_t at = 0;
    while (at < told.size()) {
      const ssize_t size = write(ends[1], told.data() + at, told.size() - at);
      if (size <= 0) _exit(99);
      at += static_cast<size_t>(size);
    }
    _exit(0);
  }
  close(ends[1]);
  Ended run;
  Process process = **std::move(child);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  const auto drain = [&] {
    char buffer[65536];
    ssize_t size;
    while ((size = read(ends[0], buffer, sizeof(buffer))) > 0) {
      run.told.append(buffer, static_cast<size_t>(size));
    }
  };
  while (process.Handle()) {
    drain();
    usleep(200);
  }
  run.result = process.Wait();
  drain();
  close(ends[0]);
  run.why_not = pool->Give(std::move(process));
  return run;
}

std::string Nothing() { return ""; }

// --- What a child may do ----------------------------------------------------

enum class Left {
  kNothing,     // the sandbox is used again
  kFiles,       // it is, with fresh places that are new
  kAttributes,  // the same, but for root, who could change those of /proc
  kSomething,   // it isn't
  kEither,      // as the host, or chance, has it
};

struct Deed {
  const char* name;
  Left left;
  void (*run)();
};

void Spawn(void (*body)(), unsigned long flags) {
  const long pid = syscall(SYS_clone, flags, 0, 0, 0, 0);
  if (pid < 0) _exit(9);
  if (pid == 0) {
    body();
    _exit(0);
  }
}
void Stay() { pause(); }
void Leave() {}

void AwaitZombie() {
  siginfo_t info;
  // Of a child that this one can't wait for.
  for (int i = 0; i < 100; ++i) {
    waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
    usleep(1000);
  }
}

void SendOrExit(int socket, int fd) {
  if (SendRight(socket, fd) < 0) _exit(9);
}

void Write(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0) {
    static_cast<void>(write(fd, text, strlen(text)) > 0);
    close(fd);
  }
}

void Make(const char* path) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) _exit(9);
  close(fd);
}

const Deed kDeeds[] = {
    {"nothing", Left::kNothing, [] {}},
    {"reads everywhere", Left::kNothing,
     [] {
       for (const char* path :
            {"/tmp", "/tmp/made", "/tmp/made/twice", "/dev", "/dev/shm",
             "/proc", "/proc/sys/kernel", "/etc"}) {
         Names(path);
       }
       for (const char* path :
            {"/etc/passwd", "/etc/hosts", "/proc/cpuinfo", "/proc/meminfo",
             "/proc/self/net/tcp", "/proc/sysvipc/shm", "/proc/locks",
             "/proc/sys/kernel/osrelease", "/proc/sys/net/ipv4/ip_forward",
             "/proc/1/stat", "/proc/self/maps"}) {
         Content(path);
       }
     }},
    {"reads directories of the kernel's", Left::kEither,
     [] {
       Names("/dev/mqueue");
       Names("/dev/pts");
     }},
    {"children, waited for", Left::kNothing,
     [] {
       for (int i = 0; i < 3; ++i) {
         const pid_t pid = fork();
         if (pid == 0) _exit(0);
         waitpid(pid, nullptr, 0);
       }
     }},
    {"a thread", Left::kNothing,
     [] {
       pthread_t thread;
       pthread_create(
           &thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
       pthread_join(thread, nullptr);
     }},
    {"another program", Left::kNothing,
     [] {
       const pid_t pid = fork();
       if (pid == 0) {
         execl("/bin/true", "true", nullptr);
         _exit(9);
       }
       waitpid(pid, nullptr, 0);
     }},
    {"a socket pair", Left::kNothing,
     [] {
       int ends[2];
       if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) _exit(9);
       if (write(ends[0], "x", 1) != 1) _exit(9);
     }},
    {"files in memory, timers, events", Left::kNothing,
     [] {
       const int fd = static_cast<int>(syscall(SYS_memfd_create, "x", 0));
       if (ftruncate(fd, 1 << 20) != 0) _exit(9);
       mmap(nullptr, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
       eventfd(0, 0);
       timer_t timer;
       timer_create(CLOCK_MONOTONIC, nullptr, &timer);
     }},
    {"its own limits, priority, name, mask, directory", Left::kNothing,
     [] {
       const rlimit limit = {64, 64};
       setrlimit(RLIMIT_NOFILE, &limit);
       setpriority(PRIO_PROCESS, 0, 10);
       prctl(PR_SET_NAME, "other");
       prctl(PR_SET_TIMERSLACK, 1000);
       umask(0777);
       if (chdir("/etc") != 0) _exit(9);
       setsid();
       signal(SIGUSR1, SIG_IGN);
       setenv("OTHER", "1", 1);
     }},
    {"a file in /tmp", Left::kFiles, [] { Make("/tmp/x"); }},
    {"a file in /tmp, removed, times put back", Left::kAttributes,
     [] {
       struct stat info;
       stat("/tmp", &info);
       Make("/tmp/x");
       unlink("/tmp/x");
       const timespec times[2] = {info.st_atim, info.st_mtim};
       utimensat(AT_FDCWD, "/tmp", times, 0);
     }},
    {"a file without a name", Left::kFiles,
     [] {
       if (open("/tmp", O_TMPFILE | O_RDWR, 0600) < 0) _exit(9);
     }},
    {"a directory, removed", Left::kFiles,
     [] {
       mkdir("/tmp/made/x", 0700);
       rmdir("/tmp/made/x");
     }},
    {"every directory of the plan, removed", Left::kFiles,
     [] {
       if (rmdir("/tmp/made/twice") != 0 || rmdir("/tmp/made") != 0) _exit(9);
     }},
    {"names, links, pipes, attributes", Left::kFiles,
     [] {
       Make("/tmp/x");
       if (rename("/tmp/x", "/tmp/made/y") != 0 ||
           link("/tmp/made/y", "/tmp/z") != 0 ||
           symlink("/etc", "/tmp/etc") != 0 || mkfifo("/tmp/p", 0600) != 0 ||
           truncate("/tmp/z", 100000) != 0 ||
           syscall(SYS_renameat2, AT_FDCWD, "/tmp/z", AT_FDCWD, "/tmp/etc",
                   2 /* RENAME_EXCHANGE */) != 0) {
         _exit(9);
       }
       setxattr("/tmp/p", "user.name", "x", 1, 0);
       setxattr("/tmp", "user.name", "x", 1, 0);
     }},
    {"much in a file that is mapped, locked and unlinked", Left::kFiles,
     [] {
       constexpr size_t kSize = size_t{4} << 20;
       const int fd = open("/tmp/x", O_RDWR | O_CREAT, 0600);
       if (ftruncate(fd, kSize) != 0 || flock(fd, LOCK_EX) != 0) _exit(9);
       void* const memory =
           mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
       memset(memory, 1, kSize);
       unlink("/tmp/x");
     }},
    {"a program in /tmp that makes files", Left::kFiles,
     [] {
       const pid_t pid = fork();
       if (pid == 0) {
         Make("/tmp/made/of_a_child");
         symlink("/bin/true", "/tmp/true");
         execl("/tmp/true", "true", nullptr);
         _exit(9);
       }
       int status = 0;
       waitpid(pid, &status, 0);
       if (status != 0) _exit(9);
     }},
    {"files of threads", Left::kFiles,
     [] {
       pthread_t threads[4];
       char names[4][8];
       for (size_t i = 0; i < 4; ++i) {
         strcpy(names[i], "/tmp/0");
         names[i][5] = static_cast<char>('0' + i);
         pthread_create(
             &threads[i], nullptr,
             [](void* name) -> void* {
               Make(static_cast<const char*>(name));
               return nullptr;
             },
             names[i]);
       }
       for (pthread_t thread : threads) pthread_join(thread, nullptr);
     }},
    {"files of directories that are open", Left::kFiles,
     [] {
       const int made = open("/tmp/made", O_PATH | O_DIRECTORY);
       if (chdir("/tmp/made/twice") != 0 || mkdirat(made, "x", 0700) != 0 ||
           mkdir("y", 0700) != 0 || unlinkat(made, "x", AT_REMOVEDIR) != 0) {
         _exit(9);
       }
     }},
    {"a file in /dev/shm", Left::kFiles, [] { Make("/dev/shm/x"); }},
    {"times of /tmp", Left::kAttributes,
     [] { utimensat(AT_FDCWD, "/tmp", nullptr, 0); }},
    {"mode of a directory, put back", Left::kAttributes,
     [] {
       chmod("/tmp/made", 0777);
       chmod("/tmp/made", 0700);
     }},
    {"mode of a file that is unlinked", Left::kAttributes,
     [] {
       const int fd = open("/tmp/x", O_RDWR | O_CREAT, 0600);
       unlink("/tmp/x");
       if (fchmod(fd, 0) != 0) _exit(9);
     }},
    {"an attribute of /tmp, by ioctl(2)", Left::kEither,
     [] {
       const int fd = open("/tmp/made", O_RDONLY);
       int flags = 0x40;  // FS_NODUMP_FL
       ioctl(fd, _IOW('f', 2, long), &flags);
     }},
    {"shm_open(3), unlinked", Left::kFiles,
     [] {
       if (shm_open("/x", O_CREAT | O_RDWR, 0600) < 0) _exit(9);
       shm_unlink("/x");
     }},
    {"a socket in /tmp", Left::kSomething,
     [] {
       const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
       sockaddr_un address = {};
       address.sun_family = AF_UNIX;
       memcpy(address.sun_path, "/tmp/socket", 12);
       if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
           0) {
         _exit(9);
       }
     }},
    {"files in memory, changed by descriptor", Left::kSomething,
     [] {
       const int fd = static_cast<int>(syscall(SYS_memfd_create, "x", 0));
       if (fchmod(fd, 0600) != 0) _exit(9);
     }},
    {"a file, and what is refused", Left::kSomething,
     [] {
       Make("/tmp/x");
       if (mkdir("/etc/x", 0700) == 0) _exit(9);
     }},
    {"a file, and a file of /proc", Left::kSomething,
     [] {
       Make("/tmp/x");
       Write("/proc/self/comm", "x");
     }},
    {"a file, and a file moved to another place", Left::kSomething,
     [] {
       Make("/tmp/x");
       if (rename("/tmp/x", "/dev/shm/x") == 0) _exit(9);
     }},
    {"System V memory, removed", Left::kSomething,
     [] {
       const int id = shmget(IPC_PRIVATE, 4096, 0600);
       if (id < 0) _exit(9);
       shmctl(id, IPC_RMID, nullptr);
     }},
    {"System V semaphore", Left::kSomething,
     [] {
       if (semget(IPC_PRIVATE, 1, 0600) < 0) _exit(9);
     }},
    {"System V queue, removed", Left::kSomething,
     [] { msgctl(msgget(IPC_PRIVATE, 0600), IPC_RMID, nullptr); }},
    {"POSIX queue, unlinked", Left::kSomething,
     [] {
       mq_open("/q", O_CREAT | O_RDWR, 0600, nullptr);
       mq_unlink("/q");
     }},
    {"a TCP connection", Left::kSomething,
     [] {
       const int server = socket(AF_INET, SOCK_STREAM, 0);
       sockaddr_in address = {};
       address.sin_family = AF_INET;
       address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
       address.sin_port = htons(8080);
       auto* const name = reinterpret_cast<sockaddr*>(&address);
       if (bind(server, name, sizeof(address)) != 0) _exit(9);
       listen(server, 5);
       const int client = socket(AF_INET, SOCK_STREAM, 0);
       if (connect(client, name, sizeof(address)) != 0) _exit(9);
     }},
    {"a UDP socket, nothing sent", Left::kSomething,
     [] {
       if (socket(AF_INET, SOCK_DGRAM, 0) < 0) _exit(9);
     }},
    {"an IPv6 socket pair, refused", Left::kSomething,
     [] {
       int ends[2];
       socketpair(AF_INET6, SOCK_STREAM, 0, ends);
     }},
    {"a netlink socket", Left::kSomething,
     [] { socket(AF_NETLINK, SOCK_RAW, 0); }},
    {"an abstract name", Left::kSomething,
     [] {
       const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
       sockaddr_un address = {};
       address.sun_family = AF_UNIX;
       memcpy(address.sun_path + 1, "name", 4);
       bind(fd, reinterpret_cast<sockaddr*>(&address), 2 + 5);
     }},
    {"sockets that hold each other", Left::kSomething,
     [] {
       int ends[2];
       socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
       SendOrExit(ends[0], ends[1]);
       SendOrExit(ends[1], ends[0]);
     }},
    {"a process left", Left::kSomething, [] { Spawn(Stay, SIGCHLD); }},
    {"a sibling left", Left::kSomething,
     [] { Spawn(Stay, SIGCHLD | CLONE_PARENT); }},
    {"a sibling that ended", Left::kSomething,
     [] {
       Spawn(Leave, SIGCHLD | CLONE_PARENT);
       AwaitZombie();
     }},
    {"an orphan that ended", Left::kSomething,
     [] {
       Spawn([] { Spawn(Leave, SIGCHLD); }, SIGCHLD);
       wait(nullptr);
       AwaitZombie();
     }},
    {"a process in namespaces of its own", Left::kSomething,
     [] {
       if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0) return;
       mount("t", "/tmp", "tmpfs", 0, nullptr);
     }},
    {"init's limits, priority, processors, signals", Left::kSomething,
     [] {
       const rlimit limit = {100, 100};
       prlimit(1, RLIMIT_NOFILE, &limit, nullptr);
       setpriority(PRIO_PROCESS, 1, 5);
       cpu_set_t processors;
       CPU_ZERO(&processors);
       CPU_SET(0, &processors);
       sched_setaffinity(1, sizeof(processors), &processors);
       kill(1, SIGUSR1);
       kill(1, SIGTERM);
     }},
    {"init's files in /proc", Left::kEither,
     [] {
       for (const char* file :
            {"oom_score_adj", "coredump_filter", "autogroup", "clear_refs",
             "timerslack_ns", "comm", "sched"}) {
         Write(absl::StrCat("/proc/1/", file).c_str(), "5");
       }
     }},
    {"modes in procfs and devpts", Left::kSomething,
     [] {
       chmod("/proc/self/net/tcp", 0);
       chmod("/dev/pts/ptmx", 0600);
     }},
    {"the next pid", Left::kSomething,
     [] { Write("/proc/sys/kernel/ns_last_pid", "99"); }},
    {"a pseudoterminal", Left::kSomething,
     [] { posix_openpt(O_RDWR | O_NOCTTY); }},
    {"a pseudoterminal for reading, and what its other end wrote",
     Left::kSomething,
     [] {
       constexpr unsigned long kOpenPeer = 0x5441;  // TIOCGPTPEER
       const int terminal = open("/dev/pts/ptmx", O_RDONLY | O_NOCTTY);
       int locked = 0;
       ioctl(terminal, TIOCSPTLCK, &locked);
       const int peer = ioctl(terminal, kOpenPeer, O_RDWR | O_NOCTTY);
       struct stat before = {};
       fstat(terminal, &before);
       // The kernel notes the times of terminals every eight seconds.
       for (struct stat now = before; now.st_atime == before.st_atime;) {
         char byte;
         if (write(peer, "x", 1) != 1 || read(terminal, &byte, 1) != 1) {
           _exit(9);
         }
         usleep(20000);
         fstat(terminal, &now);
       }
     }},
    {"a tracer", Left::kEither,
     [] {
       ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
       raise(SIGWINCH);
     }},
    {"the host name", Left::kSomething,
     [] { static_cast<void>(sethostname("other", 5)); }},
    {"a call that nobody knows", Left::kSomething, [] { syscall(499); }},
    {"openat2(2)", Left::kSomething,
     [] {
       const uint64_t how[3] = {O_RDONLY, 0, 0};
       syscall(437, AT_FDCWD, "/etc/passwd", how, sizeof(how));
     }},
    {"a signal", Left::kSomething, [] { raise(SIGKILL); }},
};

class ReuseTest : public testing::TestWithParam<Deed> {
 protected:
  static void SetUpTestSuite() {
    if (expected_ != nullptr) return;
    SandboxPool pool(0, Reuse::kOn);
    const Ended first = RunIn(&pool, Plain(), &Snapshot);
    expected_ = new std::string(first.told);
    EXPECT_FALSE(first.why_not.empty()) << "it has made files";
    // Not only on a day of luck.
    EXPECT_EQ(RunIn(&pool, Plain(), &Snapshot).told, first.told);
    EXPECT_EQ(pool.fresh(), 2);
  }

  static std::string* expected_;
};
std::string* ReuseTest::expected_ = nullptr;

TEST_P(ReuseTest, NextOneFindsNothing) {
  const Deed& deed = GetParam();
  SandboxPool pool(0, Reuse::kOn);
  // The sandbox has been used before.
  EXPECT_EQ(RunIn(&pool, Plain(), &Nothing).why_not, "");
  const Ended done = RunIn(&pool, Plain(), [&deed] {
    deed.run();
    return std::string();
  });
  EXPECT_EQ(pool.fresh(), 1);
  if (deed.left != Left::kEither) {
    EXPECT_EQ(done.why_not.empty(),
              deed.left != Left::kSomething &&
                  (deed.left != Left::kAttributes || geteuid() != 0))
        << done.why_not;
    EXPECT_NE(done.result.exit_code, 9);
  }
  EXPECT_EQ(RunIn(&pool, Plain(), &Snapshot).told, *expected_);
  EXPECT_EQ(pool.fresh(), done.why_not.empty() ? 1 : 2);
}

INSTANTIATE_TEST_SUITE_P(Each, ReuseTest, testing::ValuesIn(kDeeds),
                         [](const testing::TestParamInfo<Deed>& info) {
                           std::string name;
                           for (const char* c = info.param.name; *c != '\0';
                                ++c) {
                             if (isalnum(*c) != 0) name.push_back(*c);
                           }
                           return name;
                         });

// --- The same as without it -------------------------------------------------

// What a sandbox has that isn't used again: init is shown, the filter is
// another one, and fresh places aren't mounted last. In another order.
std::string WithoutInit(const std::string& snapshot) {
  std::vector<std::string> kept;
  for (absl::string_view line : absl::StrSplit(snapshot, '\n')) {
    if (absl::StartsWith(line, "/proc/1: ") ||
        absl::StartsWith(line, "/proc: ") ||
        absl::StrContains(line, " proc proc ") ||
        // Which numbers are free depends on the pool.
        absl::StartsWith(line, "/proc/self/fd: ") ||
        absl::StartsWith(line, "Seccomp_filters") ||
        // By age.
        absl::StartsWith(line, "/ /dev ") ||
        // Directories that may be listed without a trace have been read.
        absl::StartsWith(line, "/tmp") || absl::StartsWith(line, "/dev")) {
      continue;
    }
    kept.emplace_back(line == "1 2 " ? "2 " : line);
  }
  std::sort(kept.begin(), kept.end());
  return absl::StrJoin(kept, "\n");
}

TEST(ReuseComparisonTest, OnlyInitIsHidden) {
  std::string without;
  {
    SandboxPool off(0, Reuse::kOff);
    without = RunIn(&off, Plain(), &Snapshot).told;
  }
  SandboxPool on(0, Reuse::kOn);
  EXPECT_EQ(RunIn(&on, Plain(), &Nothing).why_not, "");
  EXPECT_EQ(WithoutInit(RunIn(&on, Plain(), &Snapshot).told),
            WithoutInit(without));
  EXPECT_EQ(on.fresh(), 1);
}

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> result;
  for (const std::string& task : Names(absl::StrCat("/proc/", pid, "/task"))) {
    std::ifstream children(
        absl::StrCat("/proc/", pid, "/task/", task, "/children"));
    for (pid_t child; children >> child;) result.push_back(child);
  }
  return result;
}

// --- Fresh places that are renewed ------------------------------------------

std::string WriteOnce(const char* path) {
  return open(path, O_WRONLY | O_CREAT | O_EXCL, 0600) < 0 ? strerror(errno)
                                                           : "";
}

TEST(ReuseRenewalTest, ManyWriteInOneSandbox) {
  SandboxPool pool(0, Reuse::kOn);
  for (int i = 0; i < 50; ++i) {
    const Ended run = RunIn(&pool, Plain(), [] {
      return WriteOnce("/tmp/x") + WriteOnce("/tmp/made/twice/x") +
             WriteOnce("/dev/shm/x");
    });
    ASSERT_EQ(run.told, "");
    ASSERT_EQ(run.why_not, "");
  }
  EXPECT_EQ(pool.fresh(), 1);
}

// What is in one that was taken away takes no room any more.
TEST(ReuseRenewalTest, EachHasAllTheRoom) {
  constexpr size_t kSize = size_t{3} << 20;
  Options options = Plain();
  options.tmpfs = {{"/tmp", size_t{4} << 20}};
  SandboxPool pool(0, Reuse::kOn);
  for (int i = 0; i < 4; ++i) {
    const Ended run = RunIn(&pool, options, []() -> std::string {
      const std::string text(kSize, 'x');
      std::ofstream file("/tmp/x");
      file << text;
      file.close();
      struct statfs space;
      statfs("/tmp", &space);
      return absl::StrCat(file.good(), " ", space.f_blocks, " ", space.f_bfree);
    });
    EXPECT_EQ(run.told, "1 1024 256");
    EXPECT_EQ(run.why_not, "");
  }
  EXPECT_EQ(pool.fresh(), 1);
}

TEST(ReuseRenewalTest, PlacesInOneAnother) {
  Options options = Plain();
  options.tmpfs = {{"/tmp", 0}, {"/tmp/inner", 1 << 20}, {"/var/tmp", 0}};
  options.make_directories = {"/tmp/made/twice", "/tmp/inner/made"};
  const auto look = [] {
    return Mounts() + ByAge() + Entries("/tmp") + Entries("/tmp/inner") +
           Entries("/var/tmp") +
           absl::StrCat(IsAsListed("/tmp"), IsAsListed("/tmp/inner"),
                        IsAsListed("/var/tmp"));
  };
  std::string expected;
  {
    SandboxPool pool(0, Reuse::kOn);
    expected = RunIn(&pool, options, look).told;
  }
  EXPECT_TRUE(absl::StrContains(expected, "size=1024k")) << expected;
  SandboxPool pool(0, Reuse::kOn);
  for (const char* path : {"/tmp/x", "/tmp/inner/made/x", "/var/tmp/x"}) {
    const Ended run = RunIn(&pool, options, [path] { return WriteOnce(path); });
    EXPECT_EQ(run.told, "");
    EXPECT_EQ(run.why_not, "") << path;
    EXPECT_EQ(RunIn(&pool, options, look).told, expected) << path;
  }
  EXPECT_EQ(pool.fresh(), 1);
}

// What is the host's stays where it is, so the place around it does as well.
TEST(ReuseRenewalTest, NotAroundATreeOfTheHost) {
  const Scratch scratch;
  const std::string outer = scratch / "outer";
  const std::string tree = outer + "/tree";
  ASSERT_EQ(mkdir(outer.c_str(), 0777), 0);
  ASSERT_EQ(mkdir(tree.c_str(), 0777), 0);
  Options options = Plain();
  options.tmpfs = {{outer, 0}};
  options.writable = {tree};
  options.make_directories.clear();
  SandboxPool pool(0, Reuse::kOn);
  EXPECT_EQ(RunIn(&pool, options, &Nothing).why_not, "");
  for (const std::string& path : {outer + "/x", tree + "/x"}) {
    const Ended run =
        RunIn(&pool, options, [&path] { return WriteOnce(path.c_str()); });
    EXPECT_EQ(run.told, "");
    EXPECT_NE(run.why_not, "") << path;
  }
  EXPECT_EQ(access((tree + "/x").c_str(), F_OK), 0);
}

TEST(ReuseRenewalTest, NotForATreeOfTheHost) {
  const Scratch scratch;
  Options options = Plain();
  options.writable = {scratch / ""};
  options.tmpfs = {{"/var/tmp", 0}};
  options.make_directories.clear();
  const std::string file = scratch / "x";
  SandboxPool pool(0, Reuse::kOn);
  EXPECT_EQ(
      RunIn(&pool, options, [] { return WriteOnce("/var/tmp/x"); }).why_not,
      "");
  // By a link as well.
  Ended run = RunIn(&pool, options, [&scratch]() -> std::string {
    if (symlink((scratch / "").c_str(), "/var/tmp/link") != 0) _exit(9);
    return WriteOnce("/var/tmp/link/x");
  });
  EXPECT_EQ(run.told, "");
  EXPECT_NE(run.why_not, "");
  run = RunIn(&pool, options, [&file]() -> std::string {
    Make("/var/tmp/x");
    return unlink(file.c_str()) == 0 ? "" : strerror(errno);
  });
  EXPECT_EQ(run.told, "");
  EXPECT_NE(run.why_not, "");
}

// Who is mapped to root owns the settings of the sandbox's network and IPC.
TEST(ReuseRenewalTest, NotForOneWhoOnlyLooksLikeRoot) {
  Options options = Plain();
  options.identity = Identity::kRoot;
  SandboxPool pool(0, Reuse::kOn);
  EXPECT_EQ(RunIn(&pool, options, &Nothing).why_not, "");
  const Ended run = RunIn(&pool, options, [] { return WriteOnce("/tmp/x"); });
  EXPECT_EQ(run.told, "");
  EXPECT_EQ(run.why_not.empty(), geteuid() == 0);
}

// Whoever forks the children is in no place that is taken away.
TEST(ReuseRenewalTest, TheWorkingDirectoryIsNew) {
  Options options = Plain();
  options.directory = "/tmp/made";
  SandboxPool pool(0, Reuse::kOn);
  for (int i = 0; i < 3; ++i) {
    const Ended run = RunIn(&pool, options, []() -> std::string {
      char directory[4096];
      if (getcwd(directory, sizeof(directory)) == nullptr) return "none";
      struct stat here = {};
      struct stat there = {};
      stat(".", &here);
      stat("/tmp/made", &there);
      const std::string names = absl::StrJoin(Names("."), " ");
      return absl::StrCat(directory, " ", names, " ",
                          here.st_dev == there.st_dev, WriteOnce("x"));
    });
    EXPECT_EQ(run.told, "/tmp/made . .. twice 1");
    EXPECT_EQ(run.why_not, "");
  }
  EXPECT_EQ(pool.fresh(), 1);
  for (pid_t pid : ChildrenOf(getpid())) {
    char directory[4096];
    const ssize_t size = readlink(absl::StrCat("/proc/", pid, "/cwd").c_str(),
                                  directory, sizeof(directory));
    // An ordinary user may not look at init.
    if (size > 0) {
      EXPECT_EQ(std::string(directory, static_cast<size_t>(size)), "/");
    }
  }
}

// What only a call could have changed that seemed to be about another file:
// here this process does, while the child waits, by the child's files in
// procfs.
Ended WriteAndChange(SandboxPool* pool,
                     const std::function<bool(const std::string&)>& change) {
  int ready[2];
  int go[2];
  EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
  EXPECT_EQ(pipe2(go, O_CLOEXEC), 0);
  Ended run;
  absl::StatusOr<absl::optional<Process>> child = pool->Enter(Plain(), kMany);
  if (!child.ok()) {
    ADD_FAILURE() << child.status();
    return run;
  }
  char byte = 0;
  if (!child->has_value()) {
    close(ready[0]);
    close(go[1]);
    if (write(ready[1], "x", 1) != 1 || read(go[0], &byte, 1) != 0) _exit(9);
    Make("/tmp/x");
    _exit(0);
  }
  close(ready[1]);
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  int changed = 0;
  for (pid_t relay : ChildrenOf(getpid())) {
    for (pid_t pid : ChildrenOf(relay)) {
      if (change(absl::StrCat("/proc/", pid, "/"))) ++changed;
    }
  }
  EXPECT_EQ(changed, 1);
  close(go[0]);
  close(go[1]);
  Process process = **std::move(child);
  run.result = process.Wait();
  run.why_not = pool->Give(std::move(process));
  return run;
}

TEST(ReuseRenewalTest, NotWhereAnotherFileMayHaveBeenChanged) {
  SandboxPool pool(0, Reuse::kOn);
  const auto write_and_write = [&pool](const char* file,
                                       const std::string& text) {
    return WriteAndChange(&pool, [file, &text](const std::string& process) {
      const UniqueFd opened(open((process + file).c_str(), O_WRONLY));
      return write(opened.get(), text.data(), text.size()) > 0;
    });
  };
  EXPECT_EQ(write_and_write("oom_score_adj", "500").why_not, "");
  // In a user namespace without such a map nobody can write another one.
  if (!Content("/proc/self/projid_map").empty()) {
    const std::string id = absl::StrCat(getuid(), " ", getuid(), " 1\n");
    EXPECT_NE(write_and_write("projid_map", id).why_not, "");
  }
  if (access("/proc/self/autogroup", F_OK) == 0) {
    EXPECT_NE(write_and_write("autogroup", "5\n").why_not, "");
  }
  if (geteuid() != 0) return;
  for (const char* file : {"net/tcp", "root/dev/pts/ptmx"}) {
    const Ended run = WriteAndChange(&pool, [file](const std::string& process) {
      return chmod((process + file).c_str(), 0640) == 0;
    });
    EXPECT_NE(run.why_not, "") << file;
  }
}

// --- What doesn't fit -------------------------------------------------------

TEST(ReuseRulesTest, ManyRunInOneSandbox) {
  SandboxPool pool(2, Reuse::kOn);
  for (int i = 0; i < 200; ++i) {
    const Ended run =
        RunIn(&pool, Plain(), [] { return absl::StrCat(getpid()); });
    ASSERT_EQ(run.told, "2");
    ASSERT_EQ(run.why_not, "");
  }
  EXPECT_EQ(pool.fresh(), 1);
}

TEST(ReuseRulesTest, ResultsAreTheOwn) {
  SandboxPool pool(1, Reuse::kOn);
  for (int i = 0; i < 30; ++i) {
    const Ended run = RunIn(&pool, Plain(), [i]() -> std::string {
      if (i % 3 == 1) raise(SIGTERM);
      if (i % 3 == 2) open("/etc/passwd", O_WRONLY);
      _exit(i);
    });
    EXPECT_EQ(run.result.signal, i % 3 == 1 ? SIGTERM : 0);
    if (i % 3 != 1) {
      EXPECT_EQ(run.result.exit_code, i);
    }
    EXPECT_EQ(run.result.record.violations.size(), i % 3 == 2 ? 1U : 0U);
    EXPECT_EQ(run.why_not.empty(), i % 3 == 0);
  }
}

TEST(ReuseRulesTest, WhatTheCallerHasIsInherited) {
  SandboxPool pool(0, Reuse::kOn);
  EXPECT_EQ(RunIn(&pool, Plain(), &Nothing).why_not, "");
  // Memory, descriptors, handlers, environment: without another sandbox.
  static int number = 0;
  number = 5;
  const int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  signal(SIGUSR1, [](int) { _exit(42); });
  setenv("REUSE_TEST", "x", 1);
  const Ended run = RunIn(&pool, Plain(), [file]() -> std::string {
    char byte;
    if (number != 5 || read(file, &byte, 1) != 1 ||
        getenv("REUSE_TEST") == nullptr) {
      _exit(1);
    }
    raise(SIGUSR1);
    _exit(2);
  });
  signal(SIGUSR1, SIG_DFL);
  close(file);
  EXPECT_EQ(run.result.exit_code, 42);
  EXPECT_EQ(pool.fresh(), 1);
  // What a process that started earlier can't have.
  EXPECT_EQ(RunIn(&pool, Plain(), &Nothing).why_not, "");
  const int fresh = pool.fresh();
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit limit = {before.rlim_cur - 1, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &limit);
  const Ended limited = RunIn(&pool, Plain(), [] {
    rlimit now;
    getrlimit(RLIMIT_NOFILE, &now);
    return absl::StrCat(now.rlim_cur);
  });
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(limited.told, absl::StrCat(limit.rlim_cur));
  EXPECT_EQ(pool.fresh(), fresh + 1);
}

TEST(ReuseRulesTest, DirectoryIsTheOneThatIsThere) {
  const Scratch scratch;
  const std::string path = scratch / "directory";
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  Options options = Plain();
  options.tmpfs.clear();
  options.make_directories.clear();
  options.directory = path;
  const auto look = []() -> std::string {
    char directory[4096];
    return getcwd(directory, sizeof(directory)) != nullptr ? directory : "none";
  };
  SandboxPool pool(0, Reuse::kOn);
  EXPECT_EQ(RunIn(&pool, options, look).told, path);
  ASSERT_EQ(rename(path.c_str(), (scratch / "moved").c_str()), 0);
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  EXPECT_EQ(RunIn(&pool, options, look).told, path);
  EXPECT_EQ(pool.fresh(), 1);
}

// What belongs to an open file and not to the process.
TEST(ReuseRulesTest, DevicesAreOpenedForEach) {
  const int before = dup(STDIN_FILENO);
  const int device = open("/dev/null", O_RDWR | O_CLOEXEC);
  ASSERT_GE(device, 0);
  ASSERT_EQ(dup2(device, STDIN_FILENO), STDIN_FILENO);
  const auto look = [] {
    return absl::StrCat(Content("/proc/self/fdinfo/0"),
                        fcntl(STDIN_FILENO, F_GETSIG), " ",
                        fcntl(STDIN_FILENO, F_GETFL));
  };
  SandboxPool pool(0, Reuse::kOn);
  const std::string first = RunIn(&pool, Plain(), look).told;
  const Ended changed = RunIn(&pool, Plain(), []() -> std::string {
    if (flock(STDIN_FILENO, LOCK_SH) != 0 ||
        fcntl(STDIN_FILENO, F_SETFL, O_APPEND | O_NONBLOCK) != 0 ||
        fcntl(STDIN_FILENO, F_SETSIG, SIGUSR1) != 0) {
      _exit(9);
    }
    return "";
  });
  EXPECT_EQ(changed.result.exit_code, 0);
  EXPECT_EQ(changed.why_not, "");
  EXPECT_EQ(RunIn(&pool, Plain(), look).told, first);
  EXPECT_EQ(pool.fresh(), 1);
  dup2(before, STDIN_FILENO);
  close(before);
  close(device);
}

// Init may be late to send it.
TEST(ReuseRulesTest, SignalsAreForOneChildOnly) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  SandboxPool pool(0, Reuse::kOn);
  absl::StatusOr<absl::optional<Process>> child = pool.Enter(Plain(), kMany);
  ASSERT_TRUE(child.ok()) << child.status();
  if (!child->has_value()) {
    close(ends[1]);
    char byte;
    _exit(read(ends[0], &byte, 1) == 0 ? 0 : 9);
  }
  Process process = **std::move(child);
  EXPECT_TRUE(process.Signal(SIGURG).ok());
  close(ends[0]);
  close(ends[1]);
  EXPECT_EQ(process.Wait().exit_code, 0);
  EXPECT_NE(pool.Give(std::move(process)), "");
}

TEST(ReuseRulesTest, IgnoredChildrenMakeNoDifference) {
  SandboxPool pool(0, Reuse::kOn);
  EXPECT_EQ(RunIn(&pool, Plain(), &Nothing).why_not, "");
  signal(SIGCHLD, SIG_IGN);
  const Ended run = RunIn(&pool, Plain(), []() -> std::string { _exit(7); });
  signal(SIGCHLD, SIG_DFL);
  EXPECT_EQ(run.result.exit_code, 7);
  EXPECT_NE(run.why_not, "");
}

TEST(ReuseRulesTest, OtherOptionsGetAnotherSandbox) {
  SandboxPool pool(2, Reuse::kOn);
  Options other = Plain();
  other.hostname = "other";
  EXPECT_EQ(RunIn(&pool, Plain(), &Nothing).why_not, "");
  const auto name = [] { return Content("/proc/sys/kernel/hostname"); };
  EXPECT_EQ(RunIn(&pool, other, name).told, "other\n");
  EXPECT_NE(RunIn(&pool, Plain(), name).told, "other\n");
  EXPECT_EQ(RunIn(&pool, other, name).told, "other\n");
  EXPECT_EQ(pool.fresh(), 2);
  other.overlay = {"/usr/share"};
  EXPECT_EQ(RunIn(&pool, other, &Nothing).why_not, "it has overlays");
  other.overlay.clear();
  other.violations = Violations::kOff;
  EXPECT_NE(RunIn(&pool, other, &Nothing).why_not, "");
}

TEST(ReuseRulesTest, NewSocketsOfTheHostAreMasked) {
  const Scratch scratch;
  const std::string path = scratch / "socket";
  SandboxPool pool(0, Reuse::kOn);
  Options options = Plain();
  options.tmpfs.clear();
  options.make_directories.clear();
  EXPECT_EQ(RunIn(&pool, options, &Nothing).why_not, "");
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  memcpy(address.sun_path, path.c_str(), path.size());
  ASSERT_EQ(
      bind(server, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(server, 5), 0);
  absl::SleepFor(absl::Milliseconds(150));
  const Ended run = RunIn(&pool, options, [&address]() -> std::string {
    const int client = socket(AF_UNIX, SOCK_STREAM, 0);
    const int error = connect(client, reinterpret_cast<sockaddr*>(&address),
                              sizeof(address)) == 0
                          ? 0
                          : errno;
    _exit(error);
  });
  EXPECT_NE(run.result.exit_code, 0);
  EXPECT_EQ(pool.fresh(), 2);
  close(server);
  unlink(path.c_str());
}

// --- What is worked out once for many ----------------------------------------

// What a sandbox is made from may change between two children, and each gets
// what there is then.

// landlock(7), by number. False if this kernel has none.
bool EnterLandlock() {
  constexpr uint64_t kReadDir = 1 << 3;
  const int ruleset =
      static_cast<int>(syscall(444, &kReadDir, sizeof(kReadDir), 0));
  if (ruleset < 0) return false;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const bool entered = syscall(446, ruleset, 0) == 0;
  close(ruleset);
  return entered;
}

// In a process of its own, because there is no way back.
void InAnotherProcess(const std::function<bool()>& body) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) _exit(body() && !testing::Test::HasFailure() ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

TEST(ReuseCacheTest, ALandlockDomainIsInheritedByTheNextOne) {
  constexpr unsigned kVersion = 1;
  REQUIRE_HOST(syscall(444, nullptr, 0, kVersion) > 0,
               "this kernel has no Landlock");
  InAnotherProcess([] {
    SandboxPool pool(0, Reuse::kOn);
    const auto look = []() -> std::string {
      return open("/etc", O_RDONLY | O_DIRECTORY) < 0 ? strerror(errno) : "";
    };
    EXPECT_EQ(RunIn(&pool, Plain(), look).told, "");
    EXPECT_EQ(RunIn(&pool, Plain(), look).told, "");
    EXPECT_EQ(pool.fresh(), 1);
    EXPECT_TRUE(EnterLandlock());
    // No sandbox is made in a domain, since nobody may mount there.
    const absl::StatusOr<absl::optional<Process>> child =
        pool.Enter(Plain(), kMany);
    if (child.ok() && !child->has_value()) _exit(9);
    EXPECT_FALSE(child.ok());
    return true;
  });
}

TEST(ReuseCacheTest, DescriptorsOfAnotherTableAreTheNextOnes) {
  InAnotherProcess([] {
    SandboxPool pool(0, Reuse::kOn);
    EXPECT_EQ(RunIn(&pool, Plain(), &Nothing).why_not, "");
    EXPECT_EQ(unshare(CLONE_FILES), 0);
    const int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    const Ended run = RunIn(&pool, Plain(), [file]() -> std::string {
      char byte;
      return read(file, &byte, 1) == 1 ? "read" : strerror(errno);
    });
    EXPECT_EQ(run.told, "read");
    EXPECT_EQ(pool.fresh(), 2);
    return true;
  });
}

// Where nobody but this process mounts anything.
bool EnterMountNamespace() {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    return false;
  }
  if (uid != 0) {
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << uid << " " << uid << " 1";
    std::ofstream("/proc/self/gid_map") << gid << " " << gid << " 1";
  }
  return geteuid() == uid && getegid() == gid &&
         mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

TEST(ReuseCacheTest, MountsOfAnotherNamespaceAreTheNextOnes) {
  const Scratch scratch;
  InAnotherProcess([&scratch] {
    Options options = Plain();
    options.tmpfs.clear();
    options.make_directories.clear();
    SandboxPool pool(0, Reuse::kOn);
    const auto look = [&scratch]() -> std::string {
      return access((scratch / "file").c_str(), F_OK) == 0 ? "there" : "none";
    };
    EXPECT_EQ(RunIn(&pool, options, look).told, "none");
    EXPECT_TRUE(EnterMountNamespace());
    Ended run = RunIn(&pool, options, look);
    EXPECT_EQ(run.told, "none");
    EXPECT_EQ(run.why_not, "");
    run = RunIn(&pool, options, look);
    EXPECT_EQ(run.told, "none");
    EXPECT_EQ(run.why_not, "");
    EXPECT_EQ(pool.fresh(), 2);
    EXPECT_EQ(mount("", (scratch / "").c_str(), "tmpfs", 0, nullptr), 0);
    scratch.File("file", "");
    EXPECT_EQ(RunIn(&pool, options, look).told, "there");
    EXPECT_EQ(pool.fresh(), 3);
    return true;
  });
}

TEST(ReuseCacheTest, OtherOptionsAreNotTakenForTheLast) {
  SandboxPool pool(0, Reuse::kOn);
  Options options = Plain();
  options.environment = std::vector<std::string>{"A=1", "B=2"};
  options.umask = 027;
  const auto look = [] {
    const mode_t mask = umask(0);
    return absl::StrCat(getenv("A") != nullptr ? getenv("A") : "none", " ",
                        getenv("B") != nullptr ? getenv("B") : "none", " ",
                        mask);
  };
  EXPECT_EQ(RunIn(&pool, options, look).told, absl::StrCat("1 2 ", 027));
  options.environment->back() = "B=3";
  EXPECT_EQ(RunIn(&pool, options, look).told, absl::StrCat("1 3 ", 027));
  options.environment->pop_back();
  EXPECT_EQ(RunIn(&pool, options, look).told, absl::StrCat("1 none ", 027));
  options.umask = 022;
  EXPECT_EQ(RunIn(&pool, options, look).told, absl::StrCat("1 none ", 022));
  options.limits.open_files = 77;
  const auto files = [] {
    rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    return absl::StrCat(limit.rlim_cur);
  };
  EXPECT_EQ(RunIn(&pool, options, files).told, "77");
  EXPECT_EQ(pool.fresh(), 1);
  // What one child sets isn't the next one's.
  RunIn(&pool, options, []() -> std::string {
    setenv("A", "changed", 1);
    environ[0][2] = 'X';
    umask(0777);
    return "";
  });
  EXPECT_EQ(RunIn(&pool, options, look).told, absl::StrCat("1 none ", 022));
  EXPECT_EQ(pool.fresh(), 1);
}

TEST(ReuseCacheTest, ExceptionsAreThoseOfTheOptions) {
  SandboxPool pool(0, Reuse::kOn);
  Options options = Plain();
  options.allowed.clear();
  EXPECT_EQ(RunIn(&pool, options, &Nothing).why_not, "");
  const auto attempt = []() -> std::string {
    return open("/etc/passwd", O_WRONLY) < 0 ? "" : "opened";
  };
  options.allowed = {{Rule::kWrite, "/etc/passwd", "a test"}};
  Ended run = RunIn(&pool, options, attempt);
  EXPECT_EQ(run.result.record.violations.size(), 0U);
  EXPECT_EQ(run.result.record.allowed.size(), 1U);
  options.allowed.clear();
  run = RunIn(&pool, options, attempt);
  EXPECT_EQ(run.result.record.violations.size(), 1U);
}

// A tree that is named may become another one, or a link to one.
TEST(ReuseCacheTest, NamedTreesAreThoseOfNow) {
  const Scratch scratch;
  const std::string tree = scratch / "tree";
  ASSERT_EQ(mkdir(tree.c_str(), 0777), 0);
  Options options = Plain();
  options.tmpfs.clear();
  options.make_directories.clear();
  options.writable = {tree};
  const auto write_file = [&tree]() -> std::string {
    const std::string path = tree + "/file";
    return open(path.c_str(), O_WRONLY | O_CREAT, 0666) < 0 ? strerror(errno)
                                                            : "";
  };
  SandboxPool pool(0, Reuse::kOn);
  EXPECT_EQ(RunIn(&pool, options, &Nothing).why_not, "");
  EXPECT_EQ(RunIn(&pool, options, &Nothing).why_not, "");
  EXPECT_EQ(pool.fresh(), 1);
  ASSERT_EQ(rename(tree.c_str(), (scratch / "moved").c_str()), 0);
  ASSERT_EQ(mkdir(tree.c_str(), 0777), 0);
  EXPECT_EQ(RunIn(&pool, options, write_file).told, "");
  EXPECT_EQ(access((scratch / "moved/file").c_str(), F_OK), -1);
  EXPECT_EQ(access((tree + "/file").c_str(), F_OK), 0);
  // Written, so that there is another one; and now by a link.
  EXPECT_EQ(RunIn(&pool, options, &Nothing).why_not, "");
  ASSERT_EQ(unlink((tree + "/file").c_str()), 0);
  ASSERT_EQ(rmdir(tree.c_str()), 0);
  ASSERT_EQ(symlink("moved", tree.c_str()), 0);
  EXPECT_EQ(RunIn(&pool, options, write_file).told, "");
  EXPECT_EQ(access((scratch / "moved/file").c_str(), F_OK), 0);
  // And then it is gone.
  ASSERT_EQ(unlink(tree.c_str()), 0);
  const absl::StatusOr<absl::optional<Process>> child =
      pool.Enter(options, kMany);
  if (child.ok() && !child->has_value()) _exit(9);
  EXPECT_FALSE(child.ok());
}

TEST(ReuseCacheTest, DescriptorsAreThoseOfNow) {
  SandboxPool pool(0, Reuse::kOn);
  EXPECT_EQ(RunIn(&pool, Plain(), &Nothing).why_not, "");
  const int before = dup(STDIN_FILENO);
  const int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(dup2(file, STDIN_FILENO), STDIN_FILENO);
  // Through the view, not the host's own.
  const Ended run = RunIn(&pool, Plain(), []() -> std::string {
    return fchmod(STDIN_FILENO, 0644) == 0 ? "changed" : strerror(errno);
  });
  dup2(before, STDIN_FILENO);
  close(before);
  close(file);
  EXPECT_EQ(run.told, strerror(EROFS));
  EXPECT_EQ(run.why_not, "a file is its standard input");
  EXPECT_EQ(RunIn(&pool, Plain(), &Nothing).why_not, "");
  EXPECT_EQ(pool.fresh(), 2);
}

TEST(ReuseCacheTest, TheWorkingDirectoryIsTheOneOfNow) {
  const auto look = []() -> std::string {
    char directory[4096];
    return getcwd(directory, sizeof(directory)) != nullptr ? directory : "none";
  };
  char before[4096];
  ASSERT_NE(getcwd(before, sizeof(before)), nullptr);
  Options options = Plain();
  options.directory.clear();
  SandboxPool pool(0, Reuse::kOn);
  ASSERT_EQ(chdir("/usr"), 0);
  EXPECT_EQ(RunIn(&pool, options, look).told, "/usr");
  ASSERT_EQ(chdir("/etc"), 0);
  EXPECT_EQ(RunIn(&pool, options, look).told, "/etc");
  ASSERT_EQ(chdir(before), 0);
}

int CountDescriptors() {
  return static_cast<int>(Names("/proc/self/fd").size());
}

long Kilobytes() {
  long pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

TEST(ReuseCacheTest, NothingGrowsWithTheirNumber) {
  const char* const given = getenv("ENCAPSULATE_TEST_REPETITIONS");
  const int count = given != nullptr ? atoi(given) : 400;
  SandboxPool pool(2, Reuse::kOn);
  int descriptors = 0;
  long memory = 0;
  for (int i = 0; i < count; ++i) {
    if (i == 100) {
      descriptors = CountDescriptors();
      memory = Kilobytes();
    }
    ASSERT_EQ(RunIn(&pool, Plain(), &Nothing).why_not, "");
  }
  // A host whose sockets change gets new ones.
  EXPECT_LT(pool.fresh(), 20);
  EXPECT_EQ(CountDescriptors(), descriptors);
  EXPECT_LT(Kilobytes(), memory + 1024);
}

// --- Who is killed ----------------------------------------------------------

TEST(ReuseKillTest, IdleSandboxesAreReplaced) {
  SandboxPool pool(0, Reuse::kOn);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(RunIn(&pool, Plain(), &Nothing).why_not, "");
    // Its relay and its init.
    const std::vector<pid_t> children = ChildrenOf(getpid());
    ASSERT_EQ(children.size(), 2U);
    kill(children[static_cast<size_t>(i % 2)], SIGKILL);
    // Until the next one is asked for it may not be seen to be gone.
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_EQ(pool.fresh(), 6);
}

TEST(ReuseKillTest, NobodyWaitsForARelayThatIsGone) {
  SandboxPool pool(0, Reuse::kOn);
  EXPECT_EQ(RunIn(&pool, Plain(), &Nothing).why_not, "");
  for (int i = 0; i < 4; ++i) {
    absl::StatusOr<absl::optional<Process>> child = pool.Enter(Plain(), kMany);
    ASSERT_TRUE(child.ok()) << child.status();
    if (!child->has_value()) {
      pause();
      _exit(0);
    }
    for (pid_t pid : ChildrenOf(getpid())) {
      if ((pid == (*child)->init_pid()) == (i % 2 == 0)) kill(pid, SIGKILL);
    }
    EXPECT_EQ((*child)->Wait().outcome, Outcome::kLost);
  }
  EXPECT_EQ(RunIn(&pool, Plain(), &Nothing).why_not, "");
}

TEST(ReuseKillTest, NothingOutlivesItsCaller) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t caller = fork();
  if (caller == 0) {
    SandboxPool pool(1, Reuse::kOn);
    RunIn(&pool, Plain(), &Nothing);
    absl::StatusOr<absl::optional<Process>> child = pool.Enter(Plain(), kMany);
    if (!child.ok()) _exit(1);
    if (!child->has_value()) {
      static_cast<void>(write(ends[1], "x", 1) == 1);
      pause();
      _exit(0);
    }
    (*child)->Wait();
    _exit(0);
  }
  close(ends[1]);
  char byte;
  ASSERT_EQ(read(ends[0], &byte, 1), 1);
  kill(caller, SIGKILL);
  waitpid(caller, nullptr, 0);
  // Everybody has had the other end.
  EXPECT_EQ(read(ends[0], &byte, 1), 0);
  close(ends[0]);
}

// Else each child could change it.
const bool is_protected = ProtectExecutable();

}  // namespace
}  // namespace encapsulate
