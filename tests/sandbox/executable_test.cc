// SPDX-License-Identifier: Apache-2.0
//
// The file that a forked child executes, which is on the host whatever the
// child's view is. Each test runs in a copy of this program that belongs to the
// caller, because the host's file is no one's to change where it belongs to
// somebody else, or Bazel's sandbox has it on a read-only mount.
#include "encapsulate/executable.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/sandbox_pool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

using testing::AnyOf;

constexpr char kExecutable[] = "/proc/self/exe";
constexpr char kCopy[] = "ENCAPSULATE_TEST_COPY";

// Whatever an attempt changes.
std::string State(const std::string& path) {
  struct stat info = {};
  stat(path.c_str(), &info);
  char names[256] = {};
  listxattr(path.c_str(), names, sizeof(names) - 1);
  return absl::StrCat(info.st_mode, " ", info.st_uid, " ", info.st_mtime, " ",
                      info.st_nlink, " ", info.st_size, " ", names);
}

// Runs `body`, with its expectations, in a copy of this program, and expects
// the copy not to have changed unless `may_change`.
void InCopy(const std::function<void()>& body, bool may_change = false,
            const char* name = "copy") {
  if (getenv(kCopy) != nullptr) return body();
  const Scratch scratch;
  const std::string copy = scratch / name;
  std::filesystem::copy_file(kExecutable, copy);
  ASSERT_EQ(chmod(copy.c_str(), 0755), 0);
  const std::string before = State(copy);
  const testing::TestInfo& test =
      *testing::UnitTest::GetInstance()->current_test_info();
  const std::string filter =
      absl::StrCat("--gtest_filter=", test.test_suite_name(), ".", test.name());
  const pid_t pid = fork();
  if (pid == 0) {
    for (const char* name :
         {"TEST_PREMATURE_EXIT_FILE", "GTEST_SHARD_STATUS_FILE",
          "TEST_SHARD_STATUS_FILE", "XML_OUTPUT_FILE", "GTEST_OUTPUT",
          "TEST_TOTAL_SHARDS", "GTEST_TOTAL_SHARDS"}) {
      unsetenv(name);
    }
    setenv(kCopy, copy.c_str(), 1);
    execl(copy.c_str(), copy.c_str(), filter.c_str(), nullptr);
    _exit(127);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0) << "see above";
  if (!may_change) {
    EXPECT_EQ(State(copy), before);
  }
}

struct Attempt {
  const char* name;
  std::function<int(const std::string&)> change;  // the errno; 0 if it worked
};

int Errno(long result) { return result == 0 ? 0 : errno; }

int WithDescriptor(const std::string& path, int flags,
                   const std::function<long(int)>& change) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = Errno(change(fd));
  close(fd);
  return error;
}

