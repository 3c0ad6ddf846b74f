// SPDX-License-Identifier: Apache-2.0
//
// Performs calls in place of the threads that made them, where no namespace
// does what they would need.
//
//   Supervisor supervisor(setup);
//   supervisor.SetInit(pid);
//   Supervisor::Answer answer = supervisor.Perform({notification, listener},
//                                                  thread);
//
// Landlock is the wall for the data of files. What it doesn't know is done
// here, and the thread's own call never runs: whatever a thread can change
// while its call waits, memory or descriptors, is read once, the file is opened
// (O_PATH), what was opened is judged, and the call is performed on just that.
// That goes for
// - metadata: modes, owners, times, extended attributes, attributes by
// ioctl(2),
// - writing in directories that everybody uses, such as /tmp,
// - IP sockets, which are bound to the loopback device before they are handed
//   over,
// - System V objects and POSIX queues, whose keys and names are the sandbox's.
//
// Calls that name processes outside by a number are refused: the number is in a
// register, which doesn't change.
//
// What is performed is performed without capabilities, with the thread's umask,
// and by the caller's uid, which is the thread's. Not for several threads.
#ifndef ENCAPSULATE_SUPERVISOR_SUPERVISOR_H_
#define ENCAPSULATE_SUPERVISOR_SUPERVISOR_H_

#include <linux/seccomp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/child/ledger.h"
#include "encapsulate/inspect/places.h"
#include "encapsulate/inspect/thread_view.h"
#include "encapsulate/options.h"
#include "encapsulate/supervisor/made_files.h"
#include "encapsulate/violations.h"

namespace encapsulate {

struct SupervisorSetup {
  // Trees that stay as they are on the host: absolute, without links.
  std::vector<std::string> writable;
  // Directories that everybody uses: what others have in them stays.
  std::vector<std::string> shared;
  // Device nodes that may be written to.
  std::vector<std::string> devices;
  // Terminals that were there before, and aren't the command's.
  std::vector<std::string> other_terminals;
  // Files that descriptors passed to the command are open on, and those of them
  // that are open for writing.
  std::vector<FileIdentity> passed;
  std::vector<FileIdentity> outputs;
  // sys::LandlockAbi().
  int landlock_abi = 0;
  Network network = Network::kLoopback;
  // Where what has to be removed is noted, see child/ledger.h.
  int ledger = -1;
  // Begins the names of queues, which are the host's.
  std::string queue_prefix;
};

class Supervisor : public Places {
 public:
  explicit Supervisor(SupervisorSetup setup);
  ~Supervisor() override;
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Who adopts every orphan inside.
  void SetInit(pid_t init) { init_ = init; }

  // A call that waits, and where its answer goes.
  struct Call {
    const seccomp_notif& notification;
    int listener;
  };

  struct Answer {
    enum class Kind {
      // It is to go on: nothing outside is meant.
      kContinue,
      // It is somebody else's to decide.
      kJudge,
      // It has been performed, or has failed as the kernel would have it fail:
      // `error`, or `value`.
      kDone,
      // A descriptor was handed over, by which the call was answered.
      kSent,
      // It reaches out, and must not go on: `error`.
      kRefuse,
    };
    Kind kind = Kind::kJudge;
    int error = 0;
    int64_t value = 0;
    // Of kRefuse: what was reached for, where the call's own arguments don't
    // tell; else `target` is empty.
    Rule rule = Rule::kWrite;
    std::string target;
  };

  Answer Perform(const Call& call, const ThreadView& thread);

  // Places.
  bool Holds(const Found& found) const override;
  bool HoldsEntry(int directory, const std::string& name) const override;
  bool IsInside(pid_t pid) const override;

  // At the end: what was made for the command in shared directories, and is
  // removed now, as are its System V objects and queues.
  std::vector<std::string> RemoveAll();

  // For a child that isn't the one to remove anything.
  void Forget();

 private:
  // Where an object lies. That is known by the object: no text is believed.
  enum class Area {
    kOutside,
    kWritable,  // in a writable tree
    kShared,    // a shared directory itself
    kMade,      // in one, and made inside
    // No path leads to it, and who asks has it open for writing: the sandbox's
    // own pipes, sockets, memory with a name and removed files, and such as the
    // caller has passed.
    kOpened,
  };

  // Where an entry of a directory lies, there or not.
  enum class Realm {
    kWritable,  // the command's own affair
    kTree,      // a writable tree, in a directory that isn't: the kernel's
    kMade,      // in a shared directory, and made inside
    kNew,       // right in a shared directory, where nothing is
    kOthers,    // right in a shared directory, and not made inside
    kOutside,
  };

  struct Entry {
    Found found;
    Realm realm = Realm::kOutside;
    std::string path;
    bool exists = false;
  };

  static Answer AnswerOf(Answer::Kind kind, int error = 0, int64_t value = 0) {
    return {kind, error, value, Rule::kWrite, ""};
  }
  static Answer Continue() { return AnswerOf(Answer::Kind::kContinue); }
  static Answer Judge() { return AnswerOf(Answer::Kind::kJudge); }
  static Answer Fail(int error) { return AnswerOf(Answer::Kind::kDone, error); }
  static Answer Refuse(int error) {
    return AnswerOf(Answer::Kind::kRefuse, error);
  }
  static Answer Value(int64_t value) {
    return AnswerOf(Answer::Kind::kDone, 0, value);
  }
  // Of a call that sets errno.
  static Answer ResultOf(int64_t result);
  // Hands `fd` over, as the result of the call; closes it in any case, because
  // who waits for the end of what it leads to would wait for this process.
  static Answer Send(const Call& call, UniqueFd fd, bool close_on_exec);
  // What the thread's umask leaves of `mode`.
  static mode_t Masked(const ThreadView& thread, mode_t mode) {
    return mode & 07777 & ~thread.ReadStatus().umask;
  }
  // Whether the thread is the same that made the call.
  static bool StillWaits(const Call& call);

