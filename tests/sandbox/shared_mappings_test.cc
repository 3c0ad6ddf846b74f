// SPDX-License-Identifier: Apache-2.0
//
// What a forked child shares with its caller by memory.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <functional>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/sandbox_pool.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

using testing::HasSubstr;

// A shared mapping of the caller's of a file that holds "x".
class Shared {
 public:
  Shared(const std::string& path, int flags, int protection) {
    WriteAll(path, "x");
    const int file = open(path.c_str(), flags | O_CLOEXEC);
    void* const memory = mmap(nullptr, 1, protection, MAP_SHARED, file, 0);
    close(file);
    EXPECT_NE(memory, MAP_FAILED) << path;
    memory_ = static_cast<volatile char*>(memory);
  }
  ~Shared() { munmap(const_cast<char*>(memory_), 1); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  // Inside: 0 if the memory can be read and written, else an errno.
  int Write() const {
    if (*memory_ != 'x') return EIO;
    if (mprotect(const_cast<char*>(memory_), 1, PROT_READ | PROT_WRITE) != 0) {
      return errno;
    }
    *memory_ = 'y';
    return *memory_ == 'y' ? 0 : EIO;
  }

 private:
  volatile char* memory_;
};

int CodeOfWriting(const Options& options, const Shared& shared) {
  return RunEntered(options, [&] { return shared.Write(); }).exit_code;
}

std::string ErrorOf(const Options& options) {
  const absl::StatusOr<absl::optional<Process>> child = Enter(options);
  if (child.ok() && !child->has_value()) _exit(0);
  return std::string(child.status().message());
}

void ExpectFilesArePrivate() {
  const Scratch scratch;
  const std::string tree = scratch.Directory("tree");
  const std::string file = scratch / "file";
  const std::string named = absl::StrCat(tree, "/file");
  Options options = Writable({tree});
  for (int protection : {PROT_READ, PROT_READ | PROT_WRITE}) {
    const Shared shared(file, O_RDWR, protection);
    EXPECT_EQ(CodeOfWriting(options, shared), 0);
    EXPECT_EQ(ReadAll(file), "x");
    // What the caller has named as writable is.
    const Shared twin(named, O_RDWR, protection);
    EXPECT_EQ(CodeOfWriting(options, twin), 0);
    EXPECT_EQ(ReadAll(named), "y");
  }
  {
    const Shared shared(file, O_RDONLY, PROT_READ);
    EXPECT_EQ(CodeOfWriting(options, shared), EACCES);
    EXPECT_EQ(ReadAll(file), "x");
  }
  const Shared shared(file, O_RDWR, PROT_READ);
  options.shared_mappings = SharedMappings::kKeep;
  EXPECT_EQ(CodeOfWriting(options, shared), 0);
  EXPECT_EQ(ReadAll(file), "y");
}

TEST(SharedMappingsTest, FilesArePrivateUnlessNamed) {
  ExpectFilesArePrivate();
}

// Linux before 6.11 can't be asked for single mappings.
TEST(SharedMappingsTest, FilesArePrivateOnOldKernels) {
  InFork([] {
    constexpr unsigned kQuery = 0xc0686611;  // PROCMAP_QUERY
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kQuery, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTTY),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program = {std::size(code), code};
    ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    ExpectFilesArePrivate();
  });
}

TEST(SharedMappingsTest, FilesArePrivateInPreparedSandboxes) {
  const Scratch scratch;
  const std::string file = scratch / "file";
  const Shared shared(file, O_RDWR, PROT_READ | PROT_WRITE);
  SandboxPool pool(1);
  for (int i = 0; i < 3; ++i) {
    absl::StatusOr<absl::optional<Process>> child = pool.Enter(Options(), 10);
    ASSERT_TRUE(child.ok()) << child.status();
    if (!child->has_value()) _exit(shared.Write());
    const Result result = (*child)->Wait();
    ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_EQ(ReadAll(file), "x");
  }
}

TEST(SharedMappingsTest, FilesThatTheViewDoesNotHaveAreRefused) {
  const Scratch scratch;
  const std::string file = scratch / "file";
  const Shared shared(file, O_RDWR, PROT_READ | PROT_WRITE);
  Options options;
  options.hidden = {scratch.path()};
  EXPECT_EQ(ErrorOf(options),
            absl::StrCat("cannot make the shared mapping of '", file,
                         "' private: the sandbox has no such file: no such "
                         "file or directory (ENOENT); hint: map it inside, or "
                         "keep it shared by Options::shared_mappings "
                         "(TestOptions::shared_mappings)"));
  options.shared_mappings = SharedMappings::kKeep;
  EXPECT_EQ(CodeOfWriting(options, shared), 0);
  EXPECT_EQ(ReadAll(file), "y");
}

TEST(SharedMappingsTest, MemoryWithoutANameStaysShared) {
  void* const memory = mmap(nullptr, 1, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* const byte = static_cast<volatile char*>(memory);
  EXPECT_EQ(RunEntered(Options(),
                       [&] {
                         *byte = 'y';
                         return 0;
                       })
                .exit_code,
            0);
  EXPECT_EQ(*byte, 'y');
  munmap(memory, 1);
}

TEST(SharedMappingsTest, SystemVMemoryIsRefused) {
  const int id = shmget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
  ASSERT_GE(id, 0);
  void* memory = shmat(id, nullptr, SHM_RDONLY);
  ASSERT_NE(memory, MAP_FAILED);
  EXPECT_EQ(ErrorOf(Options()), "") << "nobody can write it";
  shmdt(memory);
  memory = shmat(id, nullptr, 0);
  ASSERT_NE(memory, MAP_FAILED);
  shmctl(id, IPC_RMID, nullptr);
  EXPECT_THAT(ErrorOf(Options()), HasSubstr("the shared mapping of '/SYSV"));
  Options options;
  options.shared_mappings = SharedMappings::kKeep;
  auto* const byte = static_cast<volatile char*>(memory);
  EXPECT_EQ(RunEntered(options,
                       [&] {
                         *byte = 'y';
                         return 0;
                       })
                .exit_code,
            0);
  EXPECT_EQ(*byte, 'y');
  shmdt(memory);
}

}  // namespace
}  // namespace encapsulate