long SetFlags(int fd) {
  int flags = 0;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return -1;
  flags |= FS_NODUMP_FL;
  return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

const std::vector<Attempt>& Attempts() {
  static const auto* const attempts = new std::vector<Attempt>{
      {"chmod",
       [](const std::string& path) {
         return Errno(chmod(path.c_str(), 06777));
       }},
      {"chown",
       [](const std::string& path) {
         return Errno(chown(path.c_str(), geteuid(), getegid()));
       }},
      {"utimensat",
       [](const std::string& path) {
         const timespec times[2] = {{1, 0}, {1, 0}};
         return Errno(utimensat(AT_FDCWD, path.c_str(), times, 0));
       }},
      {"setxattr",
       [](const std::string& path) {
         return Errno(setxattr(path.c_str(), "user.changed", "1", 1, 0));
       }},
      {"fchmod of O_RDONLY",
       [](const std::string& path) {
         return WithDescriptor(path, O_RDONLY,
                               [](int fd) { return fchmod(fd, 06777); });
       }},
      {"futimens of O_RDONLY",
       [](const std::string& path) {
         return WithDescriptor(path, O_RDONLY,
                               [](int fd) { return futimens(fd, nullptr); });
       }},
      {"fsetxattr of O_RDONLY",
       [](const std::string& path) {
         return WithDescriptor(path, O_RDONLY, [](int fd) {
           return fsetxattr(fd, "user.changed", "1", 1, 0);
         });
       }},
      {"FS_IOC_SETFLAGS",
       [](const std::string& path) {
         return WithDescriptor(path, O_RDONLY, SetFlags);
       }},
      {"fchownat of O_PATH",
       [](const std::string& path) {
         return WithDescriptor(path, O_PATH, [](int fd) {
           return fchownat(fd, "", geteuid(), getegid(), AT_EMPTY_PATH);
         });
       }},
      {"chmod through O_PATH",
       [](const std::string& path) {
         return WithDescriptor(path, O_PATH, [](int fd) {
           return chmod(absl::StrCat("/proc/self/fd/", fd).c_str(), 06777);
         });
       }},
      {"chmod through an executed program's parent",
       [](const std::string& path) {
         const std::string shown = absl::StartsWith(path, "/proc/")
                                       ? "/proc/$PPID/exe"
                                       : absl::StrCat("'", path, "'");
         const int status = system(
             absl::StrCat("exec chmod 06777 ", shown, " 2>/dev/null").c_str());
         // The only thing that chmod(1) says.
         return status == 0 ? 0 : EROFS;
       }},
      {"chmod in nested namespaces",
       [](const std::string& path) {
         if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return errno;
         mount(nullptr, path.c_str(), nullptr, MS_REMOUNT | MS_BIND, nullptr);
         sys::MountAttr attributes;
         attributes.clear = sys::kMountAttrReadOnly;
         sys::MountSetattr(AT_FDCWD, path.c_str(), 0, attributes);
         const int fd = open(path.c_str(), O_PATH | O_CLOEXEC);
         sys::MountSetattr(fd, "", AT_EMPTY_PATH, attributes);
         const int tree = sys::OpenTree(
             fd, "", sys::kOpenTreeClone | unsigned{AT_EMPTY_PATH});
         sys::MountSetattr(tree, "", AT_EMPTY_PATH, attributes);
         if (tree >= 0 &&
             chmod(absl::StrCat("/proc/self/fd/", tree).c_str(), 06777) == 0) {
           return 0;
         }
         return Errno(chmod(path.c_str(), 06777));
       }},
  };
  return *attempts;
}

using Runner =
    std::function<Result(const Options&, const std::function<int()>& body)>;

// Every attempt fails on the executable, and works on a file that may be
// changed, if it does on this host.
void ExpectProtected(const Runner& run, const Options& base = Options()) {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  Options options = base;
  options.writable.push_back(tree);
  for (const Attempt& attempt : Attempts()) {
    SCOPED_TRACE(attempt.name);
    const std::string twin = absl::StrCat(tree, "/twin");
    std::ofstream(twin) << "x";
    int on_host = -1;
    const pid_t pid = fork();
    if (pid == 0) _exit(attempt.change(twin));
    waitpid(pid, &on_host, 0);
    const auto code = [&](const std::string& path) {
      const Result result = run(options, [&] { return attempt.change(path); });
      EXPECT_EQ(result.outcome, Outcome::kExited);
      return result.exit_code;
    };
    EXPECT_EQ(code(twin), WEXITSTATUS(on_host)) << "the twin";
    if (on_host != 0) continue;
    EXPECT_EQ(code(kExecutable), EROFS);
    EXPECT_EQ(code("/proc/thread-self/exe"), EROFS);
  }
  EXPECT_THAT(
      run(options, [] { return open(kExecutable, O_WRONLY) < 0 ? errno : 0; })
          .exit_code,
      AnyOf(ETXTBSY, EROFS));
  // The name is what it was, and so is what can be executed by it.
  const std::string name = std::filesystem::read_symlink(kExecutable);
  EXPECT_EQ(name, getenv(kCopy));
  EXPECT_EQ(run(options,
                [&] {
                  return std::filesystem::read_symlink(kExecutable) == name ? 0
                                                                            : 1;
                })
                .exit_code,
            0);
  EXPECT_EQ(run(options,
                [] {
                  const int status = system(
                      "exec /proc/$PPID/exe --gtest_list_tests >/dev/null");
                  return status == 0 ? 0 : 1;
                })
                .exit_code,
            0);
}

std::vector<std::string> MappingsOfExecutable() {
  const std::string name = std::filesystem::read_symlink(kExecutable);
  std::vector<std::string> lines;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (absl::EndsWith(line, name)) lines.push_back(line);
  }
  return lines;
}

