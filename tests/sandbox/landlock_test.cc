// SPDX-License-Identifier: Apache-2.0
//
// Level landlock: each thing that is denied, beside the same thing inside, and
// the races that the walls hold against.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/isolation.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/violation_text.h"
#include "encapsulate/violations.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/environment.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kRounds = 4000;

std::string RacerPath() { return BuildPath("tests/support/racer"); }

class LandlockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    outside_ = scratch_.Directory("outside");
    inside_ = scratch_.Directory("inside");
    scratch_.File("outside/file", "outside");
    scratch_.File("inside/file", "inside");
    options_.isolation = Isolation::kLandlock;
    options_.writable = {inside_};
    const absl::StatusOr<Result> granted = encapsulate::Run(options_, {"true"});
    REQUIRE_HOST(granted.ok(), granted.status().message());
  }

  // In the tree that is writable, and beside it.
  std::string In(const std::string& name) const {
    return absl::StrCat(inside_, "/", name);
  }
  std::string Out(const std::string& name) const {
    return absl::StrCat(outside_, "/", name);
  }

  Options WithTemporary() const {
    Options options = options_;
    options.tmpfs = {{"/tmp", 0}};
    return options;
  }

  const Scratch scratch_;
  std::string outside_;
  std::string inside_;
  Options options_;
};

TEST_F(LandlockTest, SaysWhatIsolated) {
  const Ran ran = RunIn(options_, {ProbePath(), "pids"});
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.result.isolation, Isolation::kLandlock);
  EXPECT_EQ(RunIn(Options(), {ProbePath(), "pids"}).result.isolation,
            Isolation::kNamespaces);
}

TEST_F(LandlockTest, WritesInWritableTreesOnly) {
  EXPECT_EQ(Inside(options_, {"write", In("new")}), "ok");
  EXPECT_EQ(Inside(options_, {"write", Out("new")}), "EROFS");
  EXPECT_EQ(Inside(options_, {"open-write", In("file")}), "ok");
  EXPECT_EQ(Inside(options_, {"open-write", Out("file")}), "EROFS");
  EXPECT_EQ(Inside(options_, {"mkdir", In("directory")}), "ok");
  EXPECT_EQ(Inside(options_, {"mkdir", Out("directory")}), "EROFS");
  EXPECT_EQ(Inside(options_, {"rename", In("file"), In("moved")}), "ok");
  EXPECT_EQ(Inside(options_, {"rename", Out("file"), Out("moved")}), "EROFS");
  EXPECT_NE(Inside(options_, {"rename", Out("file"), In("moved")}), "ok");
  EXPECT_EQ(Inside(options_, {"link", In("moved"), In("link")}), "ok");
  EXPECT_EQ(Inside(options_, {"link", Out("file"), In("other")}), "EXDEV");
  EXPECT_EQ(Inside(options_, {"unlink", In("moved")}), "ok");
  EXPECT_EQ(Inside(options_, {"unlink", Out("file")}), "EROFS");
  EXPECT_EQ(Inside(options_, {"open", Out("file")}), "ok");
  EXPECT_EQ(ReadAll(Out("file")), "outside");
}

