// SPDX-License-Identifier: Apache-2.0
//
// The read-only view of the filesystem, and what is cut out of it.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

// Every test of the view runs on the kernel as it is, and on one that lacks
// the calls that Linux 5.9 to 5.12 brought.
enum class Kernel { kAsItIs, kOld };

class ViewTest : public ::testing::TestWithParam<Kernel> {
 protected:
  // Runs `body` where the kernel is as the parameter says.
  static void OnKernel(const std::function<void()>& body) {
    if (GetParam() == Kernel::kAsItIs) return body();
    InFork([&] {
      constexpr int kMountSetattr = 442;
      ForgetSystemCalls({kMountSetattr, SYS_clone3, SYS_close_range});
      if (::testing::Test::HasFatalFailure()) return;
      body();
    });
  }

  static void OnKernelWith(const std::function<void()>& build,
                           const std::function<void()>& body) {
    OnHostWith(build, [&] { OnKernel(body); });
  }

  Scratch scratch_;
};

INSTANTIATE_TEST_SUITE_P(Kernels, ViewTest,
                         ::testing::Values(Kernel::kAsItIs, Kernel::kOld),
                         [](const auto& info) {
                           return info.param == Kernel::kOld ? "Old" : "AsItIs";
                         });

TEST_P(ViewTest, FilesAreReadOnlyUnlessTheirTreeIsNamed) {
  const std::string file = scratch_.File("file", "old");
  const std::string tree = scratch_.Directory("tree");
  OnKernel([&] {
    const Options options = Writable({tree});
    EXPECT_EQ(Inside(options, {"write", file}), "EROFS");
    EXPECT_EQ(Inside(options, {"unlink", file}), "EROFS");
    EXPECT_EQ(Inside(options, {"chmod", file}), "EROFS");
    EXPECT_EQ(Inside(options, {"rename", file, scratch_ / "b"}), "EROFS");
    EXPECT_EQ(Inside(options, {"mkdir", scratch_ / "new"}), "EROFS");
    EXPECT_EQ(ReadAll(file), "old");

    EXPECT_EQ(Inside(options, {"write", absl::StrCat(tree, "/new")}), "ok");
    EXPECT_EQ(Inside(options, {"chmod", absl::StrCat(tree, "/new")}), "ok");
    EXPECT_EQ(ReadAll(absl::StrCat(tree, "/new")), "x");
    EXPECT_EQ(Outside({"write", file}), "ok");
  });
}

TEST_P(ViewTest, SubmountsAreReadOnlyWhateverTheirNames) {
  const std::vector<std::string> names = {
      "plain",       "with space",  "line\nbreak", "tab\there",
      "back\\slash", "hash#tag",    "\\040octal",  "deleted (deleted)",
      "-",           "comma,colon:"};
  std::vector<std::string> points;
  points.reserve(names.size());
  for (const std::string& name : names) {
    points.push_back(scratch_.Directory(absl::StrCat("host/", name)));
  }
  OnKernelWith(
      [&] {
        for (const std::string& point : points) Mount("tmpfs", point);
        // One inside another as well.
        Mount("tmpfs", scratch_.Directory("host/plain/inner space"));
      },
      [&] {
        for (const std::string& point : points) {
          SCOPED_TRACE(point);
          const std::string file = absl::StrCat(point, "/file");
          EXPECT_EQ(Inside(Options(), {"write", file}), "EROFS");
          EXPECT_EQ(Inside(Writable({point}), {"write", file}), "ok");
          EXPECT_EQ(Outside({"write", file}), "ok");
        }
        const std::string inner = scratch_ / "host/plain/inner space/file";
        EXPECT_EQ(Inside(Options(), {"write", inner}), "EROFS");
        EXPECT_EQ(Inside(Writable({points[0]}), {"write", inner}), "ok")
            << "a writable tree comes with its submounts";
      });
}

TEST_P(ViewTest, TwoHundredMountsAreReadOnly) {
  const std::string tree = scratch_.Directory("host");
  std::string check;
  OnKernelWith(
      [&] {
        for (int i = 0; i < 200; ++i) {
          Mount("tmpfs", scratch_.Directory(absl::StrCat("host/", i)), 0,
                "size=4k");
        }
      },
      [&] {
        const std::string script =
            absl::StrCat("cd ", tree,
                         "; for i in *; do echo x > $i/file && n=x$n; done "
                         "2>/dev/null; echo ${#n}");
        EXPECT_EQ(ShellInside(Options(), script), "0");
        EXPECT_EQ(ShellInside(Writable({tree}), script), "200");
      });
}

