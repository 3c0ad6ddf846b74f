// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/child/signals.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "absl/debugging/stacktrace.h"
#include "absl/debugging/symbolize.h"
#include "encapsulate/kernel/directory_reader.h"
#include "gtest_plugin/child/sanitizers.h"
#include "gtest_plugin/googletest/frames.h"
#include "gtest_plugin/googletest/internals.h"
#include "gtest_plugin/googletest/stdio.h"

namespace encapsulate {
namespace {

constexpr int kFatal[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                          SIGABRT, SIGTRAP, SIGSYS};
constexpr int kMaxFrames = 48;
constexpr uintptr_t kAroundStackTop = 64 << 10;
constexpr unsigned kReportSeconds = 5;
constexpr struct timespec kThreadPatience = {1, 0};

Channel* channel_of_test = nullptr;
void (*before_end_of_test)() = nullptr;
pid_t pid_of_test = -1;
std::atomic<bool> is_ending{false};
std::atomic<uint32_t> threads_written{0};
alignas(16) char signal_stack[128 << 10];

void Write(const char* text) {
  channel_of_test->AddToReport(text, strlen(text));
}

// The interrupted instruction, which a walk of frames leaves out.
void* ProgramCounter(void* context) {
  const auto* const user = static_cast<ucontext_t*>(context);
#if defined(__x86_64__)
  // NOLINTNEXTLINE(performance-no-int-to-ptr): it is how the kernel has it.
  return reinterpret_cast<void*>(user->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return reinterpret_cast<void*>(user->uc_mcontext.pc);
#else
  static_cast<void>(user);
  return nullptr;
#endif
}

// Whether a fault was an access around the end of the stack. Had the stack
// reached further, it would have succeeded.
bool IsStackOverflow(int signal, const siginfo_t& info, void* context) {
  if (signal != SIGSEGV || info.si_code <= 0) return false;
  const auto* const user = static_cast<ucontext_t*>(context);
#if defined(__x86_64__)
  const auto top = static_cast<uintptr_t>(user->uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
  const auto top = static_cast<uintptr_t>(user->uc_mcontext.sp);
#else
  const uintptr_t top = 0;
  static_cast<void>(user);
#endif
  const auto address = reinterpret_cast<uintptr_t>(info.si_addr);
  return (address < top ? top - address : address - top) < kAroundStackTop;
}

// False at the end of what concerns the test.
bool WriteFrame(void* frame, bool is_return_address) {
  char name[1024];
  // A call may be the last instruction of its function.
  char* const address = static_cast<char*>(frame) - (is_return_address ? 1 : 0);
  if (!absl::Symbolize(address, name, sizeof(name))) {
    Dl_info object;
    if (dladdr(address, &object) != 0 && object.dli_fname != nullptr) {
      const char* const slash = strrchr(object.dli_fname, '/');
      snprintf(name, sizeof(name), "(%s+0x%tx)",
               slash != nullptr ? slash + 1 : object.dli_fname,
               address - static_cast<char*>(object.dli_fbase));
    } else {
      strcpy(name, "(unknown)");
    }
  } else if (is_return_address && gtest_internals::RunsTests(name)) {
    return false;
  }
  char line[1100];
  snprintf(line, sizeof(line), "    @ %p  %s\n", frame, name);
  Write(line);
  return true;
}

// The frames of a stack, innermost first. Functions that call each other in
// turns take one place for each of them, however deep they go: calls in a row
// that are the same as those before them are counted.
class Frames {
 public:
  int depth() const { return depth_; }
  void* operator[](int i) const { return counters_[i]; }

  // Where the interrupted instruction has been found; frames before it are the
  // handler's.
  bool found = false;

  // False if there is no room for more.
  bool Add(void* address) {
    if (last_ >= 0) {
      Cycle& cycle = cycles_[last_];
      if (address == counters_[cycle.start + next_]) {
        if (++next_ == cycle.size) {
          ++cycle.times;
          next_ = 0;
        }
        return true;
      }
      // Its last round isn't a whole one.
      const int rest = next_;
      last_ = -1;
      next_ = 0;
      settled_ = depth_;
      for (int i = 0; i < rest; ++i) Append(counters_[cycle.start + i]);
    }
    Append(address);
    FindCycle();
    return depth_ < kMaxFrames;
  }

  // How many frames the cycle has that ends at frame `i`; 0 if there is none.
  int CycleSize(int i, unsigned* times) const {
    for (int j = 0; j < cycle_count_; ++j) {
      if (cycles_[j].start + cycles_[j].size != i + 1) continue;
      *times = cycles_[j].times;
      return cycles_[j].size;
    }
    return 0;
  }

  void Clear() { *this = Frames(); }

 private:
  static constexpr int kMaxCycle = 16;

  struct Cycle {
    int start;
    int size;
    unsigned times;
  };

  void Append(void* address) {
    if (depth_ < kMaxFrames) counters_[depth_++] = address;
  }

  // Takes the last frames for a cycle if they are those before them again.
  void FindCycle() {
    for (int size = 1; size <= kMaxCycle; ++size) {
      const int start = depth_ - 2 * size;
      if (start < settled_) return;
      bool is_cycle = true;
      for (int i = 0; i < size; ++i) {
        is_cycle &= counters_[start + i] == counters_[start + size + i];
      }
      if (!is_cycle) continue;
      depth_ -= size;
      last_ = cycle_count_++;
      cycles_[last_] = {start, size, 2};
      return;
    }
  }

  void* counters_[kMaxFrames] = {};
  int depth_ = 0;
  Cycle cycles_[kMaxFrames] = {};
  int cycle_count_ = 0;
  int settled_ = 0;  // frames that belong to a cycle that has ended
  int last_ = -1;    // the cycle that goes on
  int next_ = 0;     // which frame of it is to come
};

// The unwinder's tables lead through functions without frame pointers, those
// of the C library for example.
void Unwind(void* counter, Frames* frames) {
  struct State {
    void* counter;
    Frames* frames;
  };
  State state = {counter, frames};
  _Unwind_Backtrace(
      [](_Unwind_Context* context, void* argument) {
        const auto* const state = static_cast<State*>(argument);
        Frames& frames = *state->frames;
        // NOLINTNEXTLINE(performance-no-int-to-ptr): the unwinder's type.
        void* const address = reinterpret_cast<void*>(_Unwind_GetIP(context));
        frames.found |= address == state->counter;
        const bool more =
            !frames.found || address == nullptr || frames.Add(address);
        return more ? _URC_NO_REASON : _URC_END_OF_STACK;
      },
      &state);
}

// What is to be said of a cycle that ends at frame `i`.
void WriteCycle(const Frames& frames, int i) {
  unsigned times = 0;
  const int size = frames.CycleSize(i, &times);
  if (size == 0) return;
  char line[96];
  if (size == 1) {
    snprintf(line, sizeof(line), "    ... %u times in a row\n", times);
  } else {
    snprintf(line, sizeof(line), "    ... these %d calls %u times in a row\n",
             size, times);
  }
  Write(line);
}

void WriteStack(void* context) {
  void* const counter = ProgramCounter(context);
  Frames frames;
  if (counter != nullptr) Unwind(counter, &frames);
  if (!frames.found) {
    // A jump into nowhere: what the frame pointers tell.
    void* counters[kMaxFrames];
    const int depth = absl::GetStackTraceWithContext(
        counters, kMaxFrames, /*skip_count=*/1, context, nullptr);
    frames.Clear();
    frames.Add(counter);
    for (int i = 0; i < depth; ++i) frames.Add(counters[i]);
  }
  for (int i = 0; i < frames.depth(); ++i) {
    if (!WriteFrame(frames[i], i > 0)) return;
    WriteCycle(frames, i);
  }
  if (frames.depth() == kMaxFrames) Write("    ...\n");
}

// Ends the process if what follows waits for a lock that this thread holds.
void SetAlarm() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(SIGALRM, &action, nullptr);
  sigset_t alarm_only;
  sigemptyset(&alarm_only);
  sigaddset(&alarm_only, SIGALRM);
  pthread_sigmask(SIG_UNBLOCK, &alarm_only, nullptr);
  alarm(kReportSeconds);
}

void WriteTrace() {
  // It would take the heap's use in a handler for a fault of the test's.
  if (sanitizers::IsThreadSanitizer()) return;
  const std::string trace = gtest_internals::CurrentTrace();
  if (!trace.empty()) {
    Write(gtest_internals::kTraceHeading);
    Write(trace.c_str());
    Write("\n");
  }
}

void OnFatalSignal(int signal, siginfo_t* info, void* context) {
  // The handler is gone by now (SA_RESETHAND): a second one ends the process.
  const int saved_errno = errno;
  if (getpid() == pid_of_test && !is_ending.exchange(true)) {
    channel_of_test->Append(
        RecordKind::kSignal,
        {signal, info->si_code, reinterpret_cast<int64_t>(info->si_addr)});
    SaveOutput();
    before_end_of_test();
    SetAlarm();
    if (IsStackOverflow(signal, *info, context)) {
      Write("    (the stack overflowed)\n");
    }
    WriteStack(context);
    WriteTrace();
    alarm(0);
  }
  errno = saved_errno;
  // A fault comes back by itself when its instruction is run again.
  if (info->si_code <= 0) syscall(SYS_tgkill, getpid(), gettid(), signal);
}

void WriteNameOfThread(int thread) {
  char path[64];
  char name[32] = "";
  snprintf(path, sizeof(path), "/proc/self/task/%d/comm", thread);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t size = file >= 0 ? read(file, name, sizeof(name) - 1) : 0;
  if (file >= 0) close(file);
  name[size > 0 ? size - 1 : 0] = '\0';  // without the newline
  // What else isn't printable is escaped when the lines are shown.
  char shown[2 * sizeof(name)] = "";
  size_t length = 0;
  for (const char* c = name; *c != '\0'; ++c) {
    if (*c == '\n') shown[length++] = '\\';
    shown[length++] = *c == '\n' ? 'n' : *c;
  }
  char line[96];
  snprintf(line, sizeof(line), "  thread %d (%s):\n", thread, shown);
  Write(line);
}

void WriteThread(void* context) {
  WriteNameOfThread(gettid());
  WriteStack(context);
}

void AwaitThread(int thread, uint32_t before) {
  while (threads_written == before) {
    if (syscall(SYS_futex, &threads_written, FUTEX_WAIT_PRIVATE, before,
                &kThreadPatience, nullptr, 0) != 0 &&
        errno == ETIMEDOUT) {
      WriteNameOfThread(thread);
      Write("    (blocks signals)\n");
      return;
    }
  }
}

// One thread is asked by init; it asks the others in turn.
void OnHangSignal(int signal, siginfo_t* info, void* context) {
  if (getpid() != pid_of_test) return;
  const int saved_errno = errno;
  WriteThread(context);
  if (info->si_code == SI_TKILL) {
    ++threads_written;
    syscall(SYS_futex, &threads_written, FUTEX_WAKE_PRIVATE, 1, nullptr,
            nullptr, 0);
    errno = saved_errno;
    return;
  }
  const int directory =
      open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DirectoryReader<4096> reader;
  reader.Start(directory);
  while (const dirent64* const entry = reader.Next()) {
    const int thread = atoi(entry->d_name);
    if (thread <= 0 || thread == gettid()) continue;
    const uint32_t before = threads_written;
    if (syscall(SYS_tgkill, getpid(), thread, signal) == 0) {
      AwaitThread(thread, before);
    }
  }
  if (directory >= 0) close(directory);
  SaveOutput();
  before_end_of_test();
  SetAlarm();
  WriteTrace();
  channel_of_test->Announce();
  alarm(0);
  errno = saved_errno;
}

void Install(int signal, void (*handler)(int, siginfo_t*, void*), int flags) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | flags;
  sigaction(signal, &action, nullptr);
}

}  // namespace

int HangSignal() { return SIGRTMAX - 5; }

void PrepareStacks(const char* program) { absl::InitializeSymbolizer(program); }

void ReportSignals(Channel* channel, void (*before_end)()) {
  channel_of_test = channel;
  before_end_of_test = before_end;
  pid_of_test = getpid();
  stack_t current = {};
  if (sigaltstack(nullptr, &current) != 0 || (current.ss_flags & SS_DISABLE)) {
    stack_t fresh = {};
    fresh.ss_sp = signal_stack;
    fresh.ss_size = sizeof(signal_stack);
    sigaltstack(&fresh, nullptr);
  }
  for (int signal : kFatal) {
    // A sanitizer or the program itself may have a better report.
    struct sigaction action;
    if (sigaction(signal, nullptr, &action) == 0 &&
        action.sa_handler == SIG_DFL) {
      Install(signal, OnFatalSignal, static_cast<int>(SA_RESETHAND));
    }
  }
  Install(HangSignal(), OnHangSignal, SA_RESTART);
}

}  // namespace encapsulate
