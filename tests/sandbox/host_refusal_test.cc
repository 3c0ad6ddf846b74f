// SPDX-License-Identifier: Apache-2.0
//
// Hosts that say no: each refusal is named, nothing runs, nothing is left, and
// nothing weaker is used in its place.
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support/chroots.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

// In a user namespace of its own, where sysctls of user.max_... can be set.
void EnterOwnUserNamespace() {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  ASSERT_EQ(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
  WriteAll("/proc/self/setgroups", "deny");
  WriteAll("/proc/self/uid_map", absl::StrCat(uid, " ", uid, " 1"));
  WriteAll("/proc/self/gid_map", absl::StrCat(gid, " ", gid, " 1"));
}

class RefusalTest : public ::testing::Test {
 protected:
  // Expects that nothing runs here, and returns what is said.
  std::string Refusal(const Options& options = Options()) const {
    const Ran ran =
        RunIn(options, {"/bin/sh", "-c", absl::StrCat("echo > ", mark_)});
    EXPECT_EQ(FailureKindOf(ran.status), FailureKind::kHostRefused)
        << ran.status;
    EXPECT_EQ(ReadAll(mark_), "<none>");
    EXPECT_EQ(CountChildren(), 0);
    return std::string(ran.status.message());
  }

  void ExpectWorks(const Options& options = Options()) const {
    const Ran ran = RunIn(options, {"/bin/true"});
    EXPECT_TRUE(ran.status.ok()) << ran.status;
  }

  Scratch scratch_;
  const std::string mark_ = scratch_ / "mark";
};

TEST_F(RefusalTest, NamespacesTurnedOffByALimit) {
  for (const char* kind : {"user", "mnt", "pid", "ipc", "uts"}) {
    InFork([&] {
      EnterOwnUserNamespace();
      ExpectWorks();
      WriteAll(absl::StrCat("/proc/sys/user/max_", kind, "_namespaces"), "0");
      EXPECT_EQ(Refusal(),
                absl::StrCat("cannot make namespaces: this host has set "
                             "user.max_",
                             kind,
                             "_namespaces to 0: no space left on device "
                             "(ENOSPC); hint: as root, sysctl -w user.max_",
                             kind, "_namespaces=10000"));
    });
  }
}

TEST_F(RefusalTest, NetworkNamespacesTurnedOff) {
  InFork([&] {
    EnterOwnUserNamespace();
    WriteAll("/proc/sys/user/max_net_namespaces", "0");
    const std::string refusal = Refusal();
    EXPECT_TRUE(absl::StrContains(
        refusal, "this host has set user.max_net_namespaces to 0"))
        << refusal;
    Options host_network;
    host_network.network = Network::kHost;
    ExpectWorks(host_network);
  });
}

// Nobody can make one then, inside either.
TEST_F(RefusalTest, CgroupNamespacesTurnedOffAreNotMissed) {
  InFork([&] {
    EnterOwnUserNamespace();
    WriteAll("/proc/sys/user/max_cgroup_namespaces", "0");
    ExpectWorks();
    EXPECT_EQ(Inside(Options(), {"nested-mount", "cgroup2", "cgroup"}),
              "unshare: ENOSPC");
  });
}

TEST_F(RefusalTest, ASeccompProfileRefusesNamespaces) {
  InFork([&] {
    RefuseSystemCalls({SYS_clone3}, EPERM);
    EXPECT_EQ(Refusal(),
              "cannot make namespaces: something on this host forbids it, "
              "probably a container's seccomp profile: operation not permitted "
              "(EPERM); hint: for Docker and Podman, run it with "
              "--security-opt seccomp=unconfined");
  });
  // An old profile only doesn't know the new call.
  InFork([&] {
    RefuseSystemCalls({SYS_clone3}, ENOSYS);
    ExpectWorks();
  });
}

TEST_F(RefusalTest, ASeccompProfileRefusesMounts) {
  InFork([&] {
    RefuseSystemCalls({SYS_mount}, EPERM);
    EXPECT_TRUE(absl::StartsWith(Refusal(), "cannot ")) << Refusal();
    EXPECT_TRUE(absl::StrContains(Refusal(), "(EPERM)")) << Refusal();
  });
}

TEST_F(RefusalTest, AChrootHasNoUserNamespaces) {
  ONLY_FOR_ROOT();
  const std::string root = scratch_.Directory("root");
  OnHostWith(
      [&] {
        BindMount("/proc", scratch_.Directory("root/proc"));
        ASSERT_EQ(chroot(root.c_str()), 0);
        ASSERT_EQ(chdir("/"), 0);
      },
      [&] {
        EXPECT_EQ(Refusal(),
                  "cannot make namespaces: this is a chroot, in which the "
                  "kernel gives none: operation not permitted (EPERM); hint: "
                  "use pivot_root, a container or a mount namespace in place "
                  "of chroot");
      });
}

TEST_F(RefusalTest, PartsOfProcAreCovered) {
  OnHostWith(
      [] {
        for (const std::string& place : InChroots("/proc/sys")) {
          Mount("tmpfs", place);
        }
        Mount("tmpfs", "/proc/sys");
      },
      [&] {
        EXPECT_EQ(Refusal(),
                  "cannot mount a private '/proc': parts of the host's "
                  "/proc are covered: /proc/sys: operation not "
                  "permitted (EPERM); hint: unmask /proc, for Docker "
                  "with --security-opt systempaths=unconfined, for "
                  "Podman with --security-opt unmask=ALL");
      });
}

TEST_F(RefusalTest, ProcIsNotMounted) {
  const std::string empty = scratch_.Directory("empty");
  OnHostWith([&] { BindMount(empty, "/proc"); },
             [&] {
               const Ran ran = RunIn(Options(), {"/bin/true"});
               EXPECT_EQ(FailureKindOf(ran.status), FailureKind::kHostRefused);
               const std::string message(ran.status.message());
               EXPECT_TRUE(absl::StrContains(message, "/proc is not mounted"))
                   << message;
             });
}

TEST_F(RefusalTest, TooManyMounts) {
  // The limit, fs.mount-max, is the host's. A tree of that many mounts would
  // take seconds, so the call that says so is made to.
  InFork([&] {
    RefuseSystemCalls({SYS_mount}, ENOSPC);
    const std::string refusal = Refusal();
    EXPECT_TRUE(absl::StrContains(
        refusal,
        "the limit on mounts is reached: no space left on device (ENOSPC); "
        "hint: as root, raise sysctl fs.mount-max"))
        << refusal;
  });
}

TEST_F(RefusalTest, TooFewDescriptors) {
  InFork([&] {
    std::vector<UniqueFd> all;
    for (;;) {
      UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
      if (!fd.valid()) break;
      all.push_back(std::move(fd));
      if (all.size() == 64) {
        const rlimit limit = {128, 128};
        setrlimit(RLIMIT_NOFILE, &limit);
      }
    }
    const absl::StatusOr<Result> result =
        encapsulate::Run(Options(), {"/bin/true"});
    EXPECT_EQ(FailureKindOf(result.status()), FailureKind::kHostRefused)
        << result.status();
    EXPECT_TRUE(
        absl::StrContains(std::string(result.status().message()), "(EMFILE)"))
        << result.status();
    all.clear();
    EXPECT_TRUE(encapsulate::Run(Options(), {"/bin/true"}).ok());
  });
}

TEST_F(RefusalTest, TooFewProcesses) {
  if (geteuid() == 0) GTEST_SKIP() << "root has no such limit";
  InFork([&] {
    const rlimit none = {0, 0};
    ASSERT_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
    const absl::StatusOr<Result> result =
        encapsulate::Run(Options(), {"/bin/true"});
    EXPECT_EQ(std::string(result.status().message()),
              "cannot make namespaces: the limit on processes is reached: "
              "resource temporarily unavailable (EAGAIN); hint: raise ulimit "
              "-u");
  });
}

// Calls that do nothing and say that all is well: what they should have brought
// about is looked at before the command starts.
TEST_F(RefusalTest, NoCallIsBelieved) {
  struct Case {
    const char* name;
    int number;
    const char* found;
  };
  const std::vector<Case> cases = {
      {"mount", SYS_mount, "cannot "},
      {"mount_setattr", 442, "it stayed writable"},
      {"capset", SYS_capset, "a capability is left"},
      {"prctl", SYS_prctl, "no_new_privs isn't set"},
      {"seccomp", SYS_seccomp, "system calls aren't filtered"},
      {"unshare", SYS_unshare, "cannot mount a private '/sys'"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    // With a faked unshare(2), what is meant for the sandbox's network is done
    // to that of the caller.
    OnHostWith([] { ASSERT_EQ(unshare(CLONE_NEWNET), 0); },
               [&] {
                 RefuseSystemCalls({one.number}, 0);
                 alarm(20);  // instead of waiting for ever
                 const std::string message = Refusal();
                 EXPECT_TRUE(absl::StrContains(message, one.found)) << message;
               });
  }
  ExpectWorks();
}

// In a network namespace of the test's own, in which loopback is up, as the
// host's. Nothing but its interfaces tells that it isn't the sandbox's.
TEST_F(RefusalTest, ANetworkThatIsNotNewIsFound) {
  ONLY_FOR_ROOT();
  OnHostWith(
      [] {
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        ifreq request = {};
        strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
        request.ifr_flags = IFF_UP;
        const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(ioctl(fd.get(), SIOCSIFFLAGS, &request), 0);
        Mount("tmpfs", "/sys");
      },
      [&] {
        Options none;
        none.network = Network::kNone;
        ExpectWorks(none);
        RefuseSystemCalls({SYS_unshare}, 0);
        alarm(20);  // instead of waiting for ever
        const std::string message = Refusal(none);
        EXPECT_TRUE(absl::StartsWith(
            message, "cannot isolate the network, interface 'lo'"))
            << message;
      });
}

// Whichever call of the set-up is refused: an error, never a weaker sandbox.
TEST_F(RefusalTest, NoRefusedCallMakesAWeakerSandbox) {
  // Each exit code stands for one thing that must not be.
  const std::vector<std::string> command = {
      "/bin/sh", "-c",
      absl::StrCat("exec 2>/dev/null; echo > ", mark_, "; kill -0 ", getpid(),
                   " && exit 91; grep -q '^CapEff:.*[1-9a-f]' "
                   "/proc/self/status && exit 92; ",
                   ProbePath(),
                   " tiocsti | grep -q 'low E[^P]' && exit 93; "
                   "test -e /proc/",
                   getpid(), " && exit 94; exit 0")};
  ASSERT_TRUE(RunIn(Writable({scratch_.path()}), command).result.ok());
  ASSERT_EQ(unlink(mark_.c_str()), 0) << "the probe itself";
  int refused = 0;
  // Up to the newest calls; those that the test itself needs stay.
  for (int number = 0; number < 470; ++number) {
    if (number == SYS_exit_group || number == SYS_exit ||
        number == SYS_rt_sigreturn || number == SYS_wait4 ||
        number == SYS_waitid || number == SYS_write || number == SYS_read ||
        number == SYS_sendmsg || number == SYS_recvmsg || number == SYS_mmap ||
        number == SYS_munmap || number == SYS_brk || number == SYS_futex ||
        number == SYS_poll || number == SYS_ppoll ||
        number == SYS_rt_sigaction || number == SYS_rt_sigprocmask ||
        number == SYS_rt_sigsuspend || number == SYS_dup2 ||
        number == SYS_lseek || number == SYS_close) {
      continue;
    }
    SCOPED_TRACE(number);
    InFork([&] {
      RefuseSystemCalls({number}, EPERM);
      alarm(20);  // instead of waiting for ever
      const absl::StatusOr<Result> result =
          encapsulate::Run(Options(), command);
      if (result.ok()) {
        EXPECT_FALSE(result->exit_code > 90 && result->exit_code < 95)
            << result->exit_code;
      }
    });
    EXPECT_EQ(access(mark_.c_str(), F_OK), -1);
    ++refused;
  }
  EXPECT_GT(refused, 400);
}

}  // namespace
}  // namespace encapsulate