TEST_F(LandlockTest, ChangesMetadataInWritableTreesOnly) {
  ASSERT_EQ(chmod(Out("file").c_str(), 0640), 0);
  EXPECT_EQ(Inside(options_, {"chmod", In("file")}), "ok");
  EXPECT_EQ(Inside(options_, {"chmod", Out("file")}), "EROFS");
  for (const char* script :
       {"chmod 600 $F", "chown $(id -u) $F", "touch -d @1 $F",
        "exec 3<$F; chmod 600 /proc/self/fd/3",
        "cd ${F%/*}; chmod 600 ${F##*/}",
        "ln -s $F $TMPDIR/link; chmod 600 $TMPDIR/link"}) {
    EXPECT_EQ(ShellInside(options_, absl::StrCat("F=", In("file"), "; ", script,
                                                 " && echo ok")),
              "ok")
        << script;
    EXPECT_THAT(
        ShellInside(options_, absl::StrCat("F=", Out("file"), "; (", script,
                                           ") 2>/dev/null && echo ok")),
        ::testing::Not(HasSubstr("ok")))
        << script;
  }
  struct stat info;
  ASSERT_EQ(stat(In("file").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  EXPECT_EQ(info.st_mtime, 1);
  ASSERT_EQ(stat(Out("file").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640U);
  EXPECT_NE(info.st_mtime, 1);
}

// Nor a node that everybody may write to.
TEST_F(LandlockTest, KeepsDevices) {
  struct stat before;
  ASSERT_EQ(stat("/dev/null", &before), 0);
  EXPECT_EQ(Inside(options_, {"open-write", "/dev/null"}), "ok");
  EXPECT_EQ(Inside(options_, {"chmod", "/dev/null"}), "EROFS");
  struct stat after;
  ASSERT_EQ(stat("/dev/null", &after), 0);
  EXPECT_EQ(after.st_mode, before.st_mode);
}

// By requests that take no more than a descriptor for reading, ext4's number of
// a file's version among them.
TEST_F(LandlockTest, KeepsFilesFromRequestsOfTheirFilesystem) {
  const std::vector<std::string> requests = {RacerPath(), "requests",
                                             Out("file")};
  const auto errors = [&](const Options& options) {
    const Ran ran = RunIn(options, requests);
    return std::vector<std::string>(
        absl::StrSplit(ran.output, absl::ByAnyChar(" \n"), absl::SkipEmpty()));
  };
  const std::vector<std::string> inside = errors(options_);
  // Where only the filesystem decides, nothing is EPERM.
  Options process;
  process.isolation = Isolation::kProcess;
  const std::vector<std::string> outside = errors(process);
  ASSERT_EQ(inside.size(), 14U);
  ASSERT_EQ(outside.size(), inside.size());
  for (size_t i = 0; i + 1 < inside.size(); ++i) {
    EXPECT_EQ(inside[i], absl::StrCat(EPERM)) << i;
    EXPECT_NE(outside[i], absl::StrCat(EPERM)) << i;
  }
  // It only asks.
  EXPECT_EQ(inside.back(), outside.back());
  EXPECT_NE(inside.back(), absl::StrCat(EPERM));
}

// The supervisor would wait for its pages.
TEST_F(LandlockTest, HasNoMemoryThatComesWhenItLikes) {
  Options process;
  process.isolation = Isolation::kProcess;
  const std::string outside =
      RunIn(process, {RacerPath(), "userfaultfd"}).output;
  const bool missing = outside == absl::StrCat(ENOSYS, "\n");
  EXPECT_TRUE(missing || outside == "0\n") << outside;
  EXPECT_EQ(RunIn(options_, {RacerPath(), "userfaultfd"}).output,
            absl::StrCat(EPERM, "\n"));
}

// A process can't change the host's file that it executes.
TEST_F(LandlockTest, KeepsTheExecutable) {
  EXPECT_EQ(Inside(options_, {"chmod", "/proc/self/exe"}), "EROFS");
  EXPECT_EQ(Outside({"chmod", In("file")}), "ok");
}

TEST_F(LandlockTest, NoRaceChangesMetadataOutside) {
  for (const char* call : {"chmod", "chown", "utime", "setxattr", "fchmod"}) {
    ASSERT_EQ(chmod(Out("file").c_str(), 0640), 0);
    struct stat before;
    ASSERT_EQ(stat(Out("file").c_str(), &before), 0);
    const Ran ran = RunIn(options_, {RacerPath(), call, In("file"), Out("file"),
                                     absl::StrCat(kRounds)});
    ASSERT_TRUE(ran.status.ok()) << ran.status;
    struct stat after;
    ASSERT_EQ(stat(Out("file").c_str(), &after), 0);
    EXPECT_EQ(after.st_mode, before.st_mode) << call;
    EXPECT_EQ(after.st_ctim.tv_sec, before.st_ctim.tv_sec) << call;
    EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec) << call;
    // And some calls met the file that may be changed.
    EXPECT_NE(ran.output, "0\n") << call;
  }
}

TEST_F(LandlockTest, NoRaceWritesOutside) {
  const Ran ran = RunIn(options_, {RacerPath(), "open", In("file"), Out("file"),
                                   absl::StrCat(kRounds)});
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ReadAll(Out("file")), "outside");
  EXPECT_EQ(ReadAll(In("file")), "");
  EXPECT_NE(ran.output, "0\n");
}

// --- Directories that everybody uses -----------------------------------------

TEST_F(LandlockTest, RemovesWhatWasMadeInTmp) {
  const Ran ran =
      RunIn(WithTemporary(),
            {"/bin/sh", "-c",
             "T=$(mktemp -d /tmp/landlock-test.XXXXXX) && mkdir -p $T/a/b && "
             "echo x > $T/a/b/file && chmod 500 $T/a/b && ln -s / $T/root && "
             "mkfifo $T/fifo && mv $T $T.moved && echo $T.moved"});
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.result.exit_code, 0);
  ASSERT_THAT(ran.output, ::testing::StartsWith("/tmp/landlock-test."));
  const std::string made = ran.output.substr(0, ran.output.size() - 1);
  EXPECT_THAT(ran.result.temporary_files, ElementsAre(made));
  EXPECT_NE(access(made.c_str(), F_OK), 0);
  // Without asking for it, there is no such place.
  EXPECT_EQ(ShellInside(options_,
                        "mktemp /tmp/landlock-test.XXXXXX 2>/dev/null || "
                        "mktemp >/dev/null && echo only TMPDIR"),
            "only TMPDIR");
}

