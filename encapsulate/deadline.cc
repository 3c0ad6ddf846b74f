// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/deadline.h"

#include <sys/timerfd.h>

#include <ctime>

namespace encapsulate {
namespace {

constexpr int64_t kNanosecondsPerSecond = 1000000000;

// What init may need on a busy machine, to kill and to report.
constexpr int64_t kMargin = kNanosecondsPerSecond / 2;

int64_t Now() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNanosecondsPerSecond + now.tv_nsec;
}

}  // namespace

bool Deadline::Make(int64_t timeout, int64_t grace) {
  timeout_ = timeout;
  grace_ = grace;
  if (timeout_ == 0) return true;
  timer_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  return timer_.valid();
}

void Deadline::Start() {
  if (!timer_.valid()) return;
  started_ = Now();
  Set(timeout_ + grace_ + kMargin);
}

void Deadline::Extend() {
  if (!timer_.valid()) return;
  const int64_t passed = Now() - started_;
  if (passed > timeout_ + grace_) Set(kMargin);
}

void Deadline::Stop() { Set(0); }

absl::Duration Deadline::Passed() const {
  return absl::Nanoseconds(Now() - started_);
}

absl::Duration Deadline::Left() const {
  if (timeout_ == 0) return absl::InfiniteDuration();
  return absl::Nanoseconds(timeout_) - Passed();
}

void Deadline::Set(int64_t nanoseconds) {
  struct itimerspec time = {};
  time.it_value.tv_sec = nanoseconds / kNanosecondsPerSecond;
  time.it_value.tv_nsec = nanoseconds % kNanosecondsPerSecond;
  timerfd_settime(timer_.get(), 0, &time, nullptr);
}

}  // namespace encapsulate
