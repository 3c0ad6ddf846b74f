// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/launch/persistent_relay.h"

#include <linux/futex.h>
#include <linux/kcmp.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

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

enum Order : int { kNone, kFork, kEnd };

// Whose thread the C library takes this for.
SHARES_CALLER_MEMORY void SetThreadPointer(void* pointer) {
#if defined(__x86_64__)
  constexpr long kSetFs = 0x1002;  // ARCH_SET_FS
  RawSyscall(SYS_arch_prctl, kSetFs, reinterpret_cast<long>(pointer), 0);
#elif defined(__aarch64__)
  __asm__ volatile("msr tpidr_el0, %0" : : "r"(pointer));
#endif
}

SHARES_CALLER_MEMORY void Wake(int* word) {
  RawSyscall(SYS_futex, reinterpret_cast<long>(word), FUTEX_WAKE, INT_MAX);
}

SHARES_CALLER_MEMORY void AwaitChange(const int* word, int value) {
  while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) {
    RawSyscall(SYS_futex, reinterpret_cast<long>(word), FUTEX_WAIT, value);
  }
}

}  // namespace

// What caller, relay and children have in common.
struct PersistentRelay::Job {
  Places places;
  void (*confine)(void*);
  void* argument;
  pid_t caller_pid;

  int order = kNone;
  // 1 while the relay uses the caller's thread. The kernel writes 0, too, when
  // the relay ends (CLONE_CHILD_CLEARTID).
  int busy = 1;
  bool forking = false;  // locks may be held, and handlers may be half done
  bool ready = false;
  int error = 0;

  void* thread_pointer;
  ucontext_t caller;     // where the child goes on
  stack_t signal_stack;  // the caller's: reset where memory is shared
  RseqArea rseq;
  bool in_child = false;

  bool known = false;
  int status = 0;
  struct rusage usage;
  Message message;

  SHARES_CALLER_MEMORY static int Main(void* argument);
  SHARES_CALLER_MEMORY static void Join(Job* job);
  SHARES_CALLER_MEMORY static void ForkOne(Job* job);
  SHARES_CALLER_MEMORY static Trace AwaitChild(Job* job, long child);
  SHARES_CALLER_MEMORY static void Send(Job* job, int socket, MessageKind kind);
  [[noreturn]] SHARES_CALLER_MEMORY static void End();
  SHARES_CALLER_MEMORY static pid_t Clone(Job* job, void* stack);
  SHARES_CALLER_MEMORY static bool Order(Job* job, int pidfd, int listener);
  SHARES_CALLER_MEMORY static void LetGoOn(int listener);
};

// One mapping: the stack grows towards the guard.
struct PersistentRelay::Region {
  char guard[kGuardSize];
  alignas(16) char stack[kStackSize];
  Job job;
};

// --- In the relay -----------------------------------------------------------

int PersistentRelay::Job::Main(void* argument) {
  auto* const job = static_cast<Job*>(argument);
  Join(job);
  job->ready = true;
  __atomic_store_n(&job->busy, 0, __ATOMIC_RELEASE);
  Wake(&job->busy);
  // From here on without the C library, but in the caller's place.
  for (;;) {
    AwaitChange(&job->order, kNone);
    if (job->order == kEnd) End();
    job->order = kNone;
    ForkOne(job);
  }
}

void PersistentRelay::Job::Join(Job* job) {
  // A session in which children have a parent: without one, their groups would
  // be orphans', and SIGTSTP wouldn't stop them (credentials(7)).
  const long session = RawSyscall(SYS_setsid, 0, 0, 0);
  const long joined = session < 0 ? session
                                  : RawSyscall(SYS_setns, job->places.pidfd,
                                               job->places.namespaces, 0);
  if (joined < 0) {
    job->error = static_cast<int>(-joined);
    RawSyscall(SYS_exit_group, 1, 0, 0);
  }
  // setns(2) may have taken it back.
  RawSyscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0);
  if (RawSyscall(SYS_getppid, 0, 0, 0) != job->caller_pid) {
    RawSyscall(SYS_exit_group, 1, 0, 0);
  }
  job->confine(job->argument);
}