TEST_F(LandlockTest, LeavesWhatOthersHaveInTmp) {
  char name[] = "/tmp/landlock-other.XXXXXX";
  const UniqueFd file(mkstemp(name));
  ASSERT_TRUE(file.valid());
  ASSERT_EQ(write(file.get(), "other", 5), 5);
  const std::string path = name;
  EXPECT_EQ(Inside(WithTemporary(), {"open", path}), "ok");
  EXPECT_EQ(Inside(WithTemporary(), {"open-write", path}), "EROFS");
  EXPECT_EQ(Inside(WithTemporary(), {"unlink", path}), "EROFS");
  EXPECT_EQ(Inside(WithTemporary(), {"chmod", path}), "EROFS");
  // As between mounts.
  EXPECT_EQ(Inside(WithTemporary(), {"rename", path, path + "-moved"}),
            "EXDEV");
  EXPECT_EQ(Inside(WithTemporary(), {"rename", In("file"), path}), "EXDEV");
  EXPECT_EQ(Inside(WithTemporary(), {"chmod", "/tmp"}), "EROFS");
  EXPECT_EQ(ReadAll(path), "other");
  unlink(name);
}

// A name that was the command's once is known for its file, not for itself.
TEST_F(LandlockTest, KnowsFilesByWhatTheyAre) {
  char name[] = "/tmp/landlock-again.XXXXXX";
  ASSERT_TRUE(UniqueFd(mkstemp(name)).valid());
  ASSERT_EQ(unlink(name), 0);
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  Options options = WithTemporary();
  options.keep_descriptors = {sockets[1]};
  const std::string file = name;
  absl::StatusOr<Process> process = Spawn(
      options,
      {"/bin/sh", "-c",
       absl::StrCat("echo own > ", file, "; echo go >&", sockets[1],
                    "; read line <&", sockets[1], "; echo theirs > ", file)});
  ASSERT_TRUE(process.ok()) << process.status();
  char answer[8];
  while (process->Handle() &&
         recv(sockets[0], answer, sizeof(answer), MSG_DONTWAIT) <= 0) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  // Both are there at a time, or the second one might get the first one's
  // inode.
  const std::string other = absl::StrCat(file, "-other");
  WriteAll(other, "other");
  ASSERT_EQ(rename(other.c_str(), name), 0);
  ASSERT_EQ(write(sockets[0], "\n", 1), 1);
  const Result result = process->Wait();
  EXPECT_EQ(ReadAll(file), "other");
  EXPECT_THAT(result.temporary_files, IsEmpty());
  unlink(name);
  close(sockets[0]);
  close(sockets[1]);
}

// A bind that fails makes nothing, whoever has the name later.
TEST_F(LandlockTest, KnowsSocketsByWhatTheyAre) {
  char name[] = "/tmp/landlock-socket.XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  ASSERT_EQ(rmdir(name), 0);
  const std::string own = absl::StrCat(name, "-own");
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  Options options = WithTemporary();
  options.umask = 027;
  options.keep_descriptors = {sockets[1]};
  absl::StatusOr<Process> process =
      Spawn(options, {"/bin/sh", "-c",
                      absl::StrCat("exec \"$0\" bind ", own, " ", name, " <&",
                                   sockets[1], " >&", sockets[1]),
                      RacerPath()});
  ASSERT_TRUE(process.ok()) << process.status();
  const auto hear = [&] {
    char answer[64] = "";
    while (process->Handle() &&
           recv(sockets[0], answer, sizeof(answer) - 1, MSG_DONTWAIT) <= 0) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    return std::string(answer);
  };
  EXPECT_EQ(hear(), absl::StrCat("0 ", EINVAL, " 750 "));
  const UniqueFd host(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, name, sizeof(name));
  ASSERT_EQ(
      bind(host.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)),
      0);
  ASSERT_EQ(write(sockets[0], "\n", 1), 1);
  EXPECT_EQ(hear(), absl::StrCat(EROFS, "\n"));
  EXPECT_THAT(process->Wait().temporary_files, ElementsAre(own));
  EXPECT_EQ(access(name, F_OK), 0);
  EXPECT_NE(access(own.c_str(), F_OK), 0);
  unlink(name);
  close(sockets[0]);
  close(sockets[1]);
}

TEST_F(LandlockTest, SetsDirectoriesForTemporaryFiles) {
  EXPECT_EQ(ShellInside(options_,
                        "touch $TMPDIR/a $HOME/b $TEST_TMPDIR/c && "
                        "test -d $HOME && echo ok"),
            "ok");
  // Those that are writable anyway stay.
  Options options = options_;
  options.environment = {{absl::StrCat("TMPDIR=", inside_)}};
  EXPECT_EQ(ShellInside(options, "echo $TMPDIR"), inside_);
}

