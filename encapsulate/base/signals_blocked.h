// SPDX-License-Identifier: Apache-2.0
//
// For the time in which a process is made: a handler of the caller's must not
// run in the child, and the caller must not be interrupted half-way.
#ifndef ENCAPSULATE_BASE_SIGNALS_BLOCKED_H_
#define ENCAPSULATE_BASE_SIGNALS_BLOCKED_H_

#include <pthread.h>

#include <csignal>

namespace encapsulate {

// Blocks every signal of this thread while it lives.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_SIGNALS_BLOCKED_H_
