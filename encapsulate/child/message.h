// SPDX-License-Identifier: Apache-2.0
//
// What the caller and the sandbox's init tell each other, over one socket pair
// of type SOCK_SEQPACKET: plain data, one message a packet, no allocation.
#ifndef ENCAPSULATE_CHILD_MESSAGE_H_
#define ENCAPSULATE_CHILD_MESSAGE_H_

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace encapsulate {

// The steps of setting up, in about the order in which they are taken. Each
// has a phrase in explain.cc.
enum class Step : uint8_t {
  kClone,
  kMakeNetwork,
  kJoinCgroup,
  kMapUser,
  kHostname,
  kOpenMountTable,
  kCloneTree,  // index: place
  kMakeReadOnly,
  kReopenInput,        // index: descriptor
  kProtectExecutable,  // index: MoveStep; text: "allowed" if that is no error
  kMountStage,
  kMakeMountPoint,   // index: place
  kMountPlace,       // index: place
  kSealPlace,        // index: place
  kMakeDirectory,    // index: plan.make_directories
  kMaskSocket,       // text: the path
  kNetworkSettings,  // text: the setting's path
  kForbidCgroups,
  kProtectProc,
  kReadMountTable,
  kCoverMount,    // text: the mount point
  kVerifyMounts,  // text: the mount point that is writable
  kLoopback,
  kNameServer,
  kVerifyNetwork,  // text: the interface that is up
  kEnterDirectory,
  kLeaveKeyring,
  kDropCapabilities,
  kMakeMappingsPrivate,  // Enter() only; text: what is mapped
  kAdoptOrphans,         // without namespaces
  kEnterDomain,          // without namespaces
  kFilterCalls,
  kWatchCalls,
  kVerifyPrivileges,
  kJoinNamespaces,  // Enter() only
  kLeaveSession,
  kFork,
  kSetLimit,  // index: the RLIMIT_ constant
  kTakeTerminal,
  kExecute,
  kFindLeftovers,
  kFindChanges,
  kFinished,  // nothing is left to do
};

// Where moving a child to another mount of its executable fails.
enum class MoveStep : uint8_t {
  kNone,
  kOpen,     // the file isn't to be found under its name, or can't be read
  kRead,     // /proc/self
  kMap,      // the mappings
  kReplace,  // PR_SET_MM_MAP
  kVerify,   // /proc/self/exe is not read-only afterwards
};

// What a process has left behind in a sandbox, and why nobody can tell.
enum class Trace : uint8_t {
  kNone,
  kCall,     // a call that the filter reports
  kEnd,      // it was killed, or stopped for a tracer
  kProcess,  // another process is there, or has been
  kFiles,    // what is fresh for each sandbox has changed
  kSocket,
  kMounts,
  kSignal,  // init has one to take
  // A kernel that doesn't do what it takes.
  kNoProcfs,
  kNoPidNumbers,
  kNoRefresh,
  kNoTimes,
  kTooMuch,       // more directories than are compared
  kNoComparison,  // of the caller with the relay
};

enum class MessageKind : uint8_t {
  // From init.
  kFailed,      // step, index, error, text
  kReady,       // the view stands (text: StepRecords); Enter() may go on
  kInput,       // carries a descriptor to put in place of `number`; -1: the
                // caller's executable, without one if it couldn't be opened
  kListener,    // carries the filter's; number: 1 if only SIGKILL interrupts
  kNameServer,  // carries the name server's socket; number: its type
  kNetwork,     // carries the directory /proc/PID/net of init
  kLastPid,     // number: the latest pid that was given away inside
  kStarted,     // the command runs (text: StepRecords); number, from Enter()'s
                // child: why its executable is exposed
  kStopped,     // number: the signal that stopped the command
  kLeftover,    // number: pid; text: name '\0' command
  kChange,      // number: OverlayChange::Kind; text: path
  kEnded,       // number: wait status; usage; flags; if something couldn't be
                // looked at: step, error; index: Trace; text as of kNoted, if
                // fresh places were renewed
  kNoted,       // the answer to kJoined; number: why it can't be used again, a
                // Trace; text: the device numbers (dev_t) of the fresh places
                // that can be renewed
  // From the caller.
  kGo,        // ids are mapped, cgroup joined: carry on
  kMasks,     // text: paths, each with a '\0'; empty: that was all
  kSignal,    // number: signal for the command
  kContinue,  // SIGCONT for the command's process group
  kWatch,     // from Enter()'s child: number: its pid, to watch as the command;
              // carries an eventfd to be told by
  kJoined,    // whoever forks the commands has joined: let nobody else in
  kCheck,  // from who forks the commands: the command has ended, and no other
           // child is left; number: a Trace of which init can't know; flags
  kTerminal,  // give the terminal to the command's process group
  kAskPid,    // wants kLastPid
  kLeave,     // kEnded is understood, and the relay is gone; before it, without
              // namespaces: end everybody
};

struct StepRecord {
  Step step;
  uint32_t nanoseconds;
};

inline constexpr size_t kMaxMessageText = 8192;
inline constexpr uint32_t kEndedTimedOut = 1;
inline constexpr uint32_t kEndedUsedCpuTime = 2;
// Of a sandbox that is to be used again: it can be, and init goes on.
inline constexpr uint32_t kEndedUntouched = 4;
// Of kCheck: fresh places have been changed, and are to be renewed.
inline constexpr uint32_t kCheckRenew = 1;

struct Message {
  MessageKind kind;
  Step step = Step::kFinished;
  int32_t index = -1;
  int32_t error = 0;
  int32_t number = 0;
  uint32_t flags = 0;
  uint32_t count = 0;
  uint32_t text_size = 0;
  int64_t wall_nanoseconds = 0;
  struct rusage usage = {};
  char text[kMaxMessageText];
};

// Sent as the bytes that it is.
static_assert(std::is_trivially_copyable<Message>::value,
              "a message is plain data");
static_assert(std::is_trivially_destructible<Message>::value,
              "a message is plain data");

// One packet of plain data, with at most kMaxDescriptors descriptors along
// (unix(7), SCM_RIGHTS). False, with errno, if the other end is gone. Never
// raises SIGPIPE.
inline constexpr size_t kMaxDescriptors = 2;
bool SendPacket(int socket, const void* data, size_t size, const int* fds,
                size_t count);
// Returns the packet's size, 0 at the end of the stream, -1 on an error. Fills
// in as many of the `count` descriptors (close-on-exec) as came along; the
// others become -1.
ssize_t ReceivePacket(int socket, void* data, size_t size, int* fds,
                      size_t count);

// Sends the message, without the unused rest of its text. False, with errno,
// if the other end is gone. Never raises SIGPIPE.
bool SendMessage(int socket, const Message& message);
// The same, with a descriptor along (unix(7), SCM_RIGHTS).
bool SendDescriptor(int socket, const Message& message, int fd);
// Sends MessageKind::kListener by the one call that its filter lets pass.
bool SendListener(int socket, int listener, bool killable);
// Fills in `message`, and `fd`, if it isn't null, with the descriptor that came
// along (close-on-exec) or -1; false at the end of the stream (errno 0) or on
// an error.
bool ReceiveMessage(int socket, Message* message, int* fd = nullptr);

}  // namespace encapsulate

#endif  // ENCAPSULATE_CHILD_MESSAGE_H_
