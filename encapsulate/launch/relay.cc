// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/launch/relay.h"

#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <new>

#include "encapsulate/child/message.h"
#include "encapsulate/kernel/new_process.h"
#include "encapsulate/kernel/raw_clone.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/kernel/untrace.h"
#include "encapsulate/launch/rseq.h"

namespace encapsulate {
namespace {

// For the handlers of pthread_atfork(3), mostly.
constexpr size_t kStackSize = size_t{1} << 20;
constexpr size_t kGuardSize = 65536;  // the largest page of any machine

// sigaction(2) itself: libc's wrapper is one of those that sanitizers keep
// notes for. This is as large as the kernel's structure is anywhere.
struct KernelSigaction {
  uint64_t words[8] = {};
};

int ChangeSigchld(const KernelSigaction& wanted, KernelSigaction* before) {
  return static_cast<int>(
      syscall(SYS_rt_sigaction, SIGCHLD, &wanted, before, NSIG / CHAR_BIT));
}

}  // namespace

// What caller, relay and child have in common. Beside the relay's stack,
// because it has to be there for as long as that is.
struct Relay::Job {
  int pidfd = -1;
  int namespaces = 0;
  bool guards = false;
  Guard guard;
  bool shares_session = false;
  int socket = -1;
  ucontext_t caller;     // where the child goes on
  stack_t signal_stack;  // the caller's: reset where memory is shared
  RseqArea rseq;
  bool in_child = false;
  // 1 until the relay uses nothing of the caller's thread any more. The kernel
  // writes 0, too, when the relay ends (CLONE_CHILD_CLEARTID).
  int busy = 1;
  bool forking = false;  // locks may be held, and handlers may be half done
  Message message;

