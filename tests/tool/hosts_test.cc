// SPDX-License-Identifier: Apache-2.0
//
// Hosts that refuse something: each has one exact message, with what to do, and
// nothing is left behind. Beside them, hosts that lack something that the tool
// can do without.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/tool.h"

namespace encapsulate::tool {
namespace {

using places::BecomeHostWith;
using places::CoverInChroots;
using places::CoverWithTmpfs;
using ::testing::HasSubstr;
using ::testing::Not;

#ifdef SYS_mount_setattr
constexpr long kMountSetattr = SYS_mount_setattr;
#else
constexpr long kMountSetattr = 442;
#endif

void LimitTo(int resource, rlim_t most) {
  const struct rlimit limit = {most, most};
  MustWork(setrlimit(static_cast<__rlimit_resource_t>(resource), &limit),
           "setrlimit");
}

// Sets a limit of the user namespace that this process is in.
void LimitNamespaces(const char* kind) {
  BecomeHost();
  WriteFile(absl::StrCat("/proc/sys/user/max_", kind, "_namespaces"), "0");
}

std::string Tree() { return ScratchPath() + "/tree"; }

// "@" stands for a tree that exists.
struct Case {
  const char* name;
  std::function<void()> prepare;
  std::string message;
  std::vector<std::string> arguments = {"@", "/bin/true"};
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const Case kCases[] = {
    // --- Namespaces
    {"NoUserNamespaces", [] { LimitNamespaces("user"); },
     "cannot make namespaces: this host has set "
     "user.max_user_namespaces to 0: no space left on device "
     "(ENOSPC); hint: as root, sysctl -w "
     "user.max_user_namespaces=10000"},
    {"NoMountNamespaces", [] { LimitNamespaces("mnt"); },
     "cannot make namespaces: this host has set "
     "user.max_mnt_namespaces to 0: no space left on device (ENOSPC); "
     "hint: as root, sysctl -w user.max_mnt_namespaces=10000"},
    {"NoPidNamespaces", [] { LimitNamespaces("pid"); },
     "cannot make namespaces: this host has set "
     "user.max_pid_namespaces to 0: no space left on device (ENOSPC); "
     "hint: as root, sysctl -w user.max_pid_namespaces=10000"},
    {"NoNetworkNamespaces", [] { LimitNamespaces("net"); },
     "cannot make a network namespace: this host has set "
     "user.max_net_namespaces to 0: no space left on device (ENOSPC); "
     "hint: as root, sysctl -w user.max_net_namespaces=10000"},
    {"NoIpcNamespaces", [] { LimitNamespaces("ipc"); },
     "cannot make namespaces: this host has set "
     "user.max_ipc_namespaces to 0: no space left on device (ENOSPC); "
     "hint: as root, sysctl -w user.max_ipc_namespaces=10000"},
    {"NoUtsNamespaces", [] { LimitNamespaces("uts"); },
     "cannot make namespaces: this host has set "
     "user.max_uts_namespaces to 0: no space left on device (ENOSPC); "
     "hint: as root, sysctl -w user.max_uts_namespaces=10000"},
    {"NamespacesUsedUpOutside",
     [] {
       BecomeHost();
       DropCapabilities();
       FailCall(SYS_clone3, ENOSPC);
     },
     "cannot make namespaces: a limit on namespaces of a namespace around this "
     "one is reached, or set to forbid any more, or they are nested 32 deep: "
     "no "
     "space left on device (ENOSPC); hint: outside, as root, raise the limits "
     "in /proc/sys/user"},
    {"NamespacesForbidden",
     [] {
       FailCall(SYS_clone3, ENOSYS);
       FailCall(SYS_clone, EPERM, CLONE_NEWUSER);
     },
     "cannot make namespaces: something on this host forbids it, "
     "probably a container's seccomp profile: operation not permitted "
     "(EPERM); hint: for Docker and Podman, run it with --security-opt "
     "seccomp=unconfined"},
    {"UserWithoutAnId",
     [] { MustWork(unshare(CLONE_NEWUSER), "unshare"); },
     "cannot make namespaces: this user, or its group, has no id in its own "
     "user namespace: operation not permitted (EPERM); hint: map it there, for "
     "unshare(1) with --map-current-user",
     {"", "/bin/true"}},
    {"NamespacesTurnedOffByDebiansSwitch",
     [] {
       BecomeHostWith("unprivileged_userns_clone", "0");
       FailCall(SYS_clone3, EPERM);
     },
     "cannot make namespaces: this host has turned them off: operation not "
     "permitted (EPERM); hint: as root, sysctl -w "
     "kernel.unprivileged_userns_clone=1"},
    {"NamespacesRestrictedByAppArmor",
     [] { BecomeHostWith("apparmor_restrict_unprivileged_userns", "1"); },
     "cannot mount a private '/proc': AppArmor restricts user namespaces on "
     "this host: operation not permitted (EPERM); hint: load the profile in "
     "docs/apparmor, or, as root, sysctl -w "
     "kernel.apparmor_restrict_unprivileged_userns=0"},
    {"NamespacesNotBuiltIn", [] { FailCall(SYS_clone3, EINVAL); },
     "cannot make namespaces: this kernel was built without them: invalid "
     "argument (EINVAL); hint: use a kernel with CONFIG_NAMESPACES and "
     "CONFIG_USER_NS"},
    {"NoMoreProcesses", [] { FailCall(SYS_clone3, EAGAIN); },
     "cannot make namespaces: the limit on processes is reached: "
     "resource temporarily unavailable (EAGAIN); hint: raise ulimit -u"},
    {"NoMemory", [] { FailCall(SYS_clone3, ENOMEM); },
     "cannot make namespaces: cannot allocate memory (ENOMEM)"},
    {"NoPidfds", [] { FailCall(SYS_pidfd_open, ENOSYS); },
     "cannot open a pidfd: probably a container's seccomp profile filters the "
     "call: function not implemented (ENOSYS); hint: for Docker and Podman, "
     "run it with --security-opt seccomp=unconfined"},
    {"InAChroot",
     [] {
       BecomeHost();
       const std::string proc = Tree() + "/proc";
       MustWork(mkdir(proc.c_str(), 0755), "mkdir");
       MustWork(
           mount("/proc", proc.c_str(), nullptr, MS_BIND | MS_REC, nullptr),
           "bind");
       const std::string tool = Tree() + StaticToolPath();
       std::filesystem::create_directories(
           std::filesystem::path(tool).parent_path());
       std::filesystem::copy_file(StaticToolPath(), tool);
       MustWork(chroot(Tree().c_str()), "chroot");
       MustWork(chdir("/"), "chdir");
     },
     "cannot make namespaces: this is a chroot, in which the kernel gives "
     "none: operation not permitted (EPERM); hint: use pivot_root, a container "
     "or a mount namespace in place of chroot",
     {"", "/bin/true"}},
    // --- Mounts
    {"MountsForbidden", [] { FailCall(SYS_mount, EPERM); },
     "cannot mount a tmpfs at '/proc': something on this host forbids "
     "it, probably a container's seccomp profile: operation not "
     "permitted (EPERM); hint: for Docker and Podman, run it with "
     "--security-opt seccomp=unconfined"},
    {"TooManyMounts", [] { FailCall(SYS_mount, ENOSPC); },
     "cannot mount a tmpfs at '/proc': the limit on mounts is "
     "reached: no space left on device (ENOSPC); hint: as root, raise "
     "sysctl fs.mount-max"},
    {"ReadOnlyForbidden", [] { FailCall(kMountSetattr, EPERM); },
     "cannot make the filesystem read-only: something on this host "
     "forbids it, probably a container's seccomp profile: operation "
     "not permitted (EPERM); hint: for Docker and Podman, run it with "
     "--security-opt seccomp=unconfined"},
    {"NoOpenTree", [] { FailCall(SYS_open_tree, ENOSYS); },
     "cannot make writable '@': probably a container's seccomp profile filters "
     "the call: function not implemented (ENOSYS); hint: for Docker and "
     "Podman, run it with --security-opt seccomp=unconfined"},
    {"OpenTreeForbidden", [] { FailCall(SYS_open_tree, EPERM); },
     "cannot make writable '@': something on this host forbids it, "
     "probably a container's seccomp profile: operation not permitted "
     "(EPERM); hint: for Docker and Podman, run it with --security-opt "
     "seccomp=unconfined"},
    {"NoMoveMount", [] { FailCall(SYS_move_mount, ENOSYS); },
     "cannot make writable '@': probably a container's seccomp profile filters "
     "the call: function not implemented (ENOSYS); hint: for Docker and "
     "Podman, run it with --security-opt seccomp=unconfined"},
    {"ProcMissing",
     [] {
       BecomeHost();
       CoverWithTmpfs("/proc");
       DropCapabilities();
     },
     "cannot read the mount table: /proc is not mounted: no such file or "
     "directory (ENOENT); hint: mount -t proc proc /proc"},
    {"ProcPartlyCovered",
     [] {
       BecomeHost();
       CoverInChroots("/proc/sys");
       CoverWithTmpfs("/proc/sys");
       DropCapabilities();
     },
     "cannot mount a private '/proc': parts of the host's /proc are "
     "covered: /proc/sys: operation not permitted (EPERM); hint: "
     "unmask /proc, for Docker with --security-opt systempaths=unconfined, for "
     "Podman with --security-opt unmask=ALL"},
    {"SysPartlyCovered",
     [] {
       BecomeHost();
       CoverInChroots("/sys/kernel");
       CoverWithTmpfs("/sys/kernel");
       DropCapabilities();
     },
     "cannot mount a private '/sys': parts of the host's /sys are "
     "covered: /sys/kernel: operation not permitted (EPERM); hint: "
     "unmask /sys, for Docker with --security-opt systempaths=unconfined, for "
     "Podman with --security-opt unmask=ALL"},
    {"ReadOnlyTree",
     [] {
       BecomeHost();
       CoverWithTmpfs(Tree().c_str());
       DropCapabilities();
     },
     "cannot make writable '@': the host has it read-only: read-only "
     "file system (EROFS)"},
    // --- Trees that change meanwhile
    {"TreeVanishes", [] { FailCall(SYS_openat2, ENOENT); },
     "cannot make writable '@': it vanished while the sandbox was "
     "being made: no such file or directory (ENOENT)"},
    {"TreeBecomesALink", [] { FailCall(SYS_openat2, ELOOP); },
     "cannot make writable '@': a symbolic link took its place while "
     "the sandbox was being made: too many levels of symbolic links "
     "(ELOOP)"},
    // --- Resources
    {"NoDescriptorsForPlanning", [] { LimitTo(RLIMIT_NOFILE, 3); },
     "cannot watch signals: too many open files (EMFILE); hint: raise "
     "ulimit -n"},
    {"FewDescriptors", [] { LimitTo(RLIMIT_NOFILE, 5); },
     "cannot make a socket pair: too many open files (EMFILE); hint: raise "
     "ulimit -n"},
    // It holds the message, which goes to a file here.
    {"NoFiles",
     [] { LimitTo(RLIMIT_FSIZE, 170); },
     "cannot mount a tmpfs at '/proc': the limit on the size of files has no "
     "room for /etc/hosts: file too large (EFBIG); hint: raise ulimit -f",
     {"--hostname=" + std::string(64, 'x'), "", "/bin/true"}},
    {"NoSocketPair", [] { FailCall(SYS_socketpair, EMFILE); },
     "cannot make a socket pair: too many open files (EMFILE); hint: raise "
     "ulimit -n"},
    {"NoSignalDescriptor", [] { FailCall(SYS_signalfd4, ENFILE); },
     "cannot watch signals: too many open files in system (ENFILE); hint: "
     "as root, raise sysctl fs.file-max"},
    {"NoProcessForTheCommand", [] { FailCall(SYS_clone, EAGAIN, CLONE_VFORK); },
     "cannot fork: the limit on processes is reached: resource temporarily "
     "unavailable (EAGAIN); hint: raise ulimit -u"},
    {"SeccompForbidden", [] { FailCall(SYS_seccomp, EPERM); },
     "cannot filter system calls: something on this host forbids it, "
     "probably a container's seccomp profile: operation not permitted "
     "(EPERM); hint: for Docker and Podman, run it with --security-opt "
     "seccomp=unconfined"},
    {"NoLoopback", [] { FailCall(SYS_socket, EPERM, AF_NETLINK); },
     "cannot bring loopback up: something on this host forbids it, "
     "probably a container's seccomp profile: operation not permitted "
     "(EPERM); hint: for Docker and Podman, run it with --security-opt "
     "seccomp=unconfined"},
    {"HostnameForbidden",
     [] { FailCall(SYS_sethostname, EPERM); },
     "cannot set host name 'x': something on this host forbids it, "
     "probably a container's seccomp profile: operation not permitted "
     "(EPERM); hint: for Docker and Podman, run it with --security-opt "
     "seccomp=unconfined",
     {"--hostname=x", "", "/bin/true"}},
};

class RefusingHostTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { std::filesystem::create_directory(Tree()); }
  void TearDown() override { std::filesystem::remove_all(Tree()); }
};

// Since Linux 5.12.
bool HasMountSetattr() {
  return syscall(kMountSetattr, -1, "", 0, nullptr, 0) == 0 || errno != ENOSYS;
}

TEST_P(RefusingHostTest, IsExplained) {
  std::vector<std::string> command = {StaticToolPath()};
  for (const std::string& argument : GetParam().arguments) {
    command.push_back(absl::StrReplaceAll(argument, {{"@", Tree()}}));
  }
  std::string message =
      absl::StrReplaceAll(GetParam().message, {{"@", Tree()}});
  const absl::string_view name = GetParam().name;
  if (!HasMountSetattr() &&
      (name == "MountsForbidden" || name == "TooManyMounts")) {
    // Then read-only mounts are the first that mount(2) makes.
    message = absl::StrReplaceAll(message,
                                  {{"cannot mount a tmpfs at '/proc'",
                                    "cannot make the filesystem read-only"}});
  }
  const Finished finished = RunProgram(command, GetParam().prepare);
  // Then which weaker level works, if one does.
  const absl::string_view errors = finished.errors;
  const size_t line = errors.find('\n');
  EXPECT_EQ(errors.substr(0, line), absl::StrCat("encapsulate: ", message));
  EXPECT_THAT(std::string(errors.substr(line + 1)),
              name == "NoPidfds"
                  ? testing::Matcher<std::string>("")
                  : testing::AnyOf(
                        "", testing::MatchesRegex(
                                "encapsulate: level (landlock|process) works "
                                "on this host .--isolation=[a-z]+., but "
                                "doesn't keep: .+\n")));
  EXPECT_EQ(finished.output, "");
  EXPECT_EQ(finished.exit_code, 125);
}

INSTANTIATE_TEST_SUITE_P(Cases, RefusingHostTest, testing::ValuesIn(kCases),
                         [](const testing::TestParamInfo<Case>& info) {
                           return std::string(info.param.name);
                         });

TEST(DescriptorsTest, RunningOutIsSaidWhereverItHappens) {
  int failures = 0;
  for (rlim_t most = 3; most < 24; ++most) {
    // Not to depend on how deep the host's directories in /tmp are.
    const Finished finished = RunTool({"--tmp", "--chdir=/", "", "/bin/true"},
                                      [most] { LimitTo(RLIMIT_NOFILE, most); });
    if (finished.exit_code == 0) {
      EXPECT_EQ(finished.errors, "") << most;
      continue;
    }
    ++failures;
    // With less than 4, libraries can't be loaded, and the loader says so.
    if (most > 3) {
      EXPECT_EQ(finished.exit_code, 125) << most;
    }
    EXPECT_THAT(
        finished.errors,
        HasSubstr(most > 3 ? "(EMFILE); hint: raise ulimit -n\n" : "cannot"))
        << most;
  }
  EXPECT_GT(failures, 2);
  EXPECT_LT(failures, 20);
}

// What older kernels and stricter containers lack.
class LackingHostTest
    : public testing::TestWithParam<std::pair<const char*, long>> {
 protected:
  void SetUp() override { std::filesystem::create_directory(Tree()); }
  void TearDown() override { std::filesystem::remove_all(Tree()); }
};

TEST_P(LackingHostTest, IsolatesAllTheSame) {
  const Finished finished =
      RunTool({Tree(), "/bin/sh", "-c",
               "touch " + Tree() + "/inside && echo written; touch " +
                   ScratchPath() + "/outside; ls /proc/self/fd; id -u; exit 3"},
              [] {
                for (int fd : {7, 800}) {
                  MustWork(dup2(open("/dev/null", O_RDWR), fd), "dup2");
                }
                FailCall(GetParam().second, ENOSYS);
              });
  // The last one is the listed directory itself.
  EXPECT_THAT(finished.output, HasSubstr("written\n0\n1\n2\n3\n"));
  EXPECT_THAT(finished.output, Not(HasSubstr("\n7\n")));
  EXPECT_THAT(finished.output, Not(HasSubstr("\n800\n")));
  EXPECT_THAT(finished.errors, HasSubstr("Read-only file system"));
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_TRUE(std::filesystem::exists(Tree() + "/inside"));
  EXPECT_FALSE(std::filesystem::exists(ScratchPath() + "/outside"));
}

INSTANTIATE_TEST_SUITE_P(
    Calls, LackingHostTest,
    testing::Values(std::make_pair("mount_setattr", kMountSetattr),
                    std::make_pair("clone3", long{SYS_clone3}),
                    std::make_pair("close_range", long{SYS_close_range}),
                    std::make_pair("keyctl", long{SYS_keyctl})),
    [](const testing::TestParamInfo<std::pair<const char*, long>>& info) {
      return std::string(info.param.first);
    });

// --- --check
// ------------------------------------------------------------------

TEST(CheckTest, PassesHere) {
  const Finished finished = RunTool({"--check"});
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_THAT(finished.output,
              HasSubstr("Sandboxes can be made on this host.\n"));
  EXPECT_EQ(finished.errors, "");
}

TEST(CheckTest, NamesTheLimitOnUserNamespaces) {
  const Finished finished =
      RunTool({"--check"}, [] { LimitNamespaces("user"); });
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.output,
              HasSubstr("refused      user namespaces\n"
                        "             this host has set "
                        "user.max_user_namespaces to 0: no space left on "
                        "device (ENOSPC)\n"
                        "             hint: as root, sysctl -w "
                        "user.max_user_namespaces=10000\n"));
}

TEST(CheckTest, NamesWhatCoversProc) {
  const Finished finished = RunTool({"--check"}, [] {
    BecomeHost();
    CoverInChroots("/proc/sys");
    CoverWithTmpfs("/proc/sys");
    DropCapabilities();
  });
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.output,
              HasSubstr("refused      private /proc\n"
                        "             parts of the host's /proc are covered: "
                        "/proc/sys: "));
}

