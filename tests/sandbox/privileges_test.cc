// SPDX-License-Identifier: Apache-2.0
//
// What the command holds: descriptors, capabilities, keys, terminal, identity.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

Options As(Identity identity) {
  Options options;
  options.identity = identity;
  return options;
}

// Puts a file in place of descriptor 0 while it lives.
class InputFrom {
 public:
  explicit InputFrom(int fd) : saved_(fcntl(0, F_DUPFD_CLOEXEC, 3)) {
    dup2(fd, 0);
  }
  ~InputFrom() { dup2(saved_.get(), 0); }
  InputFrom(const InputFrom&) = delete;
  InputFrom& operator=(const InputFrom&) = delete;

 private:
  UniqueFd saved_;
};

TEST(PrivilegesTest, NoCapabilityIsLeft) {
  const std::string none =
      "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
      "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
      "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2";
  EXPECT_EQ(Inside(As(Identity::kCaller), {"caps"}), none);
  EXPECT_EQ(Inside(As(Identity::kRoot), {"caps"}), none);
  // Init keeps something for it.
  const Scratch scratch;
  Options overlay;
  overlay.overlay = {scratch.path()};
  overlay.list_overlay_changes = true;
  if (HasOverlays()) {
    EXPECT_EQ(Inside(overlay, {"caps"}), none);
  }
  if (IsHostRoot()) {
    EXPECT_NE(Outside({"caps"}), none);
    EXPECT_EQ(Outside({"setuid", "1"}), "ok");
    EXPECT_EQ(Inside(As(Identity::kCaller), {"setuid", "1"}), "EPERM");
  }
}

// ping(8) and others ask for them to be kept, and there are none.
TEST(PrivilegesTest, KeptCapabilitiesAreNone) {
  for (Identity identity : {Identity::kCaller, Identity::kRoot}) {
    const Result result = RunEntered(As(identity), [] {
      if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return 1;
      if (setresuid(geteuid(), geteuid(), geteuid()) != 0) return 2;
      if (prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) == 0) return 3;
      if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0) {
        return 4;
      }
      if (setresuid(geteuid() + 1, geteuid() + 1, geteuid() + 1) == 0) return 5;
      __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
      __user_cap_data_struct wanted[2] = {};
      wanted[0] = {0, 1U << CAP_NET_RAW, 0};
      if (syscall(SYS_capset, &header, wanted) == 0) return 6;
      if (syscall(SYS_capget, &header, wanted) != 0) return 7;
      for (const __user_cap_data_struct& half : wanted) {
        if ((half.effective | half.permitted | half.inheritable) != 0) return 8;
      }
      return 0;
    });
    EXPECT_EQ(result.exit_code, 0) << "the step that failed";
  }
  if (IsHostRoot()) {
    // The kernel's answers where there are some.
    InFork([] {
      EXPECT_EQ(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
      EXPECT_EQ(setresuid(1, 1, 1), 0);
      __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
      __user_cap_data_struct held[2] = {};
      EXPECT_EQ(syscall(SYS_capget, &header, held), 0);
      EXPECT_NE(held[0].permitted, 0U);
    });
  }
}

// With these, not even uid 0 gets capabilities by executing a program
// (capabilities(7)): NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE, each
// locked.
constexpr int kSecureBits = 0xcf;

TEST(PrivilegesTest, RootIsAUserLikeOthers) {
  for (Identity identity : {Identity::kCaller, Identity::kRoot}) {
    EXPECT_EQ(Inside(As(identity), {"securebits"}), absl::StrCat(kSecureBits));
    EXPECT_EQ(RunEntered(As(identity),
                         [] { return prctl(PR_GET_SECUREBITS, 0, 0, 0, 0); })
                  .exit_code,
              kSecureBits);
  }
  if (IsHostRoot()) {
    EXPECT_NE(Outside({"securebits"}), absl::StrCat(kSecureBits));
  }
}

TEST(PrivilegesTest, IdentityIsTheCallersOrRoot) {
  EXPECT_EQ(Inside(As(Identity::kCaller), {"ids"}), Outside({"ids"}));
  EXPECT_EQ(Inside(As(Identity::kRoot), {"ids"}), "0 0");
}

TEST(PrivilegesTest, SetUserIdProgramsGiveNothing) {
  ONLY_FOR_ROOT();
  const Scratch scratch;
  // An ordinary user's sandbox, as root sees it: uid 1 can't come back.
  const std::string copy = scratch.File("probe", ReadAll(ProbePath()));
  ASSERT_EQ(chown(copy.c_str(), 1, 1), 0);
  ASSERT_EQ(chmod(copy.c_str(), 06755), 0);
  const Ran ran = RunIn(Options(), {copy, "ids"});
  EXPECT_EQ(ran.output, "0 0\n");
}

