// SPDX-License-Identifier: Apache-2.0
//
// What changes on the host while a sandbox is being made. A race is won each
// time: whoever opens the path waits while it is being replaced.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

// Does something before openat2(2) opens a path, in this process or one that it
// makes, while this object lives.
class BeforeOpening {
 public:
  BeforeOpening(std::string path, std::function<void()> act)
      : path_(std::move(path)),
        act_(std::move(act)),
        stop_(eventfd(0, EFD_CLOEXEC)) {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const sock_fprog filter = {4, program};
    EXPECT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    listener_ = UniqueFd(
        static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                 SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter)));
    EXPECT_TRUE(listener_.valid());
    thread_ = std::thread([this] { Serve(); });
  }
  ~BeforeOpening() {
    const uint64_t one = 1;
    EXPECT_EQ(write(stop_.get(), &one, sizeof(one)), ssize_t{sizeof(one)});
    thread_.join();
  }
  BeforeOpening(const BeforeOpening&) = delete;
  BeforeOpening& operator=(const BeforeOpening&) = delete;

 private:
  void Serve() const {
    for (;;) {
      struct pollfd events[] = {{listener_.get(), POLLIN, 0},
                                {stop_.get(), POLLIN, 0}};
      if (poll(events, 2, -1) < 0 || events[1].revents != 0) return;
      seccomp_notif call = {};
      if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
        continue;
      if (PathOf(call) == path_) act_();
      seccomp_notif_resp answer = {};
      answer.id = call.id;
      answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
      ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
  }

  static std::string PathOf(const seccomp_notif& call) {
    char path[PATH_MAX + 1] = {};
    iovec local = {path, PATH_MAX};
    // NOLINTNEXTLINE(performance-no-int-to-ptr): another process's
    iovec remote = {reinterpret_cast<void*>(call.data.args[1]), PATH_MAX};
    // What follows may not be there; up to the end of the page is enough.
    const auto rest = static_cast<size_t>(4096 - call.data.args[1] % 4096);
    for (size_t size : {size_t{PATH_MAX}, rest}) {
      local.iov_len = remote.iov_len = size;
      if (process_vm_readv(static_cast<pid_t>(call.pid), &local, 1, &remote, 1,
                           0) > 0) {
        return path;
      }
    }
    return "";
  }

  const std::string path_;
  const std::function<void()> act_;
  const UniqueFd stop_;
  UniqueFd listener_;
  std::thread thread_;
};

// Runs a command that writes to `tree`, which is writable, and calls `act` just
// before the sandbox opens it.
Ran WriteTo(const std::string& tree, const std::function<void()>& act) {
  const BeforeOpening watched(tree, act);
  return RunIn(Writable({tree}),
               {"/bin/sh", "-c", absl::StrCat("echo x >", tree, "/file")});
}

// Puts a symbolic link to `other` in place of `path`.
void ReplaceByLink(const std::string& path, const std::string& other) {
  EXPECT_EQ(rename(path.c_str(), absl::StrCat(path, ".moved").c_str()), 0);
  EXPECT_EQ(symlink(other.c_str(), path.c_str()), 0);
}

std::string LinkTookThePlaceOf(const std::string& tree) {
  return absl::StrCat("cannot make writable '", tree,
                      "': a symbolic link took its place while the sandbox was "
                      "being made: too many levels of symbolic links (ELOOP)");
}

TEST(RacesTest, ATreeThatStaysIsWritten) {
  InFork([] {
    const Scratch scratch;
    const std::string tree = scratch.Directory("tree");
    bool opened = false;
    const Ran ran = WriteTo(tree, [&] { opened = true; });
    EXPECT_TRUE(ran.status.ok()) << ran.status;
    EXPECT_TRUE(opened);
    EXPECT_EQ(ReadAll(tree + "/file"), "x\n");
  });
}

TEST(RacesTest, ALinkInPlaceOfATreeIsNotFollowed) {
  InFork([] {
    const Scratch scratch;
    const std::string tree = scratch.Directory("tree");
    const std::string other = scratch.Directory("other");
    const Ran ran = WriteTo(tree, [&] { ReplaceByLink(tree, other); });
    EXPECT_EQ(std::string(ran.status.message()), LinkTookThePlaceOf(tree));
    EXPECT_EQ(ReadAll(other + "/file"), "<none>");
  });
}

TEST(RacesTest, ALinkOnTheWayToATreeIsNotFollowed) {
  InFork([] {
    const Scratch scratch;
    const std::string tree = scratch.Directory("parent/tree");
    const std::string other = scratch.Directory("other/tree");
    const Ran ran = WriteTo(
        tree, [&] { ReplaceByLink(scratch / "parent", scratch / "other"); });
    EXPECT_EQ(std::string(ran.status.message()), LinkTookThePlaceOf(tree));
    EXPECT_EQ(ReadAll(other + "/file"), "<none>");
  });
}

}  // namespace
}  // namespace encapsulate
