// SPDX-License-Identifier: Apache-2.0
//
// That the places are what they say.
#include "tests/places/places.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "gtest/gtest.h"
#include "tests/places/seccomp_profile.h"

namespace encapsulate::places {
namespace {

void InFork(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "see above";
}

// 0, or errno.
int ErrorOf(long result) { return result < 0 ? errno : 0; }

// In a process of its own.
int UnshareError(int flags) {
  const pid_t child = fork();
  if (child == 0) _exit(ErrorOf(unshare(flags)));
  int status = -1;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

int CloneError(unsigned long flags) {
  const long child =
      syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) _exit(0);
  if (child < 0) return errno;
  waitpid(static_cast<pid_t>(child), nullptr, 0);
  return 0;
}

int Clone3Error() {
  uint64_t arguments[11] = {};
  arguments[4] = SIGCHLD;
  const long child = syscall(SYS_clone3, arguments, sizeof(arguments));
  if (child == 0) _exit(0);
  if (child < 0) return errno;
  waitpid(static_cast<pid_t>(child), nullptr, 0);
  return 0;
}

int LandlockError() { return ErrorOf(syscall(444, nullptr, 0, 1)); }

// The process has a filter more if it works.
int ListenerError() {
  sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_fprog program = {1, &allow};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return ErrorOf(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                         SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

uint64_t EffectiveCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  syscall(SYS_capget, &header, data);
  return data[0].effective | uint64_t{data[1].effective} << 32;
}

TEST(PlacesTest, TheTestsOwnPlaceHasAllOfIt) {
  InFork([] {
    EXPECT_EQ(UnshareError(CLONE_NEWUSER | CLONE_NEWNS), 0);
    EXPECT_EQ(CloneError(CLONE_NEWUSER), 0);
    EXPECT_EQ(Clone3Error(), 0);
    EXPECT_EQ(LandlockError(), 0);
    EXPECT_EQ(ListenerError(), 0);
  });
}

TEST(PlacesTest, NamesAreReadBack) {
  for (Place place : AllPlaces()) {
    EXPECT_EQ(PlaceOfName(PlaceName(place)), place);
  }
  EXPECT_EQ(PlaceOfName("nowhere"), absl::nullopt);
}

TEST(PlacesTest, DockerForbidsNamespacesAndMounts) {
  InFork([] {
    EnterPlace(Place::kDocker);
    EXPECT_EQ(UnshareError(CLONE_NEWUSER), EPERM);
    EXPECT_EQ(CloneError(CLONE_NEWUSER), EPERM);
    EXPECT_EQ(CloneError(0), 0);
    EXPECT_EQ(Clone3Error(), ENOSYS);
    EXPECT_EQ(ErrorOf(mount("x", "/", "tmpfs", 0, nullptr)), EPERM);
    EXPECT_EQ(ErrorOf(syscall(SYS_pidfd_getfd, -1, 0, 0)), EPERM);
    EXPECT_EQ(ErrorOf(syscall(SYS_keyctl, 0, 0)), EPERM);
    EXPECT_EQ(ErrorOf(syscall(SYS_io_uring_setup, 0, 0)), EPERM);
    EXPECT_EQ(ErrorOf(socket(AF_VSOCK, SOCK_STREAM, 0)), EPERM);
    EXPECT_EQ(ErrorOf(syscall(4000)), ENOSYS);
    EXPECT_EQ(LandlockError(), 0);
    EXPECT_EQ(ListenerError(), 0);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(ErrorOf(fd), 0);
    EXPECT_EQ(ErrorOf(close(fd)), 0);
    EXPECT_EQ(ErrorOf(static_cast<long>(syscall(SYS_pidfd_open, getpid(), 0))),
              0);
  });
}

TEST(PlacesTest, DockerLeavesFewCapabilities) {
  InFork([] {
    const uint64_t before = EffectiveCapabilities();
    EnterPlace(Place::kDocker);
    // CapEff of the root of a container, as Docker's manual has it.
    EXPECT_EQ(EffectiveCapabilities(), before & 0xa80425fb);
    EXPECT_EQ(EffectiveCapabilities() != 0, before != 0);
    EXPECT_EQ(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 1, before == 0);
  });
}

TEST(PlacesTest, TheProfileAllowsNamespacesAndNoMore) {
  InFork([] {
    EnterPlace(Place::kDockerWithProfile);
    EXPECT_EQ(UnshareError(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET), 0);
    EXPECT_EQ(CloneError(CLONE_NEWUSER), 0);
    EXPECT_EQ(Clone3Error(), 0);
    EXPECT_EQ(ErrorOf(syscall(SYS_pidfd_getfd, -1, 0, 0)), EPERM);
    EXPECT_EQ(ErrorOf(syscall(SYS_bpf, 0, nullptr, 0)), EPERM);
    EXPECT_EQ(ErrorOf(syscall(SYS_io_uring_setup, 0, 0)), EPERM);
    EXPECT_EQ(ErrorOf(syscall(SYS_kexec_load, 0, 0, nullptr, 0)), EPERM);
    EXPECT_EQ(ErrorOf(syscall(SYS_keyctl, 0, 0)), EPERM);
    EXPECT_EQ(ErrorOf(syscall(SYS_personality, 0x40000)), EPERM);
    EXPECT_EQ(ErrorOf(syscall(SYS_personality, 0xffffffff)), 0);
    EXPECT_EQ(ErrorOf(socket(AF_VSOCK, SOCK_STREAM, 0)), EPERM);
  });
}

TEST(PlacesTest, ACallCanBeTakenOutOfAProfile) {
  SeccompProfile profile;
  std::string error;
  ASSERT_TRUE(profile.Read(NamespacesProfile(), &error)) << error;
  EXPECT_TRUE(profile.Forbid("unshare"));
  EXPECT_FALSE(profile.Forbid("unshare"));
  EXPECT_FALSE(profile.Forbid("no_such_call"));
  InFork([&] {
    ASSERT_EQ(profile.Filter().Load(), 0);
    EXPECT_EQ(UnshareError(CLONE_NEWUSER), EPERM);
    EXPECT_EQ(CloneError(CLONE_NEWUSER), 0);
  });
}

TEST(PlacesTest, WhatIsNotUnderstoodIsNoProfile) {
  for (absl::string_view text :
       {"", "{", "{}", "[1,]", R"({"defaultAction": "SCMP_ACT_ALLOW"})",
        R"({"defaultErrnoRet": 1, "syscalls": []})",
        R"({"defaultErrnoRet": 1, "syscalls": [{"names": ["read"],
            "action": "SCMP_ACT_KILL"}]})",
        R"({"defaultErrnoRet": 1, "syscalls": [{"names": ["socket"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_GE"}]}]})",
        R"({"defaultErrnoRet": 1, "syscalls": [{"names": ["read"],
            "action": "SCMP_ACT_ALLOW"}]} more)"}) {
    SeccompProfile profile;
    std::string error;
    EXPECT_FALSE(profile.Read(text, &error)) << text;
    EXPECT_NE(error, "");
  }
  SeccompProfile profile;
  std::string error;
  EXPECT_TRUE(profile.Read(R"({"defaultErrnoRet": 1, "syscalls":
      [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]} )",
                           &error))
      << error;
}

