// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/result.h"

#include <signal.h>
#include <string.h>  // NOLINT: sigabbrev_np is GNU's

#include <string>

#include "absl/strings/str_cat.h"

namespace encapsulate {

const char* OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kExited:
      return "exited";
    case Outcome::kSignaled:
      return "signaled";
    case Outcome::kTimedOut:
      return "timed-out";
    case Outcome::kLost:
      return "lost";
  }
  return "unknown";
}

const char* LimitName(LimitHit limit) {
  switch (limit) {
    case LimitHit::kCpuTime:
      return "cpu-time";
    case LimitHit::kFileSize:
      return "file-size";
    case LimitHit::kMemory:
      return "memory";
    case LimitHit::kProcesses:
      return "processes";
  }
  return "unknown";
}

std::string SignalName(int signal) {
  if (signal >= SIGRTMIN && signal <= SIGRTMAX) {
    return absl::StrCat("SIGRTMIN+", signal - SIGRTMIN);
  }
  const char* name = sigabbrev_np(signal);
  if (name == nullptr) return absl::StrCat("signal ", signal);
  return absl::StrCat("SIG", name);
}

}  // namespace encapsulate