// What can't be made read-only must not run. A remount that fails is
// provoked by forgetting the only call that could do it.
TEST(ViewFailureTest, NothingRunsIfAMountStaysWritable) {
  Scratch scratch;
  const std::string point = scratch.Directory("mount point");
  const std::string mark = scratch.Directory("out");
  OnHostWith([&] { Mount("tmpfs", point); },
             [&] {
               constexpr int kMountSetattr = 442;
               const std::vector<std::string> touch = {
                   ProbePath(), "write", absl::StrCat(mark, "/ran")};
               EXPECT_TRUE(RunIn(Writable({mark}), touch).status.ok());
               unlink(absl::StrCat(mark, "/ran").c_str());
               ForgetSystemCalls({kMountSetattr, SYS_mount});
               const Ran ran = RunIn(Writable({mark}), touch);
               EXPECT_EQ(FailureKindOf(ran.status), FailureKind::kHostRefused)
                   << ran.status;
               EXPECT_EQ(ReadAll(absl::StrCat(mark, "/ran")), "<none>");
             });
}

// A kernel that says yes and does nothing: only the mount table tells.
TEST(ViewFailureTest, TheMountTableHasTheLastWord) {
  const Scratch scratch;
  const std::string mark = scratch / "mark";
  const std::vector<std::string> touch = {ProbePath(), "write", mark};
  InFork([&] {
    constexpr int kMountSetattr = 442;
    RefuseSystemCalls({kMountSetattr}, 0);
    const Ran ran = RunIn(Options(), touch);
    EXPECT_EQ(FailureKindOf(ran.status), FailureKind::kHostRefused);
    EXPECT_TRUE(absl::EndsWith(std::string(ran.status.message()),
                               "read-only: it stayed writable: read-only file "
                               "system (EROFS)"))
        << ran.status;
  });
  EXPECT_EQ(ReadAll(mark), "<none>");
  EXPECT_TRUE(RunIn(Options(), touch).status.ok());
}

TEST_P(ViewTest, NoRemountBringsWritingBack) {
  const std::string tree = scratch_.Directory("tree");
  const std::string point = scratch_.Directory("host");
  OnKernelWith(
      [&] { Mount("tmpfs", point); },
      [&] {
        for (Identity identity : {Identity::kCaller, Identity::kRoot}) {
          Options options = Writable({tree});
          options.identity = identity;
          EXPECT_EQ(Inside(options, {"remount", "/"}), "EPERM");
          EXPECT_EQ(Inside(options, {"remount", point}), "EPERM");
          EXPECT_EQ(Inside(options, {"nested-write", point}), "EROFS");
          EXPECT_EQ(Inside(options, {"nested-write", scratch_.path()}),
                    "EROFS");
          EXPECT_EQ(Inside(options, {"nested-write", tree}), "ok")
              << "the probe itself";
        }
      });
}

TEST_P(ViewTest, NothingCoveredComesBackInNestedNamespaces) {
  const std::string hidden = scratch_.Directory("hidden");
  WriteAll(scratch_ / "hidden/secret", "secret");
  OnKernel([&] {
    Options options;
    options.hidden = {hidden};
    EXPECT_EQ(Inside(options, {"nested-uncover", hidden, "hidden/secret"}),
              "EINVAL");
    EXPECT_EQ(Inside(Options(), {"nested-uncover", hidden, "hidden/secret"}),
              "ok");
  });
}

