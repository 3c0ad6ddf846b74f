// SPDX-License-Identifier: Apache-2.0

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

// What a step that failed comes to.
class Explainer {
 public:
  Explainer(const Plan& plan, const FailedStep& failed)
      : plan_(plan), failed_(failed) {}

  Failure Explain() const {
    if (failed_.step == Step::kExecute) return NotExecuted();
    if (failed_.step == Step::kEnterDirectory) return NotEntered();
    Cause cause = WhyUsedUp(failed_.error);
    if (cause.hint.empty()) cause = Why();
    return {FailureKind::kHostRefused,
            What(),
            "",
            cause.reason,
            failed_.error,
            cause.hint};
  }

 private:
  Failure NotExecuted() const {
    Failure failure{FailureKind::kCommandNotUsable, "run", plan_.command};
    switch (failed_.error) {
      case ENOENT:
      case ENOTDIR:
        if (!failed_.text.empty()) {
          failure.reason = absl::StrCat("the interpreter or loader that ",
                                        Quote(failed_.text),
                                        " names does not exist (ENOENT)");
          break;
        }
        failure.kind = FailureKind::kCommandNotFound;
        if (absl::StrContains(plan_.command, "/")) {
          failure.error = ENOENT;
        } else {
          failure.reason = "no such command in PATH (ENOENT)";
        }
        break;
      case EISDIR:
        failure.reason = "it is a directory (EACCES)";
        break;
      default:
        failure.error = failed_.error;
    }
    return failure;
  }

  Failure NotEntered() const {
    const bool given = !plan_.directory_given.empty();
    Failure failure{FailureKind::kInvalidOptions,
                    given ? "change to directory" : "keep working directory",
                    given ? plan_.directory_given : plan_.directory};
    failure.error = failed_.error;
    for (const Place& place : plan_.places) {
      const bool empty =
          place.kind == PlaceKind::kTmpfs || place.kind == PlaceKind::kHidden;
      if (empty && failed_.error == ENOENT &&
          IsWithin(plan_.directory, place.target)) {
        failure.reason =
            absl::StrCat(Quote(place.given), " is empty in the sandbox");
      }
    }
    if (!given) failure.hint = DirectoryHint();
    return failure;
  }

  // Root, too, loses the right to enter what isn't its own.
  const char* DirectoryHint() const {
    return failed_.error == EACCES
               ? "name one that this user may enter, such as --chdir=/"
               : "name another directory with --chdir, or show this one";
  }

  std::string PlaceName() const {
    const auto index = static_cast<size_t>(failed_.index);
    return index < plan_.places.size() ? Quote(plan_.places[index].given)
                                       : "a place";
  }

  std::string PlaceVerb() const {
    const auto index = static_cast<size_t>(failed_.index);
    return index < plan_.places.size() ? VerbFor(plan_.places[index].kind)
                                       : "mount";
  }

  std::string What() const {
    switch (failed_.step) {
      case Step::kClone:
        return "make namespaces";
      case Step::kMakeNetwork:
        return "make a network namespace";
      case Step::kJoinCgroup:
        return absl::StrCat("put the sandbox into cgroup ",
                            Quote(failed_.text));
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
        return absl::StrCat("pass descriptor ", failed_.index,
                            " without a way to change its file");
      case Step::kProtectExecutable:
        return absl::StrCat("keep ", Quote(plan_.executable),
                            " out of the reach of what runs inside");
      case Step::kMountStage:
        return "mount a tmpfs at '/proc'";
      case Step::kMakeDirectory:
        return absl::StrCat(
            "make directory ",
            Quote(plan_.make_directories[static_cast<size_t>(failed_.index)]));
      case Step::kMaskSocket:
        return absl::StrCat("mask ", Quote(failed_.text));
      case Step::kNetworkSettings:
        return absl::StrCat("write ", Quote(failed_.text));
      case Step::kForbidCgroups:
        return "turn off cgroup namespaces inside";
      case Step::kProtectProc:
        return "make '/proc' read-only but for processes";
      case Step::kReadMountTable:
        return "read the mount table back";
      case Step::kCoverMount:
        return absl::StrCat("cover ", Quote(failed_.text));
      case Step::kVerifyMounts:
        return absl::StrCat("make ", Quote(failed_.text), " read-only");
      case Step::kLoopback:
        return "bring loopback up";
      case Step::kNameServer:
        return "listen for questions for names";
      case Step::kVerifyNetwork:
        return absl::StrCat("isolate the network, interface ",
                            Quote(failed_.text));
      case Step::kLeaveKeyring:
        return "leave the session keyring";
      case Step::kDropCapabilities:
        return "drop capabilities";
      case Step::kMakeMappingsPrivate:
        return absl::StrCat("make the shared mapping of ", Quote(failed_.text),
                            " private");
      case Step::kAdoptOrphans:
        return "adopt what processes inside leave behind";
      case Step::kEnterDomain:
        return "enter a Landlock domain";
      case Step::kFilterCalls:
        return "filter system calls";
      case Step::kWatchCalls:
        return "watch for violations";
      case Step::kVerifyPrivileges:
        return absl::StrCat("drop privileges, ", failed_.text);
      case Step::kJoinNamespaces:
        return "enter the sandbox";
      case Step::kFork:
        return "fork";
      case Step::kSetLimit:
        return absl::StrCat("limit ", LimitOption(failed_.index));
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
    const int error = failed_.error;
    switch (failed_.step) {
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
      case Step::kEnterDomain:
        if (error == E2BIG) {
          return {"there are 16 domains around this one already", ""};
        }
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
              "another program, or another version of this one, watches this "
              "one's system calls, and the kernel has one watcher for all "
              "processes below another",
              "let that one watch: --violations=off for the inner one, "
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
    switch (static_cast<MoveStep>(failed_.index)) {
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
    if (failed_.text.empty()) {
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
    const auto index = static_cast<size_t>(failed_.index);
    if (index >= plan_.places.size()) return {"", ""};
    if (failed_.error == ENOSPC) return TooManyMounts();
    const Place& place = plan_.places[index];
    switch (place.kind) {
      case PlaceKind::kWritable:
      case PlaceKind::kTmpfs:
      case PlaceKind::kHidden:
      case PlaceKind::kShown:
        if (failed_.error == ENOENT) return Vanished();
        break;
      case PlaceKind::kProc:
      case PlaceKind::kSys:
        return WhyNotRevealed(place.target, failed_.error);
      case PlaceKind::kOverlay:
        if (failed_.error == ENOENT) return Vanished();
        if (failed_.error == EPERM) {
          return {"overlays in user namespaces need Linux 5.11", ""};
        }
        if (failed_.error == EINVAL || failed_.error == ENODEV) {
          return {
              "its filesystem can't be the lower layer of an overlay, or "
              "this kernel has none",
              "use --tmpfs or --writable for it"};
        }
        break;
      default:
        break;
    }
    return WhyForbidden(failed_.error);
  }

  const Plan& plan_;
  const FailedStep& failed_;
};

}  // namespace

absl::Status Explain(const Plan& plan, const FailedStep& failed) {
  return MakeFailure(Explainer(plan, failed).Explain());
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
    case Step::kAdoptOrphans:
      return "adopt orphans";
    case Step::kEnterDomain:
      return "enter domain";
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
