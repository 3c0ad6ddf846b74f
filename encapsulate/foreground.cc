// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/foreground.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "encapsulate/base/signals_blocked.h"

namespace encapsulate {
namespace {

constexpr int kForwarded[] = {SIGTERM, SIGINT,  SIGHUP,   SIGQUIT, SIGUSR1,
                              SIGUSR2, SIGALRM, SIGWINCH, SIGCONT, SIGTSTP};

// -1 if it isn't known (proc_pid_stat(5)).
pid_t ParentOf(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  const std::string text{std::istreambuf_iterator<char>(file),
                         std::istreambuf_iterator<char>()};
  // The name before may hold anything.
  std::istringstream rest(text.substr(text.rfind(')') + 1));
  char state;
  pid_t parent = -1;
  rest >> state >> parent;
  return rest ? parent : -1;
}

// Sends this process SIGCONT when the time is up. A second time as well: a
// signal that stops takes back a SIGCONT that came just before it.
class WakeUp {
 public:
  explicit WakeUp(absl::Duration left) {
    if (left == absl::InfiniteDuration()) return;
    for (timer_t& timer : timers_) {
      struct sigevent event = {};
      event.sigev_notify = SIGEV_SIGNAL;
      event.sigev_signo = SIGCONT;
      if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return;
      ++made_;
      struct itimerspec time = {};
      time.it_value = absl::ToTimespec(left);
      timer_settime(timer, 0, &time, nullptr);
      left += absl::Milliseconds(500);
    }
  }
  ~WakeUp() {
    for (int i = 0; i < made_; ++i) timer_delete(timers_[i]);
  }
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;

  // Without a timer nobody may be there to continue this process.
  bool IsSure(absl::Duration left) const {
    return left == absl::InfiniteDuration() || made_ == 2;
  }

 private:
  timer_t timers_[2] = {};
  int made_ = 0;
};

}  // namespace

Foreground::Foreground(const Plan& plan)
    : terminal_(plan.terminal), handed_over_(plan.owns_terminal) {
  sigset_t forwarded;
  sigemptyset(&forwarded);
  for (int signal : kForwarded) sigaddset(&forwarded, signal);
  pthread_sigmask(SIG_BLOCK, &forwarded, &before_);
  signals_ = UniqueFd(signalfd(-1, &forwarded, SFD_CLOEXEC | SFD_NONBLOCK));
  has_modes_ = terminal_ >= 0 && tcgetattr(terminal_, &modes_) == 0;
  had_terminal_ = terminal_ >= 0 && tcgetpgrp(terminal_) == getpgrp();
  wanted_ = handed_over_;
}

Foreground::~Foreground() {
  TakeTerminalFromTheDead();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool Foreground::HandOver(int signal) {
  if (terminal_ < 0 || tcgetpgrp(terminal_) != getpgrp()) return false;
  const bool asked = signal == SIGTTIN || signal == SIGTTOU;
  if (!asked && (signal != 0 || !wanted_)) return false;
  wanted_ = true;
  handed_over_ = true;
  return true;
}

bool Foreground::StoppedBeforeHandOver(int signal, pid_t init) const {
  return handed_over_ && (signal == SIGTTIN || signal == SIGTTOU) &&
         ParentOf(tcgetpgrp(terminal_)) == init;
}

void Foreground::RestoreModes() {
  if (!has_modes_ || !TakeTerminalFromTheDead()) return;
  tcsetattr(terminal_, TCSADRAIN, &modes_);
}

void Foreground::StopToo(int signal, absl::Duration left) {
  const WakeUp wake_up(left);
  if (left <= absl::ZeroDuration() || !wake_up.IsSure(left)) return;
  if (handed_over_) TakeTerminal();
  if (signal != SIGTSTP) {
    // The kernel ignores SIGTTIN and SIGTTOU in a group without a shell to
    // continue it, and the command would stop again and again.
    raise(SIGSTOP);
    return;
  }
  struct sigaction stop = {};
  struct sigaction saved;
  stop.sa_handler = SIG_DFL;
  sigaction(signal, &stop, &saved);
  sigset_t one;
  sigset_t mask;
  sigemptyset(&one);
  sigaddset(&one, signal);
  pthread_sigmask(SIG_UNBLOCK, &one, &mask);
  raise(signal);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  sigaction(signal, &saved, nullptr);
}

// tcsetpgrp() stops a background caller by SIGTTOU unless it is blocked.
void Foreground::TakeTerminal() {
  const SignalsBlocked blocked;
  tcsetpgrp(terminal_, getpgrp());
  handed_over_ = false;
}

// At the end, the terminal may be a shell's again, for which this is a
// background job: it is taken from a group that is no more, and only then.
// Whether it is the caller's now.
bool Foreground::TakeTerminalFromTheDead() {
  if (terminal_ < 0) return false;
  const pid_t group = tcgetpgrp(terminal_);
  // The command may also have given it to a group of its own.
  if ((handed_over_ || had_terminal_) && group != getpgrp() &&
      kill(-group, 0) != 0 && errno == ESRCH) {
    TakeTerminal();
    return true;
  }
  return group == getpgrp();
}

}  // namespace encapsulate
