// SPDX-License-Identifier: Apache-2.0
//
// The program of fork_server.h, which the library carries: see BUILD.bazel.
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "encapsulate/base/unique_fd.h"
#include "encapsulate/child/message.h"
#include "encapsulate/launch/fork_server.h"
#include "encapsulate/launch/launch.h"
#include "encapsulate/plan/plan.h"
#include "encapsulate/plan/plan_codec.h"

namespace encapsulate {
namespace {

std::string ReadAll(int file) {
  struct stat info = {};
  if (fstat(file, &info) != 0) return "";
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  const ssize_t size = pread(file, &bytes[0], bytes.size(), 0);
  bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return bytes;
}

// False if the caller is gone.
bool MakeOne(int socket, int caller, Plan* plan) {
  InitProcess init;
  ForkServerReply reply = {-1, 0};
  // Whatever fails, fails again when the caller makes this sandbox in line, and
  // has its words then. So has what isn't known of the host's sockets.
  std::vector<std::string> unknown_sockets;
  if (StartInit(plan, caller, SIGCHLD, &init).ok() &&
      ServeInit(*plan, init, &unknown_sockets).ok() &&
      unknown_sockets.empty()) {
    reply = {init.pid, plan->namespaces};
  }
  const int fds[] = {init.pidfd.get(), init.control.get()};
  return SendPacket(socket, &reply, sizeof(reply), fds, reply.pid > 0 ? 2 : 0);
}

bool Serve(int socket, int caller) {
  ForkServerRequest request;
  int file = -1;
  if (ReceivePacket(socket, &request, sizeof(request), &file, 1) !=
      sizeof(request)) {
    return false;
  }
  const UniqueFd plan_file(file);
  const std::string bytes = ReadAll(file);
  for (int i = 0; i < request.count; ++i) {
    // Its init may note things in it, but that is a copy.
    Plan plan;
    if (!ReadPlan(bytes, &plan) || !MakeOne(socket, caller, &plan)) {
      return false;
    }
  }
  return true;
}

[[noreturn]] void RunHelper(int socket, int caller) {
  prctl(PR_SET_NAME, "encapsulate", 0, 0, 0);
  if (chdir("/") != 0) _exit(1);
  // The kernel reaps what ends.
  signal(SIGCHLD, SIG_IGN);
  for (;;) {
    struct pollfd events[2] = {{socket, POLLIN, 0}, {caller, POLLIN, 0}};
    if (poll(events, 2, -1) < 0) continue;  // EINTR
    if (events[1].revents != 0) break;
    if (events[0].revents != 0 && !Serve(socket, caller)) break;
  }
  close(socket);
  // Those that nobody has taken end now, as nobody will; the others end with
  // their caller.
  while (waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) {
  }
  _exit(0);
}

}  // namespace
}  // namespace encapsulate

int main() {
  encapsulate::RunHelper(encapsulate::kHelperSocket,
                         encapsulate::kHelperCaller);
}