constexpr size_t kPage = 65536;  // or some of them
alignas(kPage) char guarded[3 * kPage] = {1};
int initialized = 1;
int* const relocated = &initialized;

TEST(ExecutableTest, IsOutOfAChildsReach) {
  InCopy([] {
    ASSERT_TRUE(ExecutableIsExposed());
    ExpectProtected(RunEntered);
    EXPECT_TRUE(ExecutableIsExposed()) << "the caller stays as it is";
  });
}

// /proc/self/maps escapes it.
TEST(ExecutableTest, IsOutOfReachWithALineFeedInItsPath) {
  InCopy([] { ExpectProtected(RunEntered); }, /*may_change=*/false, "a\nb");
}

TEST(ExecutableTest, IsOutOfReachHoweverOftenItIsMapped) {
  InCopy([] {
    const UniqueFd file(open(kExecutable, O_RDONLY | O_CLOEXEC));
    // Neighbours that fit would be joined; those with one offset don't.
    for (int i = 0; i < 1500; ++i) {
      ASSERT_NE(mmap(nullptr, 1, PROT_READ, MAP_PRIVATE, file.get(), 0),
                MAP_FAILED);
    }
    const auto change = [] { return Errno(chmod(kExecutable, 06777)); };
    EXPECT_EQ(RunEntered(Options(), change).exit_code, EROFS);
  });
}

TEST(ExecutableTest, IsOutOfAWatchedChildsReach) {
  InCopy([] {
    Options options;
    options.violations = Violations::kReport;
    ExpectProtected(RunEntered, options);
  });
}

TEST(ExecutableTest, IsOutOfThePreparedChildsReach) {
  InCopy([] {
    SandboxPool pool(2);
    int inits = 0;
    ExpectProtected([&](const Options& options,
                        const std::function<int()>& body) {
      absl::StatusOr<absl::optional<Process>> child = pool.Enter(options, 1000);
      if (!child.ok()) {
        ADD_FAILURE() << child.status();
        return Result();
      }
      if (!child->has_value()) _exit(body());
      ++inits;
      const Result result = (*child)->Wait();
      EXPECT_NE(result.outcome, Outcome::kLost) << result.lost;
      return result;
    });
    EXPECT_GT(inits, 20);
    EXPECT_EQ(pool.WhyInLine(), "");
  });
}

// Where the child's view doesn't show the file.
TEST(ExecutableTest, IsOutOfReachWhereItIsHidden) {
  InCopy([] {
    const std::string directory =
        std::filesystem::path(getenv(kCopy)).parent_path();
    Options options;
    options.hidden = {directory};
    const auto change = [](const std::string& path) {
      return Errno(chmod(path.c_str(), 06777));
    };
    EXPECT_EQ(
        RunEntered(options, [&] { return change(kExecutable); }).exit_code,
        EROFS);
    EXPECT_EQ(
        RunEntered(options, [&] { return change(getenv(kCopy)); }).exit_code,
        ENOENT);
  });
}

TEST(ExecutableTest, IsProtectedOnceForAllChildren) {
  InCopy([] {
    ++initialized;
    const std::vector<std::string> mappings = MappingsOfExecutable();
    const int descriptors = CountDescriptors();
    const int mounts = CountMounts();
    ASSERT_TRUE(ProtectExecutable());
    EXPECT_FALSE(ExecutableIsExposed());
    EXPECT_EQ(MappingsOfExecutable(), mappings);
    EXPECT_EQ(CountDescriptors(), descriptors);
    EXPECT_EQ(CountMounts(), mounts);
    EXPECT_EQ(CountChildren(), 0);
    EXPECT_EQ(*relocated, 2);
    EXPECT_EQ(chmod(kExecutable, 06777), -1);
    EXPECT_EQ(errno, EROFS);
    EXPECT_TRUE(ProtectExecutable()) << "once more";
    ExpectProtected(RunEntered);
    // The program itself is as free as before.
    EXPECT_EQ(chmod(getenv(kCopy), 0755), 0);
  });
}

