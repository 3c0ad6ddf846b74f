// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/supervisor/supervisor.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/inspect/processes.h"
#include "encapsulate/supervisor/sockets.h"
#include "encapsulate/supervisor/true_path.h"

namespace encapsulate {
namespace {

__user_cap_header_struct Header() { return {_LINUX_CAPABILITY_VERSION_3, 0}; }

}  // namespace

WithoutCapabilities::WithoutCapabilities() {
  __user_cap_header_struct header = Header();
  __user_cap_data_struct held[2] = {};
  if (syscall(SYS_capget, &header, held) != 0 ||
      (held[0].effective | held[1].effective) == 0) {
    return;
  }
  for (int i = 0; i < 2; ++i) {
    held_[i][0] = held[i].effective;
    held_[i][1] = held[i].permitted;
    held_[i][2] = held[i].inheritable;
    held[i].effective = 0;
  }
  header = Header();
  dropped_ = syscall(SYS_capset, &header, held) == 0;
}

WithoutCapabilities::~WithoutCapabilities() {
  if (!dropped_) return;
  const int error = errno;
  __user_cap_header_struct header = Header();
  const __user_cap_data_struct held[2] = {
      {held_[0][0], held_[0][1], held_[0][2]},
      {held_[1][0], held_[1][1], held_[1][2]}};
  syscall(SYS_capset, &header, held);
  errno = error;
}

WithoutSizeSignal::WithoutSizeSignal() {
  sigset_t size;
  sigemptyset(&size);
  sigaddset(&size, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &size, &held_);
}

WithoutSizeSignal::~WithoutSizeSignal() {
  if (sigismember(&held_, SIGXFSZ) == 1) return;
  sigset_t size;
  sigemptyset(&size);
  sigaddset(&size, SIGXFSZ);
  const struct timespec none = {};
  sigtimedwait(&size, nullptr, &none);
  pthread_sigmask(SIG_SETMASK, &held_, nullptr);
}

Supervisor::Supervisor(SupervisorSetup setup)
    : setup_(std::move(setup)),
      made_(setup_.shared, setup_.ledger),
      duplicates_(CanDuplicate()) {}

Supervisor::~Supervisor() = default;

Supervisor::Answer Supervisor::Perform(const Call& call,
                                       const ThreadView& thread) {
  const WithoutCapabilities without;
  const WithoutSizeSignal no_signal;
  for (Answer (Supervisor::*perform)(const Call&, const ThreadView&) :
       {&Supervisor::PerformFiles, &Supervisor::PerformMetadata,
        &Supervisor::PerformSockets, &Supervisor::PerformIpc}) {
    Answer answer = (this->*perform)(call, thread);
    if (answer.kind != Answer::Kind::kJudge) return answer;
  }
  return PerformProcesses(call);
}

Supervisor::Answer Supervisor::ResultOf(int64_t result) {
  return result < 0 ? Fail(errno) : Value(result);
}

Supervisor::Answer Supervisor::Send(const Call& call, UniqueFd fd,
                                    bool close_on_exec) {
  seccomp_notif_addfd add = {};
  add.id = call.notification.id;
  add.srcfd = static_cast<uint32_t>(fd.get());
  add.flags = SECCOMP_ADDFD_FLAG_SEND;
  add.newfd_flags = close_on_exec ? O_CLOEXEC : 0;
  if (ioctl(call.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0) {
    return AnswerOf(Answer::Kind::kSent);
  }
  // ENOENT, EINPROGRESS: the thread is gone.
  return Fail(errno == EMFILE || errno == ENFILE ? errno : EINTR);
}

bool Supervisor::StillWaits(const Call& call) {
  uint64_t id = call.notification.id;
  return ioctl(call.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

bool Supervisor::IsWritable(const std::string& path) const {
  return absl::c_any_of(setup_.writable, [&](const std::string& tree) {
    return IsWithin(path, tree);
  });
}

bool Supervisor::IsOutput(int fd) const {
  FileIdentity mark;
  return !setup_.outputs.empty() && ReadIdentity(fd, "", &mark) &&
         absl::c_linear_search(setup_.outputs, mark);
}

Supervisor::Area Supervisor::AreaAt(int fd) const {
  UniqueFd above;
  for (int i = 0; i < PATH_MAX; ++i) {
    const std::string path = TruePathOf(fd);
    if (IsWritable(path)) return Area::kWritable;
    if (made_.IsRoot(path)) return i == 0 ? Area::kShared : Area::kOutside;
    if (made_.Has(path, fd) || made_.HasFile(fd)) return Area::kMade;
    if (!path.empty()) return Area::kOutside;
    // A directory that has been removed still knows the one it was in.
    UniqueFd parent(openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    FileIdentity one;
    FileIdentity other;
    if (!parent.valid() || !ReadIdentity(fd, "", &one) ||
        !ReadIdentity(parent.get(), "", &other) || one == other) {
      return Area::kOutside;
    }
    above = std::move(parent);
    fd = above.get();
  }
  return Area::kOutside;
}

Supervisor::Area Supervisor::AreaOf(const Found& found) const {
  const int file = found.file.get();
  const Area area = AreaAt(file);
  struct stat info;
  if (area != Area::kOutside || fstat(file, &info) != 0 ||
      !TruePathOf(file).empty()) {
    return area;
  }
  // By a path: it may have been removed since it was there.
  if (found.directory.valid()) {
    const Area above = AreaAt(found.directory.get());
    if (above == Area::kWritable || above == Area::kMade) return above;
  }
  if (found.access == Access::kWriting) return Area::kOpened;
  // The kernel gives a pipe's other end to everybody who has one.
  return found.access == Access::kDescriptor && S_ISFIFO(info.st_mode) &&
                 absl::StartsWith(PathOf(file), "pipe:")
             ? Area::kOpened
             : Area::kOutside;
}

bool Supervisor::Holds(const Found& found) const {
  const int file = found.file.get();
  const Area area = AreaOf(found);
  if (area == Area::kWritable || area == Area::kMade) return true;
  struct stat info;
  if (area == Area::kShared || fstat(file, &info) != 0) return false;
  const bool is_device = S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode);
  const std::string path = is_device ? TruePathOf(file) : "";
  // Landlock allows all of them: a terminal that is made inside has no number
  // before.
  if (absl::c_linear_search(setup_.other_terminals, path)) return false;
  if (is_device && absl::c_any_of(setup_.devices, [&](const std::string& one) {
        return IsWithin(path, one);
      })) {
    return true;
  }
  // Without a type it isn't one's own, but everybody's: eventfd(2), epoll(7).
  return IsOutput(file) ||
         (area == Area::kOpened && (info.st_mode & S_IFMT) != 0);
}

// A node that may be written to, but not be another one, because it is the
// host's.
bool Supervisor::IsDevice(int fd) const {
  struct stat info;
  return fstat(fd, &info) == 0 &&
         (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) &&
         AreaAt(fd) != Area::kWritable;
}

Supervisor::Realm Supervisor::RealmOf(int directory, const std::string& name,
                                      bool exists) const {
  const Area area = AreaAt(directory);
  if (area == Area::kWritable) return Realm::kWritable;
  if (area == Area::kMade) return Realm::kMade;
  const std::string path = TruePathOf(directory);
  if (!path.empty() &&
      absl::c_linear_search(setup_.writable, EntryOf(path, name))) {
    return Realm::kTree;
  }
  if (area != Area::kShared) return Realm::kOutside;
  if (!exists) return Realm::kNew;
  return made_.HasEntry(directory, name) ? Realm::kMade : Realm::kOthers;
}

bool Supervisor::HoldsEntry(int directory, const std::string& name) const {
  struct stat info;
  const bool exists =
      fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
  const Realm realm = RealmOf(directory, name, exists);
  return realm != Realm::kOthers && realm != Realm::kOutside;
}

bool Supervisor::IsInside(pid_t pid) const { return Descends(pid, init_); }

// False if the path names no entry, or leads nowhere.
bool Supervisor::FindEntry(const ThreadView& thread, int directory,
                           uint64_t address, Entry* entry) const {
  const absl::optional<std::string> path = thread.ReadString(address);
  return path.has_value() && FindEntryOf(thread, directory, *path, entry);
}

bool Supervisor::FindEntryOf(const ThreadView& thread, int directory,
                             const std::string& path, Entry* entry) const {
  if (path.empty() || path.size() >= PATH_MAX) return false;
  entry->found = thread.Find(directory, path, LastPart::kEntry);
  if (entry->found.error != 0 || !entry->found.directory.valid()) return false;
  const int parent = entry->found.directory.get();
  struct stat info;
  entry->exists = fstatat(parent, entry->found.name.c_str(), &info,
                          AT_SYMLINK_NOFOLLOW) == 0;
  entry->realm = RealmOf(parent, entry->found.name, entry->exists);
  entry->path = EntryOf(PathOf(parent), entry->found.name);
  return true;
}

std::vector<std::string> Supervisor::RemoveAll() {
  RemoveObjects();
  return made_.RemoveAll();
}

void Supervisor::Forget() {
  made_.Forget();
  objects_.clear();
  queues_.clear();
}

}  // namespace encapsulate
