// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/child/command.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "encapsulate/kernel/landlock.h"
#include "encapsulate/kernel/new_process.h"
#include "encapsulate/kernel/raw_clone.h"

namespace encapsulate {
namespace {

class Command {
 public:
  Command(Setup& setup, const Inherited& inherited)
      : setup_(setup), plan_(setup.plan()), inherited_(inherited) {}

  pid_t Start() {
    // Shares this process's memory until it executes the command, so that the
    // page tables of a large caller aren't copied a second time, and its
    // failure can be read from here.
    alignas(16) static char stack[65536];
    const pid_t pid = CloneBeside(&Command::Main, stack + sizeof(stack),
                                  CLONE_VFORK | SIGCHLD, this);
    setup_.Check(pid, Step::kFork);
    if (failed_step_ == Step::kFinished) return pid;
    waitpid(pid, nullptr, 0);
    setup_.Fail(failed_step_, failed_index_, failed_errno_, failed_path_);
  }

 private:
  // AddressSanitizer doesn't know this stack, and would say so.
  SHARES_CALLER_MEMORY static int Main(void* command) {
    static_cast<Command*>(command)->Run();
  }

  [[noreturn]] void Fail(Step step, int index, const char* path) {
    failed_errno_ = errno;
    failed_step_ = step;
    failed_index_ = index;
    failed_path_ = path;
    _exit(127);
  }

  [[noreturn]] void Run() {
    // Of its own: kill(0, ...) must not reach the caller's group, nor what the
    // kernel keeps for a session (sched(7), autogroup) the caller's.
    if (plan_.shares_session) {
      setpgid(0, 0);
    } else if (setsid() < 0) {
      Fail(Step::kLeaveSession, -1, "");
    }
    if (inherited_.terminal >= 0 && plan_.owns_terminal &&
        tcsetpgrp(inherited_.terminal, getpid()) != 0) {
      Fail(Step::kTakeTerminal, -1, "");
    }
    for (const ResourceLimit& limit : plan_.limits) {
      if (SetLimit(limit) != 0) {
        Fail(Step::kSetLimit, limit.resource, "");
      }
    }
    umask(plan_.sets_umask ? plan_.umask : inherited_.umask);
    // What init needs is close-on-exec; what the command is to get is not.
    for (int fd : plan_.keep_descriptors) fcntl(fd, F_SETFD, 0);
    ResetSignals();
    if (!HasNamespaces(plan_)) {
      // No PID namespace ends it with init.
      prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
      if (plan_.inner_domain >= 0 &&
          sys::LandlockEnter(plan_.inner_domain) != 0) {
        Fail(Step::kEnterDomain, -1, "");
      }
    }
    if (plan_.watching_filter != nullptr &&
        !WatchCalls(plan_, setup_.control())) {
      Fail(Step::kWatchCalls, -1, "");
    }
    const char* path = ExecuteFirst();
    Fail(Step::kExecute, -1, path);
  }

  // Handlers of the caller's must not run in here, so they go before the mask
  // opens. What it ignores stays ignored, as with execve(2).
  void ResetSignals() const {
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction action;
      if (sigaction(signal, nullptr, &action) != 0 ||
          action.sa_handler == SIG_IGN || action.sa_handler == SIG_DFL) {
        continue;
      }
      action = {};
      action.sa_handler = SIG_DFL;
      sigaction(signal, &action, nullptr);
    }
    if (inherited_.child_action.sa_handler == SIG_IGN) {
      sigaction(SIGCHLD, &inherited_.child_action, nullptr);
    }
    sigprocmask(SIG_SETMASK, &plan_.signal_mask, nullptr);
  }

  // execvpe(3) over paths that the plan has put together. Returns the path
  // whose error counts, with errno set.
  const char* ExecuteFirst() {
    const bool searched = strchr(plan_.command.c_str(), '/') == nullptr;
    const char* refused = nullptr;
    auto* const* argv = const_cast<char* const*>(plan_.argv);
    auto* const* envp = const_cast<char* const*>(plan_.envp);
    for (const PlainText& executable : plan_.executables) {
      const char* path = executable.c_str();
      // Most directories of PATH don't have it, and this tells sooner.
      if (access(path, F_OK) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) continue;
        // A directory of PATH that can't be searched has no commands.
        if (errno != EACCES) return path;
        if (!searched) refused = path;
        continue;
      }
      execve(path, argv, envp);
      if (errno == ENOEXEC) {
        // A script without a first line, which execvp(3) gives to the shell.
        setup_.notes().shell_argv[1] = path;
        execve("/bin/sh", const_cast<char* const*>(setup_.notes().shell_argv),
               envp);
        errno = ENOEXEC;
        return path;
      }
      if (errno != EACCES) return path;  // ENOENT: no interpreter
      refused = path;
    }
    if (refused != nullptr) {
      // execve(2) says the same of both.
      struct stat info;
      errno =
          stat(refused, &info) == 0 && S_ISDIR(info.st_mode) ? EISDIR : EACCES;
      return refused;
    }
    errno = ENOENT;
    return "";
  }

  Setup& setup_;
  const ChildPlan& plan_;
  const Inherited& inherited_;
  Step failed_step_ = Step::kFinished;
  int failed_index_ = -1;
  int failed_errno_ = 0;
  const char* failed_path_ = "";
};

}  // namespace

pid_t StartCommand(Setup& setup, const Inherited& inherited) {
  return Command(setup, inherited).Start();
}

}  // namespace encapsulate
