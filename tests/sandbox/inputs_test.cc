// SPDX-License-Identifier: Apache-2.0
//
// Options::inputs: every way to read is named, what isn't the host's isn't, and
// nothing changes for who reads.
#include "encapsulate/inputs.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/isolation.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/violations.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/environment.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

// "read /etc/passwd", one for each path.
std::vector<std::string> Describe(const InputRecord& inputs) {
  std::vector<std::string> lines;
  const auto add = [&](const char* what,
                       const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
      lines.push_back(absl::StrCat(what, " ", path));
    }
  };
  add("read", inputs.read);
  add("absent", inputs.absent);
  add("listed", inputs.listed);
  add("link", inputs.links);
  add("executed", inputs.executed);
  return lines;
}

bool OpensAt(int directory, const std::string& path, int flags = O_RDONLY) {
  const int fd = openat(directory, path.c_str(), flags | O_CLOEXEC, 0644);
  return fd >= 0 && close(fd) == 0;
}

bool Opens(const std::string& path, int flags = O_RDONLY) {
  return OpensAt(AT_FDCWD, path, flags);
}

bool IsMissing(const std::string& path) {
  return open(path.c_str(), O_RDONLY | O_CLOEXEC) < 0 &&
         (errno == ENOENT || errno == ENOTDIR);
}

bool Lists(DIR* directory) {
  if (directory == nullptr) return false;
  bool found = false;
  while (const dirent* entry = readdir(directory)) {
    found |= strcmp(entry->d_name, "file") == 0;
  }
  return closedir(directory) == 0 && found;
}