TEST(CheckTest, NamesAppArmor) {
  const Finished finished = RunTool({"--check"}, [] {
    BecomeHostWith("apparmor_restrict_unprivileged_userns", "1");
  });
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(
      finished.output,
      HasSubstr("refused      private /proc\n"
                "             AppArmor restricts user namespaces on this "
                "host: operation not permitted (EPERM)\n"
                "             hint: load the profile in docs/apparmor, or, as "
                "root, sysctl -w "
                "kernel.apparmor_restrict_unprivileged_userns=0\n"));
}

TEST(CheckTest, PassesWithoutWhatIsOnlyFaster) {
  const Finished finished =
      RunTool({"--check"}, [] { FailCall(kMountSetattr, ENOSYS); });
  EXPECT_EQ(finished.exit_code, 0);
  EXPECT_THAT(finished.output, HasSubstr("unavailable  mount_setattr\n"));
}

TEST(CheckTest, SaysThatNoMountsAreAllowed) {
  const Finished finished =
      RunTool({"--check"}, [] { FailCall(SYS_mount, EPERM); });
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.output, HasSubstr("refused      mounts\n"));
  EXPECT_THAT(finished.output, Not(HasSubstr("a whole sandbox")));
}

// --- Where output goes
// ----------------------------------------------------------