TEST_P(ViewTest, LaterMountsOfTheHostDoNotComeIn) {
  const std::string point = scratch_.Directory("host/later");
  const std::string host = scratch_ / "host";
  int now[2];
  int done[2];
  OnKernelWith(
      [&] {
        Mount("tmpfs", host);
        ASSERT_EQ(mount(nullptr, host.c_str(), nullptr, MS_SHARED, nullptr), 0);
        ASSERT_EQ(mkdir(point.c_str(), 0755), 0);
        // Mounting takes what OnHostWith() will take away from ordinary users,
        // so somebody else on the host does it.
        ASSERT_EQ(pipe2(now, O_CLOEXEC), 0);
        ASSERT_EQ(pipe2(done, O_CLOEXEC), 0);
        if (fork() == 0) {
          close(now[1]);
          char byte;
          if (read(now[0], &byte, 1) != 1) _exit(1);
          Mount("tmpfs", point);
          WriteAll(absl::StrCat(point, "/there"), "");
          _exit(write(done[1], "x", 1) == 1 ? 0 : 1);
        }
      },
      [&] {
        int fds[2];
        ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
        Options options;
        options.keep_descriptors = {fds[0]};
        absl::StatusOr<Process> process = Spawn(
            options, {"/bin/sh", "-c",
                      absl::StrCat("read go <&", fds[0], "; test ! -e ", point,
                                   "/there && ! echo x > ", point, "/x")});
        ASSERT_TRUE(process.ok()) << process.status();
        char byte;
        ASSERT_EQ(write(now[1], "x", 1), 1);
        ASSERT_EQ(read(done[0], &byte, 1), 1);
        ASSERT_EQ(write(fds[1], "\n", 1), 1);
        const Result result = process->Wait();
        ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
        EXPECT_EQ(result.exit_code, 0);
        EXPECT_EQ(ReadAll(absl::StrCat(point, "/there")), "")
            << "the mount was there outside";
      });
}

TEST_P(ViewTest, EveryMountThatShowsTheKernelIsCovered) {
  const std::string proc = scratch_.Directory("root/proc");
  const std::string sys = scratch_.Directory("root/sys");
  const std::string dev = scratch_.Directory("root/dev");
  const std::string cgroup = scratch_.Directory("root/cgroup");
  const std::string hybrid = "/sys/fs/cgroup/unified";
  const std::string cgroups =
      access(hybrid.c_str(), F_OK) == 0 ? hybrid : "/sys/fs/cgroup";
  const std::string bpf = scratch_.Directory("root/bpf");
  OnKernelWith(
      [&] {
        BindMount("/proc", proc);
        BindMount("/sys", sys);
        BindMount("/dev", dev);
        BindMount(cgroups, cgroup);
        // Ordinary users can't mount it without the system's leave.
        if (IsHostRoot()) Mount("bpf", bpf, 0, "mode=0777");
      },
      [&] {
        if (IsHostRoot()) {
          EXPECT_EQ(Outside({"mkdir", absl::StrCat(bpf, "/there")}), "ok");
          EXPECT_EQ(Inside(Options(), {"list", bpf}), "");
        }
        for (const std::string& place : {proc, sys, dev, cgroup}) {
          EXPECT_EQ(Inside(Options(), {"list", place}), "") << place;
          EXPECT_NE(Outside({"list", place}), "") << place;
        }
        Options host_network;
        host_network.network = Network::kHost;
        EXPECT_EQ(Inside(host_network, {"list", sys}), "");
        EXPECT_EQ(Inside(host_network, {"list", proc}), "");
      });
}

TEST_P(ViewTest, ProcShowsOnlyTheSandboxsProcesses) {
  const std::string outer = absl::StrCat("/proc/", getpid());
  OnKernel([&] {
    EXPECT_EQ(Inside(Options(), {"pids"}), "2");
    EXPECT_NE(Outside({"pids"}), "2");
    const std::string status = absl::StrCat("/proc/", getpid(), "/status");
    EXPECT_EQ(Inside(Options(), {"open", status}), "ENOENT");
    EXPECT_EQ(Outside({"open", status}), "ok");
    for (const char* door : {"root", "cwd"}) {
      EXPECT_EQ(Inside(Options(), {"chdir", absl::StrCat("/proc/1/", door)}),
                "EACCES")
          << door;
    }
    EXPECT_EQ(Inside(Options(), {"chdir", "/proc/self/root"}), "ok");
    for (const char* door : {"mem", "environ", "maps"}) {
      EXPECT_EQ(Inside(Options(), {"open", absl::StrCat("/proc/1/", door)}),
                "EACCES")
          << door;
    }
    EXPECT_EQ(Inside(Options(), {"open", "/proc/self/mem"}), "ok");
  });
}