TEST(PrivilegesTest, DescriptorsAreClosedUnlessKept) {
  const Scratch scratch;
  const std::string path = scratch.File("file", "content");
  const int leak = open(path.c_str(), O_RDONLY);
  const int high = fcntl(leak, F_DUPFD, 900);
  const int directory = open("/", O_RDONLY | O_DIRECTORY);
  EXPECT_EQ(Inside(Options(), {"fds"}), "0 1 2");
  EXPECT_TRUE(absl::StrContains(Outside({"fds"}), absl::StrCat(high)));

  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Options keep;
  keep.keep_descriptors = {ends[0]};
  EXPECT_EQ(Inside(keep, {"fds"}), absl::StrCat("0 1 2 ", ends[0]));

  keep.keep_descriptors = {directory};
  const Ran ran = RunIn(keep, {"/bin/true"});
  EXPECT_EQ(std::string(ran.status.message()),
            absl::StrCat("cannot pass descriptor ", directory,
                         ": it is a directory, a way around the read-only "
                         "view"));
  for (int fd : {leak, high, directory, ends[0], ends[1]}) close(fd);
}

TEST(PrivilegesTest, AnInputFileCannotBeChangedThroughItsDescriptor) {
  const Scratch scratch;
  const std::string path = scratch.File("file", "content");
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const InputFrom input(file.get());
  const std::string denied =
      "reopen EROFS\ntruncate EROFS\nfchmod EROFS\nfutimens EROFS\n"
      "fsetxattr EROFS";
  EXPECT_EQ(Inside(Options(), {"setattr-by-fd", "0"}), denied);
  EXPECT_EQ(ReadAll(path), "content");
  Options keep;
  keep.keep_descriptors = {file.get()};
  EXPECT_EQ(Inside(keep, {"setattr-by-fd", absl::StrCat(file.get())}), denied);

  const std::string allowed = Outside({"setattr-by-fd", "0"});
  EXPECT_TRUE(absl::StartsWith(allowed, "reopen ok\ntruncate ok\nfchmod ok"))
      << allowed;
  EXPECT_EQ(ReadAll(path), "");
}

// Scripts have it as their output everywhere, and root owns it.
TEST(PrivilegesTest, DevicesCannotBeChangedThroughDescriptors) {
  const std::string denied =
      "touch: setting times of '/proc/self/fd/0': Read-only file system";
  for (int flags : {O_RDONLY, O_WRONLY, O_RDWR}) {
    const UniqueFd null(open("/dev/null", flags | O_CLOEXEC));
    const InputFrom input(null.get());
    EXPECT_EQ(ShellInside(Options(), "touch /proc/self/fd/0 2>&1 || :"),
              denied);
    // What was opened for reading only is so inside.
    EXPECT_EQ(
        ShellInside(Options(), "(echo x >&0) 2>/dev/null && echo written || :"),
        flags == O_RDONLY ? "" : "written");
    EXPECT_EQ(RunEntered(Options(),
                         [] { return futimens(0, nullptr) == 0 ? 0 : errno; })
                  .exit_code,
              EROFS);
    // In Bazel's sandbox, /dev is read-only itself.
    struct statvfs mount = {};
    ASSERT_EQ(fstatvfs(0, &mount), 0);
    if ((mount.f_flag & ST_RDONLY) == 0) {
      EXPECT_EQ(futimens(0, nullptr), 0) << "outside";
    }
  }
}

TEST(PrivilegesTest, InputFilesKeepTheirOffset) {
  const Scratch scratch;
  const std::string path = scratch.File("file", "onetwothree");
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const InputFrom input(file.get());
  EXPECT_EQ(ShellInside(Options(), "dd bs=3 count=1 2>/dev/null"), "one");
  EXPECT_EQ(lseek(file.get(), 0, SEEK_CUR), 3) << "where the command stopped";
  EXPECT_EQ(ShellInside(Options(), "dd bs=3 count=1 2>/dev/null"), "two");
  EXPECT_EQ(ShellInside(Options(), "cat"), "three");
}

TEST(PrivilegesTest, AnInputFileIsFoundAgainWhereverItIs) {
  const Scratch scratch;
  const std::string path = scratch.File("file", "content");
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const InputFrom input(file.get());
  ASSERT_EQ(rename(path.c_str(), (scratch / "moved").c_str()), 0);
  EXPECT_EQ(ShellInside(Options(), "cat"), "content");
  lseek(0, 0, SEEK_SET);
  Options covered;
  covered.tmpfs = {{scratch.path(), 0}};
  EXPECT_EQ(ShellInside(covered, "cat"), "content");
  lseek(0, 0, SEEK_SET);
  // Without any name, there is nothing left to change.
  ASSERT_EQ(unlink((scratch / "moved").c_str()), 0);
  EXPECT_EQ(ShellInside(Options(), "cat"), "content");
}