// In the caller's place, while that waits.
void PersistentRelay::Job::ForkOne(Job* job) {
  SetThreadPointer(job->thread_pointer);
  job->forking = true;
  const pid_t child = fork();
  if (child == 0) {
    job->in_child = true;
    setcontext(&job->caller);
  }
  job->forking = false;
  job->message.step = Step::kFork;
  job->message.error = child < 0 ? errno : 0;
  // Before the caller's thread goes on, and may end with its memory.
  if (child < 0) Send(job, job->places.reports, MessageKind::kFailed);
  __atomic_store_n(&job->busy, 0, __ATOMIC_RELEASE);
  Wake(&job->busy);
  if (child < 0) return;
  job->message.number = static_cast<int32_t>(AwaitChild(job, child));
  job->message.flags =
      __atomic_load_n(job->places.renew, __ATOMIC_ACQUIRE) ? kCheckRenew : 0;
  Send(job, job->places.init, MessageKind::kCheck);
}

// And for what the child has made with CLONE_PARENT.
Trace PersistentRelay::Job::AwaitChild(Job* job, long child) {
  Trace trace = Trace::kNone;
  job->known = false;
  int options = __WALL;
  for (;;) {
    int status = 0;
    struct rusage usage;
    const long ended =
        RawSyscall(SYS_wait4, -1, reinterpret_cast<long>(&status), options,
                   reinterpret_cast<long>(&usage));
    if (ended == -EINTR) continue;
    if (ended <= 0) {
      // Somebody has begun to ignore SIGCHLD, or another child is left.
      if (!job->known) return Trace::kEnd;
      return ended == -ECHILD ? trace : Trace::kProcess;
    }
    if (WIFSTOPPED(status)) {
      trace = Trace::kEnd;
      Untrace(static_cast<pid_t>(ended), WSTOPSIG(status));
    } else if (ended == child) {
      job->status = status;
      job->usage = usage;
      job->known = true;
      if (!WIFEXITED(status)) trace = Trace::kEnd;
      options |= WNOHANG;
    } else {
      trace = Trace::kProcess;
    }
  }
}

void PersistentRelay::Job::Send(Job* job, int socket, MessageKind kind) {
  job->message.kind = kind;
  RawSyscall(SYS_sendto, socket, reinterpret_cast<long>(&job->message),
             offsetof(Message, text), MSG_NOSIGNAL);
}

// A sandbox that has a zombie in it doesn't end.
void PersistentRelay::Job::End() {
  for (;;) {
    int status = 0;
    const long ended =
        RawSyscall(SYS_wait4, -1, reinterpret_cast<long>(&status), __WALL, 0);
    if (ended < 0 && ended != -EINTR) break;
    if (ended > 0 && WIFSTOPPED(status)) {
      Untrace(static_cast<pid_t>(ended), WSTOPSIG(status));
    }
  }
  RawSyscall(SYS_exit_group, 0, 0, 0);
  __builtin_unreachable();
}

// --- In the caller ----------------------------------------------------------

// Returns once the caller's thread is the caller's alone.
pid_t PersistentRelay::Job::Clone(Job* job, void* stack) {
  const pid_t pid = CloneBeside(
      &Main, stack, CLONE_FILES | CLONE_SIGHAND | CLONE_CHILD_CLEARTID, job,
      nullptr, &job->busy);
  if (pid > 0) AwaitChange(&job->busy, 1);
  return pid;
}

// The same. A call that a handler makes meanwhile waits for nobody else.
bool PersistentRelay::Job::Order(Job* job, int pidfd, int listener) {
  bool called = false;
  job->busy = 1;
  __atomic_store_n(&job->order, static_cast<int>(kFork), __ATOMIC_RELEASE);
  Wake(&job->order);
  for (;;) {
    struct pollfd events[4] = {{listener, POLLIN, 0},
                               {job->places.answers, POLLIN, 0},
                               {job->places.init, POLLIN, 0},
                               {pidfd, POLLIN, 0}};
    RawSyscall(SYS_ppoll, reinterpret_cast<long>(events), 4, 0, 0);
    if (events[1].revents != 0 || events[2].revents != 0 ||
        events[3].revents != 0) {
      break;
    }
    if ((events[0].revents & POLLIN) == 0) continue;
    called = true;
    LetGoOn(listener);
  }
  AwaitChange(&job->busy, 1);
  // Killed in this thread's place: that is as if this thread had been.
  if (job->forking) {
    RawSyscall(SYS_kill, RawSyscall(SYS_getpid, 0, 0, 0), SIGKILL, 0);
  }
  return called;
}