TEST_P(ViewTest, DevHasOnlyHarmlessNodes) {
  OnKernel([&] {
    const std::string nodes = Inside(Options(), {"list", "/dev"});
    EXPECT_TRUE(nodes ==
                    "fd full null ptmx pts random shm stderr stdin stdout "
                    "tty urandom zero" ||
                nodes ==
                    "fd full mqueue null ptmx pts random shm stderr stdin "
                    "stdout tty urandom zero")
        << nodes;
    for (const char* node : {"null", "zero", "full", "random", "urandom"}) {
      EXPECT_EQ(Inside(Options(), {"open", absl::StrCat("/dev/", node)}), "ok")
          << node;
    }
    EXPECT_EQ(Inside(Options(), {"write", "/dev/null"}), "ok");
    EXPECT_EQ(Inside(Options(), {"write", "/dev/full"}), "ENOSPC");
    EXPECT_EQ(Inside(Options(), {"mkdir", "/dev/new"}), "EROFS");
    EXPECT_EQ(Inside(Options(), {"open", "/dev/ptmx"}), "ok");
    EXPECT_EQ(Inside(Writable({scratch_.path()}),
                     {"mknod", scratch_ / "node", "1", "3"}),
              "EPERM");
  });
}

TEST_P(ViewTest, DeviceNodesElsewhereDoNotOpen) {
  ONLY_FOR_ROOT();
  const std::string node = scratch_ / "null";
  ASSERT_EQ(mknod(node.c_str(), S_IFCHR | 0666, 0x103), 0);
  OnKernel([&] {
    EXPECT_EQ(Inside(Options(), {"open", node}), "EACCES");
    EXPECT_EQ(Inside(Writable({scratch_.path()}), {"open", node}), "EACCES");
    EXPECT_EQ(Inside(Writable({node}), {"open", node}), "ok")
        << "named, it is meant to be used";
    EXPECT_EQ(Outside({"open", node}), "ok");
  });
}

TEST_P(ViewTest, DiskDevicesAreNotThere) {
  ONLY_FOR_ROOT();
  const std::string kmsg = "/dev/kmsg";
  REQUIRE_HOST(Outside({"open-write", kmsg}) == "ok", "no /dev/kmsg here");
  OnKernel([&] {
    EXPECT_EQ(Inside(Options(), {"open-write", kmsg}), "ENOENT");
    EXPECT_EQ(Inside(Options(), {"open", "/dev/mem"}), "ENOENT");
  });
}

TEST_P(ViewTest, SharedDirectoriesAreReadOnlyOrFresh) {
  const std::string in_tmp = scratch_.File("file", "");  // below /tmp
  const std::string shm =
      absl::StrCat("/dev/shm/encapsulate-test-", getpid(), "-", geteuid());
  WriteAll(shm, "host's");
  OnKernel([&] {
    EXPECT_EQ(Inside(Options(), {"write", in_tmp}), "EROFS");
    EXPECT_EQ(Inside(Writable({"/tmp"}), {"write", in_tmp}), "ok");
    EXPECT_EQ(Inside(Options(), {"write", "/var/tmp/encapsulate"}), "EROFS");
    EXPECT_EQ(Inside(Options(), {"write", "/run/encapsulate"}), "EROFS");

    EXPECT_EQ(Inside(Options(), {"open", shm}), "ENOENT");
    EXPECT_EQ(Inside(Options(), {"write", shm}), "ok") << "a fresh one";
    EXPECT_EQ(ReadAll(shm), "host's");
    EXPECT_EQ(Inside(Options(), {"list", "/dev/shm"}), "") << "each its own";
  });
  unlink(shm.c_str());

  Options fresh;
  fresh.tmpfs = {{"/var/tmp", 1 << 20}};
  EXPECT_EQ(Inside(fresh, {"write", "/var/tmp/encapsulate"}), "ok");
  EXPECT_EQ(ReadAll("/var/tmp/encapsulate"), "<none>");
}

