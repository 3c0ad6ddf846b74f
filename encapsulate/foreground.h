// SPDX-License-Identifier: Apache-2.0
//
// A foreground job's hold on signals and terminal, from the start of the
// command to its end (tcsetpgrp(3), signal(7)).
#ifndef ENCAPSULATE_FOREGROUND_H_
#define ENCAPSULATE_FOREGROUND_H_

#include <sys/types.h>
#include <termios.h>

#include <csignal>

#include "absl/time/time.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/plan/plan.h"

namespace encapsulate {

class Foreground {
 public:
  explicit Foreground(const Plan& plan);
  // Everything in the sandbox is gone by now.
  ~Foreground();
  Foreground(const Foreground&) = delete;
  Foreground& operator=(const Foreground&) = delete;

  int signals() const { return signals_.get(); }
  const sigset_t& before() const { return before_; }

  // Whether the terminal, being the caller's now, should go to the command,
  // which stopped by `signal`, or goes on after a stop (0).
  bool HandOver(int signal);

  // Whether the command, a child of `init`, stopped by `signal` before it got
  // the terminal that it has by now: nothing is left to stop for.
  bool StoppedBeforeHandOver(int signal, pid_t init) const;

  // A command that was killed can't have put the terminal right.
  void RestoreModes();

  // Stops the caller as the command was stopped, until it is continued or the
  // command has no time `left`: there may be nobody to continue it.
  void StopToo(int signal, absl::Duration left);

 private:
  void TakeTerminal();
  bool TakeTerminalFromTheDead();

  const int terminal_;
  bool handed_over_;     // the command has it, or had it last
  bool wanted_ = false;  // the command is to have it whenever the caller does
  bool had_terminal_ = false;  // the caller's group, at the start
  bool has_modes_ = false;
  struct termios modes_ = {};
  sigset_t before_ = {};
  UniqueFd signals_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_FOREGROUND_H_
