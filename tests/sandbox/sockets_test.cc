// SPDX-License-Identifier: Apache-2.0
//
// The host's sockets and FIFOs by every name that mounts give them, and below
// mounts that don't answer.
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/sandbox_pool.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

// Outside of the trees in which sockets are looked for.
constexpr char kElsewhere[] = "/mnt";

#define REQUIRE_ELSEWHERE()                                      \
  REQUIRE_HOST(access(kElsewhere, X_OK) == 0 || errno == EACCES, \
               "there is no /mnt to mount something at")

std::string Elsewhere(const std::string& name) {
  return absl::StrCat(kElsewhere, "/", name);
}

// As the kernel is, and without the calls of Linux 5.9 to 5.12.
void OnBothKernels(const std::function<void()>& body) {
  body();
  InFork([&] {
    constexpr int kMountSetattr = 442;
    ForgetSystemCalls({kMountSetattr, SYS_clone3, SYS_close_range});
    if (!::testing::Test::HasFatalFailure()) body();
  });
}

// --- Second names ------------------------------------------------------------

TEST(SocketsTest, ABindMountIsNoWayToThem) {
  REQUIRE_ELSEWHERE();
  const Scratch scratch;
  const std::string host = scratch.Directory("host");
  const UnixServer server(scratch / "host/socket");
  const std::string fifo = scratch / "host/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0666), 0);
  const int reader = open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  OnHostWith([&] { BindMount(host, kElsewhere); },
             [&] {
               OnBothKernels([&] {
                 const std::vector<std::string> reach[] = {
                     {"connect-unix", Elsewhere("socket")},
                     {"fifo-write", Elsewhere("fifo")},
                     {"connect-unix", scratch / "host/socket"},
                     {"fifo-write", fifo}};
                 for (const auto& probe : reach) {
                   EXPECT_EQ(Inside(Options(), probe), "EACCES") << probe[1];
                   EXPECT_EQ(Inside(Writable({kElsewhere, host}), probe), "ok");
                   EXPECT_EQ(Outside(probe), "ok") << probe[1];
                 }
                 // Who names one of the names gets that one.
                 EXPECT_EQ(Inside(Writable({kElsewhere}), reach[0]), "ok");
                 EXPECT_EQ(Inside(Writable({kElsewhere}), reach[1]), "ok");
                 EXPECT_EQ(Inside(Writable({kElsewhere}), reach[2]), "EACCES");
                 EXPECT_EQ(Inside(Writable({kElsewhere}), reach[3]), "EACCES");
               });
             });
  close(reader);
}

TEST(SocketsTest, ABindMountOfWhatAPrivateDirectoryHidesIsNoWayToThem) {
  REQUIRE_ELSEWHERE();
  const Scratch scratch;
  const std::string host = scratch.Directory("host/inner");
  const UnixServer server(scratch / "host/inner/socket");
  const std::string fifo = scratch / "host/inner/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0666), 0);
  const int reader = open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  Options options;
  options.tmpfs.push_back({scratch.path()});
  // The mount shows more than the directory, or less.
  const std::pair<std::string, std::string> mounts[] = {
      {scratch.path(), "host/inner/"}, {host, ""}};
  for (const auto& [source, below] : mounts) {
    OnHostWith([&] { BindMount(source, kElsewhere); },
               [&] {
                 const std::string socket = Elsewhere(below + "socket");
                 const std::string pipe = Elsewhere(below + "fifo");
                 EXPECT_EQ(Inside(options, {"connect-unix", socket}), "EACCES");
                 EXPECT_EQ(Inside(options, {"fifo-write", pipe}), "EACCES");
                 EXPECT_EQ(Outside({"connect-unix", socket}), "ok");
                 EXPECT_EQ(Outside({"fifo-write", pipe}), "ok");
               });
  }
  close(reader);
}