TEST(FullDiskTest, FailsHelpAndCheck) {
  for (const char* flag : {"--help", "--version", "--check"}) {
    const Finished finished = RunTool(
        {flag}, [] { MustWork(dup2(open("/dev/full", O_WRONLY), 1), "dup2"); });
    EXPECT_EQ(finished.exit_code, 125) << flag;
    EXPECT_EQ(finished.errors,
              "encapsulate: cannot write to standard output: no space left on "
              "device (ENOSPC)\n");
  }
}

TEST(FullDiskTest, IsSaidOfTheStatusAndLeavesTheExitCodeAlone) {
  const Finished finished =
      RunTool({"--status-fd=5", "", "/bin/sh", "-c", "exit 4"},
              [] { MustWork(dup2(open("/dev/full", O_WRONLY), 5), "dup2"); });
  EXPECT_EQ(finished.exit_code, 4);
  EXPECT_EQ(finished.errors,
            "encapsulate: cannot write the status to descriptor 5: no space "
            "left on device (ENOSPC)\n");
}

TEST(FullDiskTest, IsTheCommandsOwnAffairInAFreshTree) {
  const Finished finished =
      RunTool({"--tmpfs=" + ScratchPath() + ":64K", "", "/bin/sh", "-c",
               "head -c 1000000 /dev/zero > " + ScratchPath() + "/x"});
  EXPECT_EQ(finished.exit_code, 1);
  EXPECT_THAT(finished.errors, HasSubstr("No space left on device"));
}

