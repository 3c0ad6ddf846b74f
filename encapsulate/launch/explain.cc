#include "encapsulate/launch/explain.h"

#include <sys/resource.h>

#include <cerrno>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/host/causes.h"

namespace encapsulate {
namespace {

const char* LimitOption(int resource) {
  switch (resource) {
    case RLIMIT_CPU:
      return "CPU time";
    case RLIMIT_AS:
      return "the address space";
    case RLIMIT_FSIZE:
      return "the size of files";
    case RLIMIT_NOFILE:
      return "open files";
    case RLIMIT_NPROC:
      return "processes";
    default:
      return "core files";
  }
}

// One failure in words: "cannot <what>: <why>; hint: <hint>".
class Explainer {
 public:
  Explainer(const Plan& plan, const Failure& failure)
      : plan_(plan), failure_(failure) {}

  absl::Status Status() const {
    if (failure_.step == Step::kExecute) return CommandStatus();
    if (failure_.step == Step::kEnterDirectory) return DirectoryStatus();
    Cause cause = WhyUsedUp(failure_.error);
    if (cause.hint.empty()) cause = Why();
    return MakeFailure(
        FailureKind::kHostRefused,
        Sentence(absl::StrCat("cannot ", What()),
                 cause.reason.empty()
                     ? Reason(failure_.error)
                     : absl::StrCat(cause.reason, ": ", Reason(failure_.error)),
                 cause.hint));
  }

 private:
  static std::string Sentence(absl::string_view what, absl::string_view why,
                              absl::string_view hint) {
    return hint.empty() ? absl::StrCat(what, ": ", why)
                        : absl::StrCat(what, ": ", why, "; hint: ", hint);
  }

  absl::Status CommandStatus() const {
    const std::string name = Quote(plan_.command);
    const std::string what = absl::StrCat("cannot run ", name);
    switch (failure_.error) {
      case ENOENT:
      case ENOTDIR:
        if (failure_.text.empty()) {
          return MakeFailure(FailureKind::kCommandNotFound,
                             Sentence(what,
                                      absl::StrContains(plan_.command, "/")
                                          ? Reason(ENOENT)
                                          : "no such command in PATH (ENOENT)",
                                      ""));
        }
        return MakeFailure(
            FailureKind::kCommandNotUsable,
            Sentence(what,
                     absl::StrCat("the interpreter or loader that ",
                                  Quote(failure_.text),
                                  " names does not exist (ENOENT)"),
                     ""));
      case EISDIR:
        return MakeFailure(FailureKind::kCommandNotUsable,
                           Sentence(what, "it is a directory (EACCES)", ""));
      default:
        return MakeFailure(FailureKind::kCommandNotUsable,
                           Sentence(what, Reason(failure_.error), ""));
    }
  }

  absl::Status DirectoryStatus() const {
    const bool given = !plan_.directory_given.empty();
    const std::string& path = given ? plan_.directory_given : plan_.directory;
    std::string why = Reason(failure_.error);
    for (const Place& place : plan_.places) {
      const bool empty =
          place.kind == PlaceKind::kTmpfs || place.kind == PlaceKind::kHidden;
      if (empty && failure_.error == ENOENT &&
          IsWithin(plan_.directory, place.target)) {
        why = absl::StrCat(Quote(place.given),
                           " is empty in the sandbox: ", Reason(ENOENT));
      }
    }
    return MakeFailure(
        FailureKind::kInvalidOptions,
        Sentence(absl::StrCat(given ? "cannot change to directory "
                                    : "cannot keep working directory ",
                              Quote(path)),
                 why, given ? "" : DirectoryHint()));
  }

  // Root, too, loses the right to enter what isn't its own.
  const char* DirectoryHint() const {
    return failure_.error == EACCES
               ? "name one that this user may enter, such as --chdir=/"
               : "name another directory with --chdir, or show this one";
  }

  std::string PlaceName() const {
    const auto index = static_cast<size_t>(failure_.index);
    return index < plan_.places.size() ? Quote(plan_.places[index].given)
                                       : "a place";
  }