// Found by the kernel's list and the mount table alone.
TEST(SocketsTest, ListedSocketsAreMaskedByEveryName) {
  REQUIRE_ELSEWHERE();
  OnHostWith(
      [] {
        Mount("tmpfs", kElsewhere);
        ASSERT_EQ(mkdir(Elsewhere("a").c_str(), 0755), 0);
        ASSERT_EQ(mkdir(Elsewhere("a/deep").c_str(), 0755), 0);
        ASSERT_EQ(mkdir(Elsewhere("b").c_str(), 0755), 0);
        ASSERT_EQ(mkdir(Elsewhere("covered").c_str(), 0755), 0);
        ASSERT_EQ(symlink("a", Elsewhere("link").c_str()), 0);
        BindMount(Elsewhere("a"), Elsewhere("b"));
        // It shows the same by the table, and another mount is over it.
        BindMount(Elsewhere("a"), Elsewhere("covered"));
        Mount("tmpfs", Elsewhere("covered"));
        ASSERT_EQ(mkdir(Elsewhere("covered/deep").c_str(), 0755), 0);
        WriteAll(Elsewhere("covered/deep/socket"), "a file");
      },
      [] {
        const UnixServer server(Elsewhere("link/deep/socket"));
        OnBothKernels([] {
          for (const char* name :
               {"a/deep/socket", "b/deep/socket", "link/deep/socket"}) {
            EXPECT_EQ(Inside(Options(), {"connect-unix", Elsewhere(name)}),
                      "EACCES")
                << name;
            EXPECT_EQ(Inside(Writable({kElsewhere}),
                             {"connect-unix", Elsewhere(name)}),
                      "ok")
                << name;
            EXPECT_EQ(Outside({"connect-unix", Elsewhere(name)}), "ok");
          }
          EXPECT_EQ(
              ShellInside(Options(), absl::StrCat("cat ", kElsewhere,
                                                  "/covered/deep/socket")),
              "a file");
        });
      });
}

// --- Mounts that don't answer ------------------------------------------------

// As root and as an ordinary user of the same host.
void AsBothUsers(const std::function<void()>& body) {
  body();
  InFork([&] {
    constexpr id_t kNobody = 65534;
    ASSERT_EQ(setgroups(0, nullptr), 0);
    ASSERT_EQ(setgid(kNobody), 0);
    ASSERT_EQ(setuid(kNobody), 0);
    ASSERT_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
    ASSERT_EQ(chdir("/"), 0);
    body();
  });
}

// Runs `body` while a process that has a mount namespace of its own has bound a
// socket below kElsewhere.
void WithSocketOfAnother(const std::function<void(const std::string&)>& body) {
  const std::string path = Elsewhere("other.sock");
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t other = fork();
  if (other == 0) {
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("other", kElsewhere, "tmpfs", 0, nullptr) != 0) {
      _exit(1);
    }
    const UnixServer server(path);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  close(ready[1]);
  char byte;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  body(path);
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
}

// An automounter that nobody answers for, in a process group of its own: those
// in it aren't kept waiting.
class Automounter {
 public:
  Automounter() {
    EXPECT_EQ(pipe2(pipe_, O_CLOEXEC), 0);
    group_ = fork();
    if (group_ == 0) {
      setpgid(0, 0);
      for (;;) pause();
    }
    setpgid(group_, group_);
  }
  ~Automounter() {
    kill(group_, SIGKILL);
    waitpid(group_, nullptr, 0);
    close(pipe_[0]);
    close(pipe_[1]);
  }

  bool MountIt() const {
    const std::string options = absl::StrCat("fd=", pipe_[1], ",pgrp=", group_,
                                             ",minproto=5,maxproto=5,direct");
    return mount("test", kElsewhere, "autofs", 0, options.c_str()) == 0;
  }

 private:
  int pipe_[2];
  pid_t group_;
};