  bool IsWritable(const std::string& path) const;
  bool IsDevice(int fd) const;
  bool IsOutput(int fd) const;
  Area AreaAt(int fd) const;
  Area AreaOf(const Found& found) const;
  Realm RealmOf(int directory, const std::string& name, bool exists) const;
  bool FindEntry(const ThreadView& thread, int directory, uint64_t address,
                 Entry* entry) const;
  bool FindEntryOf(const ThreadView& thread, int directory,
                   const std::string& path, Entry* entry) const;

  // files.cc
  Answer PerformFiles(const Call& call, const ThreadView& thread);
  Answer Open(const Call& call, const ThreadView& thread, int directory,
              uint64_t address, uint64_t flags, mode_t mode);
  Answer OpenThere(const Call& call, const ThreadView& thread,
                   const Found& found, uint64_t flags, mode_t mode);
  Answer Create(const Call& call, const ThreadView& thread, const Found& found,
                uint64_t flags, mode_t mode);
  Answer Reopen(const Call& call, const UniqueFd& file, uint64_t flags,
                mode_t mode);
  using Act = std::function<int(const Entry&)>;
  Answer Make(const Call& call, const ThreadView& thread, int directory,
              uint64_t address, absl::optional<mode_t> mode, const Act& act);
  Answer RemoveEntry(const Call& call, const ThreadView& thread, int directory,
                     uint64_t address, int flags);
  Answer Rename(const Call& call, const ThreadView& thread, int from_directory,
                uint64_t from, int to_directory, uint64_t to, unsigned flags);
  Answer Link(const Call& call, const ThreadView& thread, int from_directory,
              uint64_t from, int to_directory, uint64_t to, int flags);
  Answer Truncate(const Call& call, const ThreadView& thread, uint64_t address,
                  int64_t size) const;
  static bool IsOwnProc(const ThreadView& thread, int fd);

  // metadata.cc
  Answer PerformMetadata(const Call& call, const ThreadView& thread);
  using Change = std::function<int(int fd, const std::string& path)>;
  Answer ChangeFile(const Call& call, const ThreadView& thread, int directory,
                    absl::optional<uint64_t> address, int at_flags,
                    const Change& change) const;

  // network.cc
  Answer PerformSockets(const Call& call, const ThreadView& thread);
  void FindHolders(int protocol, int port, bool* inside, bool* outside) const;
  Answer JudgePeer(const ThreadView& thread, int fd, uint64_t address,
                   uint64_t size) const;
  Answer JudgeServer(int protocol, const sockaddr_storage& peer) const;
  Answer JudgeMessage(const ThreadView& thread, int fd, uint64_t address) const;

  // sockets.cc
  Answer MakeSocket(const Call& call);
  Answer Bind(const ThreadView& thread, int fd, uint64_t address,
              uint64_t size);
  static Answer BindToAddress(const ThreadView& thread, const UniqueFd& socket,
                              uint64_t address, uint64_t size);
  Answer BindShared(const ThreadView& thread, int fd, const std::string& path);
  Answer Connect(const ThreadView& thread, int fd, uint64_t address,
                 uint64_t size) const;
  Answer ChooseInterface(const ThreadView& thread, int fd, int level,
                         int option, uint64_t value, uint64_t size) const;

  // processes.cc
  Answer PerformProcesses(const Call& call) const;
  Answer Reach(pid_t pid, const Call& call) const;
  bool IsGroupInside(pid_t group) const;
  Answer Signal(const Call& call) const;

  // ipc.cc
  Answer PerformIpc(const Call& call, const ThreadView& thread);
  Answer GetObject(LedgerRecord::Kind kind, int key, int flags,
                   const std::function<int(int key, int flags)>& make);
  Answer UseObject(LedgerRecord::Kind kind, int id, bool removes);
  Answer OpenQueue(const Call& call, const ThreadView& thread);
  Answer UseQueue(const ThreadView& thread, int fd) const;
  void RemoveObjects();

  const SupervisorSetup setup_;
  MadeFiles made_;
  pid_t init_ = -1;

  const bool duplicates_;       // see CanDuplicate()
  std::set<uint64_t> sockets_;  // inodes of those that were handed over
  // By kind: identifiers, and what keys stand for.
  std::map<LedgerRecord::Kind, std::set<int>> objects_;
  std::map<std::pair<LedgerRecord::Kind, int>, int> keys_;
  std::set<std::string> queues_;
  std::set<FileIdentity> queue_files_;
};

// While one of these is there, the calling thread has no capabilities in
// effect (capabilities(7): they are each thread's own).
class WithoutCapabilities {
 public:
  WithoutCapabilities();
  ~WithoutCapabilities();
  WithoutCapabilities(const WithoutCapabilities&) = delete;
  WithoutCapabilities& operator=(const WithoutCapabilities&) = delete;

 private:
  bool dropped_ = false;
  uint32_t held_[2][3] = {};  // effective, permitted, inheritable
};

// While one of these is there, a file that would become larger than this
// process's limit is an error (EFBIG), and doesn't end it (setrlimit(2)).
class WithoutSizeSignal {
 public:
  WithoutSizeSignal();
  ~WithoutSizeSignal();
  WithoutSizeSignal(const WithoutSizeSignal&) = delete;
  WithoutSizeSignal& operator=(const WithoutSizeSignal&) = delete;

 private:
  sigset_t held_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_SUPERVISOR_SUPERVISOR_H_
