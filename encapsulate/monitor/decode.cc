// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/monitor/decode.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/base/printable.h"
#include "encapsulate/kernel/interfaces.h"
#include "encapsulate/result.h"

namespace encapsulate {
namespace {

// Of the addresses of one call.
constexpr size_t kAddressesShown = 64;

struct Flag {
  uint64_t value;
  const char* name;
};

#define ENCAPSULATE_FLAG(name) \
  { static_cast<uint64_t>(name), #name }

// O_TMPFILE before O_DIRECTORY, O_SYNC before O_DSYNC, that they hold.
constexpr Flag kOpenFlags[] = {
    ENCAPSULATE_FLAG(O_TMPFILE),   ENCAPSULATE_FLAG(O_CREAT),
    ENCAPSULATE_FLAG(O_EXCL),      ENCAPSULATE_FLAG(O_NOCTTY),
    ENCAPSULATE_FLAG(O_TRUNC),     ENCAPSULATE_FLAG(O_APPEND),
    ENCAPSULATE_FLAG(O_NONBLOCK),  ENCAPSULATE_FLAG(O_SYNC),
    ENCAPSULATE_FLAG(O_DSYNC),     ENCAPSULATE_FLAG(O_DIRECT),
    ENCAPSULATE_FLAG(O_DIRECTORY), ENCAPSULATE_FLAG(O_NOFOLLOW),
    ENCAPSULATE_FLAG(O_NOATIME),   ENCAPSULATE_FLAG(O_CLOEXEC),
    ENCAPSULATE_FLAG(O_PATH),
};

constexpr Flag kNamespaces[] = {
    ENCAPSULATE_FLAG(CLONE_NEWNS),   ENCAPSULATE_FLAG(CLONE_NEWCGROUP),
    ENCAPSULATE_FLAG(CLONE_NEWUTS),  ENCAPSULATE_FLAG(CLONE_NEWIPC),
    ENCAPSULATE_FLAG(CLONE_NEWUSER), ENCAPSULATE_FLAG(CLONE_NEWPID),
    ENCAPSULATE_FLAG(CLONE_NEWNET),  ENCAPSULATE_FLAG(CLONE_FILES),
    ENCAPSULATE_FLAG(CLONE_FS),      ENCAPSULATE_FLAG(CLONE_VM),
    ENCAPSULATE_FLAG(CLONE_VFORK),
};

constexpr Flag kRenameFlags[] = {
    {1, "RENAME_NOREPLACE"},
    {2, "RENAME_EXCHANGE"},
    {4, "RENAME_WHITEOUT"},
};

constexpr Flag kSendFlags[] = {
    ENCAPSULATE_FLAG(MSG_OOB),      ENCAPSULATE_FLAG(MSG_DONTROUTE),
    ENCAPSULATE_FLAG(MSG_DONTWAIT), ENCAPSULATE_FLAG(MSG_EOR),
    ENCAPSULATE_FLAG(MSG_CONFIRM),  ENCAPSULATE_FLAG(MSG_NOSIGNAL),
    ENCAPSULATE_FLAG(MSG_MORE),     ENCAPSULATE_FLAG(MSG_FASTOPEN),
};

constexpr Flag kFamilies[] = {
    ENCAPSULATE_FLAG(AF_UNSPEC),
    ENCAPSULATE_FLAG(AF_UNIX),
    ENCAPSULATE_FLAG(AF_INET),
    ENCAPSULATE_FLAG(AF_AX25),
    ENCAPSULATE_FLAG(AF_IPX),
    ENCAPSULATE_FLAG(AF_APPLETALK),
    ENCAPSULATE_FLAG(AF_X25),
    ENCAPSULATE_FLAG(AF_INET6),
    ENCAPSULATE_FLAG(AF_KEY),
    ENCAPSULATE_FLAG(AF_NETLINK),
    ENCAPSULATE_FLAG(AF_PACKET),
    ENCAPSULATE_FLAG(AF_RDS),
    ENCAPSULATE_FLAG(AF_PPPOX),
    ENCAPSULATE_FLAG(AF_LLC),
    ENCAPSULATE_FLAG(AF_CAN),
    ENCAPSULATE_FLAG(AF_TIPC),
    ENCAPSULATE_FLAG(AF_BLUETOOTH),
    ENCAPSULATE_FLAG(AF_ALG),
    ENCAPSULATE_FLAG(AF_NFC),
    ENCAPSULATE_FLAG(AF_VSOCK),
    ENCAPSULATE_FLAG(AF_KCM),
    {42, "AF_QIPCRTR"},
    {43, "AF_SMC"},
    {44, "AF_XDP"},
    {45, "AF_MCTP"},
};

constexpr Flag kTypes[] = {
    ENCAPSULATE_FLAG(SOCK_STREAM),    ENCAPSULATE_FLAG(SOCK_DGRAM),
    ENCAPSULATE_FLAG(SOCK_RAW),       ENCAPSULATE_FLAG(SOCK_RDM),
    ENCAPSULATE_FLAG(SOCK_SEQPACKET), ENCAPSULATE_FLAG(SOCK_DCCP),
};

constexpr Flag kClocks[] = {
    ENCAPSULATE_FLAG(CLOCK_REALTIME),
    ENCAPSULATE_FLAG(CLOCK_MONOTONIC),
    ENCAPSULATE_FLAG(CLOCK_BOOTTIME),
    ENCAPSULATE_FLAG(CLOCK_TAI),
};

constexpr Flag kTraces[] = {
    ENCAPSULATE_FLAG(PTRACE_ATTACH),
    ENCAPSULATE_FLAG(PTRACE_SEIZE),
};

constexpr Flag kRequests[] = {
    ENCAPSULATE_FLAG(TIOCSTI),           ENCAPSULATE_FLAG(TIOCLINUX),
    ENCAPSULATE_FLAG(FS_IOC_SETFLAGS),   ENCAPSULATE_FLAG(FS_IOC32_SETFLAGS),
    ENCAPSULATE_FLAG(FS_IOC_SETVERSION), ENCAPSULATE_FLAG(FS_IOC32_SETVERSION),
    ENCAPSULATE_FLAG(FS_IOC_FSSETXATTR),
};

#undef ENCAPSULATE_FLAG

template <size_t kSize>
std::string NameOf(uint64_t value, const Flag (&names)[kSize]) {
  for (const Flag& flag : names) {
    if (flag.value == value) return flag.name;
  }
  return absl::StrCat(value);
}

// The names of the bits of `value`, and what is left in hexadecimal. `kept` are
// words that come first.
template <size_t kSize>
std::string NamesOf(uint64_t value, const Flag (&names)[kSize],
                    std::vector<std::string> kept = {}) {
  for (const Flag& flag : names) {
    if (flag.value == 0 || (value & flag.value) != flag.value) continue;
    kept.emplace_back(flag.name);
    value &= ~flag.value;
  }
  if (value != 0 || kept.empty()) {
    kept.push_back(value == 0 ? "0" : absl::StrCat("0x", absl::Hex(value)));
  }
  return absl::StrJoin(kept, "|");
}

std::string FormatOpenFlags(uint64_t flags) {
  constexpr const char* kModes[] = {"O_RDONLY", "O_WRONLY", "O_RDWR",
                                    "O_ACCMODE"};
  // 64-bit programs need no O_LARGEFILE, 32-bit ones mean nothing by it.
  constexpr uint64_t kLargeFile = 0100000 | 0400000 * (O_DIRECT == 0200000);
  uint64_t rest = flags & ~uint64_t{O_ACCMODE};
  rest &= ~(kLargeFile & ~uint64_t{O_DIRECTORY} & ~uint64_t{O_DIRECT} &
            ~uint64_t{O_NOFOLLOW});
  const std::string mode = kModes[flags & O_ACCMODE];
  return rest == 0 ? mode : NamesOf(rest, kOpenFlags, {mode});
}

std::string FormatMode(uint64_t mode) { return absl::StrFormat("%#o", mode); }

std::string FormatNodeMode(uint32_t mode) {
  std::string permissions = FormatMode(mode & 07777);
  switch (mode & S_IFMT) {
    case S_IFCHR:
      return absl::StrCat("S_IFCHR|", permissions);
    case S_IFBLK:
      return absl::StrCat("S_IFBLK|", permissions);
    case S_IFIFO:
      return absl::StrCat("S_IFIFO|", permissions);
    case S_IFSOCK:
      return absl::StrCat("S_IFSOCK|", permissions);
    default:
      return permissions;
  }
}

std::string QuoteC(absl::string_view text) {
  return absl::StrCat("\"", EscapeForCode(text), "\"");
}

std::string FormatString(const ThreadView& thread, uint64_t address) {
  if (address == 0) return "NULL";
  const absl::optional<std::string> text = thread.ReadString(address);
  return text.has_value() ? QuoteC(*text) : "?";
}

std::string FormatDirectory(int fd) {
  return fd == AT_FDCWD ? "AT_FDCWD" : absl::StrCat(fd);
}

constexpr Flag kAtFlags[] = {
    {AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"},
    {AT_SYMLINK_FOLLOW, "AT_SYMLINK_FOLLOW"},
    {AT_EMPTY_PATH, "AT_EMPTY_PATH"},
};

constexpr Flag kUnlinkFlags[] = {{AT_REMOVEDIR, "AT_REMOVEDIR"}};

std::string FormatType(uint64_t type) {
  std::string text = NameOf(type & 0xf, kTypes);
  if ((type & SOCK_CLOEXEC) != 0) text += "|SOCK_CLOEXEC";
  if ((type & SOCK_NONBLOCK) != 0) text += "|SOCK_NONBLOCK";
  return text;
}

std::string FormatAddress(const SocketAddress& address) {
  switch (address.family) {
    case AF_UNIX:
    case AF_INET:
    case AF_INET6:
      return absl::StrCat(
          "{", NameOf(static_cast<uint64_t>(address.family), kFamilies), ", ",
          QuoteC(address.text), "}");
    default:
      return absl::StrCat("{", address.text, "}");
  }
}

}  // namespace

SocketAddress ParseAddress(const void* bytes, size_t size) {
  SocketAddress address;
  sockaddr_storage storage = {};
  memcpy(&storage, bytes, std::min(size, sizeof(storage)));
  address.family = storage.ss_family;
  switch (address.family) {
    case AF_INET: {
      const auto& in = reinterpret_cast<const sockaddr_in&>(storage);
      char text[INET_ADDRSTRLEN];
      inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
      address.port = ntohs(in.sin_port);
      address.text = absl::StrCat(text, ":", address.port);
      const uint32_t host = ntohl(in.sin_addr.s_addr);
      address.local = host == INADDR_ANY || (host >> 24) == 127;
      address.group = IN_MULTICAST(host) || host == INADDR_BROADCAST;
      break;
    }
    case AF_INET6: {
      const auto& in = reinterpret_cast<const sockaddr_in6&>(storage);
      char text[INET6_ADDRSTRLEN];
      inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof(text));
      address.port = ntohs(in.sin6_port);
      address.text = absl::StrCat("[", text, "]:", address.port);
      const uint8_t* const host = in.sin6_addr.s6_addr;
      address.local = IN6_IS_ADDR_LOOPBACK(&in.sin6_addr) ||
                      IN6_IS_ADDR_UNSPECIFIED(&in.sin6_addr) ||
                      (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr) &&
                       (host[12] == 127 ||
                        (host[12] | host[13] | host[14] | host[15]) == 0));
      address.group = IN6_IS_ADDR_MULTICAST(&in.sin6_addr) &&
                      in.sin6_scope_id <= kLoopbackIndex;
      break;
    }
    case AF_UNIX: {
      const auto& un = reinterpret_cast<const sockaddr_un&>(storage);
      constexpr size_t kName = offsetof(sockaddr_un, sun_path);
      const size_t room = std::min(size, sizeof(un));
      const absl::string_view name(un.sun_path,
                                   room > kName ? room - kName : 0);
      address.local = true;
      if (name.empty()) break;
      if (name[0] == '\0') {
        address.text = absl::StrCat("@", name.substr(1));
        break;
      }
      address.path = std::string(name.substr(0, name.find('\0')));
      address.text = address.path;
      address.local = false;
      break;
    }
    default:
      address.text = NameOf(static_cast<uint64_t>(address.family), kFamilies);
      address.local =
          address.family == AF_UNSPEC || address.family == AF_NETLINK;
      break;
  }
  return address;
}

SyscallArgs ResolveSocketcall(const ThreadView& thread,
                              const SyscallArgs& call) {
  const Socketcall* const socketcall = FindSocketcall(call.Unsigned(0));
  if (socketcall == nullptr) return call;
  SyscallArgs resolved = call;
  uint32_t words[6] = {};
  thread.Read(call.arguments[1], words,
              socketcall->arguments * sizeof(words[0]));
  for (size_t i = 0; i < 6; ++i) resolved.arguments[i] = words[i];
  resolved.watched = FindWatchedCall(socketcall->name);
  return resolved;
}

uint64_t OpenFlags(const ThreadView& thread, const SyscallArgs& call) {
  const int flags = call.watched->IndexOf(Operand::kOpenFlags);
  if (flags >= 0) return call.Unsigned(static_cast<size_t>(flags));
  const int how = call.watched->IndexOf(Operand::kOpenHow);
  if (how < 0) return O_CREAT | O_WRONLY | O_TRUNC;
  uint64_t value = 0;
  thread.Read(call.arguments[how], &value, sizeof(value));
  return value;
}

uint64_t ResolveFlags(const ThreadView& thread, const SyscallArgs& call) {
  const int how = call.watched->IndexOf(Operand::kOpenHow);
  uint64_t value = 0;
  if (how >= 0) {
    thread.Read(call.arguments[how] + offsetof(open_how, resolve), &value,
                sizeof(value));
  }
  return value;
}

namespace {

// The words for argument `i`, or nothing for one that another has told.
absl::optional<std::string> FormatArgument(const ThreadView& thread,
                                           const SyscallArgs& call, size_t i) {
  const uint64_t value = call.arguments[i];
  switch (call.watched->operands[i]) {
    case Operand::kDirectory:
    case Operand::kOtherDirectory:
      return FormatDirectory(call.Int(i));
    case Operand::kPath:
    case Operand::kLinkPath:
    case Operand::kEntry:
    case Operand::kNewEntry:
    case Operand::kReplacedEntry:
    case Operand::kNamedPath:
    case Operand::kString:
      return FormatString(thread, value);
    case Operand::kOpenFlags: {
      return FormatOpenFlags(call.Unsigned(i));
    }
    case Operand::kMode: {
      if (call.watched->IndexOf(Operand::kOpenFlags) >= 0 &&
          (OpenFlags(thread, call) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) ==
              0) {
        return absl::nullopt;
      }
      return FormatMode(call.Unsigned(i));
    }
    case Operand::kNodeMode:
      return FormatNodeMode(call.Unsigned(i));
    case Operand::kNodeDevice:
      return absl::StrCat("makedev(", major(value), ", ", minor(value), ")");
    case Operand::kOpenHow: {
      open_how how = {};
      const size_t size =
          std::min<size_t>(call.watched->operands[i + 1] == Operand::kSize
                               ? call.arguments[i + 1]
                               : 0,
                           sizeof(how));
      if (thread.Read(value, &how, size) != size) return std::string("?");
      return absl::StrCat("{flags=", FormatOpenFlags(how.flags),
                          ", mode=", FormatMode(how.mode), ", resolve=0x",
                          absl::Hex(how.resolve), "}");
    }
    case Operand::kDescriptor:
    case Operand::kOtherDescriptor:
    case Operand::kNumber:
    case Operand::kKeyOperation:
    case Operand::kProcess:
      return absl::StrCat(call.Int(i));
    case Operand::kHex:
      return absl::StrCat("0x",
                          absl::Hex(call.compat ? value & 0xffffffff : value));
    case Operand::kSize:
      return absl::StrCat(call.compat ? value & 0xffffffff : value);
    case Operand::kPointer:
    case Operand::kTimex:
      return std::string(value == 0 ? "NULL" : "...");
    case Operand::kBytes: {
      std::string bytes(std::min<size_t>(call.Unsigned(i + 1), 64), '\0');
      bytes.resize(thread.Read(value, &bytes[0], bytes.size()));
      return QuoteC(bytes);
    }
    case Operand::kAddress:
    case Operand::kMessage:
    case Operand::kMessages: {
      const std::vector<SocketAddress> addresses = ReadAddresses(thread, call);
      std::vector<std::string> words;
      for (const SocketAddress& address : addresses) {
        const bool shown = words.size() < kAddressesShown;
        words.push_back(shown ? FormatAddress(address) : "...");
        if (!shown) break;
      }
      const std::string text = absl::StrJoin(words, ", ");
      return call.watched->operands[i] == Operand::kMessages
                 ? absl::StrCat("[", text, "]")
                 : text;
    }
    case Operand::kSendFlags:
      return NamesOf(call.Unsigned(i), kSendFlags);
    case Operand::kSignal:
      return call.Int(i) == 0 ? "0" : SignalName(call.Int(i));
    case Operand::kTraceRequest:
      return NameOf(value, kTraces);
    case Operand::kAtFlags:
      return NamesOf(call.Unsigned(i), kAtFlags);
    case Operand::kUnlinkFlags:
      return NamesOf(call.Unsigned(i), kUnlinkFlags);
    case Operand::kNewNamespaces:
    case Operand::kNamespaceType:
      return NamesOf(call.Unsigned(i) & ~0xffU, kNamespaces);
    case Operand::kFamily:
      return NameOf(call.Unsigned(i), kFamilies);
    case Operand::kSocketType:
      return FormatType(call.Unsigned(i));
    case Operand::kClock:
      return NameOf(call.Unsigned(i), kClocks);
    case Operand::kRenameFlags:
      return NamesOf(call.Unsigned(i), kRenameFlags);
    case Operand::kIoctlRequest:
      return NameOf(call.Unsigned(i), kRequests);
    case Operand::kNone:
      break;
  }
  return absl::nullopt;
}

}  // namespace

std::string FormatArguments(const ThreadView& thread, const SyscallArgs& call) {
  std::vector<std::string> words;
  for (size_t i = 0; call.watched->operands[i] != Operand::kNone; ++i) {
    absl::optional<std::string> word = FormatArgument(thread, call, i);
    if (word.has_value()) words.push_back(*std::move(word));
  }
  return absl::StrJoin(words, ", ");
}

std::string FormatOperand(const ThreadView& thread, const SyscallArgs& call,
                          size_t index) {
  std::string text = FormatArgument(thread, call, index).value_or("");
  if (text.size() >= 2 && text.front() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  return text;
}

}  // namespace encapsulate
