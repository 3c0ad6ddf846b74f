// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/isolation.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace encapsulate {
namespace {

constexpr Kept kWall = Kept::kWall;
constexpr Kept kHonest = Kept::kHonestCode;
constexpr Kept kNo = Kept::kNo;

// What the kernel's Landlock has to be able to.
constexpr int kTruncation = 3;
constexpr int kScopes = 6;
constexpr int kUnixSockets = 9;

// By ABI, the first of which is 1 (the kernel's Documentation/userspace-api/
// landlock.rst).
constexpr const char* kLinux[] = {"5.13", "5.19", "6.2", "6.7", "6.10",
                                  "6.12", "6.15", "7.0", "7.1", "7.2"};

}  // namespace

const char* IsolationName(Isolation level) {
  switch (level) {
    case Isolation::kNamespaces:
      return "namespaces";
    case Isolation::kLandlock:
      return "landlock";
    case Isolation::kProcess:
      return "process";
    case Isolation::kBest:
      break;
  }
  return "best";
}

absl::optional<Isolation> IsolationOfName(absl::string_view name) {
  for (Isolation level : {Isolation::kNamespaces, Isolation::kLandlock,
                          Isolation::kProcess, Isolation::kBest}) {
    if (name == IsolationName(level)) return level;
  }
  return absl::nullopt;
}

std::vector<Isolation> AllIsolations() {
  return {Isolation::kNamespaces, Isolation::kLandlock, Isolation::kProcess};
}

const char* KeptName(Kept kept) {
  switch (kept) {
    case Kept::kWall:
      return "wall";
    case Kept::kHonestCode:
      return "honest code";
    case Kept::kNo:
      break;
  }
  return "no";
}

const std::vector<Promise>& Promises() {
  static const auto* const promises = new std::vector<Promise>{
      // Files.
      {"files",
       "No file outside writable trees is written, made, removed, renamed or "
       "linked.",
       kWall, kWall, kNo},
      {"truncation", "Nor is one truncated.", kWall, kWall, kNo, kTruncation,
       kHonest},
      {"metadata",
       "Mode, owner, times, attributes and flags of files outside writable "
       "trees stay as they are, but for the time of the last reading.",
       kWall, kWall, kNo},
      {"ioctls of filesystems",
       "Nothing outside writable trees is changed by a filesystem's own "
       "ioctls.",
       kWall, kHonest, kNo},
      {"temporary files",
       "Files of others in /tmp, /var/tmp and /dev/shm stay as they are, and "
       "what is made there is gone at the end.",
       kWall, kWall, kNo},
      {"writing to devices", "No device of the host is opened for writing.",
       kWall, kWall, kNo},
      {"reading from devices", "No device of the host is opened for reading.",
       kWall, kNo, kNo},
      {"FIFOs",
       "No FIFO of the host in /run, /tmp or /var/tmp is opened for writing.",
       kWall, kWall, kNo},
      {"overlays and hidden trees",
       "Trees can be hidden, replaced by fresh ones and overlaid.", kWall, kNo,
       kNo},
      // Network.
      {"TCP", "Nothing beyond loopback is reached by TCP.", kWall, kWall, kNo},
      {"UDP",
       "Nothing beyond loopback is reached by UDP's connect, send and sendto.",
       kWall, kWall, kNo},
      {"UDP by interface",
       "Nor by a message that names an interface (IP_PKTINFO, a scope of "
       "IPv6).",
       kWall, kHonest, kNo},
      {"multicast", "No multicast group is joined beyond loopback.", kWall,
       kWall, kNo},
      {"being reached", "Nobody beyond loopback reaches a server inside.",
       kWall, kWall, kNo},
      {"no network",
       "Where no network is asked for, nothing is reached by IP at all.", kWall,
       kWall, kNo},
      {"servers on loopback", "Servers of the host on loopback aren't reached.",
       kWall, kHonest, kNo},
      {"own ports", "Every port is free, whatever runs on the host.", kWall,
       kNo, kNo},
      {"Unix sockets",
       "No Unix socket is connected to that the host had when the sandbox was "
       "made.",
       kWall, kWall, kNo, kUnixSockets, kHonest},
      {"abstract Unix sockets",
       "No Unix socket of the host is connected to by an abstract name.", kWall,
       kWall, kNo, kScopes, kHonest},
      {"socket families",
       "There are no sockets of families that no namespace isolates, AF_VSOCK "
       "for example.",
       kWall, kWall, kNo},
      // Processes.
      {"signals", "No process outside is signalled.", kWall, kWall, kNo,
       kScopes, kHonest},
      {"tracing",
       "No process outside is traced, and its memory, environment and "
       "descriptors aren't read.",
       kWall, kWall, kNo},
      {"priorities and limits",
       "Priority, scheduling and limits of processes outside stay as they are.",
       kWall, kWall, kNo},
      {"own processes", "Processes outside aren't seen.", kWall, kNo, kNo},
      {"end", "All that was started ends with the command.", kWall, kWall,
       kHonest, kScopes, kHonest},
      {"end with the caller", "It ends, too, when the caller is killed.", kWall,
       kWall, kHonest},
      {"leftovers", "What was still running at the end is named.", kWall,
       kHonest, kHonest},
      {"time limit", "A time limit ends the command.", kWall, kWall, kHonest},
      // All else.
      {"IPC", "System V IPC is its own, and gone at the end.", kWall, kWall,
       kNo},
      {"POSIX message queues", "So are POSIX message queues.", kWall, kHonest,
       kNo},
      {"shared mappings",
       "Files and System V memory that the caller has mapped shared aren't "
       "changed by a forked child.",
       kWall, kWall, kNo},
      {"keyrings", "No key of the host is used.", kWall, kWall, kNo},
      {"terminal", "Nothing is typed into the caller's terminal.", kWall, kWall,
       kNo},
      {"other terminals", "No other terminal of the user is opened.", kWall,
       kHonest, kNo},
      {"privileges",
       "There is no capability, and no set-uid program gives one.", kWall,
       kWall, kNo},
      {"host name", "The host name can be its own.", kWall, kNo, kNo},
      {"namespaces inside", "Namespaces and sandboxes can be made inside.",
       kWall, kNo, kWall},
      {"32-bit programs", "Programs of 32 bits can be run.", kWall, kNo, kWall},
      {"fresh directories for tests",
       "TMPDIR, TEST_TMPDIR and HOME of an encapsulated test are fresh.", kWall,
       kWall, kHonest},
      {"reports", "What is attempted is reported, where that is asked for.",
       kHonest, kHonest, kHonest},
  };
  return *promises;
}

Kept HowKept(const Promise& promise, Isolation level, int landlock_abi) {
  switch (level) {
    case Isolation::kNamespaces:
      return promise.namespaces;
    case Isolation::kLandlock:
      return landlock_abi >= promise.landlock_abi ? promise.landlock
                                                  : promise.landlock_below;
    case Isolation::kProcess:
    case Isolation::kBest:
      break;
  }
  return promise.process;
}

std::string NamesOf(Kept kept, Isolation level, int landlock_abi) {
  std::vector<absl::string_view> names;
  for (const Promise& promise : Promises()) {
    if (HowKept(promise, level, landlock_abi) == kept) {
      names.emplace_back(promise.name);
    }
  }
  return absl::StrJoin(names, ", ");
}

const char* LinuxOfLandlock(int landlock_abi) {
  if (landlock_abi <= 0) return "";
  const int latest = static_cast<int>(std::size(kLinux));
  return kLinux[std::min(landlock_abi, latest) - 1];
}

}  // namespace encapsulate