// Limits of the command hold for what is performed for it, and those of the
// caller end nobody.
TEST_F(LandlockTest, KeepsLimitsOnTheSizesOfFiles) {
  Options options = WithTemporary();
  options.limits.file_size = 1000;
  EXPECT_EQ(
      ShellInside(options,
                  absl::StrCat("f=$(mktemp /tmp/landlock-size.XXXXXX); ",
                               "for size in 1000 1001; do ", RacerPath(),
                               " truncate $f $size; done; stat -c %s $f")),
      absl::StrCat("0\n", EFBIG, "\n1000"));
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  const Ran ran =
      RunIn(WithTemporary(),
            {"/bin/sh", "-c", "mkdir $(mktemp -u /tmp/landlock-size.XXXXXX)"});
  EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(ran.result.exit_code, 0);
  EXPECT_EQ(ran.result.temporary_files.size(), 1U);
}

// What init removes if the caller is killed is noted in a file without a name.
TEST_F(LandlockTest, KeepsItsNotesOutOfReach) {
  const char* const set = getenv("TMPDIR");
  const std::string before = set != nullptr ? set : "";
  setenv("TMPDIR", inside_.c_str(), 1);
  EXPECT_EQ(ShellInside(options_, absl::StrCat("cd ", inside_,
                                               " && find . -type f -path "
                                               "'./encapsulate*'; echo ok")),
            "ok");
  if (set != nullptr) {
    setenv("TMPDIR", before.c_str(), 1);
  } else {
    unsetenv("TMPDIR");
  }
}

// --- Network -----------------------------------------------------------------

TEST_F(LandlockTest, ReachesServersInsideOnly) {
  EXPECT_EQ(Inside(options_, {"loopback", "4"}), "ok");
  if (HasIpv6()) {
    EXPECT_EQ(Inside(options_, {"loopback", "6"}), "ok");
  }
  EXPECT_EQ(Inside(options_, {"connect-ip", "192.0.2.1", "80"}), "ENETUNREACH");
  // A server on the loopback that isn't inside.
  const UniqueFd server(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(server.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(server.get(), 1), 0);
  ASSERT_EQ(
      getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &size),
      0);
  const std::string port = absl::StrCat(ntohs(address.sin_port));
  EXPECT_EQ(Outside({"connect-ip", "127.0.0.1", port}), "ok");
  EXPECT_EQ(Inside(options_, {"connect-ip", "127.0.0.1", port}),
            "ECONNREFUSED");
}

// What the judge of addresses can be fooled about reaches nobody.
TEST_F(LandlockTest, BindsSocketsToLoopback) {
  const Ran ran = RunIn(options_, {RacerPath(), "socket"});
  EXPECT_EQ(ran.output, absl::StrCat("lo ", EPERM, "\n"));
  Options host = options_;
  host.network = Network::kHost;
  EXPECT_EQ(RunIn(host, {RacerPath(), "socket"}).output, " 0\n");
}

// Without an association, a socket for datagrams has no device either, but for
// this.
TEST_F(LandlockTest, KeepsDatagramsOnLoopback) {
  const auto expected = [](const std::string& device, int locked, int other,
                           int bound) {
    // The first four choose loopback, the others something else.
    return absl::StrCat("0 ", device, " ", locked, " 0 | 0 0 0 0 0 | ", bound,
                        " ", other, " ", other, " ", other, " | 0\n");
  };
  EXPECT_EQ(RunIn(options_, {RacerPath(), "datagram", "4"}).output,
            expected("lo", EPERM, ENODEV, EPERM));
  if (HasIpv6()) {
    EXPECT_EQ(RunIn(options_, {RacerPath(), "datagram", "6"}).output,
              expected("lo", EPERM, ENODEV, EPERM));
  }
}

TEST_F(LandlockTest, NobodyDissolvesAnAssociationBehindTheJudge) {
  EXPECT_EQ(RunIn(options_, {RacerPath(), "dissolve", "4000"}).output,
            "4000\n");
}

// A join is told to the routers of an interface that the socket isn't bound to.
TEST_F(LandlockTest, JoinsNoMulticastGroup) {
  struct Case {
    const char* option;
    const char* group;
  };
  std::vector<Case> cases = {{"add", "239.1.2.3"},
                             {"add-source", "239.1.2.4"},
                             {"join", "239.1.2.5"},
                             {"join-source", "239.1.2.6"}};
  if (HasIpv6()) {
    for (const char* option : {"add", "join", "join-source"}) {
      cases.push_back({option, "ff05::1:2"});
    }
  }
  Options host = options_;
  host.network = Network::kHost;
  EXPECT_EQ(
      RunIn(Options(), {RacerPath(), "multicast", "add", "239.1.2.3"}).output,
      "0 0\n");
  Options watched = options_;
  watched.violations = Violations::kReport;
  for (const Case& c : cases) {
    SCOPED_TRACE(absl::StrCat(c.option, " ", c.group));
    const std::vector<std::string> join = {RacerPath(), "multicast", c.option,
                                           c.group};
    EXPECT_EQ(RunIn(host, join).output, "0 0\n");
    // The other number is of an option that joins nothing.
    EXPECT_EQ(RunIn(options_, join).output, absl::StrCat(ENODEV, " 0\n"));
    const Ran ran = RunIn(watched, join);
    ASSERT_EQ(ran.result.record.violations.size(), 1U) << ran.output;
    const Violation& violation = ran.result.record.violations[0];
    EXPECT_EQ(violation.rule, Rule::kNetwork);
    EXPECT_EQ(violation.target, c.group);
    EXPECT_EQ(DescribeAttempt(violation),
              absl::StrCat("join the multicast group ", c.group));
  }
}