// What the tool says must not go to a descriptor of its own that took the
// number of standard error.
TEST(ClosedOutputTest, BreaksNothing) {
  for (const std::vector<int>& closed :
       std::vector<std::vector<int>>{{2}, {1, 2}, {0, 2}, {0, 1, 2}}) {
    for (const char* flag : {"--tmp=false", "--verbose"}) {
      const Finished finished =
          RunTool({flag, "", "/bin/sh", "-c", "/bin/sleep 1000 & exit 3"}, [&] {
            for (int fd : closed) close(fd);
          });
      EXPECT_EQ(finished.exit_code, 3) << flag << closed.size();
    }
  }
}

// A pipe that nobody reads, as head(1) leaves one behind.
TEST(ClosedOutputTest, ReadersOfErrorsMayBeGone) {
  const std::string directory = ScratchPath() + "/unread";
  std::filesystem::create_directory(directory);
  const auto run = [](const std::vector<std::string>& arguments) {
    return RunTool(arguments, [] {
      int ends[2];
      MustWork(pipe(ends), "pipe");
      MustWork(dup2(ends[1], STDERR_FILENO), "dup2");
      close(ends[0]);
      close(ends[1]);
    });
  };
  const std::string overlay = "--overlay=" + directory;
  const struct {
    std::vector<std::string> arguments;
    int exit_code;
  } cases[] = {
      {{"--no-such-flag"}, 125},
      {{"", "no-such-command"}, 127},
      {{"--verbose", "", "/bin/sh", "-c", "exit 3"}, 3},
      {{"", "/bin/sh", "-c", "sleep 1000 & exit 3"}, 3},
      {{"--file-size=1", "", "/bin/sh", "-c", "exec echo xx > /dev/shm/x"},
       153},
      {{overlay, "--overlay-changes", "", "/bin/sh", "-c",
        "echo > " + directory + "/new; exit 3"},
       3},
      {{"--violations=enforce", "", "/bin/sh", "-c",
        "mkdir /etc/x 2>/dev/null; exit 0"},
       122},
      {{"--learn", "/bin/sh", "-c", "mkdir /etc/x 2>/dev/null; exit 0"}, 0},
  };
  for (const auto& c : cases) {
    std::vector<std::string> arguments = {"--status-fd=1"};
    arguments.insert(arguments.end(), c.arguments.begin(), c.arguments.end());
    const Finished finished = run(arguments);
    EXPECT_EQ(finished.exit_code, c.exit_code) << c.arguments[0];
    EXPECT_THAT(finished.output,
                HasSubstr(absl::StrCat("\"status\":", c.exit_code)))
        << c.arguments[0];
  }
  // What the command itself gets is what it would get without a sandbox.
  EXPECT_EQ(run({"", "/bin/sh", "-c", "/bin/echo >&2; exit $?"}).exit_code,
            141);
}

