// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/launch/fork_server.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "encapsulate/base/signals_blocked.h"
#include "encapsulate/child/message.h"
#include "encapsulate/host/causes.h"
#include "encapsulate/kernel/new_process.h"
#include "encapsulate/kernel/raw_clone.h"
#include "encapsulate/kernel/syscalls.h"

// The program, in the data of this one: see BUILD.bazel.
extern "C" const char encapsulate_fork_server_begin[];
extern "C" const char encapsulate_fork_server_end[];

namespace encapsulate {
namespace {

// The program as an executable file without a name.
absl::StatusOr<UniqueFd> MakeImage() {
  constexpr unsigned kExecutable = 0x10;  // MFD_EXEC, Linux 6.3
  UniqueFd image(static_cast<int>(
      syscall(SYS_memfd_create, "encapsulate", MFD_CLOEXEC | kExecutable)));
  if (!image.valid() && errno == EINVAL) {
    image = UniqueFd(static_cast<int>(
        syscall(SYS_memfd_create, "encapsulate", unsigned{MFD_CLOEXEC})));
  }
  if (!image.valid()) return HostError("make a file in memory");
  const char* at = encapsulate_fork_server_begin;
  while (at < encapsulate_fork_server_end) {
    const ssize_t written = write(
        image.get(), at, static_cast<size_t>(encapsulate_fork_server_end - at));
    if (written <= 0) return HostError("write a file in memory");
    at += written;
  }
  return image;
}

}  // namespace

struct ForkServer::Reaper {
  static constexpr size_t kGuardSize = 65536;  // the largest page
  static constexpr size_t kStackSize = 65536;

  char guard[kGuardSize];
  alignas(16) char stack[kStackSize];
  alignas(16) char server_stack[kStackSize];
  pid_t pid;
  // What the fork server gets.
  int image;
  int socket;
  int caller;
  int error;  // why it wasn't executed
  // 1 until the reaper uses nothing of the caller's thread any more. The
  // kernel writes 0, too, when it ends (CLONE_CHILD_CLEARTID).
  int busy;