TEST(SocketsTest, NoAutomountIsWaitedFor) {
  ONLY_FOR_ROOT();
  REQUIRE_ELSEWHERE();
  OnHostWith(
      [] {},
      [] {
        const Automounter automounter;
        WithSocketOfAnother([&](const std::string&) {
          REQUIRE_HOST(automounter.MountIt(), "the kernel has no autofs");
          AsBothUsers([] {
            const Ran ran = RunIn(Options(), {"/bin/echo", "fine"});
            EXPECT_EQ(ran.output, "fine\n") << ran.status;
            EXPECT_EQ(ran.result.unknown_sockets, std::vector<std::string>())
                << "nothing is mounted there";
          });
        });
      });
}

TEST(SocketsTest, WhatIsMountedOnAnAutomountIsLookedAt) {
  ONLY_FOR_ROOT();
  REQUIRE_ELSEWHERE();
  OnHostWith([] {},
             [] {
               const Automounter automounter;
               REQUIRE_HOST(automounter.MountIt(), "the kernel has no autofs");
               Mount("tmpfs", kElsewhere);
               const UnixServer server(Elsewhere("socket"));
               const std::vector<std::string> probe = {"connect-unix",
                                                       Elsewhere("socket")};
               ASSERT_EQ(chmod(Elsewhere("socket").c_str(), 0666), 0);
               AsBothUsers([&] {
                 EXPECT_EQ(Inside(Options(), probe), "EACCES");
                 EXPECT_EQ(Inside(Writable({kElsewhere}), probe), "ok");
                 EXPECT_EQ(Outside(probe), "ok");
               });
             });
}

// A FUSE mount whose daemon never says a word, as a dropped sshfs.
TEST(SocketsTest, WhatCannotBeLookedAtIsNamed) {
  ONLY_FOR_ROOT();
  REQUIRE_ELSEWHERE();
  const int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  REQUIRE_HOST(fuse >= 0, "the kernel has no FUSE");
  OnHostWith([] {},
             [&] {
               WithSocketOfAnother([&](const std::string& path) {
                 Mount("fuse", kElsewhere, 0,
                       absl::StrCat("fd=", fuse,
                                    ",rootmode=40000,user_id=0,group_id=0,"
                                    "allow_other"));
                 const std::vector<std::string> unknown = {path};
                 AsBothUsers([&] {
                   const Ran ran = RunIn(Options(), {"/bin/echo", "fine"});
                   EXPECT_EQ(ran.output, "fine\n") << ran.status;
                   EXPECT_EQ(ran.result.unknown_sockets, unknown);

                   SandboxPool pool(1);
                   for (int more = 2; more >= 0; --more) {
                     absl::StatusOr<absl::optional<Process>> child =
                         pool.Enter(Options(), more);
                     ASSERT_TRUE(child.ok()) << child.status();
                     if (!child->has_value()) _exit(0);
                     const Result result = (*child)->Wait();
                     ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
                     EXPECT_EQ(result.unknown_sockets, unknown);
                   }
                 });
                 // The twin: nothing listed is below it.
                 EXPECT_EQ(umount2(kElsewhere, MNT_DETACH), 0);
                 EXPECT_EQ(
                     RunIn(Options(), {"/bin/true"}).result.unknown_sockets,
                     std::vector<std::string>());
               });
             });
  close(fuse);
}

// A mount in one of the trees that are walked.
TEST(SocketsTest, NoWalkWaitsForAnybody) {
  ONLY_FOR_ROOT();
  const int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  REQUIRE_HOST(fuse >= 0, "the kernel has no FUSE");
  const Scratch scratch;
  const std::string hung = scratch.Directory("hung");
  const std::string fifo = scratch / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0666), 0);
  OnHostWith(
      [&] {
        Mount("fuse", hung, 0,
              absl::StrCat("fd=", fuse,
                           ",rootmode=40000,user_id=0,group_id=0,allow_other"));
      },
      [&] {
        OnBothKernels([&] {
          EXPECT_EQ(Inside(Options(), {"fifo-write", fifo}), "EACCES");
          EXPECT_EQ(Outside({"fifo-write", fifo}), "ENXIO") << "nobody reads";
        });
        EXPECT_EQ(umount2(hung.c_str(), MNT_DETACH), 0);
      });
  close(fuse);
}

}  // namespace
}  // namespace encapsulate
