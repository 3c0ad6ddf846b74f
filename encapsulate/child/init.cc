// SPDX-License-Identifier: Apache-2.0
//
// Over 500 lines, because the life of init reads from top to bottom: its steps
// share the state at the end of the class, and what stands alone is in other
// files.
//
// Pid 1 of a sandbox: sets everything up, starts the command, reaps, passes
// signals on, keeps the time, and ends with the command or with the caller.
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "encapsulate/child/command.h"
#include "encapsulate/child/fresh_places.h"
#include "encapsulate/child/leftovers.h"
#include "encapsulate/child/overlay_changes.h"
#include "encapsulate/child/reuse_check.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/kernel/text.h"
#include "encapsulate/kernel/untrace.h"

namespace encapsulate {
namespace {

constexpr int64_t kNanosecondsPerSecond = 1000000000;

// To look through what overlays caught, whatever its owners and modes.
constexpr uint64_t kReadAll = uint64_t{1} << CAP_DAC_READ_SEARCH;

// Of the one process that runs at a time in a sandbox that is used again.
constexpr pid_t kFirstPid = 2;

int64_t Now() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNanosecondsPerSecond + now.tv_nsec;
}

class Init {
 public:
  Init(const ChildPlan& plan, ChildNotes& notes, int control, int caller)
      : setup_(plan, notes, control),
        plan_(plan),
        control_(control),
        caller_(caller),
        fresh_(plan),
        reuse_(plan, &fresh_) {}

  [[noreturn]] void Run() {
    // Until the loop watches the caller; the kernel checks the thread that
    // called clone(2), which is in that call's function all the while.
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    ExitIfCallerIsGone();
    prctl(PR_SET_NAME, "encapsulate", 0, 0, 0);
    ResetSigchld();
    // What is made for the view has the modes that it is made with.
    umask_ = umask(0);
    CloseOthers();
    AwaitGo();
    if (HasNamespaces(plan_)) {
      MapUser();
      MakeNetwork();
      NameHost();
      MakeView();
      SetUpNetwork(setup_);
    } else {
      AdoptOrphans(setup_);
    }
    EnterDirectory();
    if (plan_.reusable) reuse_.Open();
    DropPrivileges(setup_, /*executes=*/!plan_.command.empty(), Kept());
    EnterDomain(setup_, plan_.outer_domain);
    if (plan_.reusable) UseCapabilities(ReuseCheck::Capabilities());
    Start();
    Watch();
    Finish();
  }

 private:
  // --- Setting up ---------------------------------------------------------

  // It may have died before the prctl(2) above.
  void ExitIfCallerIsGone() const {
    struct pollfd event = {caller_, POLLIN, 0};
    if (poll(&event, 1, 0) != 0) _exit(1);
  }

  // A caller that ignores SIGCHLD hands that down, and then the kernel reaps
  // children without a word. The command gets it back.
  void ResetSigchld() {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &action, &child_action_);
  }

  // Closes whatever the caller had open, but for what the command is to get
  // and what init needs. The list is sorted.
  void CloseOthers() {
    unsigned next = 0;
    size_t i = 0;
    int own[] = {control_, caller_, plan_.ledger, plan_.outer_domain,
                 plan_.inner_domain};
    constexpr size_t kOwn = sizeof(own) / sizeof(own[0]);
    for (size_t k = 1; k < kOwn; ++k) {
      for (size_t l = k; l > 0 && own[l] < own[l - 1]; --l) {
        const int higher = own[l - 1];
        own[l - 1] = own[l];
        own[l] = higher;
      }
    }
    size_t j = 0;
    while (own[j] < 0) ++j;
    const auto& keep = plan_.keep_descriptors;
    while (i < keep.size() || j < kOwn) {
      const int fd = j == kOwn || (i < keep.size() && keep[i] < own[j])
                         ? keep[i++]
                         : own[j++];
      CloseBetween(next, static_cast<unsigned>(fd));
      next = static_cast<unsigned>(fd) + 1;
    }
    CloseBetween(next, UINT_MAX);
  }

