// From a plan to a running init: what setting up in line and setting up ahead
// of need have in common.
#ifndef ENCAPSULATE_LAUNCH_H_
#define ENCAPSULATE_LAUNCH_H_

#include <sys/types.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/options.h"
#include "encapsulate/plan.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/unique_fd.h"

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

// The error of a system call, with what the host's settings say about it.
absl::Status HostError(absl::string_view what);

struct InitProcess {
  pid_t pid = -1;
  UniqueFd pidfd;
  UniqueFd control;  // a socket to it, see wire.h
};

// Starts a child that becomes the sandbox's init and ends with the process that
// the pidfd `caller` stands for. `exit_signal` is sent to this process at its
// end; 0 for none. To be called with all signals blocked. Takes the cgroup
// namespace out of the plan where there can't be one.
absl::Status StartInit(Plan* plan, int caller, int exit_signal,
                       InitProcess* init);

// What has to be done for a new init meanwhile: maps its ids, if the plan says
// that it waits for that, and finds the host's sockets for it to mask. An init
// that has died is no error here: it has left a record of why. Sockets that may
// be there, and can't be looked at, go to `unknown_sockets`.
absl::Status AttendInit(const Plan& plan, const InitProcess& init,
                        std::vector<std::string>* unknown_sockets);

// Enter() into the sandbox of an init that somebody else has started by
// `plan`, which `options` made. `maker` lives as long as the sandbox: its
// parent reaps it.
absl::StatusOr<absl::optional<Process>> EnterPrepared(
    const Options& options, std::unique_ptr<Plan> plan, InitProcess init,
    std::shared_ptr<const void> maker);

}  // namespace encapsulate

#endif  // ENCAPSULATE_LAUNCH_H_