TEST_P(ViewTest, KernelSettingsCannotBeChanged) {
  OnKernel([&] {
    for (Network network : {Network::kLoopback, Network::kHost}) {
      Options options;
      options.network = network;
      for (const char* file :
           {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/printk",
            "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger"}) {
        if (access(file, F_OK) != 0) continue;
        // To others than root, the mode alone says no.
        EXPECT_EQ(Inside(options, {"open-write", file}),
                  geteuid() == 0 ? "EROFS" : "EACCES")
            << file;
      }
      EXPECT_EQ(Inside(options, {"mkdir", "/sys/kernel/new"}), "EROFS");
      EXPECT_EQ(Inside(options,
                       {"open-write", "/proc/sys/user/max_cgroup_namespaces"}),
                "EACCES");
      EXPECT_NE(Inside(options, {"mkdir", "/sys/fs/cgroup/encapsulate"}), "ok");
      EXPECT_NE(Inside(options, {"open-write", "/sys/fs/cgroup/cgroup.procs"}),
                "ok");
      EXPECT_EQ(Inside(options, {"open-write", "/proc/self/comm"}), "ok");
    }
  });
  if (IsHostRoot()) {
    EXPECT_EQ(Outside({"open-write", "/proc/sys/kernel/printk"}), "ok");
  }
}

// Whether this process's cgroup of version 2 was handed over to its user.
bool HasOwnCgroup() {
  for (absl::string_view line :
       absl::StrSplit(ReadAll("/proc/self/cgroup"), '\n')) {
    if (!absl::ConsumePrefix(&line, "0::")) continue;
    for (const char* root : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
      const std::string members = absl::StrCat(root, line, "/cgroup.procs");
      if (access(members.c_str(), W_OK) == 0) return true;
    }
  }
  return false;
}

TEST_P(ViewTest, TheCallersCgroupCannotBeChangedFromNestedNamespaces) {
  OnKernel([&] {
    // Whoever has no cgroup may mount it, because the files are none of theirs.
    EXPECT_EQ(Inside(Options(), {"nested-mount", "cgroup2", "cgroup"}),
              geteuid() == 0 || HasOwnCgroup()
                  ? "unshare: ENOSPC"
                  : "ok\nmkdir EACCES\nwrite EACCES");
    EXPECT_EQ(Inside(Options(), {"nested-mount", "cgroup2"}), "EPERM");
    EXPECT_TRUE(
        absl::StartsWith(Inside(Options(), {"nested-mount", "tmpfs"}), "ok\n"));
  });
}

TEST(DelegatedCgroupTest, CannotBeChangedFromNestedNamespaces) {
  ONLY_FOR_ROOT();
  std::string cgroup;
  for (const char* root : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
    if (access(absl::StrCat(root, "/cgroup.procs").c_str(), W_OK) == 0) {
      cgroup = absl::StrCat(root, "/encapsulate-test-", getpid());
      break;
    }
  }
  REQUIRE_HOST(!cgroup.empty(), "no cgroup here that could be delegated");
  ASSERT_EQ(mkdir(cgroup.c_str(), 0755), 0);
  constexpr uid_t kUser = 64322;
  ASSERT_EQ(chown(cgroup.c_str(), kUser, kUser), 0);
  ASSERT_EQ(chown(absl::StrCat(cgroup, "/cgroup.procs").c_str(), kUser, kUser),
            0);
  InFork([&] {
    WriteAll(absl::StrCat(cgroup, "/cgroup.procs"), absl::StrCat(getpid()));
    ASSERT_EQ(chdir("/"), 0);
    ASSERT_EQ(setresgid(kUser, kUser, kUser), 0);
    ASSERT_EQ(setresuid(kUser, kUser, kUser), 0);
    EXPECT_EQ(Outside({"nested-mount", "cgroup2", "cgroup"}),
              "ok\nmkdir ok\nwrite ok")
        << "the probe itself";
    EXPECT_EQ(Inside(Options(), {"nested-mount", "cgroup2", "cgroup"}),
              "unshare: ENOSPC");
  });
  EXPECT_EQ(rmdir(cgroup.c_str()), 0);
}

TEST_P(ViewTest, SysfsMountedInNestedNamespacesIsNoWayToWrite) {
  OnKernel([&] {
    EXPECT_EQ(Inside(Options(), {"nested-mount", "sysfs", "net"}), "EPERM");
    if (geteuid() == 0) {
      EXPECT_EQ(Inside(Options(), {"nested-mount", "proc", "pid"}), "EPERM");
    }
  });
}

// --- How trees may be named -------------------------------------------------