  static void CloseBetween(unsigned first, unsigned end) {
    if (first >= end) return;
    const unsigned last = end == UINT_MAX ? UINT_MAX : end - 1;
    if (sys::CloseRange(first, last, 0) == 0) return;
    // Before Linux 5.9, or filtered.
    struct rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    const unsigned highest = static_cast<unsigned>(
        limit.rlim_max < 1048576 ? limit.rlim_max : 1048576);
    for (unsigned fd = first; fd <= last && fd < highest; ++fd) {
      close(static_cast<int>(fd));
    }
  }

  void WriteFile(const char* path, const char* text, size_t size) {
    const int fd =
        setup_.Check(open(path, O_WRONLY | O_CLOEXEC), Step::kMapUser);
    setup_.Check(static_cast<int>(write(fd, text, size)), Step::kMapUser);
    close(fd);
  }

  void AwaitGo() const {
    if (!plan_.wait_for_go) return;
    Message message;
    if (!ReceiveMessage(control_, &message) ||
        message.kind != MessageKind::kGo) {
      _exit(1);  // the caller is gone or has given up
    }
  }

  void MapUser() {
    if (!plan_.map_from_outside) {
      // A program that can't be read is not dumpable, and then its own maps
      // can't be written.
      prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
      WriteFile("/proc/self/setgroups", "deny", 4);
      WriteFile("/proc/self/gid_map", plan_.gid_map.data(),
                plan_.gid_map.size());
      WriteFile("/proc/self/uid_map", plan_.uid_map.data(),
                plan_.uid_map.size());
    }
    setup_.Done(Step::kMapUser);
  }

  // Not by clone(2): a network namespace takes as long as all the others
  // together, and the caller has something else to do meanwhile.
  void MakeNetwork() {
    if ((plan_.namespaces & CLONE_NEWNET) == 0) return;
    setup_.Check(unshare(CLONE_NEWNET), Step::kMakeNetwork);
    setup_.Done(Step::kMakeNetwork);
  }

  void NameHost() {
    if (plan_.hostname.empty()) return;
    setup_.Check(sethostname(plan_.hostname.data(), plan_.hostname.size()),
                 Step::kHostname);
  }

