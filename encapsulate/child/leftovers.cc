// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/child/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "encapsulate/child/message.h"
#include "encapsulate/kernel/directory_reader.h"
#include "encapsulate/kernel/text.h"

namespace encapsulate {
namespace {

constexpr int kMostReported = 64;
// Of the flags in proc_pid_stat(5), by sched.h.
constexpr uint64_t kExiting = 0x4;     // PF_EXITING
constexpr uint64_t kSignaled = 0x400;  // PF_SIGNALED: ended by a signal
constexpr uint64_t kKillBit = uint64_t{1} << (SIGKILL - 1);

// What a look at a process has come to.
enum class Look { kGone, kAlive, kFailed };

// It has ended between two looks.
Look Failure() {
  return errno == ENOENT || errno == ESRCH ? Look::kGone : Look::kFailed;
}

// A number of proc_pid_stat(5), counted from 1 as there; 0 if there is none.
uint64_t StatField(const char* stat, int number) {
  // "pid (name) state ...", and the name may hold anything.
  const char* field = strrchr(stat, ')');
  for (int i = 2; i < number && field != nullptr; ++i) {
    field = strchr(field + 1, ' ');
  }
  return field != nullptr ? NumberIn(field + 1) : 0;
}

// A mask of proc_pid_status(5).
uint64_t StatusMask(const char* status, const char* name) {
  const char* line = strstr(status, name);
  if (line == nullptr) return 0;
  line += strlen(name);
  while (*line == '\t') ++line;
  return NumberIn(line, 16);
}

// Calls `look` for each number among the names of a directory, until it returns
// something else than kGone.
template <typename Function>
Look ForEachNumber(int directory, Function look) {
  DirectoryReader<8192> reader;
  reader.Start(directory);
  while (const dirent64* const entry = reader.Next()) {
    const int number = static_cast<int>(NumberIn(entry->d_name));
    const Look found = number > 0 ? look(number) : Look::kGone;
    if (found != Look::kGone) return found;
  }
  return reader.error() != 0 ? Failure() : Look::kGone;
}

// A thread, or a process by its first one, whose directory in /proc is `path`.
// `others` is set to the number of the process's other threads.
Look LookAtThread(int proc, const char* path, uint64_t* others) {
  char text[4096];
  *others = 0;
  // First, as a fatal signal goes from here to the flags.
  if (ReadFileAt(proc, Text<128>(path, "/status").c_str(), text, sizeof(text)) <
      0) {
    return Failure();
  }
  const uint64_t pending =
      StatusMask(text, "\nSigPnd:") | StatusMask(text, "\nShdPnd:");
  if (ReadFileAt(proc, Text<128>(path, "/stat").c_str(), text, sizeof(text)) <
      0) {
    return Failure();
  }
  const char* const name_end = strrchr(text, ')');
  if (name_end == nullptr || name_end[1] != ' ') {
    errno = EINVAL;
    return Look::kFailed;
  }
  // The kernel turns a signal that ends a process into SIGKILL for each of its
  // threads when it is sent, not when it is received. Linux 5.14 and later tell
  // the exit code from then on, as they do of processes that are stopped.
  const char state = name_end[2];
  const bool stopped = state == 'T' || state == 't';
  const uint64_t flags = StatField(text, 9);
  if (state == 'Z' || state == 'X' || (flags & kExiting) != 0) {
    const uint64_t threads = StatField(text, 20);
    *others = threads > 1 ? threads - 1 : 0;
    return Look::kGone;
  }
  const bool dies = (pending & kKillBit) != 0 || (flags & kSignaled) != 0 ||
                    (!stopped && StatField(text, 52) != 0);
  return dies ? Look::kGone : Look::kAlive;
}

// A process goes on without its first thread (pthread_exit(3)).
Look LookAt(int proc, int pid) {
  uint64_t others = 0;
  const Look first = LookAtThread(proc, Text<64>(pid).c_str(), &others);
  if (first != Look::kGone || others == 0) return first;
  const int threads = openat(proc, Text<64>(pid, "/task").c_str(),
                             O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (threads < 0) return Failure();
  const Look found = ForEachNumber(threads, [&](int thread) {
    return LookAtThread(proc, Text<64>(pid, "/task/", thread).c_str(), &others);
  });
  const int error = errno;
  close(threads);
  errno = error;
  return found;
}

// Whether `pid` descends from `ancestor`, which adopts orphans.
bool IsBelow(int proc, int pid, pid_t ancestor) {
  // A ring can't be: but numbers are given away anew.
  constexpr int kLongest = 1 << 16;
  char text[512];
  for (int i = 0; i < kLongest && pid > 1; ++i) {
    if (ReadFileAt(proc, Text<64>(pid, "/stat").c_str(), text, sizeof(text)) <
        0) {
      return false;
    }
    const char* const name_end = strrchr(text, ')');
    if (name_end == nullptr || strlen(name_end) < 5) return false;
    pid = static_cast<int>(NumberIn(name_end + 4));
    if (pid == ancestor) return true;
  }
  return false;
}

// As far as it can be read: it may end meanwhile.
size_t ReadOf(int proc, int pid, const char* name, char* buffer, size_t size) {
  const ssize_t length =
      ReadFileAt(proc, Text<64>(pid, "/", name).c_str(), buffer, size);
  return length > 0 ? static_cast<size_t>(length) : 0;
}

using Add = void (*)(const Message& message, void* argument);

void Report(int proc, int pid, Add add, void* argument) {
  Message message;
  message.kind = MessageKind::kLeftover;
  message.number = pid;
  size_t length = ReadOf(proc, pid, "comm", message.text, 64);
  if (length > 0 && message.text[length - 1] == '\n') --length;
  message.text[length++] = '\0';
  char* command = message.text + length;
  size_t size = ReadOf(proc, pid, "cmdline", command, 1024);
  while (size > 0 && command[size - 1] == '\0') --size;
  for (size_t i = 0; i < size; ++i) {
    if (command[i] == '\0') command[i] = ' ';
  }
  message.text_size = static_cast<uint32_t>(length + size);
  add(message, argument);
}

void SendTo(const Message& message, void* control) {
  SendMessage(*static_cast<const int*>(control), message);
}

}  // namespace

ssize_t ReadFileAt(int directory, const char* path, char* buffer, size_t size) {
  buffer[0] = '\0';
  const int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const ssize_t length = read(fd, buffer, size - 1);
  const int error = errno;
  close(fd);
  errno = error;
  if (length >= 0) buffer[length] = '\0';
  return length;
}

uint64_t CpuTime(int proc, pid_t pid) {
  char stat[512];
  if (ReadOf(proc, pid, "stat", stat, sizeof(stat)) == 0) return 0;
  const uint64_t ticks = StatField(stat, 14) + StatField(stat, 15);
  return ticks / getauxval(AT_CLKTCK);
}

void ForEachBelow(int proc, pid_t ancestor, void (*act)(pid_t pid, int signal),
                  int signal) {
  if (lseek(proc, 0, SEEK_SET) < 0) return;
  ForEachNumber(proc, [&](int pid) {
    if (IsBelow(proc, pid, ancestor)) act(pid, signal);
    return Look::kGone;
  });
}

int ReportLeftovers(int proc, pid_t command, pid_t ancestor, int control) {
  return FindLeftovers(proc, command, ancestor, SendTo, &control);
}

int FindLeftovers(int proc, pid_t command, pid_t ancestor, Add add,
                  void* argument) {
  if (lseek(proc, 0, SEEK_SET) < 0) return -1;
  int count = 0;
  const Look found = ForEachNumber(proc, [&](int pid) {
    if (pid == 1 || pid == command) return Look::kGone;
    if (ancestor > 0 && !IsBelow(proc, pid, ancestor)) return Look::kGone;
    const Look look = LookAt(proc, pid);
    if (look != Look::kAlive) return look;
    if (++count <= kMostReported) Report(proc, pid, add, argument);
    return Look::kGone;
  });
  return found == Look::kFailed ? -1 : count;
}

}  // namespace encapsulate
