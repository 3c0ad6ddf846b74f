// SPDX-License-Identifier: Apache-2.0
//
// What a process has that a child inherits by fork(2), and a child of a relay
// that was started earlier doesn't: it got what there was then.
//
// Memory, descriptors and signal handlers are shared with a PersistentRelay;
// directory, umask and environment are the plan's. What can't be asked for,
// such as a Landlock domain that the process has entered meanwhile, shows by
// what the process may do to the relay (PersistentRelay::IsAlike()).
#ifndef ENCAPSULATE_LAUNCH_CALLER_STATE_H_
#define ENCAPSULATE_LAUNCH_CALLER_STATE_H_

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate {

class CallerState {
 public:
  CallerState() = default;
  CallerState(const CallerState&) = delete;
  CallerState& operator=(const CallerState&) = delete;

  // Reads all of it for the calling thread. Returns a number that stands for
  // it: the last one if nothing has changed since then, else one that it has
  // never returned. nullopt if some of it can't be had, or if SIGCHLD is
  // ignored, which no relay can bear.
  //
  // It keeps descriptors of the thread's files in /proc.
  absl::optional<int> Number();

  // For a child: closes them.
  void CloseInChild() const;

 private:
  // Compared as the bytes that it is.
  struct Numbers {
    uint64_t places[5][2];
    struct rlimit limits[RLIM_NLIMITS];
    uint64_t scheduling[7];  // struct sched_attr
    uint64_t nodes[16];
    int64_t others[8];
  };

  bool OpenFiles();
  static void Read(int directory, Numbers* numbers);
  // False if it can't be read. Sets `changed` if it isn't what it was.
  static bool ReadStatus(int fd, std::string* known, bool* changed);
  static bool ReadFile(int fd, std::string* known, bool* changed);

  pid_t process_ = -1;
  pid_t thread_ = -1;
  UniqueFd directory_;  // /proc/thread-self
  UniqueFd status_;
  UniqueFd cgroup_;
  UniqueFd oom_score_;
  std::string status_text_;  // the lines that count
  std::string cgroup_text_;
  std::string oom_score_text_;
  Numbers numbers_ = {};
  int number_ = 0;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_LAUNCH_CALLER_STATE_H_