  void MakeView() {
    const int mount_table =
        setup_.Check(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC),
                     Step::kOpenMountTable);
    setup_.Done(Step::kOpenMountTable);
    BuildView(setup_, mount_table, &stage_, &fresh_);
    close(mount_table);
    if (!plan_.command.empty()) ReopenDevices(setup_);
  }

  void EnterDirectory() {
    if (chdir(plan_.directory.c_str()) != 0) {
      setup_.Fail(Step::kEnterDirectory);
    }
    setup_.Done(Step::kEnterDirectory);
  }

  uint64_t Kept() const {
    return (plan_.list_overlay_changes ? kReadAll : 0) |
           (plan_.reusable ? ReuseCheck::Capabilities() : 0);
  }

  // --- Starting the command -----------------------------------------------

  void Start() {
    signals_ = SignalDescriptor();
    // Held from here on: who is left at the end must not depend on what the
    // command does.
    constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    proc_ =
        setup_.Check(reuse_.proc() >= 0 ? openat(reuse_.proc(), ".", kDirectory)
                                        : open("/proc", kDirectory),
                     Step::kFindLeftovers);
    if (plan_.command.empty()) {
      LookForTheCallerOnly();
      ReportReady();
    } else {
      // For the command to inherit: this process is in nobody's reach, and has
      // no use for a filter. A command that is watched gets one of its own.
      if (plan_.watching_filter == nullptr && plan_.filter != nullptr) {
        FilterCalls(setup_);
      }
      Hide();
      if (plan_.foreground && plan_.terminal >= 0) {
        terminal_ = fcntl(plan_.terminal, F_DUPFD_CLOEXEC, 3);
      }
      command_ = StartCommand(setup_, {umask_, child_action_, terminal_});
      setup_.Done(Step::kExecute);
      LookForTheCallerOnly();
      setup_.Report(MessageKind::kStarted);
    }
    StartClock();
    // A pipe that only this process holds open would never end.
    for (int fd : plan_.keep_descriptors) close(fd);
  }

  void StartClock() {
    started_ = Now();
    const bool runs = command_ > 0;
    if (runs && plan_.timeout_nanoseconds != 0) {
      deadline_ = started_ + plan_.timeout_nanoseconds;
    }
  }

  // Once the caller's thread knows of the sandbox it may end, and the loop
  // looks for the whole caller. Whatever is sent to a dead one fails.
  static void LookForTheCallerOnly() { prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0); }

  // The caller's memory is in this process: no debugger, no /proc/1/mem. Nor
  // can its namespaces be joined any more.
  static void Hide() { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

  int SignalDescriptor() {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    return setup_.Check(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK),
                        Step::kFork);
  }

  // Enter(): hands what was reopened to the caller, whose child gets it.
  void ReportReady() {
    setup_.Report(MessageKind::kReady);
    for (const ChildInput& input : plan_.inputs) {
      Message message;
      message.kind = MessageKind::kInput;
      message.number = input.fd;
      if (!SendDescriptor(control_, message, input.fd)) _exit(1);
    }
    if (plan_.executable.empty()) return;
    Message message;
    message.kind = MessageKind::kInput;
    const int file = setup_.notes().executable_file;
    if (file < 0 ? !SendMessage(control_, message)
                 : !SendDescriptor(control_, message, file)) {
      _exit(1);
    }
    close(file);
  }

  // --- While the command runs ---------------------------------------------

  void Watch() {
    while (!ended_) {
      struct pollfd events[4] = {{control_, POLLIN, 0},
                                 {caller_, POLLIN, 0},
                                 {signals_, POLLIN, 0},
                                 {command_pidfd_, POLLIN, 0}};
      const struct timespec* timeout = nullptr;
      struct timespec left;
      if (deadline_ != 0) {
        const int64_t wait = deadline_ - Now();
        left.tv_sec = wait > 0 ? wait / kNanosecondsPerSecond : 0;
        left.tv_nsec = wait > 0 ? wait % kNanosecondsPerSecond : 0;
        timeout = &left;
      }
      if (more_to_reap_) {
        left = {};
        timeout = &left;
      }
      if (ppoll(events, 4, timeout, nullptr) < 0 && errno != EINTR &&
          errno != EAGAIN) {
        _exit(1);
      }
      // The caller has died: so does everything in here.
      if (events[1].revents != 0) EndForGood(plan_, proc_);
      if (events[2].revents != 0 || more_to_reap_) Reap();
      if (events[3].revents != 0) ended_ = true;
      if (events[0].revents != 0) HandleMessage();
      // However much there is to do otherwise.
      if (!ended_ && deadline_ != 0 && Now() >= deadline_) TimeIsUp();
    }
  }

  void TimeIsUp() {
    if (!timed_out_) {
      timed_out_ = true;
      SignalAll(plan_, proc_, SIGTERM);
      SignalAll(plan_, proc_, SIGCONT);  // who is stopped would not notice
      deadline_ = Now() + plan_.grace_nanoseconds;
    } else {
      SignalAll(plan_, proc_, SIGKILL);
      deadline_ = 0;
    }
  }

  // Signals and orphans may come faster than they are dealt with, so only some
  // at a time.
  void Reap() {
    constexpr int kAtOnce = 256;
    struct signalfd_siginfo ignored;
    if (read(signals_, &ignored, sizeof(ignored)) < 0 && errno != EAGAIN) {
      _exit(1);
    }
    more_to_reap_ = true;
    NoteCpuTime();
    for (int i = 0; i < kAtOnce; ++i) {
      siginfo_t info = {};
      if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | __WALL) != 0 ||
          info.si_pid == 0) {
        more_to_reap_ = false;
        return;
      }
      if (info.si_code == CLD_TRAPPED) {
        Untrace(info.si_pid, info.si_status);
        continue;
      }
      reaped_ = true;
      if (info.si_pid != command_ || plan_.command.empty()) continue;
      if (info.si_code == CLD_STOPPED) {
        if (plan_.foreground) Send(MessageKind::kStopped, info.si_status);
        continue;
      }
      ended_ = true;
      wait_status_ =
          info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
    }
  }

  // SIGKILL may come from elsewhere. What the command itself used can be read
  // until it is reaped.
  void NoteCpuTime() {
    for (const ResourceLimit& limit : plan_.limits) {
      if (limit.resource != RLIMIT_CPU || plan_.command.empty()) continue;
      siginfo_t info = {};
      if (waitid(P_PID, static_cast<id_t>(command_), &info,
                 WEXITED | WNOHANG | WNOWAIT) != 0 ||
          info.si_pid == 0) {
        return;
      }
      used_cpu_time_ = CpuTime(proc_, command_) >= limit.soft;
    }
  }

  void Send(MessageKind kind, int number) {
    Message message;
    message.kind = kind;
    message.number = number;
    if (!SendMessage(control_, message)) EndForGood(plan_, proc_);
  }

  void HandleMessage() {
    Message message;
    int fd = -1;
    // Nobody waits.
    if (!ReceiveMessage(control_, &message, &fd)) EndForGood(plan_, proc_);
    switch (message.kind) {
      case MessageKind::kSignal:
        // A negative number is for the command's whole group.
        if (command_ > 0) {
          kill(message.number < 0 ? -command_ : command_, abs(message.number));
        }
        break;
      case MessageKind::kContinue:
        if (command_ > 0) kill(-command_, SIGCONT);
        break;
      case MessageKind::kAskPid:
        Send(MessageKind::kLastPid, LastPid());
        break;
      case MessageKind::kTerminal:
        if (terminal_ >= 0) tcsetpgrp(terminal_, command_);
        break;
      case MessageKind::kWatch:
        command_ = message.number;
        command_pidfd_ = sys::PidfdOpen(command_);
        if (command_pidfd_ < 0) ended_ = true;
        // It may have been waited for.
        StartClock();
        Hide();
        SendWatched(fd);
        break;
      case MessageKind::kJoined:
        command_ = kFirstPid;
        StartClock();
        Hide();
        SendNoted();
        break;
      case MessageKind::kCheck:
        Check(static_cast<Trace>(message.number),
              (message.flags & kCheckRenew) != 0);
        break;
      default:
        if (!HasNamespaces(plan_)) EndAll(plan_, proc_);
        _exit(1);
    }
  }

  void SendNoted() {
    trace_ = reuse_.Note();
    Message message;
    message.kind = MessageKind::kNoted;
    message.number = static_cast<int>(trace_);
    fresh_.WriteDevices(&message);
    if (!SendMessage(control_, message)) EndForGood(plan_, proc_);
  }

  // Goes on if the next command can't tell that there was one.
  void Check(Trace known, bool renew) {
    if (trace_ == Trace::kNone) trace_ = known;
    if (trace_ == Trace::kNone && reaped_) trace_ = Trace::kProcess;
    if (trace_ == Trace::kNone) trace_ = reuse_.Look(renew);
    if (trace_ != Trace::kNone) {
      ended_ = true;
      return;
    }
    Message message;
    message.kind = MessageKind::kEnded;
    message.flags = kEndedUntouched;
    if (renew) fresh_.WriteDevices(&message);
    if (!SendMessage(control_, message)) _exit(1);
  }

  // Lets the command go on.
  static void SendWatched(int fd) {
    const uint64_t one = 1;
    if (write(fd, &one, sizeof(one)) != sizeof(one)) _exit(1);
    close(fd);
  }

  // proc_loadavg(5): the last field, as this process's PID namespace has it.
  int LastPid() const {
    char text[128];
    const ssize_t size = ReadFileAt(proc_, "loadavg", text, sizeof(text));
    if (size <= 0) return 0;
    auto length = static_cast<size_t>(size);
    while (length > 0 && text[length - 1] != ' ') --length;
    return static_cast<int>(NumberIn(text + length));
  }

  // --- The end --------------------------------------------------------------

  [[noreturn]] void Finish() {
    const int64_t wall = Now() - started_;
    // What it opens now isn't many, but for the levels of directories.
    struct rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    Message message;
    const int leftovers = ReportLeftovers(
        proc_, command_, HasNamespaces(plan_) ? 0 : getpid(), control_);
    if (leftovers < 0) {
      message.step = Step::kFindLeftovers;
      message.error = errno;
    }
    EndAll(plan_, proc_);
    SyncInputs();
    if (plan_.list_overlay_changes) {
      UseCapabilities(kReadAll);
      if (!ReportOverlayChanges(plan_, setup_.notes(), stage_, control_)) {
        message.step = Step::kFindChanges;
        message.error = errno;
      }
    }
    message.kind = MessageKind::kEnded;
    message.number = wait_status_;
    message.index = static_cast<int>(trace_);
    message.count = static_cast<uint32_t>(leftovers > 0 ? leftovers : 0);
    message.flags = (timed_out_ ? kEndedTimedOut : 0) |
                    (used_cpu_time_ ? kEndedUsedCpuTime : 0);
    message.wall_nanoseconds = wall;
    getrusage(RUSAGE_CHILDREN, &message.usage);
    if (SendMessage(control_, message) && plan_.command.empty()) AwaitLeave();
    _exit(0);
  }

  // Whoever leaves a mount namespace last takes it apart. That shall be this
  // process, which nobody waits for, and not Enter()'s relay.
  void AwaitLeave() const {
    struct pollfd events[2] = {{control_, POLLIN, 0}, {caller_, POLLIN, 0}};
    while (poll(events, 2, -1) < 0 && errno == EINTR) {
    }
  }

  // The command has read through a descriptor of its own; whoever shares the
  // caller's goes on from where it stopped.
  void SyncInputs() {
    for (const ChildNotes::Input& input : setup_.notes().inputs) {
      if (input.original < 0) continue;
      const off_t offset = lseek(input.reopened, 0, SEEK_CUR);
      if (offset >= 0) lseek(input.original, offset, SEEK_SET);
    }
  }

  Setup setup_;
  const ChildPlan& plan_;
  const int control_;
  const int caller_;
  int stage_ = -1;
  int signals_ = -1;
  int proc_ = -1;  // the directory
  struct sigaction child_action_ = {};
  mode_t umask_ = 0;  // the caller's
  int terminal_ = -1;

  pid_t command_ = -1;
  int command_pidfd_ = -1;

  int64_t started_ = 0;
  int64_t deadline_ = 0;
  bool timed_out_ = false;
  bool used_cpu_time_ = false;
  bool more_to_reap_ = false;
  bool ended_ = false;
  int wait_status_ = 0;

  FreshPlaces fresh_;
  ReuseCheck reuse_;
  Trace trace_ = Trace::kNone;
  bool reaped_ = false;  // somebody, whose times are this process's now
};

}  // namespace