// Whether a child that `start` makes ends with 0.
bool EndsWell(pid_t child) {
  int status;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

bool Executes(const std::function<void()>& execute) {
  const pid_t child = fork();
  if (child == 0) {
    execute();
    _exit(1);
  }
  return EndsWell(child);
}

// A tree of the host: file, link -> file, tree/file, program -> true.
class InputsTest : public ::testing::TestWithParam<Isolation> {
 protected:
  void SetUp() override {
    here_ = scratch_.path();
    file_ = scratch_.File("file", "content");
    tree_ = scratch_.Directory("tree");
    scratch_.File("tree/file", "content");
    inside_ = scratch_.Directory("inside");
    scratch_.File("inside/file", "content");
    ASSERT_EQ(symlink("file", (scratch_ / "link").c_str()), 0);
    ASSERT_EQ(symlink("tree", (scratch_ / "trees").c_str()), 0);
    options_.isolation = GetParam();
    options_.writable = {inside_};
    options_.inputs = true;
    options_.directory = "/";
    // Level process has nobody else who watches.
    if (GetParam() == Isolation::kProcess) {
      options_.violations = Violations::kReport;
    }
    const absl::StatusOr<Result> granted = encapsulate::Run(options_, {"true"});
    REQUIRE_HOST(granted.ok(), granted.status().message());
  }

  // What `body` reads, which has to succeed.
  std::vector<std::string> Reads(const std::function<bool()>& body) const {
    return Describe(RecordOf(body).inputs);
  }

  Result RecordOf(const std::function<bool()>& body) const {
    Result result = RunEntered(options_, [&] { return body() ? 0 : 1; });
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(result.inputs.beyond, 0u);
    EXPECT_EQ(result.inputs.unseen, 0u);
    EXPECT_FALSE(result.inputs.watched_outside);
    return result;
  }

  std::string At(const std::string& name) const {
    return absl::StrCat(here_, "/", name);
  }

  const Scratch scratch_;
  std::string here_;
  std::string file_;
  std::string tree_;
  std::string inside_;
  Options options_;
};

INSTANTIATE_TEST_SUITE_P(Levels, InputsTest,
                         ::testing::Values(Isolation::kNamespaces,
                                           Isolation::kLandlock,
                                           Isolation::kProcess),
                         [](const ::testing::TestParamInfo<Isolation>& level) {
                           return std::string(IsolationName(level.param));
                         });

// --- Ways to read ------------------------------------------------------------

TEST_P(InputsTest, NamesAFileHoweverItIsOpened) {
  const std::string read = absl::StrCat("read ", file_);
  const struct {
    const char* name;
    std::function<bool()> body;
  } ways[] = {
      {"open", [&] { return Opens(file_); }},
#ifdef SYS_open
      {"the old call",
       [&] { return syscall(SYS_open, file_.c_str(), O_RDONLY) >= 0; }},
#endif
      {"openat2",
       [&] {
         open_how how = {};
         how.flags = O_RDONLY;
         return syscall(437, AT_FDCWD, file_.c_str(), &how, sizeof(how)) >= 0 ||
                (errno == ENOSYS && Opens(file_));
       }},
      {"stdio", [&] { return fopen(file_.c_str(), "r") != nullptr; }},
      {"a link", [&] { return Opens(At("link")); }},
      {"up", [&] { return Opens(At("tree/../file")); }},
      {"slashes", [&] { return Opens(here_ + "//./file"); }},
      {"a directory",
       [&] {
         const int fd = open(here_.c_str(), O_PATH | O_DIRECTORY);
         return OpensAt(fd, "file");
       }},
      {"chdir", [&] { return chdir(here_.c_str()) == 0 && Opens("file"); }},
      {"/proc/self/cwd",
       [&] {
         return chdir(here_.c_str()) == 0 && Opens("/proc/self/cwd/file");
       }},
      {"/proc/self/fd",
       [&] {
         const int fd = open(file_.c_str(), O_PATH);
         return Opens(absl::StrCat("/proc/self/fd/", fd));
       }},
      {"reading and writing, of which only reading is granted",
       [&] { return Opens(file_) && !Opens(At("tree/absent/no"), O_PATH); }},
      {"a mapping",
       [&] {
         const int fd = open(file_.c_str(), O_RDONLY);
         return mmap(nullptr, 1, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED;
       }},
      {"another thread",
       [&] {
         bool opens = false;
         std::thread([&] { opens = Opens(file_); }).join();
         return opens;
       }},
      {"another process",
       [&] { return Executes([&] { _exit(Opens(file_) ? 0 : 1); }); }},
      {"again and again",
       [&] { return Opens(file_) && Opens(file_) && Opens(At("link")); }},
  };
  for (const auto& way : ways) {
    SCOPED_TRACE(way.name);
    std::vector<std::string> expected = {read};
    if (absl::StrContains(way.name, "granted")) {
      expected.push_back(absl::StrCat("absent ", At("tree/absent/no")));
    }
    EXPECT_EQ(Reads(way.body), expected);
  }
}

TEST_P(InputsTest, NamesWhatIsntThere) {
  const std::string no = At("no");
  const struct {
    const char* name;
    std::string path;
    std::function<bool()> body;
  } ways[] = {
      {"a file", no, [&] { return IsMissing(no); }},
      {"in a directory that is missing", no + "/more",
       [&] { return IsMissing(no + "/more"); }},
      {"below a file", file_ + "/more",
       [&] { return IsMissing(file_ + "/more"); }},
      {"relative", no,
       [&] { return chdir(here_.c_str()) == 0 && IsMissing("./no"); }},
      {"a directory", no, [&] { return opendir(no.c_str()) == nullptr; }},
      {"a program", no,
       [&] {
         char* argv[] = {nullptr};
         return execve(no.c_str(), argv, argv) != 0 && errno == ENOENT;
       }},
      {"a link", no,
       [&] {
         char text[1];
         return readlink(no.c_str(), text, sizeof(text)) < 0;
       }},
  };
  for (const auto& way : ways) {
    SCOPED_TRACE(way.name);
    EXPECT_THAT(Reads(way.body),
                ElementsAre(absl::StrCat("absent ", way.path)));
  }
}

TEST_P(InputsTest, NamesDirectoriesThatAreListed) {
  const std::string listed = absl::StrCat("listed ", tree_);
  EXPECT_THAT(Reads([&] { return Lists(opendir(tree_.c_str())); }),
              ElementsAre(listed));
  EXPECT_THAT(Reads([&] { return Lists(opendir(At("trees").c_str())); }),
              ElementsAre(listed));
  // It may have been open before; by a descriptor that is, nothing is opened.
  EXPECT_THAT(Reads([&] {
                const int fd = open(tree_.c_str(), O_RDONLY | O_DIRECTORY);
                return OpensAt(fd, "file") && Lists(fdopendir(fd));
              }),
              ElementsAre(absl::StrCat("read ", tree_, "/file"), listed));
  // Who only walks through it lists nothing.
  EXPECT_THAT(Reads([&] {
                const int fd = open(tree_.c_str(), O_RDONLY | O_DIRECTORY);
                return fd >= 0 && fchdir(fd) == 0;
              }),
              IsEmpty());
}

TEST_P(InputsTest, NamesLinksThatAreRead) {
  const std::string link = absl::StrCat("link ", At("link"));
  char text[16];
  EXPECT_THAT(Reads([&] {
                return readlink(At("link").c_str(), text, sizeof(text)) == 4;
              }),
              ElementsAre(link));
  EXPECT_THAT(Reads([&] {
                const int fd = open(here_.c_str(), O_PATH | O_DIRECTORY);
                return readlinkat(fd, "link", text, sizeof(text)) == 4;
              }),
              ElementsAre(link));
  // As realpath(3) asks of every directory on the way.
  EXPECT_THAT(Reads([&] {
                return readlink(tree_.c_str(), text, sizeof(text)) < 0 &&
                       errno == EINVAL;
              }),
              IsEmpty());
}

TEST_P(InputsTest, NamesProgramsThatAreExecuted) {
  const std::string program = scratch_.File("program", "#!/bin/true\n");
  ASSERT_EQ(chmod(program.c_str(), 0755), 0);
  const std::string executed = absl::StrCat("executed ", program);
  char* argv[] = {const_cast<char*>("program"), nullptr};
  const struct {
    const char* name;
    std::function<bool()> body;
  } ways[] = {
      {"execve",
       [&] {
         return Executes([&] { execve(program.c_str(), argv, environ); });
       }},
      {"execveat",
       [&] {
         return Executes([&] {
           const int fd = open(here_.c_str(), O_PATH | O_DIRECTORY);
           syscall(SYS_execveat, fd, "program", argv, environ, 0);
         });
       }},
      {"fexecve",
       [&] {
         return Executes([&] {
           const int fd = open(program.c_str(), O_PATH);
           syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
         });
       }},
      {"posix_spawn",
       [&] {
         pid_t child = -1;
         return posix_spawn(&child, program.c_str(), nullptr, nullptr, argv,
                            environ) == 0 &&
                EndsWell(child);
       }},
  };
  for (const auto& way : ways) {
    SCOPED_TRACE(way.name);
    const std::vector<std::string> reads = Reads(way.body);
    EXPECT_THAT(reads, Contains(executed));
    EXPECT_THAT(reads, Not(Contains(absl::StrCat("read ", program))));
  }
}

TEST_P(InputsTest, NamesAllOfACommand) {
  // With what the shell and its programs need, which differs from host to host.
  const Ran ran = RunIn(
      options_, {"/bin/sh", "-c",
                 absl::StrCat("cat ", file_, " /etc/passwd; ls ", tree_)});
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.result.exit_code, 0);
  const InputRecord& inputs = ran.result.inputs;
  EXPECT_THAT(inputs.read, Contains(file_));
  EXPECT_THAT(inputs.read, Contains("/etc/passwd"));
  EXPECT_THAT(inputs.read, Not(Contains("/etc/hostname")));
  EXPECT_THAT(inputs.listed, ElementsAre(tree_));
  // The shell, which may be a link, cat and ls, which may be one program.
  EXPECT_GE(inputs.executed.size(), 2u);
  for (const std::vector<std::string>* list :
       {&inputs.read, &inputs.executed, &inputs.absent}) {
    EXPECT_TRUE(std::is_sorted(list->begin(), list->end()));
    EXPECT_EQ(std::set<std::string>(list->begin(), list->end()).size(),
              list->size());
    for (const std::string& path : *list) {
      EXPECT_TRUE(absl::StartsWith(path, "/")) << path;
    }
  }
}

TEST_P(InputsTest, NamesWhatDiffersFromHostToHost) {
  EXPECT_THAT(
      Reads([] {
        Opens("/etc/machine-id");
        return Opens("/proc/cpuinfo") && Opens("/dev/urandom") &&
               Opens("/etc/hostname");
      }),
      ::testing::AnyOf(UnorderedElementsAreArray(
                           {"read /dev/urandom", "read /etc/hostname",
                            "read /etc/machine-id", "read /proc/cpuinfo"}),
                       UnorderedElementsAreArray(
                           {"read /dev/urandom", "read /etc/hostname",
                            "absent /etc/machine-id", "read /proc/cpuinfo"})));
}

// --- What is none ------------------------------------------------------------

TEST_P(InputsTest, OnesOwnFilesAreNone) {
  const std::string in = inside_ + "/";
  EXPECT_THAT(
      Reads([&] {
        // Made, replaced, moved, linked, in a directory of its own.
        return Opens(in + "made", O_RDWR | O_CREAT) && Opens(in + "made") &&
               Opens(in + "file", O_WRONLY | O_TRUNC) && Opens(in + "file") &&
               rename((in + "made").c_str(), (in + "moved").c_str()) == 0 &&
               Opens(in + "moved") &&
               link((in + "moved").c_str(), (in + "linked").c_str()) == 0 &&
               Opens(in + "linked") &&
               mkdir((in + "directory").c_str(), 0755) == 0 &&
               Opens(in + "directory/file", O_WRONLY | O_CREAT) &&
               Opens(in + "directory/file") &&
               Lists(opendir((in + "directory").c_str())) &&
               IsMissing(in + "directory/none");
      }),
      IsEmpty());
  // The same that are the host's.
  scratch_.File("inside/file", "content");
  EXPECT_THAT(Reads([&] {
                return Opens(in + "file", O_RDWR) && IsMissing(in + "none") &&
                       Opens(in + "file", O_WRONLY) &&
                       Lists(opendir(inside_.c_str()));
              }),
              ElementsAre(absl::StrCat("read ", in, "file"),
                          absl::StrCat("absent ", in, "none"),
                          absl::StrCat("listed ", inside_)));
}

TEST_P(InputsTest, WhatAFailedCallWouldHaveMadeIsAnInput) {
  scratch_.File("inside/file", "content");
  scratch_.Directory("inside/data");
  scratch_.File("inside/data/file", "content");
  const std::string in = inside_ + "/";
  EXPECT_THAT(
      Reads([&] {
        return mkdir((in + "data").c_str(), 0755) != 0 &&
               rename((in + "none").c_str(), (in + "file").c_str()) != 0 &&
               mknod((in + "file").c_str(), S_IFREG | 0644, 0) != 0 &&
               symlink("x", (in + "file").c_str()) != 0 &&
               link((in + "data/file").c_str(), (in + "file").c_str()) != 0 &&
               Opens(in + "data/file") && Opens(in + "file");
      }),
      ElementsAre(absl::StrCat("read ", in, "data/file"),
                  absl::StrCat("read ", in, "file")));
}

TEST_P(InputsTest, ALinkOfOnesOwnLeadsToWhatItLeadsToNow) {
  const std::string link = inside_ + "/link";
  EXPECT_THAT(
      Reads([&] {
        return symlink(file_.c_str(), link.c_str()) == 0 && Opens(link) &&
               Opens(link) &&
               symlink((tree_ + "/file").c_str(), (link + "2").c_str()) == 0 &&
               rename((link + "2").c_str(), link.c_str()) == 0 && Opens(link);
      }),
      ElementsAre(absl::StrCat("read ", file_),
                  absl::StrCat("read ", tree_, "/file")));
}

// What can't be made stays the host's.
TEST_P(InputsTest, MakingInVainChangesNothing) {
  EXPECT_THAT(Reads([&] {
                return !Opens(At("no"), O_WRONLY | O_CREAT) &&
                       mkdir(At("no").c_str(), 0755) != 0 &&
                       IsMissing(At("no")) &&
                       !Opens(file_, O_WRONLY | O_TRUNC) && Opens(file_);
              }),
              ElementsAre(absl::StrCat("read ", file_),
                          absl::StrCat("absent ", At("no"))));
}

TEST_P(InputsTest, ProcessesAndMemoryAreNone) {
  EXPECT_THAT(Reads([&] {
                char text[PATH_MAX];
                int ends[2];
                const int memory =
                    static_cast<int>(syscall(SYS_memfd_create, "memory", 0));
                return Opens("/proc/self/maps") && Opens("/proc/self/stat") &&
                       readlink("/proc/self/exe", text, sizeof(text)) > 0 &&
                       opendir("/proc/self/fd") != nullptr && memory >= 0 &&
                       Opens(absl::StrCat("/proc/self/fd/", memory)) &&
                       pipe(ends) == 0 &&
                       Opens(absl::StrCat("/proc/self/fd/", ends[0]));
              }),
              IsEmpty());
}

TEST(FreshInputsTest, FreshDirectoriesAreNone) {
  const Scratch scratch;
  const std::string shown = scratch.File("shown", "content");
  const std::string hidden = scratch.Directory("hidden");
  Options options;
  options.inputs = true;
  options.directory = "/";
  options.tmpfs = {{"/var/tmp", 0}};
  options.hidden = {hidden};
  const Result result = RunEntered(options, [&] {
    return IsMissing("/var/tmp/no") && IsMissing(hidden + "/no") &&
                   IsMissing("/dev/shm/no") &&
                   Opens("/var/tmp/file", O_WRONLY | O_CREAT) &&
                   Opens("/var/tmp/file") && Lists(opendir("/var/tmp")) &&
                   Opens(shown)
               ? 0
               : 1;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(Describe(result.inputs),
              ElementsAre(absl::StrCat("read ", shown)));
}

// --- Names -------------------------------------------------------------------

TEST_P(InputsTest, WhatALinkShowsInTheDirectoryIsNamedThere) {
  const std::string link = absl::StrCat(tree_, "/data");
  ASSERT_EQ(symlink("../file", link.c_str()), 0);
  options_.directory = tree_;
  const Result result = RecordOf([&] {
    return Opens("data") && Opens(link) && Opens("file") && Opens("../file");
  });
  EXPECT_EQ(result.inputs.directory, tree_);
  EXPECT_THAT(
      Describe(result.inputs),
      ElementsAre(absl::StrCat("read ", file_), absl::StrCat("read ", link),
                  absl::StrCat("read ", tree_, "/file")));
}

// --- Nothing changes ---------------------------------------------------------

TEST_P(InputsTest, OffNothingIsRecorded) {
  options_.inputs = false;
  const Result result =
      RecordOf([&] { return Opens(file_) && IsMissing(At("no")); });
  EXPECT_THAT(Describe(result.inputs), IsEmpty());
  EXPECT_EQ(result.inputs.directory, "");
}

TEST_P(InputsTest, ViolationsAreWhatTheyWere) {
  if (GetParam() == Isolation::kProcess) {
    GTEST_SKIP() << "at level process inputs take violations";
  }
  const auto body = [&] {
    return !Opens(file_, O_WRONLY) && Opens(file_) &&
           mkdir("/usr/no", 0755) != 0;
  };
  const Result off = RecordOf(body);
  EXPECT_THAT(off.record.violations, IsEmpty());
  EXPECT_FALSE(off.violated());
  options_.violations = Violations::kReport;
  const Result on = RecordOf(body);
  ASSERT_EQ(on.record.violations.size(), 2u);
  EXPECT_EQ(on.record.violations[0].target, file_);
  EXPECT_EQ(on.record.violations[1].target, "/usr/no");
  for (const Result* result : {&off, &on}) {
    EXPECT_THAT(Describe(result->inputs),
                ElementsAre(absl::StrCat("read ", file_)));
  }
}

TEST_P(InputsTest, ErrorsAreTheKernels) {
  const std::string secret = scratch_.File("secret", "content");
  ASSERT_EQ(chmod(secret.c_str(), 0), 0);
  const bool root = geteuid() == 0;
  const Result result = RecordOf([&] {
    const bool refused = root || (!Opens(secret) && errno == EACCES);
    const bool loops =
        open(At("link").c_str(), O_RDONLY | O_NOFOLLOW) < 0 && errno == ELOOP;
    const bool faults =
        syscall(SYS_openat, AT_FDCWD, nullptr, O_RDONLY) < 0 && errno == EFAULT;
    const bool empty = open("", O_RDONLY) < 0 && errno == ENOENT;
    const std::string name(PATH_MAX, 'x');
    const bool too_long =
        open(name.c_str(), O_RDONLY) < 0 && errno == ENAMETOOLONG;
    return refused && loops && faults && empty && too_long;
  });
  // What was tried is an input, too: its mode decided.
  EXPECT_THAT(Describe(result.inputs),
              root ? std::vector<std::string>()
                   : std::vector<std::string>{absl::StrCat("read ", secret)});
}

TEST_P(InputsTest, CommandsThatCantStartSaySo) {
  for (const std::string& command :
       {At("no"), std::string("no-such-program")}) {
    const absl::StatusOr<Result> result = encapsulate::Run(options_, {command});
    EXPECT_EQ(FailureKindOf(result.status()), FailureKind::kCommandNotFound);
  }
}

TEST(InputsOfLevelProcessTest, SomebodyHasToWatchForViolations) {
  Options options;
  options.inputs = true;
  options.isolation = Isolation::kProcess;
  const absl::StatusOr<Result> result = encapsulate::Run(options, {"true"});
  EXPECT_EQ(FailureKindOf(result.status()), FailureKind::kInvalidOptions);
  EXPECT_EQ(result.status().message(),
            "cannot record inputs: level process has nobody who watches; hint: "
            "watch for violations, too, or use level namespaces");
}

TEST(UnseenInputsTest, WhatCantBeLookedAtIsCountedAndGoesOn) {
  const Scratch scratch;
  const std::string file = scratch.File("file", "content");
  Options options;
  options.inputs = true;
  const Result result = RunEntered(options, [&] {
    // As a program that its user may execute and not read.
    return prctl(PR_SET_DUMPABLE, 0) == 0 && Opens(file) ? 0 : 1;
  });
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.inputs.unseen + result.inputs.read.size(), 1u);
}

}  // namespace
}  // namespace encapsulate