TEST_P(ViewTest, WritableTreesMayBeNamedInManyWays) {
  const std::string tree = scratch_.Directory("tree/inner");
  const std::string outer = scratch_ / "tree";
  const std::string file = scratch_.File("single", "");
  symlink("tree", (scratch_ / "link").c_str());
  const std::string in_tree = absl::StrCat(outer, "/file");
  OnKernel([&] {
    ASSERT_EQ(chdir(scratch_.path().c_str()), 0);
    for (const std::vector<std::string>& trees :
         std::vector<std::vector<std::string>>{
             {scratch_ / "link"},
             {"tree"},
             {"./tree/../tree/."},
             {outer, outer, scratch_ / "link"},
             {tree, outer},
             {outer, tree},
             {absl::StrCat(outer, "/")}}) {
      SCOPED_TRACE(absl::StrCat(trees[0], " of ", trees.size()));
      EXPECT_EQ(Inside(Writable(trees), {"write", in_tree}), "ok");
      EXPECT_EQ(Inside(Writable(trees), {"write", absl::StrCat(tree, "/f")}),
                "ok");
      EXPECT_EQ(Inside(Writable(trees), {"write", file}), "EROFS");
    }
    EXPECT_EQ(Inside(Writable({file}), {"write", file}), "ok");
    EXPECT_EQ(Inside(Writable({file}), {"unlink", file}), "EROFS")
        << "its directory isn't writable";
    EXPECT_EQ(Inside(Writable({file}), {"write", in_tree}), "EROFS");
    EXPECT_EQ(Inside(Writable({tree}), {"write", in_tree}), "EROFS");
    // Bazel's sandbox, for one, has it read-only.
    struct statvfs root = {};
    ASSERT_EQ(statvfs("/", &root), 0);
    if ((root.f_flag & ST_RDONLY) == 0) {
      EXPECT_EQ(Inside(Writable({"/"}), {"write", in_tree}), "ok");
    }
    ASSERT_EQ(chdir("/"), 0);
  });
}

TEST_P(ViewTest, WrongTreesAreNamedBeforeAnythingStarts) {
  const std::string read_only = scratch_.Directory("read only");
  OnKernelWith(
      [&] { Mount("tmpfs", read_only, MS_RDONLY); },
      [&] {
        const auto message = [](const std::string& tree) {
          const Ran ran = RunIn(Writable({tree}), {"/bin/true"});
          EXPECT_EQ(FailureKindOf(ran.status), FailureKind::kInvalidOptions);
          return std::string(ran.status.message());
        };
        EXPECT_EQ(message(scratch_ / "missing"),
                  absl::StrCat("cannot make writable '", scratch_ / "missing",
                               "': no such file or directory (ENOENT)"));
        EXPECT_EQ(message(read_only),
                  absl::StrCat("cannot make writable '", read_only,
                               "': the host has it read-only: read-only file "
                               "system (EROFS)"));
        EXPECT_EQ(message(""), "a path is empty");
        EXPECT_EQ(message("/proc"),
                  "cannot make writable '/proc': /proc is always the "
                  "sandbox's own");
        EXPECT_EQ(message("/proc/sys"),
                  "cannot make writable '/proc/sys': /proc is always the "
                  "sandbox's own");
      });
}

TEST_P(ViewTest, NoHardLinkLeadsFromAWritableTreeToOtherFiles) {
  const std::string tree = scratch_.Directory("tree");
  const std::string file = scratch_.File("file", "");
  const std::string inner = scratch_.File("tree/file", "");
  OnKernel([&] {
    const Options options = Writable({tree});
    EXPECT_EQ(Inside(options, {"link", file, absl::StrCat(tree, "/link")}),
              "EXDEV");
    EXPECT_EQ(Inside(options, {"rename", file, absl::StrCat(tree, "/moved")}),
              "EXDEV");
    EXPECT_EQ(Inside(options, {"link", inner, absl::StrCat(tree, "/link")}),
              "ok");
    unlink((scratch_ / "tree/link").c_str());
  });
}

// --- What is behind an inode -------------------------------------------------

TEST_P(ViewTest, HostFifosAreUnreachableUnlessNamed) {
  const std::string fifo = scratch_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0666), 0);
  const int reader = open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  OnKernel([&] {
    // What covers it is an empty file with mode 0444.
    EXPECT_EQ(Inside(Options(), {"fifo-write", fifo}), "EACCES");
    EXPECT_EQ(Inside(Options(), {"nested-write", fifo}), "ENOTDIR");
    EXPECT_EQ(Inside(Writable({fifo}), {"fifo-write", fifo}), "ok");
    EXPECT_EQ(Inside(Writable({scratch_.path()}), {"fifo-write", fifo}), "ok");
    EXPECT_EQ(Outside({"fifo-write", fifo}), "ok");
  });
  close(reader);
}