int Setup::errno_now() { return errno; }

void Setup::Fail(Step step, int index, int error, const char* text) const {
  Message message;
  message.kind = MessageKind::kFailed;
  message.step = step;
  message.index = index;
  message.error = error;
  size_t length = strlen(text);
  if (length > kMaxMessageText) length = kMaxMessageText;
  memcpy(message.text, text, length);
  message.text_size = static_cast<uint32_t>(length);
  SendMessage(control_, message);
  _exit(1);
}

void Setup::Done(Step step) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (count_ < sizeof(records_) / sizeof(records_[0])) {
    records_[count_++] = {step,
                          static_cast<uint32_t>((now.tv_sec - last_.tv_sec) *
                                                    kNanosecondsPerSecond +
                                                now.tv_nsec - last_.tv_nsec)};
  }
  last_ = now;
}

void Setup::Report(MessageKind kind, int number) {
  Message message;
  message.kind = kind;
  message.number = number;
  message.text_size = static_cast<uint32_t>(count_ * sizeof(StepRecord));
  memcpy(message.text, records_, message.text_size);
  if (!SendMessage(control_, message)) _exit(1);
}

void RunInit(const ChildPlan& plan, ChildNotes& notes, int control,
             int caller) {
  Init(plan, notes, control, caller).Run();
}

}  // namespace encapsulate