// Pages that the program has written and then closed, as guards and for keys.
TEST(ExecutableTest, IsProtectedWhereItsDataCannotBeRead) {
  InCopy([] {
    char* const guard = guarded + kPage;
    guard[0] = 5;
    ASSERT_EQ(mprotect(guard, kPage, PROT_NONE), 0);
    const std::vector<std::string> mappings = MappingsOfExecutable();
    const auto check = [&] {
      if (MappingsOfExecutable() != mappings) return 1;
      if (mprotect(guard, kPage, PROT_READ) != 0) return 2;
      return guard[0] == 5 && guarded[0] == 1 ? 0 : 3;
    };
    EXPECT_EQ(RunEntered(Options(), check).exit_code, 0);
    EXPECT_TRUE(ProtectExecutable());
    EXPECT_EQ(check(), 0);
  });
}

TEST(ExecutableTest, IsProtectedInEachChildWhereThreadsRun) {
  InCopy([] {
    std::promise<void> end;
    std::thread other([&] { end.get_future().wait(); });
    EXPECT_FALSE(ProtectExecutable());
    EXPECT_TRUE(ExecutableIsExposed());
    EXPECT_EQ(
        RunEntered(Options(), [] { return Errno(chmod(kExecutable, 06777)); })
            .exit_code,
        EROFS);
    end.set_value();
    other.join();
  });
}

TEST(ExecutableTest, IsNotTouchedWhereNobodyCouldChangeIt) {
  // That of another user, who lets nobody write it.
  const Options options;
  InFork([] {
    if (getuid() == 0) {
      GTEST_LOG_(INFO) << "root may change every file";
      return;
    }
    struct stat info;
    ASSERT_EQ(stat(kExecutable, &info), 0);
    if (info.st_uid == getuid()) return;
    EXPECT_FALSE(ExecutableIsExposed());
    EXPECT_TRUE(ProtectExecutable());
  });
  // One that has no name any more.
  InCopy(
      [] {
        ASSERT_EQ(unlink(getenv(kCopy)), 0);
        EXPECT_FALSE(ExecutableIsExposed());
        EXPECT_TRUE(ProtectExecutable());
        EXPECT_EQ(RunEntered(Options(), [] { return 3; }).exit_code, 3);
      },
      /*may_change=*/true);
}

// As a container's profile may, or a kernel without CONFIG_CHECKPOINT_RESTORE.
void RefuseSetMm() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_MM, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {std::size(code), code};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

TEST(ExecutableTest, IsRefusedOrNamedWhereItStaysExposed) {
  InCopy(
      [] {
        RefuseSetMm();
        EXPECT_FALSE(ProtectExecutable());
        const std::string why = absl::StrCat(
            "cannot keep '", getenv(kCopy),
            "' out of the reach of what runs inside: a filter or a kernel "
            "without CONFIG_CHECKPOINT_RESTORE refuses PR_SET_MM_MAP: "
            "operation not permitted (EPERM)");
        const auto expect_refused = [&](const Options& options) {
          const absl::StatusOr<absl::optional<Process>> child = Enter(options);
          if (child.ok() && !child->has_value()) _exit(1);
          EXPECT_EQ(
              child.status().message(),
              absl::StrCat(
                  why,
                  "; hint: allow that by Options::exposed_executable, in a "
                  "program of tests by --encapsulate_exposed_executable=note"));
        };
        const auto expect_named = [&](const Options& options) {
          absl::StatusOr<absl::optional<Process>> child = Enter(options);
          ASSERT_TRUE(child.ok()) << child.status();
          // What the child can do then, and nobody who may not be trusted.
          if (!child->has_value()) _exit(Errno(chmod(kExecutable, 0700)));
          EXPECT_EQ((*child)->exposed_executable(), why);
          const Result result = (*child)->Wait();
          ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
          EXPECT_EQ(result.exit_code, 0);
        };
        Options options;
        if (geteuid() == 0) {
          expect_refused(options);
        } else {
          expect_named(options);
        }
        options.exposed_executable = ExposedExecutable::kRefuse;
        expect_refused(options);
        options.exposed_executable = ExposedExecutable::kAllow;
        expect_named(options);
      },
      /*may_change=*/true);
}

}  // namespace
}  // namespace encapsulate
