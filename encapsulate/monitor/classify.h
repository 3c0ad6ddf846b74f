// SPDX-License-Identifier: Apache-2.0
//
// What is known of a system call before it runs: whether it may reach out, by
// what rule, and to what.
#ifndef ENCAPSULATE_MONITOR_CLASSIFY_H_
#define ENCAPSULATE_MONITOR_CLASSIFY_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "encapsulate/host/unix_names.h"
#include "encapsulate/inspect/places.h"
#include "encapsulate/inspect/thread_view.h"
#include "encapsulate/monitor/decode.h"
#include "encapsulate/options.h"
#include "encapsulate/violations.h"

namespace encapsulate {

struct Verdict {
  enum class Kind {
    kPass,     // nothing outside is meant
    kSuspect,  // its result tells
    kRefuse,   // it must not run
  };
  Kind kind = Kind::kPass;
  Rule rule = Rule::kWrite;
  std::string target;
  int error = 0;  // to refuse it with, or the likely one
  // Of a sendmmsg: as many messages are sent before the one that is meant.
  size_t sent_before = 0;
  // It may be getaddrinfo(3) that only sorts addresses; its stack tells.
  bool may_sort = false;
  // Of kPass: the filesystem of every file that the call may change; 0 if it
  // isn't known, or not one alone.
  dev_t device = 0;

  static Verdict Suspect(Rule rule, std::string target, int error) {
    return {Kind::kSuspect, rule, std::move(target), error, 0, false, 0};
  }
  static Verdict Refuse(Rule rule, std::string target, int error) {
    return {Kind::kRefuse, rule, std::move(target), error, 0, false, 0};
  }
};

class Classifier {
 public:
  // `allowed` outlives it. `last_pid`: the latest pid that was given away
  // inside; 0 if unknown. `places`, where no namespaces hold what is inside,
  // outlive it, too; else null.
  Classifier(Network network, const std::vector<Allowed>& allowed,
             std::function<pid_t()> last_pid, const Places* places)
      : network_(network),
        allowed_(allowed),
        last_pid_(std::move(last_pid)),
        places_(places) {}

  Verdict Classify(const ThreadView& thread, const SyscallArgs& call) const;

 private:
  Verdict ClassifyFiles(const ThreadView& thread,
                        const SyscallArgs& call) const;
  bool IsAllowed(const Verdict& verdict) const;
  static Verdict ClassifyFile(const ThreadView& thread, const SyscallArgs& call,
                              size_t operand, int* predicted,
                              PathTarget* found);
  // Where the path in that operand leads. False if it leads nowhere.
  static bool FindTarget(const ThreadView& thread, const SyscallArgs& call,
                         size_t operand, PathTarget* target);
  static Verdict ClassifyOpen(uint64_t flags, const PathTarget& target);
  Verdict ClassifyAddresses(const ThreadView& thread,
                            const SyscallArgs& call) const;
  static Verdict ClassifyInternet(const ThreadView& thread,
                                  const SyscallArgs& call,
                                  const SocketAddress& address);
  Verdict ClassifySocketPath(const ThreadView& thread, bool binds,
                             const std::string& path) const;
  Verdict ClassifyMissingSocket(const ThreadView& thread,
                                const PathTarget& target) const;
  bool IsTriedByAll(const std::string& path) const;
  Verdict ClassifyAbstractName(const std::string& text) const;
  Verdict ClassifyProcess(const ThreadView& thread,
                          const SyscallArgs& call) const;
  static Verdict ClassifyOutside(const SyscallArgs& call, pid_t pid);
  Verdict ClassifyPrivilege(const ThreadView& thread,
                            const SyscallArgs& call) const;

  const Network network_;
  const std::vector<Allowed>& allowed_;
  const std::function<pid_t()> last_pid_;
  const Places* const places_;
  mutable HostUnixNames host_names_;
};

// Whether `text` fits: `*` stands for anything, `?` for one character.
bool Matches(absl::string_view text, absl::string_view pattern);

}  // namespace encapsulate

#endif  // ENCAPSULATE_MONITOR_CLASSIFY_H_