  std::string PlaceVerb() const {
    const auto index = static_cast<size_t>(failure_.index);
    if (index >= plan_.places.size()) return "mount";
    switch (plan_.places[index].kind) {
      case PlaceKind::kWritable:
        return "make writable";
      case PlaceKind::kTmpfs:
        return "mount a tmpfs at";
      case PlaceKind::kOverlay:
        return "overlay";
      case PlaceKind::kHidden:
        return "hide";
      default:
        return "mount a private";
    }
  }

  std::string What() const {
    switch (failure_.step) {
      case Step::kClone:
        return "make namespaces";
      case Step::kMakeNetwork:
        return "make a network namespace";
      case Step::kJoinCgroup:
        return absl::StrCat("put the sandbox into cgroup ",
                            Quote(failure_.text));
      case Step::kMapUser:
        return "map the user into a user namespace";
      case Step::kHostname:
        return absl::StrCat("set host name ", Quote(plan_.hostname));
      case Step::kOpenMountTable:
        return "open '/proc/self/mountinfo'";
      case Step::kCloneTree:
      case Step::kMountPlace:
      case Step::kMakeMountPoint:
      case Step::kSealPlace:
        return absl::StrCat(PlaceVerb(), " ", PlaceName());
      case Step::kMakeReadOnly:
        return "make the filesystem read-only";
      case Step::kReopenInput:
        return absl::StrCat("pass descriptor ", failure_.index,
                            " without a way to change its file");
      case Step::kProtectExecutable:
        return absl::StrCat("keep ", Quote(plan_.executable),
                            " out of the reach of what runs inside");
      case Step::kMountStage:
        return "mount a tmpfs at '/proc'";
      case Step::kMakeDirectory:
        return absl::StrCat(
            "make directory ",
            Quote(plan_.make_directories[static_cast<size_t>(failure_.index)]));
      case Step::kMaskSocket:
        return absl::StrCat("mask ", Quote(failure_.text));
      case Step::kNetworkSettings:
        return absl::StrCat("write ", Quote(failure_.text));
      case Step::kForbidCgroups:
        return "turn off cgroup namespaces inside";
      case Step::kProtectProc:
        return "make '/proc' read-only but for processes";
      case Step::kReadMountTable:
        return "read the mount table back";
      case Step::kCoverMount:
        return absl::StrCat("cover ", Quote(failure_.text));
      case Step::kVerifyMounts:
        return absl::StrCat("make ", Quote(failure_.text), " read-only");
      case Step::kLoopback:
        return "bring loopback up";
      case Step::kNameServer:
        return "listen for questions for names";
      case Step::kVerifyNetwork:
        return absl::StrCat("isolate the network, interface ",
                            Quote(failure_.text));
      case Step::kLeaveKeyring:
        return "leave the session keyring";
      case Step::kDropCapabilities:
        return "drop capabilities";
      case Step::kMakeMappingsPrivate:
        return absl::StrCat("make the shared mapping of ", Quote(failure_.text),
                            " private");
      case Step::kFilterCalls:
        return "filter system calls";
      case Step::kWatchCalls:
        return "watch for violations";
      case Step::kVerifyPrivileges:
        return absl::StrCat("drop privileges, ", failure_.text);
      case Step::kJoinNamespaces:
        return "enter the sandbox";
      case Step::kFork:
        return "fork";
      case Step::kSetLimit:
        return absl::StrCat("limit ", LimitOption(failure_.index));
      case Step::kLeaveSession:
        return "leave the caller's session";
      case Step::kTakeTerminal:
        return "hand the terminal over";
      case Step::kFindLeftovers:
        return "find what the command left behind";
      case Step::kFindChanges:
        return "find what overlays caught";
      case Step::kEnterDirectory:
      case Step::kExecute:
      case Step::kFinished:
        break;
    }
    return "make the sandbox";
  }

