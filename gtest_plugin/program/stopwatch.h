// SPDX-License-Identifier: Apache-2.0
//
// A clock that can stand still.
#ifndef GTEST_PLUGIN_PROGRAM_STOPWATCH_H_
#define GTEST_PLUGIN_PROGRAM_STOPWATCH_H_

#include <chrono>

#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace encapsulate {

class Stopwatch {
 public:
  void Start() { started_ = Clock::now(); }
  // What is so already stays so.
  void Pause() {
    if (!paused()) paused_since_ = Clock::now();
  }
  void Resume() {
    if (!paused()) return;
    stood_still_ += absl::FromChrono(Clock::now() - *paused_since_);
    paused_since_ = absl::nullopt;
  }

  bool paused() const { return paused_since_.has_value(); }
  // Since its start, without the time for which it stood still.
  absl::Duration Passed() const {
    return absl::FromChrono(paused_since_.value_or(Clock::now()) - started_) -
           stood_still_;
  }
  // Up to the last Resume().
  absl::Duration stood_still() const { return stood_still_; }

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point started_;
  absl::optional<Clock::time_point> paused_since_;
  absl::Duration stood_still_;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_STOPWATCH_H_
