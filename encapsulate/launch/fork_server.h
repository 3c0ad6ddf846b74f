// SPDX-License-Identifier: Apache-2.0
//
// The process that makes sandboxes ahead of need: see sandbox_pool.h.
//
// It is a program of its own (fork_server_main.cc), whose image the library
// carries, so that it holds none of its caller's memory, and what it forks
// needs no copy of that. It keeps no record: a request is a plan and a number,
// and for each sandbox there is one reply, in the order of the requests. It
// ends, and with it every sandbox that isn't complete, when its caller does or
// hangs up.
#ifndef ENCAPSULATE_LAUNCH_FORK_SERVER_H_
#define ENCAPSULATE_LAUNCH_FORK_SERVER_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/launch/launch.h"

namespace encapsulate {

// The caller's end.
class ForkServer {
 public:
  static absl::StatusOr<std::unique_ptr<ForkServer>> Start();

  // Hangs up and returns when the fork server, and all that it has made, is
  // gone.
  ~ForkServer();
  ForkServer(const ForkServer&) = delete;
  ForkServer& operator=(const ForkServer&) = delete;

  // Asks for `count` sandboxes. `plan` is a file that holds what WritePlan()
  // has returned. False if the fork server is gone.
  bool Ask(int plan, int count);

  // Waits for the next sandbox that was asked for. An init without a pid: it
  // couldn't be started. `namespaces` are those that it has. False if the
  // fork server is gone.
  bool Receive(InitProcess* init, uint64_t* namespaces);

  // In a forked child: closes what belongs to the caller. The ForkServer must
  // never be destroyed there.
  void CloseInChild() const;

 private:
  struct Reaper;

  ForkServer() = default;

  UniqueFd socket_;
  // A process that shares this one's memory, like the relay (relay.h), and is
  // the fork server's parent: executing a program gives a child its exit signal
  // back, and a wait(2) of the program's own must not find the fork server.
  Reaper* reaper_ = nullptr;
};

// --- What the program shares with it ----------------------------------------

// The descriptors that it starts with: its end of the socket, and a pidfd.
inline constexpr int kHelperSocket = 3;
inline constexpr int kHelperCaller = 4;

// Comes with the file of the plan.
struct ForkServerRequest {
  int32_t count;
};

// Comes with the pidfd and the control socket of init, unless that couldn't be
// started (-1).
struct ForkServerReply {
  int32_t pid;
  uint64_t namespaces;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_LAUNCH_FORK_SERVER_H_