TEST_P(ViewTest, HostSocketsAreUnreachableUnlessNamed) {
  const std::string path = scratch_ / "socket";
  const UnixServer server(path);
  OnKernel([&] {
    EXPECT_EQ(Inside(Options(), {"connect-unix", path}), "EACCES");
    Options host_network;
    host_network.network = Network::kHost;
    EXPECT_EQ(Inside(host_network, {"connect-unix", path}), "EACCES");
    EXPECT_EQ(Inside(Options(), {"nested-uncover", path}), "EINVAL");
    EXPECT_EQ(Inside(Writable({path}), {"connect-unix", path}), "ok");
    EXPECT_EQ(Inside(Writable({scratch_.path()}), {"connect-unix", path}),
              "ok");
    EXPECT_EQ(Outside({"connect-unix", path}), "ok");
  });
}

// Anybody can make directories in /tmp.
TEST_P(ViewTest, ShownTreesAreSeenReadOnlyWhereTheirDirectoryIsFresh) {
  const std::string fresh = scratch_.Directory("fresh");
  const std::string shown = scratch_.Directory("fresh/shown");
  const std::string own = scratch_.Directory("fresh/shown/own");
  const std::string file = scratch_.File("fresh/shown/file", "old");
  const std::string hidden = scratch_.File("fresh/hidden", "x");
  const std::string single = scratch_.File("fresh/single", "one");
  const std::string mounted = scratch_.Directory("fresh/shown/mounted");
  OnKernelWith(
      [&] { Mount("tmpfs", mounted); },
      [&] {
        Options options;
        options.writable = {own};
        options.shown = {shown, single, shown};
        for (bool covered : {false, true}) {
          options.tmpfs.clear();
          options.hidden.clear();
          if (covered) {
            options.hidden = {fresh};
          } else {
            options.tmpfs = {{fresh, 0}};
          }
          EXPECT_EQ(Inside(options, {"read", file}), "ok");
          EXPECT_EQ(Inside(options, {"read", single}), "ok");
          EXPECT_EQ(Inside(options, {"read", hidden}), "ENOENT");
          for (const std::string& place :
               {file, single, absl::StrCat(shown, "/new"),
                absl::StrCat(mounted, "/new")}) {
            EXPECT_EQ(Inside(options, {"write", place}), "EROFS") << place;
          }
          EXPECT_EQ(Inside(options, {"write", absl::StrCat(fresh, "/new")}),
                    covered ? "EROFS" : "ok");
          EXPECT_EQ(Inside(options, {"write", absl::StrCat(own, "/new")}),
                    "ok");
        }
      });
  EXPECT_EQ(ReadAll(file), "old");
  EXPECT_EQ(ReadAll(absl::StrCat(own, "/new")), "x");
}

TEST_P(ViewTest, ShownTreesAreReadOnlyInWritableOnes) {
  const std::string tree = scratch_.Directory("tree");
  const std::string shown = scratch_.Directory("tree/shown");
  OnKernel([&] {
    Options options = Writable({tree});
    options.shown = {shown, "/usr"};
    EXPECT_EQ(Inside(options, {"write", absl::StrCat(shown, "/x")}), "EROFS");
    EXPECT_EQ(Inside(options, {"write", absl::StrCat(tree, "/x")}), "ok");
  });
}

TEST_P(ViewTest, SocketsAndFifosInShownTreesAreUnreachable) {
  const std::string fresh = scratch_.Directory("fresh");
  const std::string shown = scratch_.Directory("fresh/shown");
  const std::string below = scratch_.Directory("fresh/shown/below");
  const UnixServer server(below + "/socket");
  const std::string fifo = below + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0666), 0);
  const int reader = open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  OnKernel([&] {
    Options options;
    options.tmpfs = {{fresh, 0}};
    options.shown = {shown};
    EXPECT_EQ(Inside(options, {"connect-unix", below + "/socket"}), "EACCES");
    EXPECT_EQ(Inside(options, {"fifo-write", fifo}), "EACCES");
    options.writable = {below};
    EXPECT_EQ(Inside(options, {"connect-unix", below + "/socket"}), "ok");
    EXPECT_EQ(Inside(options, {"fifo-write", fifo}), "ok");
  });
  close(reader);
}