TEST_F(LandlockTest, HasNoInternetWithoutNetwork) {
  Options options = options_;
  options.network = Network::kNone;
  EXPECT_EQ(Inside(options, {"loopback", "4"}), "EAFNOSUPPORT");
  EXPECT_EQ(Inside(options, {"socket", "1"}), "ok");
  EXPECT_EQ(Inside(options_, {"socket", absl::StrCat(AF_VSOCK)}),
            "EAFNOSUPPORT");
  // Of netlink, what tells of the network is there.
  EXPECT_EQ(ShellInside(options_, absl::StrCat(RacerPath(), " netlink 0; ",
                                               RacerPath(), " netlink 2")),
            absl::StrCat("0\n", EAFNOSUPPORT));
}

TEST_F(LandlockTest, ReachesNoSocketOfTheHost) {
  const UnixServer by_path(Out("socket"));
  const std::string name =
      absl::StrCat("@encapsulate-landlock-test-", getpid());
  const UnixServer abstract(name);
  EXPECT_EQ(Outside({"connect-unix", Out("socket")}), "ok");
  EXPECT_EQ(Inside(options_, {"connect-unix", Out("socket")}), "ECONNREFUSED");
  EXPECT_EQ(Outside({"connect-unix", name}), "ok");
  EXPECT_NE(Inside(options_, {"connect-unix", name}), "ok");
}

// --- Processes and objects ---------------------------------------------------

TEST_F(LandlockTest, ReachesNoProcessOutside) {
  const pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  const std::string pid = absl::StrCat(child);
  EXPECT_EQ(Outside({"kill", pid}), "ok");
  EXPECT_EQ(Inside(options_, {"kill", pid}), "EPERM");
  EXPECT_EQ(Inside(options_, {"kill", pid, absl::StrCat(SIGKILL)}), "EPERM");
  EXPECT_EQ(Inside(options_, {"change-process", pid}),
            "prlimit-get ok\nprlimit EPERM\nsetaffinity EPERM\nsetparam EPERM\n"
            "setscheduler EPERM\nsetattr EPERM\nsetpriority EPERM\n"
            "ioprio EPERM");
  EXPECT_EQ(Inside(options_, {"change-process", "self"}),
            "prlimit-get ok\nprlimit ok\nsetaffinity ok\nsetparam ok\n"
            "setscheduler ok\nsetattr ok\nsetpriority ok\nioprio ok");
  EXPECT_EQ(waitpid(child, nullptr, WNOHANG), 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_F(LandlockTest, HasObjectsOfItsOwn) {
  const key_t key = 0x656e6361;
  const int id = shmget(key, 4096, IPC_CREAT | 0600);
  ASSERT_GE(id, 0);
  EXPECT_EQ(Outside({"shm", absl::StrCat(key)}), "ok");
  EXPECT_EQ(Inside(options_, {"shm", absl::StrCat(key)}), "ENOENT");
  const std::string attach = absl::StrCat(RacerPath(), " attach $I");
  EXPECT_EQ(ShellInside(options_, absl::StrCat("I=", id, "; ", attach)),
            absl::StrCat(EINVAL));
  EXPECT_EQ(ShellInside(options_, absl::StrCat("I=$(ipcmk -M 4096 | sed "
                                               "'s/.*: //'); ",
                                               attach)),
            "0");
  shmctl(id, IPC_RMID, nullptr);
}

TEST_F(LandlockTest, LeavesNoObjects) {
  const auto count = [] {
    std::string text = ReadAll("/proc/sysvipc/shm");
    return std::count(text.begin(), text.end(), '\n');
  };
  const auto before = count();
  EXPECT_EQ(RunIn(options_, {"/bin/sh", "-c", "ipcmk -M 4096; ipcmk -M 4096"})
                .result.exit_code,
            0);
  EXPECT_EQ(count(), before);
}

TEST_F(LandlockTest, HoldsNoPrivileges) {
  const std::string caps = Inside(options_, {"caps"});
  EXPECT_THAT(caps, HasSubstr("CapPrm:\t0000000000000000"));
  EXPECT_THAT(caps, HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(caps, HasSubstr("NoNewPrivs:\t1\nSeccomp:\t2"));
  EXPECT_NE(Inside(options_, {"nested-mount", "/"}), "ok");
  EXPECT_NE(Inside(options_, {"tiocsti"}), "ok");
}

// --- The end -----------------------------------------------------------------

TEST_F(LandlockTest, EndsWhateverIsLeft) {
  const std::string pids = In("pids");
  const Ran ran = RunIn(
      options_, {"/bin/sh", "-c",
                 absl::StrCat("for i in 1 2 3 4 5; do "
                              "  (trap '' TERM; sleep 1000 & echo $! >> ",
                              pids,
                              "; wait) & "
                              "  setsid sh -c 'echo $$ >> ",
                              pids,
                              "; sleep 1000 & kill -STOP $$' & "
                              "done; "
                              "while [ $(wc -l < ",
                              pids, ") != 10 ]; do sleep 0.01; done; exit 7")});
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.result.exit_code, 7);
  EXPECT_GE(ran.result.leftover_count, 10);
  std::string text = ReadAll(pids);
  for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const auto pid = static_cast<pid_t>(strtol(&text[at], nullptr, 10));
    EXPECT_TRUE(kill(pid, 0) != 0 && errno == ESRCH) << pid;
  }
}

TEST_F(LandlockTest, EndsWhatForksWithoutEnd) {
  const Ran ran = RunIn(options_, {"/bin/sh", "-c",
                                   absl::StrCat("comet() { comet & }; for i in "
                                                "1 2 3 4; do comet & done; "
                                                "exit 0")});
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.result.outcome, Outcome::kExited);
}