void PersistentRelay::Job::LetGoOn(int listener) {
  // The kernel's structures may have grown.
  union {
    struct seccomp_notif notification;
    uint64_t room[64];
  } call = {};
  for (uint64_t& word : call.room) word = 0;
  if (RawSyscall(SYS_ioctl, listener,
                 static_cast<long>(SECCOMP_IOCTL_NOTIF_RECV),
                 reinterpret_cast<long>(&call)) < 0) {
    return;
  }
  union {
    struct seccomp_notif_resp response;
    uint64_t room[64];
  } answer = {};
  for (uint64_t& word : answer.room) word = 0;
  answer.response.id = call.notification.id;
  answer.response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  RawSyscall(SYS_ioctl, listener, static_cast<long>(SECCOMP_IOCTL_NOTIF_SEND),
             reinterpret_cast<long>(&answer));
}

bool PersistentRelay::Start(const Places& places,
                            void (*confine)(void* argument), void* argument) {
  const RseqArea rseq = FindRseqArea();
  if (rseq.registered && !rseq.known) {
    // Nobody could put it back in a child.
    errno = ENOTSUP;
    return false;
  }
  void* const memory =
      mmap(nullptr, sizeof(Region), PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return false;
  region_ = static_cast<Region*>(memory);
  mprotect(region_->guard, kGuardSize, PROT_NONE);
  Job* const job = new (&region_->job) Job;
  job->places = places;
  job->confine = confine;
  job->argument = argument;
  job->caller_pid = getpid();
  pid_ = Job::Clone(job, region_->stack + kStackSize);
  if (pid_ < 0) return false;
  pidfd_ = UniqueFd(sys::PidfdOpen(pid_));
  for (Comparison by : {Comparison::kKcmp, Comparison::kRobustList}) {
    if (comparison_ == Comparison::kNone && Compare(by)) comparison_ = by;
  }
  if (job->ready && pidfd_.valid()) return true;
  if (job->error != 0) errno = job->error;
  return false;
}

PersistentRelay::Side PersistentRelay::Fork(int listener, bool* called) {
  Job* const job = &region_->job;
  job->rseq = FindRseqArea();
  job->thread_pointer = __builtin_thread_pointer();
  sigaltstack(nullptr, &job->signal_stack);
  job->signal_stack.ss_flags &= ~SS_ONSTACK;
  job->in_child = false;
  // Once for the caller and once for the child.
  getcontext(&job->caller);
  if (job->in_child) {
    sigaltstack(&job->signal_stack, nullptr);
    PutBack(job->rseq);
    return Side::kChild;
  }
  *called = Job::Order(job, pidfd_.get(), listener);
  return Side::kCaller;
}

bool PersistentRelay::HowItEnded(int* wait_status, struct rusage* usage) const {
  const Job& job = region_->job;
  *wait_status = job.status;
  *usage = job.usage;
  return job.known;
}

// Containers filter the first call and let the other one pass. Both are for
// those only who may trace the other process (ptrace(2),
// PTRACE_MODE_READ_REALCREDS), which a Landlock domain forbids for all who
// aren't in it.
bool PersistentRelay::Compare(Comparison by) const {
  if (by == Comparison::kKcmp) {
    return syscall(SYS_kcmp, gettid(), pid_, KCMP_FILES, 0L, 0L) == 0;
  }
  void* head = nullptr;
  size_t size = 0;
  return by == Comparison::kRobustList &&
         syscall(SYS_get_robust_list, pid_, &head, &size) == 0;
}

bool PersistentRelay::IsAlike() const { return Compare(comparison_); }

void PersistentRelay::Stop() {
  if (pid_ > 0) {
    Job* const job = &region_->job;
    __atomic_store_n(&job->order, static_cast<int>(kEnd), __ATOMIC_RELEASE);
    Wake(&job->order);
    siginfo_t info;
    while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | __WALL) !=
               0 &&
           errno == EINTR) {
    }
    pid_ = -1;
  }
  if (region_ != nullptr) {
    munmap(std::exchange(region_, nullptr), sizeof(Region));
  }
}

// The memory stays: it costs more to unmap it.
void PersistentRelay::Disown() const { pidfd_.CloseInChild(); }

}  // namespace encapsulate
