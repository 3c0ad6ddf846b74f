// SPDX-License-Identifier: Apache-2.0
//
// Level landlock: what is somebody else's stays so, whatever it is called and
// by whatever descriptor, process or number it is reached. Beside each is the
// same thing of the sandbox's own.
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/isolation.h"
#include "encapsulate/sandbox.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/environment.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

using Errors = std::vector<int>;

constexpr struct timespec kLongAgo[2] = {{1, 0}, {1, 0}};

// What a call has left: 0, or errno.
int Error(int64_t result) { return result < 0 ? errno : 0; }

int OpenError(const std::string& path, int flags) {
  return Error(UniqueFd(open(path.c_str(), flags | O_CLOEXEC, 0600)).get());
}

std::string Through(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

// Ends when told to.
class Child {
 public:
  explicit Child(const std::function<void()>& start) : pid_(fork()) {
    if (pid_ != 0) return;
    start();
    for (;;) pause();
  }
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  std::string Proc(const std::string& name) const {
    return absl::StrCat("/proc/", pid_, "/", name);
  }

 private:
  const pid_t pid_;
};

// Who is the same user looks at it then.
void BeOrdinary() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  if (syscall(SYS_capset, &header, none) != 0 ||
      prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) {
    _exit(1);
  }
}

// A process that has the word in its command line; 0 if there is none.
pid_t FindProcess(const std::string& word) {
  DIR* const proc = opendir("/proc");
  pid_t found = 0;
  while (const dirent* entry = readdir(proc)) {
    pid_t pid;
    if (absl::SimpleAtoi(entry->d_name, &pid) && pid != getpid() &&
        absl::StrContains(ReadAll(absl::StrCat("/proc/", pid, "/cmdline")),
                          word)) {
      found = pid;
    }
  }
  closedir(proc);
  return found;
}

class LandlockObjectsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    inside_ = scratch_.Directory("inside");
    scratch_.Directory("outside");
    options_.isolation = Isolation::kLandlock;
    options_.writable = {inside_};
    options_.tmpfs = {{"/tmp", 0}};
    const absl::StatusOr<Result> granted = encapsulate::Run(options_, {"true"});
    REQUIRE_HOST(granted.ok(), granted.status().message());
  }

  std::string In(const std::string& name) const {
    return absl::StrCat(inside_, "/", name);
  }
  // A name in /tmp that nobody has.
  static std::string Temporary(const std::string& name) {
    return absl::StrCat("/tmp/landlock-objects-", getpid(), "-", name);
  }

  // What the body, run inside, returns.
  Errors Inside(const std::function<Errors()>& body) const {
    const std::string said = In("said");
    const Result result = RunEntered(options_, [&] {
      WriteAll(said, absl::StrJoin(body(), " "));
      return 0;
    });
    EXPECT_EQ(result.exit_code, 0);
    Errors errors;
    for (const absl::string_view word : absl::StrSplit(
             ReadAll(said), absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
      errors.emplace_back();
      EXPECT_TRUE(absl::SimpleAtoi(word, &errors.back())) << word;
    }
    unlink(said.c_str());
    return errors;
  }

  const Scratch scratch_;
  std::string inside_;
  Options options_;
};

// Every way to change what a descriptor stands for, and another name for it.
Errors ChangeAll(int fd, const std::string& path) {
  return {Error(fchmod(fd, 0600)),
          Error(chmod(path.c_str(), 0600)),
          Error(futimens(fd, kLongAgo)),
          Error(utimensat(AT_FDCWD, path.c_str(), kLongAgo, 0)),
          Error(truncate(path.c_str(), 0)),
          OpenError(path, O_WRONLY),
          OpenError(path, O_RDWR | O_TRUNC)};
}

