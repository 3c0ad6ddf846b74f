// SPDX-License-Identifier: Apache-2.0

#include "tests/support/attempts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/acct.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace encapsulate {
namespace {

// Does what libc has no function for, or another one.
template <typename... Arguments>
long Call(long number, Arguments... arguments) {
  return syscall(number, arguments...);
}

void Close(long fd) {
  if (fd >= 0) close(static_cast<int>(fd));
}

sockaddr_in Ipv4(const char* text, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

sockaddr_in6 Ipv6(const char* text, int port) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET6, text, &address.sin6_addr);
  return address;
}

template <typename Address>
const sockaddr* Generic(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

template <typename Address>
void Connect(int type, const Address& address) {
  const int fd = socket(Generic(address)->sa_family, type | SOCK_CLOEXEC, 0);
  static_cast<void>(connect(fd, Generic(address), sizeof(address)));
  Close(fd);
}

template <typename Address>
void Bind(const Address& address) {
  const int fd =
      socket(Generic(address)->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  static_cast<void>(bind(fd, Generic(address), sizeof(address)));
  Close(fd);
}

template <typename Address>
void SendTo(const Address& address) {
  const int fd =
      socket(Generic(address)->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  static_cast<void>(sendto(fd, "x", 1, 0, Generic(address), sizeof(address)));
  Close(fd);
}

template <typename Address>
msghdr Header(Address* address, iovec* data) {
  msghdr header = {};
  header.msg_name = address;
  header.msg_namelen = sizeof(*address);
  header.msg_iov = data;
  header.msg_iovlen = 1;
  return header;
}

template <typename Address>
void SendMsg(Address address) {
  const int fd = socket(Generic(address)->sa_family, SOCK_DGRAM, 0);
  char byte = 'x';
  iovec data = {&byte, 1};
  const msghdr header = Header(&address, &data);
  static_cast<void>(sendmsg(fd, &header, 0));
  Close(fd);
}

template <typename Address>
void SendMmsg(Address address) {
  const int fd = socket(Generic(address)->sa_family, SOCK_DGRAM, 0);
  char byte = 'x';
  iovec data = {&byte, 1};
  mmsghdr messages[2] = {};
  messages[0].msg_hdr = Header(&address, &data);
  messages[1].msg_hdr = messages[0].msg_hdr;
  static_cast<void>(sendmmsg(fd, messages, 2, 0));
  Close(fd);
}

sockaddr_un Unix(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}

void Socket(int family, int type) { Close(socket(family, type, 0)); }

// Whether the namespaces are outside or the caller's already.
void Unshare(const Aim& aim, int flags) {
  static_cast<void>(unshare(aim.outside ? flags : 0));
}

#if defined(__x86_64__)
// The machine's 32-bit calls, which a 64-bit program may make as well.
long Call32(long number, long a = 0, long b = 0, long c = 0, long d = 0,
            long e = 0) {
  long result;
  asm volatile("int $0x80"
               : "=a"(result)
               : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
               : "memory", "r8", "r9", "r10", "r11");
  return result;
}

// Memory below 4 GiB, with the text in it.
char* Low(const std::string& text) {
  void* const memory = mmap(nullptr, 8192, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  memcpy(memory, text.c_str(), text.size() + 1);
  return static_cast<char*>(memory);
}

long Address(const char* low) { return reinterpret_cast<long>(low); }

// socketcall(2) by its number in linux/net.h.
void Socketcall(long number, std::vector<uint32_t> arguments) {
  char* const low = Low("");
  memcpy(low, arguments.data(), arguments.size() * sizeof(uint32_t));
  Call32(102, number, Address(low));
}
#endif

}  // namespace

const std::vector<Attempt>& Attempts() {
  static const auto* const attempts = new std::vector<Attempt> {
    // --- Opening ---
    {"open for writing",
     "write openat(AT_FDCWD, \"$T/file\", O_WRONLY) -> $T/file: EROFS",
     [](const Aim& aim) { Close(open((aim / "file").c_str(), O_WRONLY)); }},
        {"open for both",
         "write openat(AT_FDCWD, \"$T/file\", O_RDWR) -> $T/file: EROFS",
         [](const Aim& aim) { Close(open((aim / "file").c_str(), O_RDWR)); }},
        {"open to append",
         "write openat(AT_FDCWD, \"$T/file\", O_WRONLY|O_APPEND) -> $T/file: "
         "EROFS",
         [](const Aim& aim) {
           Close(open((aim / "file").c_str(), O_WRONLY | O_APPEND));
         }},
        {"truncate by opening",
         "write openat(AT_FDCWD, \"$T/file\", O_RDONLY|O_TRUNC) -> $T/file: "
         "EROFS",
         [](const Aim& aim) {
           Close(open((aim / "file").c_str(), O_RDONLY | O_TRUNC));
         }},
        {"create",
         "write openat(AT_FDCWD, \"$T/new\", O_WRONLY|O_CREAT, 0644) -> "
         "$T/new: "
         "EROFS",
         [](const Aim& aim) {
           Close(open((aim / "new").c_str(), O_WRONLY | O_CREAT, 0644));
         }},
        {"create exclusively",
         "write openat(AT_FDCWD, \"$T/new\", O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC, "
         "0600) -> $T/new: EROFS",
         [](const Aim& aim) {
           Close(open((aim / "new").c_str(),
                      O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
         }},
        {"create without a name",
         "write openat(AT_FDCWD, \"$T/dir\", O_RDWR|O_TMPFILE, 0600) -> "
         "$T/dir: "
         "EROFS",
         [](const Aim& aim) {
           Close(open((aim / "dir").c_str(), O_RDWR | O_TMPFILE, 0600));
         }},
        {"open through a link",
         "write openat(AT_FDCWD, \"$T/link\", O_WRONLY) -> $T/file: EROFS",
         [](const Aim& aim) { Close(open((aim / "link").c_str(), O_WRONLY)); }},
        {"open by a detour",
         "write openat(AT_FDCWD, \"$T/dir/../file\", O_WRONLY) -> $T/file: "
         "EROFS",
         [](const Aim& aim) {
           Close(open((aim / "dir/../file").c_str(), O_WRONLY));
         }},
        {"open relative to the working directory",
         "write openat(AT_FDCWD, \"file\", O_WRONLY) -> $T/file: EROFS",
         [](const Aim& aim) {
           if (chdir(aim.tree.c_str()) == 0) Close(open("file", O_WRONLY));
         }},
        {"open relative to a directory",
         "write openat(900, \"file\", O_WRONLY) -> $T/file: EROFS",
         [](const Aim& aim) {
           const int directory = open(aim.tree.c_str(), O_RDONLY | O_DIRECTORY);
           dup2(directory, 900);
           Close(openat(900, "file", O_WRONLY));
           Close(directory);
           Close(900);
         }},
        {"openat2",
         "write openat2(AT_FDCWD, \"$T/file\", {flags=O_WRONLY, mode=0, "
         "resolve=0x0}, 24) -> $T/file: EROFS",
         [](const Aim& aim) {
           open_how how = {};
           how.flags = O_WRONLY;
           Close(Call(SYS_openat2, AT_FDCWD, (aim / "file").c_str(), &how,
                      sizeof(how)));
         }},
        {"openat2 with a root of its own",
         "write openat2(900, \"/file\", {flags=O_WRONLY, mode=0, "
         "resolve=0x10}, 24) -> $T/file: EROFS",
         [](const Aim& aim) {
           dup2(open(aim.tree.c_str(), O_RDONLY | O_DIRECTORY), 900);
           open_how how = {};
           how.flags = O_WRONLY;
           how.resolve = RESOLVE_IN_ROOT;
           Close(Call(SYS_openat2, 900, "/file", &how, sizeof(how)));
           Close(900);
         }},
        {"openat2 below its directory",
         "write openat2(900, \"file\", {flags=O_WRONLY, mode=0, "
         "resolve=0x8}, 24) -> $T/file: EROFS",
         [](const Aim& aim) {
           dup2(open(aim.tree.c_str(), O_RDONLY | O_DIRECTORY), 900);
           open_how how = {};
           how.flags = O_WRONLY;
           how.resolve = RESOLVE_BENEATH;
           Close(Call(SYS_openat2, 900, "file", &how, sizeof(how)));
           // What it refuses itself reaches nowhere.
           Close(Call(SYS_openat2, 900, "/etc/passwd", &how, sizeof(how)));
           Close(900);
         }},
        {"open through its own root",
         "write openat(AT_FDCWD, \"/proc/self/root$T/file\", O_WRONLY) -> "
         "$T/file: EROFS",
         [](const Aim& aim) {
           const std::string path =
               absl::StrCat("/proc/self/root", aim / "file");
           Close(open(path.c_str(), O_WRONLY));
         }},
        {"open a descriptor anew",
         "write openat(AT_FDCWD, \"/dev/fd/900\", O_WRONLY) -> $T/file: EROFS",
         [](const Aim& aim) {
           dup2(open((aim / "file").c_str(), O_RDONLY), 900);
           Close(open("/dev/fd/900", O_WRONLY));
           Close(900);
         }},
#ifdef SYS_open
        {"the old open", "write open(\"$T/file\", O_WRONLY) -> $T/file: EROFS",
         [](const Aim& aim) {
           Close(Call(SYS_open, (aim / "file").c_str(), O_WRONLY, 0));
         }},
        {"creat", "write creat(\"$T/new\", 0640) -> $T/new: EROFS",
         [](const Aim& aim) {
           Close(Call(SYS_creat, (aim / "new").c_str(), 0640));
         }},
#endif

    // --- Names ---
#ifdef SYS_mkdir
        {"mkdir", "write mkdir(\"$T/new\", 0755) -> $T/new: EROFS",
         [](const Aim& aim) { Call(SYS_mkdir, (aim / "new").c_str(), 0755); }},
        {"mknod",
         "write mknod(\"$T/new\", S_IFIFO|0644, makedev(0, 0)) -> "
         "$T/new: EROFS",
         [](const Aim& aim) {
           Call(SYS_mknod, (aim / "new").c_str(), S_IFIFO | 0644, 0);
         }},
        {"unlink", "write unlink(\"$T/file\") -> $T/file: EROFS",
         [](const Aim& aim) { Call(SYS_unlink, (aim / "file").c_str()); }},
        {"unlink a link", "write unlink(\"$T/link\") -> $T/link: EROFS",
         [](const Aim& aim) { Call(SYS_unlink, (aim / "link").c_str()); }},
        {"rmdir", "write rmdir(\"$T/dir\") -> $T/dir: EROFS",
         [](const Aim& aim) { Call(SYS_rmdir, (aim / "dir").c_str()); }},
        {"rename", "write rename(\"$T/file\", \"$T/new\") -> $T/file: EROFS",
         [](const Aim& aim) {
           Call(SYS_rename, (aim / "file").c_str(), (aim / "new").c_str());
         }},
        {"link", "write link(\"$T/file\", \"$T/new\") -> $T/new: EROFS",
         [](const Aim& aim) {
           Call(SYS_link, (aim / "file").c_str(), (aim / "new").c_str());
         }},
        {"symlink", "write symlink(\"to\", \"$T/new\") -> $T/new: EROFS",
         [](const Aim& aim) {
           Call(SYS_symlink, "to", (aim / "new").c_str());
         }},
#endif
        {"mkdirat",
         "write mkdirat(AT_FDCWD, \"$T/new\", 0700) -> $T/new: EROFS",
         [](const Aim& aim) {
           Call(SYS_mkdirat, AT_FDCWD, (aim / "new").c_str(), 0700);
         }},
        {"mkdirat with a slash at the end",
         "write mkdirat(AT_FDCWD, \"$T/new//\", 0700) -> $T/new: EROFS",
         [](const Aim& aim) {
           Call(SYS_mkdirat, AT_FDCWD, (aim / "new//").c_str(), 0700);
         }},
        {"mknodat",
         "write mknodat(AT_FDCWD, \"$T/new\", S_IFSOCK|0600, makedev(0, 0)) -> "
         "$T/new: EROFS",
         [](const Aim& aim) {
           Call(SYS_mknodat, AT_FDCWD, (aim / "new").c_str(), S_IFSOCK | 0600,
                0);
         }},
        {"unlinkat",
         "write unlinkat(AT_FDCWD, \"$T/file\", 0) -> $T/file: EROFS",
         [](const Aim& aim) {
           Call(SYS_unlinkat, AT_FDCWD, (aim / "file").c_str(), 0);
         }},
        {"unlinkat a directory",
         "write unlinkat(AT_FDCWD, \"$T/dir\", AT_REMOVEDIR) -> $T/dir: EROFS",
         [](const Aim& aim) {
           Call(SYS_unlinkat, AT_FDCWD, (aim / "dir").c_str(), AT_REMOVEDIR);
         }},
        {"renameat2",
         "write renameat2(AT_FDCWD, \"$T/file\", AT_FDCWD, \"$T/new\", "
         "RENAME_NOREPLACE) -> $T/file: EROFS",
         [](const Aim& aim) {
           Call(SYS_renameat2, AT_FDCWD, (aim / "file").c_str(), AT_FDCWD,
                (aim / "new").c_str(), 1);
         }},
        {"exchange",
         "write renameat2(AT_FDCWD, \"$T/file\", AT_FDCWD, \"$T/dir\", "
         "RENAME_EXCHANGE) -> $T/file: EROFS",
         [](const Aim& aim) {
           Call(SYS_renameat2, AT_FDCWD, (aim / "file").c_str(), AT_FDCWD,
                (aim / "dir").c_str(), 2);
         }},
#ifdef SYS_renameat
        {"move out",
         "write renameat(AT_FDCWD, \"$W/file\", AT_FDCWD, \"$T/new\") -> "
         "$T/new: "
         "EXDEV",
         [](const Aim& aim) {
           Call(SYS_renameat, AT_FDCWD,
                absl::StrCat(aim.other, "/file").c_str(), AT_FDCWD,
                (aim / "new").c_str());
         }},
        {"move in",
         "write renameat(AT_FDCWD, \"$T/file\", AT_FDCWD, \"$W/new\") -> "
         "$T/file: EXDEV",
         [](const Aim& aim) {
           Call(SYS_renameat, AT_FDCWD, (aim / "file").c_str(), AT_FDCWD,
                absl::StrCat(aim.other, "/new").c_str());
         }},
#endif
        {"linkat",
         "write linkat(AT_FDCWD, \"$T/file\", AT_FDCWD, \"$T/new\", 0) -> "
         "$T/new: EROFS",
         [](const Aim& aim) {
           Call(SYS_linkat, AT_FDCWD, (aim / "file").c_str(), AT_FDCWD,
                (aim / "new").c_str(), 0);
         }},
        {"symlinkat",
         "write symlinkat(\"to\", AT_FDCWD, \"$T/new\") -> $T/new: EROFS",
         [](const Aim& aim) {
           Call(SYS_symlinkat, "to", AT_FDCWD, (aim / "new").c_str());
         }},
        {"a socket's name",
         "write bind(900, {AF_UNIX, \"$T/s\"}, 110) -> $T/s: EROFS",
         [](const Aim& aim) {
           const sockaddr_un address = Unix(aim / "s");
           dup2(socket(AF_UNIX, SOCK_STREAM, 0), 900);
           static_cast<void>(bind(900, Generic(address), sizeof(address)));
           Close(900);
         }},

    // --- Attributes ---
#ifdef SYS_chmod
        {"chmod", "write chmod(\"$T/file\", 0600) -> $T/file: EROFS",
         [](const Aim& aim) { Call(SYS_chmod, (aim / "file").c_str(), 0600); }},
        {"chown", "write chown(\"$T/file\", -1, -1) -> $T/file: EROFS",
         [](const Aim& aim) {
           Call(SYS_chown, (aim / "file").c_str(), -1, -1);
         }},
        {"lchown", "write lchown(\"$T/link\", -1, -1) -> $T/link: EROFS",
         [](const Aim& aim) {
           Call(SYS_lchown, (aim / "link").c_str(), -1, -1);
         }},
        {"utime", "write utime(\"$T/file\", NULL) -> $T/file: EROFS",
         [](const Aim& aim) {
           Call(SYS_utime, (aim / "file").c_str(), nullptr);
         }},
        {"utimes", "write utimes(\"$T/file\", NULL) -> $T/file: EROFS",
         [](const Aim& aim) {
           Call(SYS_utimes, (aim / "file").c_str(), nullptr);
         }},
        {"futimesat",
         "write futimesat(AT_FDCWD, \"$T/file\", NULL) -> $T/file: EROFS",
         [](const Aim& aim) {
           Call(SYS_futimesat, AT_FDCWD, (aim / "file").c_str(), nullptr);
         }},
#endif
        {"fchmod", "write fchmod(900, 0600) -> $T/file: EROFS",
         [](const Aim& aim) {
           dup2(open((aim / "file").c_str(), O_RDONLY), 900);
           Call(SYS_fchmod, 900, 0600);
           Close(900);
         }},
        {"FS_IOC_SETFLAGS",
         "write ioctl(900, FS_IOC_SETFLAGS, ...) -> $T/file: EROFS",
         [](const Aim& aim) {
           dup2(open((aim / "file").c_str(), O_RDONLY), 900);
           int flags = 0;
           // FS_IOC_GETFLAGS and FS_IOC_SETFLAGS; linux/fs.h and sys/mount.h
           // don't go together.
           ioctl(900, _IOR('f', 1, long), &flags);
           ioctl(900, _IOW('f', 2, long), &flags);
           Close(900);
         },
         kFileFlags},
        {"fchmodat",
         "write fchmodat(AT_FDCWD, \"$T/link\", 0600) -> $T/file: EROFS",
         [](const Aim& aim) {
           Call(SYS_fchmodat, AT_FDCWD, (aim / "link").c_str(), 0600);
         }},
        {"fchmodat2",
         "write fchmodat2(AT_FDCWD, \"$T/file\", 0600, AT_SYMLINK_NOFOLLOW) -> "
         "$T/file: EROFS",
         [](const Aim& aim) {
           Call(452, AT_FDCWD, (aim / "file").c_str(), 0600,
                AT_SYMLINK_NOFOLLOW);
         },
         452},
        {"fchown", "write fchown(900, -1, -1) -> $T/file: EROFS",
         [](const Aim& aim) {
           dup2(open((aim / "file").c_str(), O_RDONLY), 900);
           Call(SYS_fchown, 900, -1, -1);
           Close(900);
         }},
        {"fchownat",
         "write fchownat(AT_FDCWD, \"$T/file\", -1, -1, 0) -> $T/file: EROFS",
         [](const Aim& aim) {
           Call(SYS_fchownat, AT_FDCWD, (aim / "file").c_str(), -1, -1, 0);
         }},
        {"fchownat of a descriptor",
         "write fchownat(900, \"\", -1, -1, AT_EMPTY_PATH) -> $T/file: EROFS",
         [](const Aim& aim) {
           dup2(open((aim / "file").c_str(), O_RDONLY), 900);
           Call(SYS_fchownat, 900, "", -1, -1, AT_EMPTY_PATH);
           Close(900);
         }},
        {"fchownat of the working directory",
         "write fchownat(AT_FDCWD, \"\", -1, -1, AT_EMPTY_PATH) -> $T: EROFS",
         [](const Aim& aim) {
           if (chdir(aim.tree.c_str()) == 0) {
             Call(SYS_fchownat, AT_FDCWD, "", -1, -1, AT_EMPTY_PATH);
           }
         }},
        {"utimensat",
         "write utimensat(AT_FDCWD, \"$T/link\", NULL, AT_SYMLINK_NOFOLLOW) -> "
         "$T/link: EROFS",
         [](const Aim& aim) {
           Call(SYS_utimensat, AT_FDCWD, (aim / "link").c_str(), nullptr,
                AT_SYMLINK_NOFOLLOW);
         }},
        {"futimens", "write utimensat(900, NULL, NULL, 0) -> $T/file: EROFS",
         [](const Aim& aim) {
           dup2(open((aim / "file").c_str(), O_RDONLY), 900);
           Call(SYS_utimensat, 900, nullptr, nullptr, 0);
           Close(900);
         }},
        {"truncate", "write truncate(\"$T/file\", 1) -> $T/file: EROFS",
         [](const Aim& aim) { Call(SYS_truncate, (aim / "file").c_str(), 1); }},
        {"setxattr",
         "write setxattr(\"$T/file\", \"user.x\", ..., 1, 0) -> $T/file: EROFS",
         [](const Aim& aim) {
           setxattr((aim / "file").c_str(), "user.x", "1", 1, 0);
         }},
        {"lsetxattr",
         "write lsetxattr(\"$T/file\", \"user.x\", ..., 1, 0) -> $T/file: "
         "EROFS",
         [](const Aim& aim) {
           lsetxattr((aim / "file").c_str(), "user.x", "1", 1, 0);
         }},
        {"fsetxattr",
         "write fsetxattr(900, \"user.x\", ..., 1, 0) -> $T/file: EROFS",
         [](const Aim& aim) {
           dup2(open((aim / "file").c_str(), O_RDONLY), 900);
           fsetxattr(900, "user.x", "1", 1, 0);
           Close(900);
         }},
        {"removexattr",
         "write removexattr(\"$T/file\", \"user.x\") -> $T/file: EROFS",
         [](const Aim& aim) { removexattr((aim / "file").c_str(), "user.x"); }},
        {"lremovexattr",
         "write lremovexattr(\"$T/file\", \"user.x\") -> $T/file: EROFS",
         [](const Aim& aim) {
           lremovexattr((aim / "file").c_str(), "user.x");
         }},
        {"fremovexattr",
         "write fremovexattr(900, \"user.x\") -> $T/file: EROFS",
         [](const Aim& aim) {
           dup2(open((aim / "file").c_str(), O_RDONLY), 900);
           fremovexattr(900, "user.x");
           Close(900);
         }},

        // --- Devices ---
        {"make a device",
         "device mknodat(AT_FDCWD, \"$W/new\", S_IFCHR|0600, makedev(1, 5)) -> "
         "$W/new: EPERM",
         [](const Aim& aim) {
           const std::string path = absl::StrCat(aim.other, "/new");
           Call(SYS_mknodat, AT_FDCWD, path.c_str(),
                (aim.outside ? S_IFCHR : S_IFREG) | 0600,
                aim.outside ? makedev(1, 5) : 0);
         }},
        {"make a disk",
         "device mknodat(AT_FDCWD, \"$W/new\", S_IFBLK|0600, makedev(7, 0)) -> "
         "$W/new: EPERM",
         [](const Aim& aim) {
           const std::string path = absl::StrCat(aim.other, "/new");
           Call(SYS_mknodat, AT_FDCWD, path.c_str(),
                (aim.outside ? S_IFBLK : S_IFIFO) | 0600,
                aim.outside ? makedev(7, 0) : 0);
         }},
        {"a setting of the machine",
         "write openat(AT_FDCWD, \"/proc/sys/kernel/hostname\", O_WRONLY) -> "
         "/proc/sys/kernel/hostname: $E",
         [](const Aim& aim) {
           Close(open(
               aim.outside ? "/proc/sys/kernel/hostname" : "/proc/self/comm",
               O_WRONLY));
         }},

        // --- Addresses ---
        {"connect a stream",
         "network connect(900, {AF_INET, \"192.0.2.1:80\"}, 16) -> "
         "192.0.2.1:80: ENETUNREACH",
         [](const Aim& aim) {
           const sockaddr_in address = Ipv4(aim.ipv4, 80);
           dup2(socket(AF_INET, SOCK_STREAM, 0), 900);
           static_cast<void>(connect(900, Generic(address), sizeof(address)));
           Close(900);
         }},
        {"connect by IPv6",
         "network connect(3, {AF_INET6, \"[2001:db8::1]:443\"}, 28) -> "
         "[2001:db8::1]:443: ENETUNREACH",
         [](const Aim& aim) { Connect(SOCK_STREAM, Ipv6(aim.ipv6, 443)); },
         kIpv6},
        {"a socket that isn't there",
         "host-socket connect(900, {AF_UNIX, \"$T/none\"}, 110) -> $T/none: "
         "ENOENT",
         [](const Aim& aim) {
           const sockaddr_un address = Unix(aim / "none");
           dup2(socket(AF_UNIX, SOCK_STREAM, 0), 900);
           static_cast<void>(connect(900, Generic(address), sizeof(address)));
           Close(900);
         }},
        {"connect a datagram socket",
         "network connect(3, {AF_INET, \"192.0.2.1:53\"}, 16) -> 192.0.2.1:53: "
         "ENETUNREACH",
         [](const Aim& aim) { Connect(SOCK_DGRAM, Ipv4(aim.ipv4, 53)); }},
        {"connect to a mapped address",
         "network connect(3, {AF_INET6, \"[::ffff:192.0.2.1]:80\"}, 28) -> "
         "[::ffff:192.0.2.1]:80: ENETUNREACH",
         [](const Aim& aim) {
           Connect(SOCK_STREAM,
                   Ipv6(absl::StrCat("::ffff:", aim.ipv4).c_str(), 80));
         },
         kIpv6},
        {"sendto",
         "network sendto(3, ..., 1, 0, {AF_INET, \"192.0.2.1:9\"}, 16) -> "
         "192.0.2.1:9: ENETUNREACH",
         [](const Aim& aim) { SendTo(Ipv4(aim.ipv4, 9)); }},
        {"sendto by IPv6",
         "network sendto(3, ..., 1, 0, {AF_INET6, \"[2001:db8::1]:9\"}, 28) -> "
         "[2001:db8::1]:9: ENETUNREACH",
         [](const Aim& aim) { SendTo(Ipv6(aim.ipv6, 9)); }, kIpv6},
        {"connect a stream to port 0",
         "network connect(3, {AF_INET, \"192.0.2.1:0\"}, 16) -> 192.0.2.1:0: "
         "ENETUNREACH",
         [](const Aim& aim) { Connect(SOCK_STREAM, Ipv4(aim.ipv4, 0)); }},
        {"sendto without a family",
         "network sendto(3, ..., 1, 0, {AF_INET, \"192.0.2.1:9\"}, 16) -> "
         "192.0.2.1:9: ENETUNREACH",
         [](const Aim& aim) {
           sockaddr_in address = Ipv4(aim.ipv4, 9);
           address.sin_family = AF_UNSPEC;
           const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
           static_cast<void>(
               sendto(fd, "x", 1, 0, Generic(address), sizeof(address)));
           Close(fd);
         }},
        {"sendmsg",
         "network sendmsg(3, {AF_INET, \"192.0.2.1:9\"}, 0) -> 192.0.2.1:9: "
         "ENETUNREACH",
         [](const Aim& aim) { SendMsg(Ipv4(aim.ipv4, 9)); }},
        {"sendmsg by IPv6",
         "network sendmsg(3, {AF_INET6, \"[2001:db8::1]:9\"}, 0) -> "
         "[2001:db8::1]:9: ENETUNREACH",
         [](const Aim& aim) { SendMsg(Ipv6(aim.ipv6, 9)); }, kIpv6},
        {"sendmmsg",
         "network sendmmsg(3, [{AF_INET, \"192.0.2.1:53\"}, {AF_INET, "
         "\"192.0.2.1:53\"}], 2, 0) -> 192.0.2.1:53: ENETUNREACH",
         [](const Aim& aim) { SendMmsg(Ipv4(aim.ipv4, 53)); }},
        {"bind",
         "network bind(3, {AF_INET, \"192.0.2.1:8080\"}, 16) -> "
         "192.0.2.1:8080: EADDRNOTAVAIL",
         [](const Aim& aim) { Bind(Ipv4(aim.ipv4, 8080)); }},
        {"bind by IPv6",
         "network bind(3, {AF_INET6, \"[2001:db8::1]:8080\"}, 28) -> "
         "[2001:db8::1]:8080: EADDRNOTAVAIL",
         [](const Aim& aim) { Bind(Ipv6(aim.ipv6, 8080)); }, kIpv6},

        // --- Families ---
        {"AF_VSOCK",
         "socket-family socket(AF_VSOCK, SOCK_STREAM, 0) -> AF_VSOCK: "
         "EAFNOSUPPORT",
         [](const Aim& aim) {
           Socket(aim.outside ? AF_VSOCK : AF_INET, SOCK_STREAM);
         }},
        {"AF_ALG",
         "socket-family socket(AF_ALG, SOCK_SEQPACKET|SOCK_CLOEXEC, 0) -> "
         "AF_ALG: EAFNOSUPPORT",
         [](const Aim& aim) {
           Socket(aim.outside ? AF_ALG : AF_UNIX,
                  SOCK_SEQPACKET | SOCK_CLOEXEC);
         }},
        {"AF_PACKET",
         "socket-family socket(AF_PACKET, SOCK_RAW, 0) -> AF_PACKET: "
         "EAFNOSUPPORT",
         [](const Aim& aim) {
           Socket(aim.outside ? AF_PACKET : AF_NETLINK, SOCK_RAW);
         }},
        {"AF_BLUETOOTH",
         "socket-family socket(AF_BLUETOOTH, SOCK_STREAM, 3) -> AF_BLUETOOTH: "
         "EAFNOSUPPORT",
         [](const Aim& aim) {
           Close(socket(aim.outside ? AF_BLUETOOTH : AF_INET6, SOCK_STREAM,
                        aim.outside ? 3 : 0));
         }},
        {"AF_TIPC",
         "socket-family socketpair(AF_TIPC, SOCK_STREAM, 0, ...) -> AF_TIPC: "
         "EAFNOSUPPORT",
         [](const Aim& aim) {
           int ends[2] = {-1, -1};
           static_cast<void>(socketpair(aim.outside ? AF_TIPC : AF_UNIX,
                                        SOCK_STREAM, 0, ends));
           Close(ends[0]);
           Close(ends[1]);
         }},

        {"a raw socket",
         "privilege socket(AF_INET, SOCK_RAW|SOCK_CLOEXEC, 1) -> SOCK_RAW: "
         "EPERM",
         [](const Aim& aim) {
           Close(socket(AF_INET,
                        (aim.outside ? SOCK_RAW : SOCK_DGRAM) | SOCK_CLOEXEC,
                        aim.outside ? IPPROTO_ICMP : 0));
         }},
        {"a raw socket of IPv6",
         "privilege socket(AF_INET6, SOCK_RAW, 255) -> SOCK_RAW: EPERM",
         [](const Aim& aim) {
           Close(socket(AF_INET6, aim.outside ? SOCK_RAW : SOCK_STREAM,
                        aim.outside ? IPPROTO_RAW : 0));
         },
         kIpv6},
        // It works: the sandbox's group may ping (ping_group_range).
        {"an ICMP socket", "",
         [](const Aim& aim) {
           Close(socket(AF_INET, SOCK_DGRAM,
                        aim.outside ? IPPROTO_ICMP : IPPROTO_UDP));
         }},

        // --- Processes ---
        {"kill", "signal kill(3999999, SIGTERM) -> pid 3999999: ESRCH",
         [](const Aim& aim) { kill(aim.pid, SIGTERM); }},
        {"look for a process", "signal kill(3999999, 0) -> pid 3999999: ESRCH",
         [](const Aim& aim) { kill(aim.pid, 0); }},
        {"kill a group",
         "signal kill(-3999999, SIGTERM) -> process group 3999999: ESRCH",
         [](const Aim& aim) {
           kill(aim.outside ? -aim.pid : -getpgrp(), aim.outside ? SIGTERM : 0);
         }},
        {"tkill", "signal tkill(3999999, SIGUSR1) -> pid 3999999: ESRCH",
         [](const Aim& aim) { Call(SYS_tkill, aim.pid, SIGUSR1); }},
        {"tgkill",
         "signal tgkill(3999999, 3999999, SIGUSR1) -> pid 3999999: ESRCH",
         [](const Aim& aim) { Call(SYS_tgkill, aim.pid, aim.pid, SIGUSR1); }},
        {"sigqueue",
         "signal rt_sigqueueinfo(3999999, SIGUSR1, ...) -> pid 3999999: ESRCH",
         [](const Aim& aim) { sigqueue(aim.pid, SIGUSR1, {}); }},
        {"queue to a thread",
         "signal rt_tgsigqueueinfo(3999999, 3999999, SIGUSR1, ...) -> pid "
         "3999999: ESRCH",
         [](const Aim& aim) {
           siginfo_t info = {};
           info.si_code = SI_QUEUE;
           Call(SYS_rt_tgsigqueueinfo, aim.pid, aim.pid, SIGUSR1, &info);
         }},
        {"pidfd_open", "signal pidfd_open(3999999, 0x0) -> pid 3999999: ESRCH",
         [](const Aim& aim) { Close(Call(SYS_pidfd_open, aim.pid, 0)); }},
        {"attach",
         "trace ptrace(PTRACE_ATTACH, 3999999, NULL, NULL) -> pid 3999999: "
         "ESRCH",
         [](const Aim& aim) {
           if (ptrace(PTRACE_ATTACH, aim.pid, nullptr, nullptr) != 0) return;
           waitpid(aim.pid, nullptr, __WALL);
           ptrace(PTRACE_DETACH, aim.pid, nullptr, nullptr);
         }},
        {"seize",
         "trace ptrace(PTRACE_SEIZE, 3999999, NULL, NULL) -> pid 3999999: "
         "ESRCH",
         [](const Aim& aim) {
           if (ptrace(PTRACE_SEIZE, aim.pid, nullptr, nullptr) != 0) return;
           ptrace(PTRACE_INTERRUPT, aim.pid, nullptr, nullptr);
           waitpid(aim.pid, nullptr, __WALL);
           ptrace(PTRACE_DETACH, aim.pid, nullptr, nullptr);
         }},
        {"read memory",
         "trace process_vm_readv(3999999, ..., 1, ..., 1, 0x0) -> pid 3999999: "
         "ESRCH",
         [](const Aim& aim) {
           char byte = 0;
           iovec data = {&byte, 1};
           process_vm_readv(aim.pid, &data, 1, &data, 1, 0);
         }},
        {"write memory",
         "trace process_vm_writev(3999999, ..., 1, ..., 1, 0x0) -> pid "
         "3999999: "
         "ESRCH",
         [](const Aim& aim) {
           char byte = 0;
           iovec data = {&byte, 1};
           process_vm_writev(aim.pid, &data, 1, &data, 1, 0);
         }},

        // --- The system ---
        {"mount",
         "privilege mount(\"none\", \"$T/dir\", \"tmpfs\", 0x0, NULL) -> "
         "$T/dir: EPERM",
         [](const Aim& aim) {
           if (aim.outside) {
             mount("none", (aim / "dir").c_str(), "tmpfs", 0, nullptr);
           }
         }},
        {"umount2", "privilege umount2(\"/proc\", 0x2) -> /proc: EPERM",
         [](const Aim& aim) {
           if (aim.outside) umount2("/proc", MNT_DETACH);
         }},
        {"pivot_root", "privilege pivot_root(\"$T\", \"$T/dir\") -> $T: EPERM",
         [](const Aim& aim) {
           if (aim.outside) {
             Call(SYS_pivot_root, aim.tree.c_str(), (aim / "dir").c_str());
           }
         }},
        {"chroot", "privilege chroot(\"$T\") -> $T: EPERM",
         [](const Aim& aim) {
           static_cast<void>(!aim.outside || chroot(aim.tree.c_str()) == 0);
         }},
        {"fsopen", "privilege fsopen(\"tmpfs\", 0x0) -> tmpfs: EPERM",
         [](const Aim& aim) {
           if (aim.outside) Close(Call(430, "tmpfs", 0));
         }},
        {"fspick", "privilege fspick(AT_FDCWD, \"/\", 0x0) -> /: EPERM",
         [](const Aim& aim) {
           if (aim.outside) Close(Call(433, AT_FDCWD, "/", 0));
         }},
        {"open_tree", "privilege open_tree(AT_FDCWD, \"$T\", 0x1) -> $T: EPERM",
         [](const Aim& aim) {
           Close(Call(428, AT_FDCWD, aim.tree.c_str(), aim.outside ? 1 : 0));
         }},
        {"move_mount",
         "privilege move_mount(AT_FDCWD, \"/proc\", AT_FDCWD, \"$T\", 0x0) -> "
         "$T: EPERM",
         [](const Aim& aim) {
           if (aim.outside) {
             Call(429, AT_FDCWD, "/proc", AT_FDCWD, aim.tree.c_str(), 0);
           }
         }},
        {"open_tree_attr",
         "privilege open_tree_attr(AT_FDCWD, \"$T\", 0x1, ..., 32) -> $T: "
         "EPERM",
         [](const Aim& aim) {
           const uint64_t attributes[4] = {0, 1, 0, 0};
           if (aim.outside) {
             Call(467, AT_FDCWD, aim.tree.c_str(), 1, attributes,
                  sizeof(attributes));
           }
         },
         467},
        {"mount_setattr",
         "privilege mount_setattr(AT_FDCWD, \"/\", 0x0, ..., 32) -> /: EPERM",
         [](const Aim& aim) {
           const uint64_t attributes[4] = {0, 1, 0, 0};
           if (aim.outside) {
             Call(442, AT_FDCWD, "/", 0, attributes, sizeof(attributes));
           }
         },
         442},
        {"a mount namespace",
         "privilege unshare(CLONE_NEWNS) -> CLONE_NEWNS: EPERM",
         [](const Aim& aim) { Unshare(aim, CLONE_NEWNS); }},
        {"a network namespace",
         "privilege unshare(CLONE_NEWNET) -> CLONE_NEWNET: EPERM",
         [](const Aim& aim) { Unshare(aim, CLONE_NEWNET); }},
        {"a PID namespace",
         "privilege unshare(CLONE_NEWPID) -> CLONE_NEWPID: EPERM",
         [](const Aim& aim) { Unshare(aim, CLONE_NEWPID); }},
        {"two namespaces",
         "privilege unshare(CLONE_NEWUTS|CLONE_NEWIPC) -> "
         "CLONE_NEWUTS|CLONE_NEWIPC: EPERM",
         [](const Aim& aim) { Unshare(aim, CLONE_NEWUTS | CLONE_NEWIPC); }},
        {"a cgroup namespace",
         "privilege unshare(CLONE_NEWCGROUP) -> CLONE_NEWCGROUP: EPERM",
         [](const Aim& aim) { Unshare(aim, CLONE_NEWCGROUP); }},
        {"a child in a namespace",
         "privilege clone(CLONE_NEWNS, NULL, NULL, NULL, 0x0) -> CLONE_NEWNS: "
         "EPERM",
         [](const Aim& aim) {
           const long child =
               Call(SYS_clone, (aim.outside ? CLONE_NEWNS : 0) | SIGCHLD,
                    nullptr, nullptr, nullptr, 0);
           if (child == 0) _exit(0);
           if (child > 0) waitpid(static_cast<pid_t>(child), nullptr, 0);
         },
         0, true},
        {"join a namespace",
         "privilege setns(900, CLONE_NEWNS) -> CLONE_NEWNS: EPERM",
         [](const Aim& aim) {
           dup2(open("/proc/self/ns/mnt", O_RDONLY), 900);
           if (aim.outside) setns(900, CLONE_NEWNS);
           Close(900);
         }},
        {"bpf", "privilege bpf(13, ..., 16) -> bpf: EPERM",
         [](const Aim& aim) {
           uint32_t attributes[4] = {};
           if (aim.outside) {
             Close(Call(SYS_bpf, BPF_PROG_GET_FD_BY_ID, attributes,
                        sizeof(attributes)));
           }
         },
         SYS_bpf},
        {"set the clock",
         "privilege clock_settime(CLOCK_REALTIME, ...) -> CLOCK_REALTIME: "
         "EPERM",
         [](const Aim& aim) {
           timespec now = {};
           clock_gettime(CLOCK_REALTIME, &now);
           if (aim.outside) Call(SYS_clock_settime, CLOCK_REALTIME, &now);
         }},
        {"settimeofday",
         "privilege settimeofday(..., NULL) -> settimeofday: EPERM",
         [](const Aim& aim) {
           timeval now = {};
           gettimeofday(&now, nullptr);
           if (aim.outside) Call(SYS_settimeofday, &now, nullptr);
         }},
        {"adjtimex", "privilege adjtimex(...) -> adjtimex: EPERM",
         [](const Aim& aim) {
           timex adjustment = {};
           if (aim.outside) adjustment.modes = ADJ_OFFSET;
           Call(SYS_adjtimex, &adjustment);
         }},
        {"clock_adjtime",
         "privilege clock_adjtime(CLOCK_REALTIME, ...) -> CLOCK_REALTIME: "
         "EPERM",
         [](const Aim& aim) {
           timex adjustment = {};
           if (aim.outside) adjustment.modes = ADJ_OFFSET;
           Call(SYS_clock_adjtime, CLOCK_REALTIME, &adjustment);
         }},
        {"init_module", "privilege init_module(..., 4, \"\") -> : EPERM",
         [](const Aim& aim) {
           if (aim.outside) Call(SYS_init_module, "ELF", 4, "");
         },
         SYS_init_module},
        {"delete_module",
         "privilege delete_module(\"loop\", 0x800) -> loop: "
         "EPERM",
         [](const Aim& aim) {
           if (aim.outside) Call(SYS_delete_module, "loop", O_NONBLOCK);
         },
         SYS_delete_module},
        {"kexec_load",
         "privilege kexec_load(0x0, 0, NULL, 0x0) -> kexec_load: EPERM",
         [](const Aim& aim) {
           if (aim.outside) Call(SYS_kexec_load, 0, 0, nullptr, 0);
         },
         SYS_kexec_load},
        {"reboot",
         "privilege reboot(0xfee1dead, 0x28121969, 0x0, NULL) -> reboot: EPERM",
         [](const Aim& aim) {
           if (aim.outside) {
             Call(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
                  LINUX_REBOOT_CMD_CAD_OFF, nullptr);
           }
         }},
        {"swapon", "privilege swapon(\"$T/file\", 0x0) -> $T/file: EPERM",
         [](const Aim& aim) {
           if (aim.outside) swapon((aim / "file").c_str(), 0);
         },
         SYS_swapon},
        {"swapoff", "privilege swapoff(\"$T/file\") -> $T/file: EPERM",
         [](const Aim& aim) {
           if (aim.outside) swapoff((aim / "file").c_str());
         },
         SYS_swapoff},
        {"acct", "privilege acct(\"$T/file\") -> $T/file: EPERM",
         [](const Aim& aim) {
           if (aim.outside) acct((aim / "file").c_str());
         },
         SYS_acct},
        {"sethostname", "privilege sethostname(\"name\", 4) -> name: EPERM",
         [](const Aim& aim) {
           char name[65];
           if (aim.outside) {
             Call(SYS_sethostname, "name", 4);
           } else {
             gethostname(name, sizeof(name));
           }
         }},
        {"setdomainname", "privilege setdomainname(\"name\", 4) -> name: EPERM",
         [](const Aim& aim) {
           if (aim.outside) Call(SYS_setdomainname, "name", 4);
         }},
        {"fanotify",
         "privilege fanotify_init(0x4, 0x0) -> fanotify_init: EPERM",
         [](const Aim& aim) {
           if (aim.outside) {
             Close(Call(SYS_fanotify_init, FAN_CLASS_CONTENT, 0));
           }
         },
         SYS_fanotify_init},
#ifdef SYS_iopl
        {"iopl", "privilege iopl(3) -> iopl: EPERM",
         [](const Aim& aim) { Call(SYS_iopl, aim.outside ? 3 : 0); }, SYS_iopl},
        {"ioperm", "privilege ioperm(0x80, 1, 1) -> ioperm: EPERM",
         [](const Aim& aim) { Call(SYS_ioperm, 0x80, 1, aim.outside ? 1 : 0); },
         SYS_ioperm},
#endif

        // --- Past namespaces and filters ---
        {"add_key",
         "keyring add_key(\"user\", \"name\", ..., 1, -3) -> add_key: ENOSYS",
         [](const Aim& aim) {
           if (aim.outside) Call(SYS_add_key, "user", "name", "x", 1, -3);
         }},
        {"request_key",
         "keyring request_key(\"user\", \"name\", NULL, 0) -> request_key: "
         "ENOSYS",
         [](const Aim& aim) {
           if (aim.outside) Call(SYS_request_key, "user", "name", nullptr, 0);
         }},
        {"keyctl", "keyring keyctl(0) -> keyctl: ENOSYS",
         [](const Aim& aim) {
           if (aim.outside) Call(SYS_keyctl, 0, -3, 0, 0, 0);
         }},
        {"type", "terminal ioctl(0, TIOCSTI, ...) -> TIOCSTI: EPERM",
         [](const Aim& aim) {
           char byte = 'x';
           ioctl(0, aim.outside ? TIOCSTI : TIOCGPGRP, &byte);
         }},
        {"paste", "terminal ioctl(0, TIOCLINUX, ...) -> TIOCLINUX: EPERM",
         [](const Aim& aim) {
           int byte = 3;
           ioctl(0, aim.outside ? TIOCLINUX : FIONREAD, &byte);
         }},
        {"io_uring_setup",
         "io-uring io_uring_setup(8, NULL) -> io_uring_setup: ENOSYS",
         [](const Aim& aim) {
           if (aim.outside) Close(Call(425, 8, nullptr));
         }},
        {"io_uring_enter",
         "io-uring io_uring_enter(0, 1, 0, 0x0, NULL, 0) -> io_uring_enter: "
         "ENOSYS",
         [](const Aim& aim) {
           if (aim.outside) Call(426, 0, 1, 0, 0, nullptr, 0);
         }},
        {"io_uring_register",
         "io-uring io_uring_register(0, 0, NULL, 0) -> io_uring_register: "
         "ENOSYS",
         [](const Aim& aim) {
           if (aim.outside) Call(427, 0, 0, nullptr, 0);
         }},

#if defined(__x86_64__)
        // --- The machine's other calling conventions ---
        {"x32",
         "write openat(AT_FDCWD, \"$T/file\", O_WRONLY) -> $T/file: ENOSYS",
         [](const Aim& aim) {
           Close(Call(0x40000000 | SYS_openat, AT_FDCWD, (aim / "file").c_str(),
                      O_WRONLY, 0));
         }},
        {"32-bit open", "write open(\"$T/file\", O_WRONLY) -> $T/file: EROFS",
         [](const Aim& aim) {
           Close(Call32(5, Address(Low(aim / "file")), O_WRONLY));
         },
         k32BitCalls},
        {"32-bit openat",
         "write openat(AT_FDCWD, \"$T/new\", O_WRONLY|O_CREAT, 0644) -> "
         "$T/new: "
         "EROFS",
         [](const Aim& aim) {
           Close(Call32(295, AT_FDCWD, Address(Low(aim / "new")),
                        O_WRONLY | O_CREAT, 0644));
         },
         k32BitCalls},
        {"32-bit mkdir", "write mkdir(\"$T/new\", 0755) -> $T/new: EROFS",
         [](const Aim& aim) { Call32(39, Address(Low(aim / "new")), 0755); },
         k32BitCalls},
        {"32-bit unlink", "write unlink(\"$T/file\") -> $T/file: EROFS",
         [](const Aim& aim) { Call32(10, Address(Low(aim / "file"))); },
         k32BitCalls},
        {"32-bit chown", "write chown32(\"$T/file\", -1, -1) -> $T/file: EROFS",
         [](const Aim& aim) {
           Call32(212, Address(Low(aim / "file")), -1, -1);
         },
         k32BitCalls},
        {"32-bit truncate64",
         "write truncate64(\"$T/file\", 1) -> $T/file: "
         "EROFS",
         [](const Aim& aim) { Call32(193, Address(Low(aim / "file")), 1, 0); },
         k32BitCalls},
        {"32-bit utimensat",
         "write utimensat_time64(AT_FDCWD, \"$T/file\", NULL, 0) -> $T/file: "
         "EROFS",
         [](const Aim& aim) {
           Call32(412, AT_FDCWD, Address(Low(aim / "file")), 0, 0);
         },
         k32BitCalls},
        {"32-bit kill", "signal kill(3999999, SIGTERM) -> pid 3999999: ESRCH",
         [](const Aim& aim) { Call32(37, aim.pid, SIGTERM); }, k32BitCalls},
        {"32-bit socket",
         "socket-family socket(AF_VSOCK, SOCK_STREAM, 0) -> AF_VSOCK: "
         "EAFNOSUPPORT",
         [](const Aim& aim) {
           Close(Call32(359, aim.outside ? AF_VSOCK : AF_INET, SOCK_STREAM, 0));
         },
         k32BitCalls},
        {"32-bit connect",
         "network connect(900, {AF_INET, \"192.0.2.1:80\"}, 16) -> "
         "192.0.2.1:80: ENETUNREACH",
         [](const Aim& aim) {
           const sockaddr_in address = Ipv4(aim.ipv4, 80);
           char* const low = Low("");
           memcpy(low, &address, sizeof(address));
           dup2(socket(AF_INET, SOCK_STREAM, 0), 900);
           Call32(362, 900, Address(low), sizeof(address));
           Close(900);
         },
         k32BitCalls},
        {"32-bit socketcall",
         "network connect(900, {AF_INET, \"192.0.2.1:80\"}, 16) -> "
         "192.0.2.1:80: ENETUNREACH",
         [](const Aim& aim) {
           const sockaddr_in address = Ipv4(aim.ipv4, 80);
           char* const low = Low("");
           memcpy(low, &address, sizeof(address));
           dup2(socket(AF_INET, SOCK_STREAM, 0), 900);
           Socketcall(
               3, {900, static_cast<uint32_t>(Address(low)), sizeof(address)});
           Close(900);
         },
         k32BitCalls},
        {"32-bit sendmsg",
         "network sendmsg(900, {AF_INET, \"192.0.2.1:9\"}, 0) -> 192.0.2.1:9: "
         "ENETUNREACH",
         [](const Aim& aim) {
           const sockaddr_in address = Ipv4(aim.ipv4, 9);
           char* const low = Low("");
           const auto base = static_cast<uint32_t>(Address(low));
           const uint32_t header[7] = {base + 64, sizeof(address), base + 128,
                                       1};
           const uint32_t data[2] = {base + 192, 1};
           memcpy(low, header, sizeof(header));
           memcpy(low + 64, &address, sizeof(address));
           memcpy(low + 128, data, sizeof(data));
           dup2(socket(AF_INET, SOCK_DGRAM, 0), 900);
           Call32(370, 900, base, 0);
           Close(900);
         },
         k32BitCalls},
#endif
  };
  return *attempts;
}

}  // namespace encapsulate