TEST(PlacesTest, KernelsLackLandlock) {
  InFork([] {
    EnterPlace(Place::kNoLandlock);
    EXPECT_EQ(LandlockError(), ENOSYS);
    EXPECT_EQ(UnshareError(CLONE_NEWUSER), 0);
  });
  InFork([] {
    EnterPlace(Place::kLandlockOff);
    EXPECT_EQ(LandlockError(), EOPNOTSUPP);
  });
}

TEST(PlacesTest, FiltersHaveNoListener) {
  InFork([] {
    EnterPlace(Place::kNoListener);
    EXPECT_EQ(ListenerError(), EINVAL);
    sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_fprog program = {1, &allow};
    EXPECT_EQ(
        ErrorOf(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)), 0);
  });
}

TEST(PlacesTest, UserNamespacesAreOff) {
  InFork([] {
    EnterPlace(Place::kNoUserNamespaces);
    EXPECT_EQ(UnshareError(CLONE_NEWUSER), ENOSPC);
    EXPECT_EQ(EffectiveCapabilities(), 0U);
    EXPECT_EQ(LandlockError(), 0);
  });
}

TEST(PlacesTest, UserNamespacesGiveNoCapability) {
  InFork([] {
    EnterPlace(Place::kAppArmor);
    EXPECT_EQ(EffectiveCapabilities(), 0U);
    ASSERT_EQ(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
    EXPECT_EQ(ErrorOf(mount("x", "/proc", "tmpfs", 0, nullptr)), EPERM);
    EXPECT_EQ(ErrorOf(sethostname("x", 1)), EPERM);
    EXPECT_EQ(LandlockError(), 0);
  });
}

TEST(PlacesTest, SeveralAddUp) {
  InFork([] {
    for (Place place :
         {Place::kNoLandlock, Place::kDocker, Place::kNoListener}) {
      EnterPlace(place);
    }
    EXPECT_EQ(UnshareError(CLONE_NEWUSER), EPERM);
    EXPECT_EQ(LandlockError(), ENOSYS);
    EXPECT_EQ(ListenerError(), EINVAL);
  });
}

}  // namespace
}  // namespace encapsulate::places