// It would get the first free number, and be taken for what the caller passes.
TEST(ClosedOutputTest, TheReportTakesNoPlaceOfTheCommands) {
  const std::string report = ScratchPath() + "/report";
  for (int closed : {0, 1, 2}) {
    const Finished finished = RunTool(
        {"--violations=report", "--report=" + report, "", "/bin/sh", "-c",
         absl::StrCat("mkdir /etc/x 2>/dev/null; echo written >&", closed)},
        [&] { close(closed); });
    EXPECT_NE(finished.exit_code, 0) << closed;
    std::ifstream file(report);
    const std::string content(std::istreambuf_iterator<char>(file), {});
    EXPECT_THAT(content, Not(HasSubstr("written"))) << closed;
    EXPECT_THAT(content, HasSubstr("\"target\":\"/etc/x\"")) << closed;
  }
}

// --- The static program
// ---------------------------------------------------------

TEST(StaticToolTest, RunsWhereThereAreNoLibraries) {
  const std::string root = ScratchPath() + "/root";
  std::filesystem::create_directories(root + "/proc");
  std::filesystem::copy_file(StaticToolPath(), root + "/encapsulate",
                             std::filesystem::copy_options::overwrite_existing);
  const Finished finished =
      RunProgram({"/encapsulate", "", "/encapsulate", "--version"}, [&] {
        BecomeHost();
        MustWork(mount(root.c_str(), root.c_str(), nullptr, MS_BIND, nullptr),
                 "bind");
        MustWork(mount("/proc", (root + "/proc").c_str(), nullptr,
                       MS_BIND | MS_REC, nullptr),
                 "bind /proc");
        MustWork(chdir(root.c_str()), "chdir");
        MustWork(syscall(SYS_pivot_root, ".", "."), "pivot_root");
        MustWork(umount2(".", MNT_DETACH), "umount");
        MustWork(chdir("/"), "chdir");
        DropCapabilities();
      });
  EXPECT_EQ(finished.errors, "");
  EXPECT_THAT(finished.output, HasSubstr("encapsulate 0."));
  EXPECT_EQ(finished.exit_code, 0);
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace encapsulate::tool