TEST_F(LandlockTest, KeepsTheTime) {
  Options options = options_;
  options.limits.timeout = absl::Milliseconds(100);
  options.limits.grace = absl::Milliseconds(100);
  const Ran ran =
      RunIn(options,
            {"/bin/sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000; wait"});
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.result.outcome, Outcome::kTimedOut);
  EXPECT_EQ(ran.result.signal, SIGKILL);
}

TEST_F(LandlockTest, KillsEverybody) {
  for (Isolation level : {Isolation::kLandlock, Isolation::kProcess}) {
    const std::string pids = In("pids");
    Options options = options_;
    options.isolation = level;
    absl::StatusOr<Process> process =
        Spawn(options, {"/bin/sh", "-c",
                        absl::StrCat("setsid sh -c 'echo $$ >> ", pids,
                                     "; exec sleep 1000' & echo $$ >> ", pids,
                                     "; exec sleep 1000")});
    ASSERT_TRUE(process.ok()) << process.status();
    std::string text;
    while (std::count(text.begin(), text.end(), '\n') < 2) {
      process->Handle();
      text = ReadAll(pids);
    }
    process->Kill();
    const Result result = process->Wait();
    EXPECT_EQ(result.outcome, Outcome::kSignaled);
    EXPECT_EQ(result.signal, SIGKILL);
    for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      const auto pid = static_cast<pid_t>(strtol(&text[at], nullptr, 10));
      EXPECT_TRUE(kill(pid, 0) != 0 && errno == ESRCH) << pid;
    }
    unlink(pids.c_str());
  }
}

// Nobody cleans for a caller that is killed but init.
TEST_F(LandlockTest, EndsWithItsCaller) {
  const std::string started = In("started");
  const pid_t caller = fork();
  if (caller == 0) {
    Options options = WithTemporary();
    _exit(encapsulate::Run(
              options, {"/bin/sh", "-c",
                        absl::StrCat("mkdir -p $TMPDIR/a/b; mkdir "
                                     "/tmp/landlock-left.$$; touch "
                                     "/tmp/landlock-left.$$/f; "
                                     "(echo $TMPDIR; echo $$) > ",
                                     started, ".part; mv ", started, ".part ",
                                     started, "; sleep 1000 & sleep 1000")})
              .ok());
  }
  while (access(started.c_str(), F_OK) != 0) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  const std::string text = ReadAll(started);
  const std::string temporary = text.substr(0, text.find('\n'));
  const auto shell = static_cast<pid_t>(
      strtol(text.substr(temporary.size() + 1).c_str(), nullptr, 10));
  const std::string directory = temporary.substr(0, temporary.rfind('/'));
  ASSERT_EQ(access(directory.c_str(), F_OK), 0);
  kill(caller, SIGKILL);
  waitpid(caller, nullptr, 0);
  const std::string left = absl::StrCat("/tmp/landlock-left.", shell);
  // Its processes go first, then its files.
  while (access(directory.c_str(), F_OK) == 0 ||
         access(left.c_str(), F_OK) == 0 || kill(shell, 0) == 0) {
    absl::SleepFor(absl::Milliseconds(1));
  }
}

// --- Violations --------------------------------------------------------------

