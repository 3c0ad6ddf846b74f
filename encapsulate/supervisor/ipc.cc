// SPDX-License-Identifier: Apache-2.0
//
// The supervisor's part that makes System V objects and POSIX queues the
// sandbox's own: no key and no name leads to another one's, an identifier
// counts only if it was given away inside, and all go with the sandbox.
#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "encapsulate/supervisor/supervisor.h"

namespace encapsulate {
namespace {

using Kind = LedgerRecord::Kind;

// Control calls that are about no object: what the host's limits are. The
// numbers of one kind are others' of another: 12 is SHM_UNLOCK, too.
bool AsksForLimits(Kind kind, int command) {
  switch (kind) {
    case Kind::kMemory:
      return command == IPC_INFO || command == SHM_INFO;
    case Kind::kSemaphores:
      return command == IPC_INFO || command == SEM_INFO;
    case Kind::kMessages:
      return command == IPC_INFO || command == MSG_INFO;
    default:
      return false;
  }
}

// Of mq_overview(7): the kernel's ipc/mqueue.c.
constexpr uint32_t kQueueMagic = 0x19800202;

}  // namespace

Supervisor::Answer Supervisor::PerformIpc(const Call& call,
                                          const ThreadView& thread) {
  const auto& a = call.notification.data.args;
  const auto number = [&](int i) { return static_cast<int>(a[i]); };
  const auto control = [&](Kind kind, int command) {
    if (AsksForLimits(kind, command)) return Continue();
    return UseObject(kind, number(0), command == IPC_RMID);
  };
  switch (call.notification.data.nr) {
    case SYS_shmget:
      return GetObject(
          Kind::kMemory, number(0), number(2),
          [&](int key, int flags) { return shmget(key, a[1], flags); });
    case SYS_semget:
      return GetObject(
          Kind::kSemaphores, number(0), number(2),
          [&](int key, int flags) { return semget(key, number(1), flags); });
    case SYS_msgget:
      return GetObject(Kind::kMessages, number(0), number(1),
                       [](int key, int flags) { return msgget(key, flags); });
    case SYS_shmat:
      return UseObject(Kind::kMemory, number(0), false);
    case SYS_shmctl:
      return control(Kind::kMemory, number(1));
    case SYS_semop:
    case SYS_semtimedop:
      return UseObject(Kind::kSemaphores, number(0), false);
    case SYS_semctl:
      return control(Kind::kSemaphores, number(2));
    case SYS_msgsnd:
    case SYS_msgrcv:
      return UseObject(Kind::kMessages, number(0), false);
    case SYS_msgctl:
      return control(Kind::kMessages, number(1));
    case SYS_mq_open:
      return OpenQueue(call, thread);
    case SYS_mq_timedsend:
    case SYS_mq_timedreceive:
    case SYS_mq_notify:
      return UseQueue(thread, number(0));
    case SYS_mq_unlink: {
      const absl::optional<std::string> name = thread.ReadString(a[0]);
      if (!name.has_value()) return Fail(EFAULT);
      const std::string own = absl::StrCat(setup_.queue_prefix, *name);
      if (queues_.erase(own) == 0) return Fail(ENOENT);
      return ResultOf(syscall(SYS_mq_unlink, own.c_str()));
    }
    default:
      return Judge();
  }
}

Supervisor::Answer Supervisor::GetObject(
    Kind kind, int key, int flags,
    const std::function<int(int key, int flags)>& make) {
  const std::pair<Kind, int> name(kind, key);
  const auto known = keys_.find(name);
  if (key != IPC_PRIVATE) {
    if (known != keys_.end()) {
      return (flags & IPC_CREAT) != 0 && (flags & IPC_EXCL) != 0
                 ? Fail(EEXIST)
                 : Value(known->second);
    }
    if ((flags & IPC_CREAT) == 0) return Fail(ENOENT);
  }
  const int id = make(IPC_PRIVATE, flags);
  if (id < 0) return Fail(errno);
  objects_[kind].insert(id);
  if (key != IPC_PRIVATE) keys_[name] = id;
  made_.NoteObject(kind, id, "");
  return Value(id);
}

Supervisor::Answer Supervisor::UseObject(Kind kind, int id, bool removes) {
  if (objects_[kind].count(id) == 0) return Fail(EINVAL);
  if (removes) {
    // Memory stays for as long as somebody has it attached, and may be
    // attached until then.
    if (kind != Kind::kMemory) objects_[kind].erase(id);
    for (auto key = keys_.begin(); key != keys_.end();) {
      const bool gone = key->first.first == kind && key->second == id;
      key = gone ? keys_.erase(key) : std::next(key);
    }
  }
  return Continue();
}

Supervisor::Answer Supervisor::OpenQueue(const Call& call,
                                         const ThreadView& thread) {
  const auto& a = call.notification.data.args;
  const absl::optional<std::string> name = thread.ReadString(a[0]);
  if (!name.has_value()) return Fail(EFAULT);
  struct mq_attr attributes = {};
  const bool given = a[3] != 0;
  if (given && thread.Read(a[3], &attributes, sizeof(attributes)) !=
                   sizeof(attributes)) {
    return Fail(EFAULT);
  }
  if (name->empty()) return Fail(EINVAL);
  const std::string own = absl::StrCat(setup_.queue_prefix, *name);
  UniqueFd queue(static_cast<int>(
      syscall(SYS_mq_open, own.c_str(), static_cast<int>(a[1]),
              static_cast<mode_t>(a[2]), given ? &attributes : nullptr)));
  if (!queue.valid()) return Fail(errno);
  FileIdentity mark;
  if (ReadIdentity(queue.get(), "", &mark)) queue_files_.insert(mark);
  if (queues_.insert(own).second) {
    made_.NoteObject(Kind::kQueue, 0, own);
    static_cast<void>(
        fchmod(queue.get(), Masked(thread, static_cast<mode_t>(a[2]))) < 0);
  }
  return Send(call, std::move(queue), /*close_on_exec=*/true);
}

// Where the host's queues are mounted (mq_overview(7)), they are opened like
// files. What the descriptor stands for can be changed before the call goes on,
// and nobody can wait here for a message in its place.
Supervisor::Answer Supervisor::UseQueue(const ThreadView& thread,
                                        int fd) const {
  const UniqueFd queue = thread.OpenDescriptor(fd);
  if (!queue.valid()) return errno == ENOENT ? Continue() : Fail(EPERM);
  struct statfs system;
  if (fstatfs(queue.get(), &system) == 0 &&
      static_cast<uint32_t>(system.f_type) != kQueueMagic) {
    return Continue();
  }
  FileIdentity mark;
  const bool own = ReadIdentity(queue.get(), "", &mark) &&
                   (queue_files_.count(mark) != 0 ||
                    absl::c_linear_search(setup_.passed, mark));
  return own ? Continue() : Fail(EBADF);
}

void Supervisor::RemoveObjects() {
  for (int id : objects_[Kind::kMemory]) shmctl(id, IPC_RMID, nullptr);
  for (int id : objects_[Kind::kSemaphores]) semctl(id, 0, IPC_RMID);
  for (int id : objects_[Kind::kMessages]) msgctl(id, IPC_RMID, nullptr);
  for (const std::string& queue : queues_) {
    syscall(SYS_mq_unlink, queue.c_str());
  }
  objects_.clear();
  keys_.clear();
  queues_.clear();
}

}  // namespace encapsulate