TEST(PrivilegesTest, AnInputFileThatCannotBeFoundAgainIsRefused) {
  const Scratch scratch;
  const std::string path = scratch.File("file", "content");
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const InputFrom input(file.get());
  ASSERT_EQ(link(path.c_str(), (scratch / "other name").c_str()), 0);
  ASSERT_EQ(unlink(path.c_str()), 0);
  const Ran ran = RunIn(Options(), {"/bin/cat"});
  EXPECT_EQ(std::string(ran.status.message()),
            "cannot pass descriptor 0 without a way to change its file: its "
            "file can't be found under its name in the sandbox: stale file "
            "handle (ESTALE); hint: pass its content by a pipe: cat FILE | "
            "encapsulate ...");
}

// For reading, it would be opened for writing through /proc/self/fd/0.
TEST(PrivilegesTest, ADeviceIsPassedOnlyIfItIsNoDoor) {
  for (const char* path : {"/dev/zero", "/dev/urandom"}) {
    const UniqueFd device(open(path, O_RDONLY | O_CLOEXEC));
    const InputFrom input(device.get());
    EXPECT_EQ(ShellInside(Options(), "head -c 3 | wc -c"), "3") << path;
  }
  ONLY_FOR_ROOT();
  const char kMessages[] = "/dev/kmsg";
  const UniqueFd device(open(kMessages, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  REQUIRE_HOST(device.valid(), "no /dev/kmsg here");
  const InputFrom input(device.get());
  const Ran ran = RunIn(Options(), {"/bin/true"});
  EXPECT_EQ(FailureKindOf(ran.status), FailureKind::kInvalidOptions);
  EXPECT_EQ(std::string(ran.status.message()),
            "cannot pass descriptor 0: it is a device that could be opened "
            "anew by /proc/self/fd, for more than it is open for now; hint: "
            "pass its data by a pipe, or make the device writable");
  Options named;
  named.writable = {kMessages};
  EXPECT_TRUE(RunIn(named, {"/bin/true"}).result.ok());
}

TEST(PrivilegesTest, KeyringsAreOutOfReach) {
  for (const char* call : {"keyctl", "add_key", "request_key"}) {
    EXPECT_EQ(Inside(Options(), {"call", call}), "ENOSYS") << call;
    EXPECT_NE(Outside({"call", call}), "ENOSYS") << call;
  }
}

TEST(PrivilegesTest, TheSessionKeyringIsNotTheCallers) {
  InFork([] {
    const std::string name = absl::StrCat("encapsulate-test-", getpid());
    constexpr unsigned kPossessorOnly = 0x3f000000;
    const bool can =
        syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0;
    const long key = syscall(SYS_add_key, "user", name.c_str(), "x", size_t{1},
                             KEY_SPEC_SESSION_KEYRING);
    REQUIRE_HOST(
        can && key >= 0 &&
            syscall(SYS_keyctl, KEYCTL_SETPERM, key, kPossessorOnly) == 0,
        "no keys here");
    EXPECT_FALSE(
        absl::StrContains(Inside(Options(), {"show", "/proc/keys"}), name));
    EXPECT_TRUE(absl::StrContains(Outside({"show", "/proc/keys"}), name));
  });
}

TEST(PrivilegesTest, NothingIsTypedIntoTheTerminal) {
  for (const char* request : {"tiocsti", "tioclinux"}) {
    EXPECT_EQ(Inside(Options(), {request}), "low EPERM\nhigh EPERM");
    EXPECT_FALSE(absl::StrContains(Outside({request}), "EPERM")) << request;
  }
}

TEST(PrivilegesTest, CrashesStartNothingOutside) {
  rlimit before = {};
  getrlimit(RLIMIT_CORE, &before);
  REQUIRE_HOST(before.rlim_max > 1, "core files are off here for good");
  // The probe first tries to set 0, with which core_pattern's program runs.
  EXPECT_EQ(Inside(Options(), {"core-limit"}), "1 1");
  EXPECT_EQ(ShellInside(Options(), "ulimit -c"), "0") << "in blocks";
  EXPECT_EQ(Outside({"core-limit"}), "0 0");
  Options asked;
  asked.limits.core_size = 1 << 20;
  EXPECT_EQ(ShellInside(asked, "ulimit -c"),
            ShellInside(asked, "ulimit -H -c"));
  EXPECT_NE(ShellInside(asked, "ulimit -c"), "0");
  EXPECT_EQ(Inside(asked, {"core-limit"}), "0 0");
}

TEST(PrivilegesTest, ALimitOfTheHostsIsNotRaised) {
  InFork([] {
    const rlimit low = {0, 0};
    ASSERT_EQ(setrlimit(RLIMIT_CORE, &low), 0);
    EXPECT_EQ(ShellInside(Options(), "ulimit -c; ulimit -H -c"), "0\n0");
  });
}

}  // namespace
}  // namespace encapsulate