  SHARES_CALLER_MEMORY static pid_t Clone(Job* job, void* stack);
  SHARES_CALLER_MEMORY static int Main(void* argument);
  SHARES_CALLER_MEMORY static int Serve(Job* job, pid_t child);
  SHARES_CALLER_MEMORY static void WaitForAll(Job* job, pid_t child);
  SHARES_CALLER_MEMORY static void CloseOthers(const Job* job);
  SHARES_CALLER_MEMORY static void GuardAll(Job* job, pid_t child);
  SHARES_CALLER_MEMORY static bool ReapAll(Job* job, pid_t child);
  SHARES_CALLER_MEMORY static bool Obey(Job* job, pid_t child);
  SHARES_CALLER_MEMORY static void Send(const Job* job);
};

// One mapping: the stack grows towards the guard.
struct Relay::Region {
  char guard[kGuardSize];
  alignas(16) char stack[kStackSize];
  Job job;
};

// Returns once the caller's thread is the caller's alone.
pid_t Relay::Job::Clone(Job* job, void* stack) {
  const pid_t pid =
      CloneBeside(&Main, stack, CLONE_CHILD_CLEARTID, job, nullptr, &job->busy);
  while (pid > 0 && __atomic_load_n(&job->busy, __ATOMIC_ACQUIRE) != 0) {
    RawSyscall(SYS_futex, reinterpret_cast<long>(&job->busy), FUTEX_WAIT, 1);
  }
  // Killed in this thread's place: that is as if this thread had been.
  if (job->forking) {
    RawSyscall(SYS_kill, RawSyscall(SYS_getpid, 0, 0, 0), SIGKILL, 0);
  }
  return pid;
}

// In the caller's place, while that waits.
int Relay::Job::Main(void* argument) {
  auto* const job = static_cast<Job*>(argument);
  job->message.step = Step::kLeaveSession;
  // A session in which the child has a parent: without one, its group would be
  // an orphan's, and SIGTSTP wouldn't stop it (credentials(7)).
  const long session =
      job->shares_session ? 0 : RawSyscall(SYS_setsid, 0, 0, 0);
  if (session < 0) {
    job->message.error = static_cast<int32_t>(-session);
    return Serve(job, -1);
  }
  job->message.step = Step::kJoinNamespaces;
  pid_t child = 0;
  if (job->guards) {
    job->guard.confine(job->guard.argument);
  } else {
    child = setns(job->pidfd, job->namespaces);
  }
  if (child == 0) {
    job->message.step = Step::kFork;
    // While SIGCHLD is ignored, the kernel keeps how a child ended to itself.
    KernelSigaction before;
    ChangeSigchld(KernelSigaction(), &before);
    job->forking = true;
    child = fork();
    if (child == 0) {
      ChangeSigchld(before, nullptr);
      job->in_child = true;
      setcontext(&job->caller);
    }
  }
  job->message.error = errno;
  return Serve(job, child);
}

// For as long as the child lives.
int Relay::Job::Serve(Job* job, pid_t child) {
  job->forking = false;
  __atomic_store_n(&job->busy, 0, __ATOMIC_RELEASE);
  RawSyscall(SYS_futex, reinterpret_cast<long>(&job->busy), FUTEX_WAKE, 1);
  if (child < 0) {
    job->message.kind = MessageKind::kFailed;
    Send(job);
    RawSyscall(SYS_exit_group, 1, 0, 0);
  }
  CloseOthers(job);
  job->message.kind = MessageKind::kEnded;
  if (job->guards) {
    GuardAll(job, child);
  } else {
    WaitForAll(job, child);
  }
  RawSyscall(SYS_exit_group, 0, 0, 0);
  __builtin_unreachable();
}

// Nothing of the caller's is kept open.
void Relay::Job::CloseOthers(const Job* job) {
  int kept[] = {job->socket, job->guard.caller, job->guard.kept};
  constexpr int kCount = 3;
  for (int i = 1; i < kCount; ++i) {
    for (int j = i; j > 0 && kept[j] < kept[j - 1]; --j) {
      const int higher = kept[j - 1];
      kept[j - 1] = kept[j];
      kept[j] = higher;
    }
  }
  long next = 0;
  for (int fd : kept) {
    if (fd < 0) continue;
    if (fd > next) RawSyscall(SYS_close_range, next, fd - 1, 0);
    next = fd + 1;
  }
  RawSyscall(SYS_close_range, next, UINT_MAX, 0);
}

// Until it is told to leave, and nobody is left.
void Relay::Job::GuardAll(Job* job, pid_t child) {
  const uint64_t mask = uint64_t{1} << (SIGCHLD - 1);
  const long signals =
      RawSyscall(SYS_signalfd4, -1, reinterpret_cast<long>(&mask), sizeof(mask),
                 SFD_NONBLOCK | SFD_CLOEXEC);
  job->message.error = 0;
  bool leaves = false;
  for (;;) {
    char ignored[sizeof(struct signalfd_siginfo)];
    while (RawSyscall(SYS_read, signals, reinterpret_cast<long>(ignored),
                      sizeof(ignored)) > 0) {
    }
    if (ReapAll(job, child) && leaves) return;
    struct pollfd events[3] = {{static_cast<int>(signals), POLLIN, 0},
                               {job->guard.caller, POLLIN, 0},
                               // Having left, it hears of nothing more.
                               {leaves ? -1 : job->socket, POLLIN, 0}};
    RawSyscall(SYS_ppoll, reinterpret_cast<long>(events), 3, 0, 0, 0);
    if (events[1].revents != 0) job->guard.bury(job->guard.argument);
    if (events[2].revents != 0) leaves = !Obey(job, child);
  }
}

// True if nobody is left.
bool Relay::Job::ReapAll(Job* job, pid_t child) {
  for (;;) {
    int status = 0;
    struct rusage usage;
    const long ended =
        RawSyscall(SYS_wait4, -1, reinterpret_cast<long>(&status),
                   __WALL | WNOHANG, reinterpret_cast<long>(&usage));
    if (ended == -EINTR) continue;
    if (ended <= 0) return ended < 0;
    if (WIFSTOPPED(status)) {
      Untrace(static_cast<pid_t>(ended), WSTOPSIG(status));
    } else if (ended == child) {
      job->message.number = status;
      job->message.usage = usage;
      Send(job);
    }
  }
}

// False if it is to leave.
bool Relay::Job::Obey(Job* job, pid_t child) {
  Message message;
  message.kind = MessageKind::kLeave;
  message.number = 0;
  const long size =
      RawSyscall(SYS_recvfrom, job->socket, reinterpret_cast<long>(&message),
                 offsetof(Message, text), 0);
  if (size > 0 && message.kind == MessageKind::kSignal) {
    RawSyscall(SYS_kill, child, message.number, 0);
    return true;
  }
  if (job->guard.scoped) RawSyscall(SYS_kill, -1, SIGKILL, 0);
  return false;
}

// What the child makes with CLONE_PARENT is the relay's as well. It ends with
// the sandbox, and a sandbox that has a zombie in it doesn't end.
void Relay::Job::WaitForAll(Job* job, pid_t child) {
  for (;;) {
    int status = 0;
    struct rusage usage;
    const long ended =
        RawSyscall(SYS_wait4, -1, reinterpret_cast<long>(&status), __WALL,
                   reinterpret_cast<long>(&usage));
    if (ended == -EINTR) continue;
    if (ended < 0) return;
    if (WIFSTOPPED(status)) {
      Untrace(static_cast<pid_t>(ended), WSTOPSIG(status));
    } else if (ended == child) {
      job->message.number = status;
      job->message.usage = usage;
      Send(job);
    }
  }
}

void Relay::Job::Send(const Job* job) {
  RawSyscall(SYS_sendto, job->socket, reinterpret_cast<long>(&job->message),
             offsetof(Message, text), MSG_NOSIGNAL);
}

Relay::Job* Relay::MakeJob() {
  void* const memory =
      mmap(nullptr, sizeof(Region), PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  region_ = static_cast<Region*>(memory);
  mprotect(region_->guard, kGuardSize, PROT_NONE);
  return new (&region_->job) Job;
}

int Relay::Fork(int pidfd, int namespaces, bool shares_session, int socket,
                Side* side) {
  Job* const job = MakeJob();
  if (job == nullptr) return -1;
  job->pidfd = pidfd;
  job->namespaces = namespaces;
  job->shares_session = shares_session;
  job->socket = socket;
  return Start(job, side);
}

int Relay::ForkGuarded(const Guard& guard, bool shares_session, int socket,
                       Side* side) {
  Job* const job = MakeJob();
  if (job == nullptr) return -1;
  job->guards = true;
  job->guard = guard;
  job->shares_session = shares_session;
  job->socket = socket;
  return Start(job, side);
}

int Relay::Start(Job* job, Side* side) {
  job->rseq = FindRseqArea();
  sigaltstack(nullptr, &job->signal_stack);
  job->signal_stack.ss_flags &= ~SS_ONSTACK;

  // Once for the caller and once for the child.
  getcontext(&job->caller);
  if (job->in_child) {
    Resume();
    *side = Side::kChild;
    return 0;
  }
  *side = Side::kCaller;
  if (job->rseq.registered && !job->rseq.known) {
    // Nobody could put it back, so the memory has to be the relay's own.
    pid_ = fork();
    if (pid_ == 0) Job::Main(job);
  } else {
    pid_ = Job::Clone(job, region_->stack + kStackSize);
  }
  return pid_ > 0 ? 0 : -1;
}

// In the child, on the caller's stack.
void Relay::Resume() {
  pid_ = -1;
  const Job& job = region_->job;
  sigaltstack(&job.signal_stack, nullptr);
  PutBack(job.rseq);
  region_ = nullptr;
}

void Relay::Wait() {
  siginfo_t info;
  if (pid_ > 0) {
    while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | __WALL) !=
               0 &&
           errno == EINTR) {
    }
    pid_ = -1;
  }
  Unmap();
}

// The memory stays: it costs more to unmap it.
void Relay::Disown() {
  pid_ = -1;
  region_ = nullptr;
}

void Relay::Unmap() {
  if (region_ == nullptr) return;
  munmap(std::exchange(region_, nullptr), sizeof(Region));
}

}  // namespace encapsulate