TEST_P(ViewTest, DeepDirectoriesAreNoReasonToRefuse) {
  std::string deep = scratch_ / "deep";
  ASSERT_EQ(mkdir(deep.c_str(), 0755), 0);
  for (int level = 0; level < 300; ++level) {
    absl::StrAppend(&deep, "/d");
    ASSERT_EQ(mkdir(deep.c_str(), 0755), 0);
  }
  const std::string fifo = scratch_ / "deep/d/d/d/d/d/d/d/d/d/d/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0666), 0);
  OnKernel([&] {
    InFork([&] {
      const rlimit few = {100, 100};
      ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
      EXPECT_EQ(Inside(Options(), {"fifo-write", fifo}), "EACCES");
      EXPECT_EQ(Outside({"fifo-write", fifo}), "ENXIO") << "nobody reads";
      EXPECT_EQ(Inside(Options(), {"chdir", deep}), "ok");
    });
  });
}

TEST_P(ViewTest, SocketsWithOddNamesAreMasked) {
  const std::string space = scratch_ / "a socket";
  const std::string line = scratch_ / "line\nbreak";
  const UnixServer with_space(space);
  const UnixServer with_line_break(line);
  OnKernel([&] {
    for (const std::string& path : {space, line}) {
      EXPECT_EQ(Inside(Options(), {"connect-unix", path}), "EACCES");
      EXPECT_EQ(Outside({"connect-unix", path}), "ok");
    }
  });
}

// Found in the kernel's list alone, which is one of lines.
TEST_P(ViewTest, SocketsWithLineBreaksAreMaskedEverywhere) {
  const std::string tree = scratch_.Directory("host");
  const std::string path = scratch_ / "host/line\nbreak\n\n/end";
  const std::string after = scratch_ / "host/after";
  OnKernelWith(
      [&] {
        // Nobody can list what is in it.
        scratch_.Directory("host/line\nbreak\n\n");
        ASSERT_EQ(chmod(tree.c_str(), 0311), 0);
      },
      [&] {
        const UnixServer server(path);
        const UnixServer another(after);
        for (const std::string& socket : {path, after}) {
          EXPECT_EQ(Inside(Options(), {"connect-unix", socket}), "EACCES");
          EXPECT_EQ(Outside({"connect-unix", socket}), "ok");
        }
      });
}

// A walk needs one for each level of directories.
TEST_P(ViewTest, NothingIsMissedForWantOfDescriptors) {
  const std::string fifo =
      scratch_.Directory("d/d/d/d/d/d/d/d/d/d/d/d/d/d") + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0666), 0);
  OnKernel([&] {
    InFork([&] {
      struct rlimit limit;
      ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
      int refused = 0;
      int ran = 0;
      for (limit.rlim_cur = 3; ran < 3; ++limit.rlim_cur) {
        ASSERT_LT(limit.rlim_cur, 200U);
        ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        const absl::StatusOr<Result> result = encapsulate::Run(
            Options(), {"/bin/sh", "-c",
                        absl::StrCat("ulimit -n 200; test $(", ProbePath(),
                                     " fifo-write ", fifo, ") = EACCES")});
        if (result.ok()) {
          EXPECT_EQ(result->exit_code, 0) << limit.rlim_cur;
          ++ran;
          continue;
        }
        const std::string message(result.status().message());
        EXPECT_TRUE(absl::StrContains(message, "(EMFILE)")) << message;
        ++refused;
      }
      EXPECT_GT(refused, 0);
    });
  });
}

// No namespace mends it, SECURITY.md says so.
TEST_P(ViewTest, LocksOnReadOnlyFilesReachTheHost) {
  const std::string file = scratch_.File("file", "");
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  OnKernel([&] { EXPECT_EQ(Inside(Options(), {"flock", file}), "EAGAIN"); });
  ASSERT_EQ(flock(fd, LOCK_UN), 0);
  OnKernel([&] { EXPECT_EQ(Inside(Options(), {"flock", file}), "ok"); });
  close(fd);
}

}  // namespace
}  // namespace encapsulate