TEST_F(LandlockTest, RecordsViolations) {
  Options options = options_;
  options.violations = Violations::kEnforce;
  Ran ran = RunIn(options, {ProbePath(), "chmod", Out("file")});
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  ASSERT_EQ(ran.result.record.violations.size(), 1U);
  EXPECT_EQ(ran.result.record.violations[0].rule, Rule::kWrite);
  EXPECT_EQ(ran.result.record.violations[0].target, Out("file"));
  EXPECT_EQ(ran.result.record.violations[0].error, EROFS);
  EXPECT_FALSE(ran.result.ok());
  ran = RunIn(options, {ProbePath(), "chmod", In("file")});
  EXPECT_THAT(ran.result.record.violations, IsEmpty());
  EXPECT_TRUE(ran.result.ok());
  ran = RunIn(options, {ProbePath(), "connect-ip", "192.0.2.1", "80"});
  ASSERT_EQ(ran.result.record.violations.size(), 1U);
  EXPECT_EQ(ran.result.record.violations[0].rule, Rule::kNetwork);
  EXPECT_EQ(ran.result.record.violations[0].target, "192.0.2.1:80");
  // Nothing is recorded unless somebody asks for it.
  ran = RunIn(options_, {ProbePath(), "chmod", Out("file")});
  EXPECT_THAT(ran.result.record.violations, IsEmpty());
}

// --- Options -----------------------------------------------------------------

TEST_F(LandlockTest, RefusesWhatItCannotKeep) {
  const auto message = [](const Options& options) {
    return std::string(encapsulate::Run(options, {"true"}).status().message());
  };
  Options options = options_;
  options.overlay = {inside_};
  EXPECT_EQ(message(options),
            absl::StrCat("cannot overlay '", inside_,
                         "': level landlock mounts nothing; hint: leave it "
                         "out, or use level namespaces"));
  options = options_;
  options.hidden = {inside_};
  EXPECT_THAT(message(options), HasSubstr("cannot hide"));
  options = options_;
  options.shown = {inside_};
  EXPECT_THAT(message(options), HasSubstr("cannot show"));
  options = options_;
  options.uid = 1;
  EXPECT_THAT(message(options), HasSubstr("cannot show other ids"));
  options = options_;
  options.tmpfs = {{inside_, 0}};
  EXPECT_THAT(message(options), HasSubstr("cannot mount a tmpfs at"));
  options.tmpfs = {{"/tmp", 4096}};
  EXPECT_THAT(message(options), HasSubstr("cannot limit the size of '/tmp'"));
  options = options_;
  options.hostname = "other";
  EXPECT_THAT(message(options), HasSubstr("keeps the host's name"));
  EXPECT_EQ(message(options_), "");
  options = options_;
  options.limits.timeout = absl::Seconds(1);
  EXPECT_THAT(std::string(Enter(options).status().message()),
              HasSubstr("cannot limit the wall time of a child of Enter()"));
}

// --- Enter() -----------------------------------------------------------------

