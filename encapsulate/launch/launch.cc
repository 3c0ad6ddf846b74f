// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/launch/launch.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/error.h"
#include "encapsulate/child/message.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/host/causes.h"
#include "encapsulate/host/host_sockets.h"
#include "encapsulate/kernel/new_process.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/launch/explain.h"

namespace encapsulate {
namespace {

absl::Status MapIds(const Plan& plan, pid_t init) {
  const std::string directory = absl::StrCat("/proc/", init);
  const struct {
    const char* name;
    const std::string& content;
  } kMaps[] = {{"gid_map", plan.gid_map}, {"uid_map", plan.uid_map}};
  for (const auto& map : kMaps) {
    const UniqueFd file(open(absl::StrCat(directory, "/", map.name).c_str(),
                             O_WRONLY | O_CLOEXEC));
    if (!file.valid() ||
        write(file.get(), map.content.data(), map.content.size()) !=
            static_cast<ssize_t>(map.content.size())) {
      return Explain(plan, {Step::kMapUser, -1, errno, ""});
    }
  }
  return absl::OkStatus();
}

absl::Status SendMask(int control, const Message& message) {
  if (SendMessage(control, message)) return absl::OkStatus();
  if (errno == EPIPE || errno == ECONNRESET) return absl::OkStatus();
  return HostError("send to the sandbox");
}

absl::Status SendMasks(const Plan& plan, int control,
                       std::vector<std::string>* unknown) {
  absl::StatusOr<HostSockets> sockets =
      FindHostSockets(plan.unmasked, plan.masked);
  if (!sockets.ok()) return sockets.status();
  *unknown = std::move(sockets->unknown);
  Message message;
  message.kind = MessageKind::kMasks;
  for (const std::string& path : sockets->paths) {
    const size_t size = path.size() + 1;
    if (size > kMaxMessageText) continue;  // no path is that long
    if (message.text_size + size > kMaxMessageText) {
      absl::Status status = SendMask(control, message);
      if (!status.ok()) return status;
      message.text_size = 0;
    }
    memcpy(message.text + message.text_size, path.c_str(), size);
    message.text_size += static_cast<uint32_t>(size);
  }
  if (message.text_size > 0) {
    absl::Status status = SendMask(control, message);
    if (!status.ok()) return status;
  }
  message.text_size = 0;
  return SendMask(control, message);
}

}  // namespace

absl::Status StartInit(Plan* plan, int caller, int exit_signal,
                       InitProcess* init) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return HostError("make a socket pair");
  }
  init->control = UniqueFd(sockets[0]);
  const UniqueFd child_control(sockets[1]);
  PlanForChild for_child(*plan);
  int pidfd = -1;
  const auto flags = [plan] {
    // Init makes its network itself. Where clone3 is filtered, handlers stay
    // until the command's start; all signals are blocked till then.
    return (plan->namespaces & ~uint64_t{CLONE_NEWNET}) |
           sys::kCloneClearSighand;
  };
  pid_t pid = CloneCopy(flags(), exit_signal, &pidfd);
  if (pid < 0 && errno == ENOSPC && CgroupNamespacesAreOff()) {
    // Inside another sandbox, most likely, whose cgroup namespace does.
    plan->namespaces &= ~uint64_t{CLONE_NEWCGROUP};
    for_child.set_namespaces(plan->namespaces);
    pid = CloneCopy(flags(), exit_signal, &pidfd);
  }
  if (pid == 0) {
    const ChildPlan& childs = for_child.plan();
    ChildNotes& notes = for_child.notes();
    // Numbers that a closed standard descriptor left free are the command's,
    // not init's.
    const int control = fcntl(child_control.get(), F_DUPFD_CLOEXEC, 3);
    const int caller_pidfd = fcntl(caller, F_DUPFD_CLOEXEC, 3);
    if (control < 0 || caller_pidfd < 0) {
      Setup(childs, notes, child_control.get()).Fail(Step::kFinished);
    }
    RunInit(childs, notes, control, caller_pidfd);
  }
  if (pid < 0) return Explain(*plan, {Step::kClone, -1, errno, ""});
  init->pid = pid;
  init->pidfd = UniqueFd(pidfd);
  return absl::OkStatus();
}

absl::Status ServeInit(const Plan& plan, const InitProcess& init,
                       std::vector<std::string>* unknown_sockets) {
  if (plan.map_from_outside) {
    absl::Status status = MapIds(plan, init.pid);
    if (!status.ok()) return status;
  }
  if (plan.wait_for_go) {
    Message go;
    go.kind = MessageKind::kGo;
    SendMessage(init.control.get(), go);
  }
  return plan.mask_sockets
             ? SendMasks(plan, init.control.get(), unknown_sockets)
             : absl::OkStatus();
}

}  // namespace encapsulate