// The kernel calls a removed file by its old name with " (deleted)" behind it.
TEST_F(LandlockObjectsTest, RemovedFilesOfOthersStayAsTheyAre) {
  const std::string directory = Temporary("directory");
  const std::string link = Temporary("link");
  const std::string other = Temporary("other");
  struct Case {
    const char* description;
    std::string name;
    bool linked;
  };
  for (const Case& c :
       {Case{"removed", other, false}, Case{"has another name", other, true},
        Case{"in a removed directory", directory + "/file", false}}) {
    SCOPED_TRACE(c.description);
    ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
    WriteAll(c.name, "precious");
    ASSERT_EQ(chmod(c.name.c_str(), 0640), 0);
    const UniqueFd file(open(c.name.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(file.valid());
    if (c.linked) {
      ASSERT_EQ(::link(c.name.c_str(), link.c_str()), 0);
    }
    ASSERT_EQ(unlink(c.name.c_str()), 0);
    ASSERT_EQ(rmdir(directory.c_str()), 0);
    struct stat before;
    ASSERT_EQ(fstat(file.get(), &before), 0);
    const Errors errors = Inside([&] {
      const std::string taken = c.name + " (deleted)";
      mkdir(directory.c_str(), 0700);
      Errors all = {OpenError(taken, O_WRONLY | O_CREAT | O_EXCL)};
      for (int error : ChangeAll(file.get(), Through(file.get()))) {
        all.push_back(error);
      }
      all.push_back(
          Error(linkat(AT_FDCWD, Through(file.get()).c_str(), AT_FDCWD,
                       In("taken").c_str(), AT_SYMLINK_FOLLOW)));
      return all;
    });
    EXPECT_THAT(errors, ElementsAre(0, EROFS, EROFS, EROFS, EROFS, EROFS, EROFS,
                                    EROFS, EXDEV));
    struct stat after;
    ASSERT_EQ(fstat(file.get(), &after), 0);
    EXPECT_EQ(after.st_mode, before.st_mode);
    EXPECT_EQ(after.st_size, before.st_size);
    EXPECT_EQ(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
    unlink(link.c_str());
  }
}

TEST_F(LandlockObjectsTest, OwnRemovedFilesCanBeChanged) {
  for (const std::string& place : {In("own"), Temporary("own")}) {
    SCOPED_TRACE(place);
    EXPECT_THAT(Inside([&] {
                  mkdir(place.c_str(), 0700);
                  const std::string name = place + "/file";
                  const UniqueFd file(
                      open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
                  unlink(name.c_str());
                  return ChangeAll(file.get(), Through(file.get()));
                }),
                ElementsAre(0, 0, 0, 0, 0, 0, 0));
    // Its name ends like a removed one's.
    EXPECT_THAT(Inside([&] {
                  mkdir(place.c_str(), 0700);
                  const std::string name = place + "/file (deleted)";
                  const int made = OpenError(name, O_WRONLY | O_CREAT);
                  const UniqueFd file(open(name.c_str(), O_RDONLY | O_CLOEXEC));
                  Errors all = ChangeAll(file.get(), name);
                  all.push_back(made);
                  all.push_back(chmod(Through(file.get()).c_str(), 0600));
                  return all;
                }),
                ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0));
    // Removed directories, and what is made in them.
    EXPECT_THAT(
        Inside([&] {
          mkdir(place.c_str(), 0700);
          const std::string name = place + "/directory";
          mkdir(name.c_str(), 0700);
          const UniqueFd directory(
              open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
          rmdir(name.c_str());
          rmdir(place.c_str());
          return Errors{
              Error(fchmod(directory.get(), 0750)),
              Error(chmod(Through(directory.get()).c_str(), 0750)),
              Error(openat(directory.get(), "file", O_WRONLY | O_CREAT, 0600)),
              Error(mkdirat(directory.get(), "file", 0700))};
        }),
        ElementsAre(0, 0, ENOENT, ENOENT));
    // A file that has a name only later.
    EXPECT_THAT(Inside([&] {
                  mkdir(place.c_str(), 0700);
                  const std::string name = place + "/linked";
                  const UniqueFd file(open(
                      place.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
                  if (!file.valid() && errno == EOPNOTSUPP)
                    return Errors{0, 0, 0};
                  return Errors{
                      Error(fchmod(file.get(), 0640)),
                      Error(linkat(AT_FDCWD, Through(file.get()).c_str(),
                                   AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW)),
                      Error(access(name.c_str(), F_OK))};
                }),
                ElementsAre(0, 0, 0));
  }
}

TEST_F(LandlockObjectsTest, OwnDescriptorsWithoutAPathCanBeChanged) {
  EXPECT_THAT(Inside([] {
                const UniqueFd memory(memfd_create("own", MFD_CLOEXEC));
                return ChangeAll(memory.get(), Through(memory.get()));
              }),
              ElementsAre(0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(Inside([] {
                int ends[2];
                if (pipe2(ends, O_CLOEXEC) != 0) return Errors{errno};
                return Errors{Error(fchmod(ends[1], 0600)),
                              OpenError(Through(ends[1]), O_WRONLY),
                              OpenError(Through(ends[0]), O_WRONLY)};
              }),
              ElementsAre(0, 0, 0));
  // One that a process has from its parent, and that of another process.
  EXPECT_THAT(Inside([&] {
                const UniqueFd memory(memfd_create("own", MFD_CLOEXEC));
                const pid_t child = fork();
                if (child == 0) {
                  const std::string of_parent =
                      absl::StrCat("/proc/", getppid(), "/fd/", memory.get());
                  const std::string root =
                      absl::StrCat("/proc/", getppid(), "/root");
                  const UniqueFd file(open((root + In("file")).c_str(),
                                           O_RDWR | O_CREAT | O_CLOEXEC, 0600));
                  for (int error : ChangeAll(memory.get(), of_parent)) {
                    if (error != 0) _exit(error);
                  }
                  for (int error : ChangeAll(file.get(), root + In("file"))) {
                    if (error != 0) _exit(error);
                  }
                  _exit(0);
                }
                int status = -1;
                waitpid(child, &status, 0);
                return Errors{status};
              }),
              ElementsAre(0));
}

// Objects that all processes of the machine have in common.
TEST_F(LandlockObjectsTest, CommonObjectsStayAsTheyAre) {
  const std::string name = "/proc/self/ns/net";
  struct stat before;
  ASSERT_EQ(stat(name.c_str(), &before), 0);
  const UniqueFd pinned(open(name.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(
      Inside([&] {
        const UniqueFd network(open(name.c_str(), O_RDONLY | O_CLOEXEC));
        const UniqueFd event(eventfd(0, EFD_CLOEXEC));
        return Errors{Error(chmod(name.c_str(), 0400)),
                      Error(fchmod(network.get(), 0400)),
                      Error(fchmod(event.get(), 0400))};
      }),
      Each(EROFS));
  struct stat after;
  ASSERT_EQ(fstat(pinned.get(), &after), 0);
  EXPECT_EQ(after.st_mode, before.st_mode);
}

TEST_F(LandlockObjectsTest, DescriptorsOfProcessesOutsideAreNoWay) {
  const UniqueFd memory(memfd_create("other", MFD_CLOEXEC));
  const std::string name = Temporary("removed");
  const UniqueFd file(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(file.valid());
  ASSERT_EQ(unlink(name.c_str()), 0);
  for (const UniqueFd* fd : {&memory, &file}) {
    ASSERT_EQ(write(fd->get(), "precious", 8), 8);
  }
  WriteAll(In("file"), "own");
  const Child child(BeOrdinary);
  for (const UniqueFd* fd : {&memory, &file}) {
    const std::string path = child.Proc(absl::StrCat("fd/", fd->get()));
    struct stat before;
    ASSERT_EQ(fstat(fd->get(), &before), 0);
    const Errors errors = Inside([&] {
      // The one that the kernel calls the same.
      OpenError(name + " (deleted)", O_WRONLY | O_CREAT | O_EXCL);
      return Errors{Error(chmod(path.c_str(), 0)),
                    Error(truncate(path.c_str(), 0)),
                    Error(utimensat(AT_FDCWD, path.c_str(), kLongAgo, 0)),
                    OpenError(path, O_RDWR), OpenError(path, O_WRONLY)};
    });
    EXPECT_THAT(errors, Each(EACCES));
    EXPECT_EQ(errors.size(), 5U);
    struct stat after;
    ASSERT_EQ(fstat(fd->get(), &after), 0);
    EXPECT_EQ(after.st_mode, before.st_mode);
    EXPECT_EQ(after.st_size, 8);
    EXPECT_EQ(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
  }
  // By its root and its working directory, not even what is writable is.
  EXPECT_THAT(Inside([&] {
                return Errors{
                    Error(chmod((child.Proc("root") + In("file")).c_str(), 0)),
                    Error(chmod(child.Proc("cwd/file").c_str(), 0)),
                    Error(chmod(child.Proc("exe").c_str(), 0))};
              }),
              Each(EACCES));
}

// Names there mean other files than here.
TEST_F(LandlockObjectsTest, MountNamespacesOfOthersAreNoWay) {
  const std::string name = Temporary("tree");
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
  Options neighbours;
  neighbours.tmpfs = {{"/tmp", 0}};
  neighbours.directory = "/";
  neighbours.keep_descriptors = {sockets[1]};
  const std::string script = absl::StrCat(
      "mkdir ", name, "; for f in a b c; do echo precious > ", name,
      "/$f; done; echo go >&", sockets[1], "; read line <&", sockets[1]);
  absl::StatusOr<Process> neighbour =
      Spawn(neighbours, {"/bin/sh", "-c", script});
  REQUIRE_HOST(neighbour.ok(), neighbour.status().message());
  char answer[8];
  while (neighbour->Handle() &&
         recv(sockets[0], answer, sizeof(answer), MSG_DONTWAIT) <= 0) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  const pid_t pid = FindProcess(name);
  ASSERT_GT(pid, 0);
  const std::string root = absl::StrCat("/proc/", pid, "/root");
  const std::string tree = root + name;
  ASSERT_EQ(ReadAll(tree + "/a"), "precious\n");
  const Errors errors = Inside([&] {
    // Of that name the sandbox has one of its own.
    mkdir(name.c_str(), 0700);
    return Errors{Error(mkdir((name + "/x").c_str(), 0700)),
                  OpenError(tree + "/a", O_WRONLY | O_TRUNC),
                  OpenError(tree + "/a", O_RDWR),
                  OpenError(tree + "/new", O_WRONLY | O_CREAT),
                  Error(truncate((tree + "/a").c_str(), 0)),
                  Error(chmod((tree + "/a").c_str(), 0)),
                  Error(unlink((tree + "/b").c_str())),
                  Error(rename((tree + "/c").c_str(), (tree + "/d").c_str())),
                  Error(chmod((root + In("said")).c_str(), 0))};
  });
  EXPECT_THAT(errors, ElementsAre(0, EACCES, EACCES, EACCES, EACCES, EACCES,
                                  EACCES, EACCES, EACCES));
  for (const char* file : {"/a", "/b", "/c"}) {
    EXPECT_EQ(ReadAll(tree + file), "precious\n") << file;
  }
  EXPECT_NE(access((tree + "/new").c_str(), F_OK), 0);
  ASSERT_EQ(write(sockets[0], "\n", 1), 1);
  neighbour->Wait();
  close(sockets[0]);
  close(sockets[1]);
}

// --- Objects of System V and POSIX -------------------------------------------

// A queue of the host is opened like a file where they are mounted.
TEST_F(LandlockObjectsTest, QueuesOfTheHostKeepTheirMessages) {
  const std::string mounted = scratch_.Directory("queues");
  OnHostWith(
      [&] {
        ASSERT_EQ(unshare(CLONE_NEWIPC), 0);
        Mount("mqueue", mounted);
      },
      [&] {
        struct mq_attr attributes = {};
        attributes.mq_maxmsg = 2;
        attributes.mq_msgsize = 8;
        const mqd_t queue =
            mq_open("/other", O_CREAT | O_RDWR | O_NONBLOCK, 0600, &attributes);
        ASSERT_GE(queue, 0);
        ASSERT_EQ(mq_send(queue, "precious", 8, 0), 0);
        struct sigevent event = {};
        event.sigev_notify = SIGEV_NONE;
        char message[8];
        EXPECT_THAT(
            Inside([&] {
              const UniqueFd other(open((mounted + "/other").c_str(),
                                        O_RDONLY | O_NONBLOCK | O_CLOEXEC));
              if (!other.valid()) return Errors{errno};
              return Errors{Error(mq_receive(other.get(), message, 8, nullptr)),
                            Error(mq_notify(other.get(), &event))};
            }),
            ElementsAre(EBADF, EBADF));
        ASSERT_EQ(mq_getattr(queue, &attributes), 0);
        EXPECT_EQ(attributes.mq_curmsgs, 1);
        // Its own, and by the same name.
        EXPECT_THAT(
            Inside([&] {
              const mqd_t own = mq_open("/other", O_CREAT | O_RDWR | O_NONBLOCK,
                                        0600, &attributes);
              Errors all = {Error(own), Error(mq_notify(own, &event)),
                            Error(mq_send(own, "own", 3, 0)),
                            Error(mq_unlink("/other"))};
              const pid_t child = fork();
              if (child == 0) {
                _exit(Error(mq_receive(own, message, 8, nullptr)));
              }
              int status = -1;
              waitpid(child, &status, 0);
              all.push_back(status);
              all.push_back(Error(mq_receive(own, message, 8, nullptr)));
              return all;
            }),
            ElementsAre(0, 0, 0, 0, 0, EAGAIN));
        EXPECT_EQ(mq_receive(queue, message, 8, nullptr), 8);
        mq_close(queue);
        mq_unlink("/other");
      });
}

// Numbers of one kind's calls mean something else with another kind.
TEST_F(LandlockObjectsTest, SystemVObjectsOfTheHostAreNotControlled) {
  const int memory = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  const int semaphore = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
  ASSERT_GE(memory, 0);
  ASSERT_GE(semaphore, 0);
  ASSERT_EQ(semctl(semaphore, 0, SETVAL, 42), 0);
  const auto control = [](int memory_id, int semaphore_id) {
    Errors all;
    for (int command : {SHM_LOCK, SHM_UNLOCK, IPC_STAT}) {
      struct shmid_ds info;
      all.push_back(Error(shmctl(memory_id, command, &info)));
    }
    for (int command : {GETVAL, GETNCNT, GETZCNT, GETPID}) {
      all.push_back(Error(semctl(semaphore_id, 0, command)));
    }
    return all;
  };
  EXPECT_THAT(Inside([&] { return control(memory, semaphore); }), Each(EINVAL));
  EXPECT_THAT(Inside([&] {
                return control(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600),
                               semget(IPC_PRIVATE, 1, IPC_CREAT | 0600));
              }),
              ElementsAre(0, 0, 0, 0, 0, 0, 0));
  // What the limits are is no object's.
  EXPECT_THAT(Inside([] {
                struct shminfo limits;
                struct shm_info memory_use;
                struct seminfo semaphores;
                const auto at = [](void* where) {
                  return static_cast<struct shmid_ds*>(where);
                };
                return Errors{Error(shmctl(0, IPC_INFO, at(&limits))),
                              Error(shmctl(0, SHM_INFO, at(&memory_use))),
                              Error(semctl(0, 0, IPC_INFO, &semaphores)),
                              Error(semctl(0, 0, SEM_INFO, &semaphores))};
              }),
              Each(0));
  shmctl(memory, IPC_RMID, nullptr);
  semctl(semaphore, 0, IPC_RMID);
}

// --- Process groups ----------------------------------------------------------

// With a terminal the command stays in the session, and there are groups of it
// outside.
TEST_F(LandlockObjectsTest, JoinsNoGroupOutside) {
  InFork([&] {
    ASSERT_GT(setsid(), 0);
    const UniqueFd master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(master.valid());
    ASSERT_EQ(grantpt(master.get()), 0);
    ASSERT_EQ(unlockpt(master.get()), 0);
    // It becomes the session's, and this its foreground group.
    const UniqueFd terminal(open(ptsname(master.get()), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(terminal.valid());
    ASSERT_EQ(dup2(terminal.get(), 0), 0);
    signal(SIGTTOU, SIG_IGN);
    const Child other([] { setpgid(0, 0); });
    setpgid(other.pid(), other.pid());
    // Of what it adopts, this ends all that is left.
    InFork([&] {
      Options options = options_;
      options.attachment = Attachment::kForeground;
      const Ran ran = RunIn(options, {BuildPath("tests/support/racer"), "group",
                                      absl::StrCat(other.pid())});
      ASSERT_TRUE(ran.status.ok()) << ran.status;
      // The session is the same: to join it was possible.
      EXPECT_EQ(ran.output,
                absl::StrCat("same session\n", EPERM, " 0 0 0 0\n"));
    });
    EXPECT_EQ(getpgid(other.pid()), other.pid());
    EXPECT_EQ(getpriority(PRIO_PGRP, static_cast<id_t>(other.pid())), 0);
    // When the terminal goes, the session is told.
    signal(SIGHUP, SIG_IGN);
  });
}

}  // namespace
}  // namespace encapsulate
