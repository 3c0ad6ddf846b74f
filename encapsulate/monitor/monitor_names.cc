// SPDX-License-Identifier: Apache-2.0
//
// The monitor's part about questions for names: who asked the name server, and
// which of the questions are one look-up.
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "encapsulate/monitor/monitor.h"
#include "encapsulate/monitor/name_server.h"
#include "encapsulate/plan/name_server_address.h"

namespace encapsulate {
namespace {

// Of sockets and processes that are gone, most likely.
constexpr size_t kMostAskers = 1000;

}  // namespace

bool Monitor::AsksForNames(const ThreadView& thread, const SyscallArgs& call) {
  if (call.watched->rule != Rule::kNetwork ||
      call.watched->verb == CallVerb::kBind) {
    return false;
  }
  return absl::c_any_of(
      ReadAddresses(thread, call), [](const SocketAddress& address) {
        return address.local && address.port == kNameServerPort;
      });
}

void Monitor::NoteAsker(const seccomp_notif& notification,
                        const ThreadView& thread, const SyscallArgs& call) {
  const std::string socket = thread.Link(absl::StrCat("fd/", call.Int(0)));
  Violation asker = Describe(thread, call);
  asker.program = thread.Link("exe");
  asker.test = TestOf(thread, asker.program);
  if (!StillWaits(notification.id)) return;
  if (askers_.size() >= kMostAskers) askers_.erase(askers_.begin());
  const auto added = askers_.emplace(socket, std::move(asker));
  if (!added.second) {
    Reply(notification.id, {});
    return;
  }
  absl::optional<Stop> stop = StopBehind(notification, thread, {});
  const auto noted = askers_.find(socket);
  if (stop.has_value() && noted != askers_.end()) {
    noted->second.stack = std::move(stop->stack);
  }
}

namespace {

// The inode of the socket at a local port, as "socket:[4711]", from the tables
// of a network namespace (proc_pid_net(5)); empty if it is gone.
std::string SocketAt(int tables, bool tcp, int port) {
  const std::string wanted = absl::StrFormat(":%04X", port);
  for (const char* version : {"", "6"}) {
    std::ifstream table(absl::StrCat("/proc/self/fd/", tables, "/",
                                     tcp ? "tcp" : "udp", version));
    std::string line;
    std::getline(table, line);  // the headings
    while (std::getline(table, line)) {
      const std::vector<absl::string_view> words =
          absl::StrSplit(line, ' ', absl::SkipEmpty());
      constexpr size_t kLocalAddress = 1;
      constexpr size_t kInode = 9;
      if (words.size() > kInode && words[kInode] != "0" &&
          absl::EndsWith(words[kLocalAddress], wanted)) {
        return absl::StrCat("socket:[", words[kInode], "]");
      }
    }
  }
  return "";
}

}  // namespace

bool Monitor::IsCounted(pid_t asker, const Question& asked) {
  if (look_ups_.size() >= kMostAskers) look_ups_.clear();
  std::set<uint16_t>& types = look_ups_[{asker, asked.name}];
  const bool first = types.empty();
  if (types.insert(asked.type).second) return !first;
  types = {asked.type};  // it asks anew
  return false;
}

void Monitor::RecordName(const Question& asked, bool tcp, int port) {
  const std::string& name = asked.name;
  const auto asker = askers_.find(SocketAt(setup_.network_tables, tcp, port));
  if (IsCounted(asker == askers_.end() ? 0 : asker->second.pid, asked)) return;
  const Verdict verdict = Verdict::Suspect(Rule::kName, name, 0);
  const int expects = WhoExpects(verdict, nullptr);
  if (expects == kUnexpected && IsAllowed(verdict)) return;
  Violation violation;
  if (asker != askers_.end()) {
    violation = asker->second;
  } else {
    violation.call = "sendto";
    violation.count = 1;
  }
  violation.first = absl::Now();
  violation.rule = Rule::kName;
  violation.target = name;
  Key key(Rule::kName, violation.call, name, violation.program, expects,
          violation.test);
  if (Count(key)) return;
  std::vector<Violation>& seen = SeenBy(expects);
  known_.emplace(std::move(key), seen.size());
  seen.push_back(std::move(violation));
}

}  // namespace encapsulate