  Cause Why() const {
    const int error = failure_.error;
    switch (failure_.step) {
      case Step::kClone:
        return WhyNoNamespaces(error);
      case Step::kMakeNetwork: {
        const Cause cause = WhyNotPrivileged(error);
        return cause.reason.empty() ? WhyNoNamespaces(error) : cause;
      }
      case Step::kMapUser:
        return WhyNotMapped(error);
      case Step::kOpenMountTable:
        if (error == ENOENT) {
          return {"/proc is not mounted", "mount -t proc proc /proc"};
        }
        return {"", ""};
      case Step::kCloneTree:
        if (error == ENOENT) return Vanished();
        if (error == ELOOP) {
          return {
              "a symbolic link took its place while the sandbox was being "
              "made",
              ""};
        }
        return WhyForbidden(error);
      case Step::kMountPlace:
        return WhyNotMounted();
      case Step::kMakeReadOnly:
      case Step::kMountStage:
        if (error == ENOSPC) return TooManyMounts();
        if (error == EFBIG) {
          return {"the limit on the size of files has no room for /etc/hosts",
                  "raise ulimit -f"};
        }
        return WhyForbidden(error);
      case Step::kMaskSocket:
      case Step::kCoverMount:
      case Step::kProtectProc:
        if (error == ENOSPC) return TooManyMounts();
        return {"", ""};
      case Step::kReopenInput:
        return {"its file can't be found under its name in the sandbox",
                "pass its content by a pipe: cat FILE | encapsulate ..."};
      case Step::kProtectExecutable:
        return WhyExposed();
      case Step::kMakeMappingsPrivate:
        return {"the sandbox has no such file",
                "map it inside, or keep it shared by "
                "Options::shared_mappings (TestOptions::shared_mappings)"};
      case Step::kVerifyMounts:
        return {"it stayed writable", ""};
      case Step::kVerifyNetwork:
        return {"it is not as it should be", ""};
      case Step::kNetworkSettings:
      case Step::kLoopback:
      case Step::kNameServer:
      case Step::kHostname:
      case Step::kFilterCalls:
      case Step::kLeaveSession:
        return WhyForbidden(error);
      case Step::kFindChanges:
        if (error == E2BIG) {
          return {"the names of what was written take more than 64 MiB",
                  "list no changes, or overlay a smaller tree"};
        }
        return WhyUsedUp(error);
      case Step::kFindLeftovers:
        return WhyUsedUp(error);
      case Step::kWatchCalls:
        if (error == EBUSY) {
          return {
              "a sandbox around this one watches already, and the kernel has "
              "one watcher for all processes below another",
              "let the outer one watch: --violations=off for the inner one, "
              "--encapsulate_violations=off if that is a program of tests"};
        }
        if (error == EINVAL || error == ENOSYS) {
          return {"this kernel has no user notification of seccomp",
                  "use Linux 5.10 or newer"};
        }
        return WhyForbidden(error);
      default:
        return {"", ""};
    }
  }

  Cause WhyExposed() const {
    Cause cause;
    switch (static_cast<MoveStep>(failure_.index)) {
      case MoveStep::kOpen:
        cause.reason = "it can't be read under its name";
        break;
      case MoveStep::kMap:
        cause.reason = "its mappings can't be replaced";
        break;
      case MoveStep::kReplace:
        cause.reason =
            "a filter or a kernel without CONFIG_CHECKPOINT_RESTORE refuses "
            "PR_SET_MM_MAP";
        break;
      case MoveStep::kVerify:
        cause.reason = "its mount stayed writable";
        break;
      case MoveStep::kNone:
      case MoveStep::kRead:
        cause.reason = "/proc/self can't be read";
        break;
    }
    if (failure_.text.empty()) {
      cause.hint =
          "allow that by Options::exposed_executable, in a program of tests by "
          "--encapsulate_exposed_executable=note";
    }
    return cause;
  }

  static Cause Vanished() {
    return {"it vanished while the sandbox was being made", ""};
  }