TEST_F(LandlockTest, EntersWithTheCallersMemory) {
  std::string memory = "the caller's";
  const std::string in = In("new");
  const std::string out = Out("new");
  const std::string file = Out("file");
  const Result result = RunEntered(options_, [&] {
    if (memory != "the caller's") return 1;
    if (!UniqueFd(open(in.c_str(), O_WRONLY | O_CREAT, 0600)).valid()) return 2;
    if (UniqueFd(open(out.c_str(), O_WRONLY | O_CREAT, 0600)).valid()) return 3;
    if (errno != EROFS) return 4;
    if (chmod(file.c_str(), 0600) == 0 || errno != EROFS) return 5;
    if (chmod("/proc/self/exe", 0600) == 0 || errno != EROFS) return 6;
    if (chmod(in.c_str(), 0640) != 0) return 7;
    const char* const temporary = getenv("TMPDIR");
    if (temporary == nullptr || access(temporary, W_OK) != 0) return 8;
    if (kill(getppid(), 0) == 0) return 9;
    const UniqueFd tcp(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return tcp.valid() ? 42 : 10;
  });
  EXPECT_EQ(result.exit_code, 42) << "the step that failed";
  EXPECT_EQ(result.isolation, Isolation::kLandlock);
  EXPECT_EQ(result.leftover_count, 0);
}

TEST_F(LandlockTest, EndsWhatAnEnteredChildLeaves) {
  for (Isolation level : {Isolation::kLandlock, Isolation::kProcess}) {
    Options options = options_;
    options.isolation = level;
    const std::string pids = In("pids");
    WriteAll(pids, "");
    const Result result = RunEntered(options, [&] {
      return system(absl::StrCat("for i in 1 2 3; do setsid sh -c 'echo $$ >> ",
                                 pids, "; exec sleep 1000' & done; while [ ",
                                 "$(wc -l < ", pids,
                                 ") != 3 ]; do sleep 0.01; done")
                        .c_str()) == 0
                 ? 7
                 : 1;
    });
    EXPECT_EQ(result.exit_code, 7);
    EXPECT_EQ(result.leftover_count, 3);
    ASSERT_EQ(result.leftovers.size(), 3U);
    EXPECT_THAT(result.leftovers[0].command, HasSubstr("sleep 1000"));
    const std::string text = ReadAll(pids);
    for (size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      const auto pid = static_cast<pid_t>(strtol(&text[at], nullptr, 10));
      EXPECT_TRUE(kill(pid, 0) != 0 && errno == ESRCH) << pid;
    }
    unlink(pids.c_str());
  }
}

TEST_F(LandlockTest, KillsAnEnteredChild) {
  for (Isolation level : {Isolation::kLandlock, Isolation::kProcess}) {
    Options options = options_;
    options.isolation = level;
    absl::StatusOr<absl::optional<Process>> entered = Enter(options);
    ASSERT_TRUE(entered.ok()) << entered.status();
    if (!entered->has_value()) {
      for (;;) pause();
    }
    (*entered)->Kill();
    const Result result = (*entered)->Wait();
    EXPECT_EQ(result.outcome, Outcome::kSignaled);
    EXPECT_EQ(result.signal, SIGKILL);
  }
}

TEST_F(LandlockTest, SignalsAnEnteredChild) {
  absl::StatusOr<absl::optional<Process>> entered = Enter(options_);
  ASSERT_TRUE(entered.ok()) << entered.status();
  if (!entered->has_value()) {
    for (;;) pause();
  }
  EXPECT_TRUE((*entered)->Signal(SIGUSR1).ok());
  EXPECT_EQ((*entered)->Wait().signal, SIGUSR1);
  EXPECT_EQ(CountChildren(), 0);
}

TEST_F(LandlockTest, RecordsViolationsOfAnEnteredChild) {
  Options options = options_;
  options.violations = Violations::kReport;
  const std::string file = Out("file");
  const Result result = RunEntered(
      options, [&] { return chmod(file.c_str(), 0600) == 0 ? 1 : 0; });
  ASSERT_EQ(result.record.violations.size(), 1U);
  EXPECT_EQ(result.record.violations[0].target, file);
}

TEST_F(LandlockTest, BuriesAnEnteredChild) {
  const std::string started = In("started");
  const pid_t caller = fork();
  if (caller == 0) {
    absl::StatusOr<absl::optional<Process>> entered = Enter(WithTemporary());
    if (!entered.ok()) _exit(1);
    if (!entered->has_value()) {
      const std::string script = absl::StrCat(
          "mkdir -p $TMPDIR/a/b; (echo $TMPDIR; echo $$) > ", started,
          ".part; mv ", started, ".part ", started, "; exec sleep 1000");
      execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
      _exit(1);
    }
    (*entered)->Wait();
    _exit(0);
  }
  while (access(started.c_str(), F_OK) != 0) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  const std::string text = ReadAll(started);
  const std::string temporary = text.substr(0, text.find('\n'));
  const auto shell = static_cast<pid_t>(
      strtol(text.substr(temporary.size() + 1).c_str(), nullptr, 10));
  kill(caller, SIGKILL);
  waitpid(caller, nullptr, 0);
  while (access(temporary.substr(0, temporary.rfind('/')).c_str(), F_OK) == 0 ||
         kill(shell, 0) == 0) {
    absl::SleepFor(absl::Milliseconds(1));
  }
}

// --- Level process -----------------------------------------------------------

TEST(ProcessLevelTest, WatchesTheCommandAndCleansUp) {
  Options options;
  options.isolation = Isolation::kProcess;
  const Ran ran = RunIn(options, {"/bin/sh", "-c",
                                  "touch $TMPDIR/a; echo $TMPDIR; sleep 1000 & "
                                  "setsid sleep 1000 & exit 3"});
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.result.isolation, Isolation::kProcess);
  EXPECT_EQ(ran.result.exit_code, 3);
  EXPECT_EQ(ran.result.leftover_count, 2);
  const std::string temporary = ran.output.substr(0, ran.output.size() - 1);
  EXPECT_NE(access(temporary.c_str(), F_OK), 0);
}

TEST(ProcessLevelTest, KeepsNothingFromBeingWritten) {
  const Scratch scratch;
  Options options;
  options.isolation = Isolation::kProcess;
  EXPECT_EQ(Inside(options, {"write", scratch / "file"}), "ok");
  // But who watches refuses, as far as nobody means to get around it.
  options.violations = Violations::kReport;
  const Ran ran = RunIn(options, {ProbePath(), "write", scratch / "other"});
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.output, "EROFS\n");
  ASSERT_EQ(ran.result.record.violations.size(), 1U);
  EXPECT_EQ(ran.result.record.violations[0].target, scratch / "other");
}

TEST(ProcessLevelTest, KeepsTheTimeOfStorms) {
  Options options;
  options.isolation = Isolation::kProcess;
  options.limits.timeout = absl::Milliseconds(100);
  options.limits.grace = absl::ZeroDuration();
  const Ran ran = RunIn(
      options, {"/bin/sh", "-c", "trap '' TERM; sleep 1000 & kill -STOP $$"});
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.result.outcome, Outcome::kTimedOut);
}

}  // namespace
}  // namespace encapsulate