  SHARES_CALLER_MEMORY static void Start(Reaper* self);
  SHARES_CALLER_MEMORY static int Main(void* argument);
  SHARES_CALLER_MEMORY static int Execute(void* argument);
};

// Returns once the fork server has been executed, or hasn't.
void ForkServer::Reaper::Start(Reaper* self) {
  self->busy = 1;
  self->pid = CloneBeside(&Main, self->stack + kStackSize, CLONE_CHILD_CLEARTID,
                          self, nullptr, &self->busy);
  if (self->pid < 0) self->error = errno;
  while (self->pid > 0 && __atomic_load_n(&self->busy, __ATOMIC_ACQUIRE) != 0) {
    RawSyscall(SYS_futex, reinterpret_cast<long>(&self->busy), FUTEX_WAIT, 1);
  }
}

int ForkServer::Reaper::Main(void* argument) {
  auto* const self = static_cast<Reaper*>(argument);
  const pid_t server = CloneBeside(&Execute, self->server_stack + kStackSize,
                                   CLONE_VFORK | SIGCHLD, self);
  if (server < 0) self->error = errno;
  __atomic_store_n(&self->busy, 0, __ATOMIC_RELEASE);
  RawSyscall(SYS_futex, reinterpret_cast<long>(&self->busy), FUTEX_WAKE, 1);
  RawSyscall(SYS_close_range, 0, UINT_MAX, 0);
  while (server > 0 && RawSyscall(SYS_wait4, server, 0, 0) == -EINTR) {
  }
  RawSyscall(SYS_exit_group, 0, 0, 0);
  __builtin_unreachable();
}

int ForkServer::Reaper::Execute(void* argument) {
  auto* const self = static_cast<Reaper*>(argument);
  // First out of the way, so that none is overwritten.
  constexpr long kAway = 10;
  const long fds[] = {RawSyscall(SYS_openat, AT_FDCWD,
                                 reinterpret_cast<long>("/dev/null"), O_RDWR),
                      RawSyscall(SYS_fcntl, self->socket, F_DUPFD, kAway),
                      RawSyscall(SYS_fcntl, self->caller, F_DUPFD, kAway),
                      RawSyscall(SYS_fcntl, self->image, F_DUPFD, kAway)};
  const struct {
    long from;
    int to;
    int flags;
  } kPlaces[] = {{fds[0], 0, 0}, {fds[0], 1, 0}, {fds[0], 2, 0},
                 {fds[1], 3, 0}, {fds[2], 4, 0}, {fds[3], 5, O_CLOEXEC}};
  long result = 0;
  for (const auto& place : kPlaces) {
    // Without /dev/null the standard descriptors stay closed.
    const long moved =
        place.from == place.to
            ? place.from
            : RawSyscall(SYS_dup3, place.from, place.to, place.flags);
    if (moved < 0 && place.to > 2) result = moved;
  }
  RawSyscall(SYS_close_range, 6, UINT_MAX, 0);
  const char* const arguments[] = {"encapsulate", nullptr};
  const char* const environment[] = {nullptr};
  if (result >= 0) {
    result = RawSyscall(SYS_execveat, 5, reinterpret_cast<long>(""),
                        reinterpret_cast<long>(arguments),
                        reinterpret_cast<long>(environment), AT_EMPTY_PATH);
  }
  self->error = static_cast<int>(-result);
  RawSyscall(SYS_exit_group, 127, 0, 0);
  __builtin_unreachable();
}

absl::StatusOr<std::unique_ptr<ForkServer>> ForkServer::Start() {
  absl::StatusOr<UniqueFd> image = MakeImage();
  if (!image.ok()) return image.status();
  const UniqueFd caller(sys::PidfdOpen(getpid()));
  if (!caller.valid()) return HostError("open a pidfd");
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return HostError("make a socket pair");
  }
  auto server = std::unique_ptr<ForkServer>(new ForkServer);
  server->socket_ = UniqueFd(sockets[0]);
  const UniqueFd servers_end(sockets[1]);
  void* const memory =
      mmap(nullptr, sizeof(Reaper), PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return HostError("map memory");
  auto* const reaper = new (memory) Reaper;
  server->reaper_ = reaper;
  mprotect(reaper->guard, Reaper::kGuardSize, PROT_NONE);
  reaper->image = image->get();
  reaper->socket = servers_end.get();
  reaper->caller = caller.get();
  {
    const SignalsBlocked blocked;
    Reaper::Start(reaper);
  }
  if (reaper->error != 0) {
    errno = reaper->error;
    return HostError("start the fork server");
  }
  return server;
}

ForkServer::~ForkServer() {
  if (reaper_ == nullptr) return;
  // Closing isn't enough where a forked process has the socket as well.
  shutdown(socket_.get(), SHUT_WR);
  InitProcess unused;
  uint64_t namespaces;
  while (Receive(&unused, &namespaces)) {
    if (unused.pid > 0) sys::PidfdSendSignal(unused.pidfd.get(), SIGKILL);
  }
  siginfo_t info;
  const auto pid = static_cast<id_t>(reaper_->pid);
  while (reaper_->pid > 0 && waitid(P_PID, pid, &info, WEXITED | __WALL) != 0 &&
         errno == EINTR) {
  }
  munmap(reaper_, sizeof(Reaper));
}

// The memory stays: it costs more to unmap it.
void ForkServer::CloseInChild() const { socket_.CloseInChild(); }

bool ForkServer::Ask(int plan, int count) {
  const ForkServerRequest request = {count};
  return SendPacket(socket_.get(), &request, sizeof(request), &plan, 1);
}

bool ForkServer::Receive(InitProcess* init, uint64_t* namespaces) {
  ForkServerReply reply;
  int fds[2];
  if (ReceivePacket(socket_.get(), &reply, sizeof(reply), fds, 2) !=
      sizeof(reply)) {
    return false;
  }
  init->pidfd = UniqueFd(fds[0]);
  init->control = UniqueFd(fds[1]);
  // Out of descriptors, none come along, and init ends.
  init->pid = init->control.valid() ? reply.pid : -1;
  *namespaces = reply.namespaces;
  return true;
}

}  // namespace encapsulate