  static Cause TooManyMounts() {
    return {"the limit on mounts is reached",
            "as root, raise sysctl fs.mount-max"};
  }

  Cause WhyNotMounted() const {
    const auto index = static_cast<size_t>(failure_.index);
    if (index >= plan_.places.size()) return {"", ""};
    if (failure_.error == ENOSPC) return TooManyMounts();
    const Place& place = plan_.places[index];
    switch (place.kind) {
      case PlaceKind::kWritable:
      case PlaceKind::kTmpfs:
      case PlaceKind::kHidden:
        if (failure_.error == ENOENT) return Vanished();
        break;
      case PlaceKind::kProc:
      case PlaceKind::kSys:
        return WhyNotRevealed(place.target, failure_.error);
      case PlaceKind::kOverlay:
        if (failure_.error == ENOENT) return Vanished();
        if (failure_.error == EPERM) {
          return {"overlays in user namespaces need Linux 5.11", ""};
        }
        if (failure_.error == EINVAL || failure_.error == ENODEV) {
          return {
              "its filesystem can't be the lower layer of an overlay, or "
              "this kernel has none",
              "use --tmpfs or --writable for it"};
        }
        break;
      default:
        break;
    }
    return WhyForbidden(failure_.error);
  }

  const Plan& plan_;
  const Failure& failure_;
};

}  // namespace

absl::Status Explain(const Plan& plan, const Failure& failure) {
  return Explainer(plan, failure).Status();
}

absl::string_view StepName(Step step) {
  switch (step) {
    case Step::kClone:
      return "clone";
    case Step::kMakeNetwork:
      return "make network";
    case Step::kJoinCgroup:
      return "join cgroup";
    case Step::kMapUser:
      return "map user";
    case Step::kHostname:
      return "set host name";
    case Step::kOpenMountTable:
      return "open mount table";
    case Step::kCloneTree:
      return "clone writable trees";
    case Step::kMakeReadOnly:
      return "make read-only";
    case Step::kReopenInput:
      return "reopen inputs";
    case Step::kProtectExecutable:
      return "protect executable";
    case Step::kMountStage:
      return "mount stage";
    case Step::kMakeMountPoint:
      return "make mount points";
    case Step::kMountPlace:
      return "mount places";
    case Step::kSealPlace:
      return "seal places";
    case Step::kMakeDirectory:
      return "make directories";
    case Step::kMaskSocket:
      return "mask sockets";
    case Step::kNetworkSettings:
      return "change network settings";
    case Step::kForbidCgroups:
      return "forbid cgroups";
    case Step::kProtectProc:
      return "protect /proc";
    case Step::kReadMountTable:
      return "read mount table";
    case Step::kCoverMount:
      return "cover mounts";
    case Step::kVerifyMounts:
      return "verify mounts";
    case Step::kLoopback:
      return "bring loopback up";
    case Step::kNameServer:
      return "listen for names";
    case Step::kVerifyNetwork:
      return "verify network";
    case Step::kEnterDirectory:
      return "enter directory";
    case Step::kLeaveKeyring:
      return "leave keyring";
    case Step::kDropCapabilities:
      return "drop capabilities";
    case Step::kMakeMappingsPrivate:
      return "make mappings private";
    case Step::kFilterCalls:
      return "filter system calls";
    case Step::kWatchCalls:
      return "watch system calls";
    case Step::kVerifyPrivileges:
      return "verify privileges";
    case Step::kJoinNamespaces:
      return "join namespaces";
    case Step::kFork:
      return "fork";
    case Step::kSetLimit:
      return "set limits";
    case Step::kLeaveSession:
      return "leave session";
    case Step::kTakeTerminal:
      return "take terminal";
    case Step::kFindLeftovers:
      return "find leftovers";
    case Step::kFindChanges:
      return "find overlay changes";
    case Step::kExecute:
      return "execute";
    case Step::kFinished:
      return "finish";
  }
  return "unknown";
}

}  // namespace encapsulate
