// SPDX-License-Identifier: Apache-2.0
//
// The caller's own clock for a command with a time limit. Init keeps the time;
// this one ends a sandbox whose init is kept from that.
#ifndef ENCAPSULATE_DEADLINE_H_
#define ENCAPSULATE_DEADLINE_H_

#include <cstdint>

#include "absl/time/time.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate {

class Deadline {
 public:
  // In nanoseconds, as in Plan; a `timeout` of 0 is none. False, with errno, if
  // there is no timer to be had.
  bool Make(int64_t timeout, int64_t grace);

  // The command runs from now on.
  void Start();

  // Polls readable once init is late; -1 where there is no limit.
  int descriptor() const { return timer_.get(); }

  // Init isn't late: it reports, and everybody else is gone.
  void Extend();
  void Stop();

  // Since Start().
  absl::Duration Passed() const;
  // Until the command's time is up.
  absl::Duration Left() const;

 private:
  void Set(int64_t nanoseconds);

  UniqueFd timer_;
  int64_t timeout_ = 0;
  int64_t grace_ = 0;
  int64_t started_ = 0;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_DEADLINE_H_
