// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/child/ledger.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "encapsulate/base/unique_fd.h"
#include "encapsulate/kernel/file_identity.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"

namespace encapsulate {
namespace {

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() : ledger_(memfd_create("ledger", MFD_CLOEXEC)) {
    EXPECT_NE(mkdtemp(&directory_[0]), nullptr);
  }
  ~LedgerTest() override {
    EXPECT_TRUE(RemoveTree(AT_FDCWD, directory_.c_str()));
  }

  std::string Path(const std::string& name) const {
    return directory_ + "/" + name;
  }
  std::string MakeFile(const std::string& name) const {
    const std::string path = Path(name);
    std::ofstream(path) << "x";
    return path;
  }

  void Write(const LedgerRecord& record, const std::string& name) const {
    EXPECT_EQ(write(ledger_.get(), &record, sizeof(record)),
              static_cast<ssize_t>(sizeof(record)));
    EXPECT_EQ(write(ledger_.get(), name.data(), name.size()),
              static_cast<ssize_t>(name.size()));
  }
  void NoteFile(const std::string& path, const FileIdentity& mark) const {
    LedgerRecord record;
    record.size = static_cast<uint32_t>(path.size());
    record.mark = mark;
    Write(record, path);
  }
  void NoteObject(LedgerRecord::Kind kind, int number) const {
    LedgerRecord record;
    record.kind = kind;
    record.number = number;
    Write(record, "");
  }
  static FileIdentity MarkOf(const std::string& path) {
    FileIdentity mark;
    EXPECT_TRUE(ReadIdentity(AT_FDCWD, path.c_str(), &mark));
    return mark;
  }

  // Short enough for the name of a socket.
  std::string directory_ = "/tmp/ledger_test.XXXXXX";
  const UniqueFd ledger_;
};

TEST_F(LedgerTest, RemovesWhatItNames) {
  const std::string file = MakeFile("a file\nof two lines");
  const std::string tree = Path("tree");
  std::filesystem::create_directories(tree + "/a/b");
  MakeFile("tree/a/b/c");
  const std::string other = MakeFile("other");
  NoteFile(file, MarkOf(file));
  NoteFile(tree, MarkOf(tree));
  RemoveAllOf(ledger_.get());
  EXPECT_FALSE(Exists(file));
  EXPECT_FALSE(Exists(tree));
  EXPECT_TRUE(Exists(other));
}

// Names are used again.
TEST_F(LedgerTest, KeepsAnotherFileOfThatName) {
  const std::string path = MakeFile("file");
  NoteFile(path, MarkOf(path));
  // Both are there at a time, or they might have the same inode.
  const std::string other = MakeFile("other");
  ASSERT_EQ(rename(other.c_str(), path.c_str()), 0);
  RemoveAllOf(ledger_.get());
  EXPECT_TRUE(Exists(path));
}

TEST_F(LedgerTest, KeepsWhatALinkLeadsTo) {
  const std::string tree = Path("tree");
  std::filesystem::create_directories(tree);
  const std::string kept = MakeFile("kept");
  ASSERT_EQ(symlink(kept.c_str(), (tree + "/link").c_str()), 0);
  ASSERT_EQ(symlink(directory_.c_str(), (tree + "/up").c_str()), 0);
  const std::string link = Path("link");
  ASSERT_EQ(symlink(kept.c_str(), link.c_str()), 0);
  NoteFile(tree, MarkOf(tree));
  NoteFile(link, MarkOf(link));
  RemoveAllOf(ledger_.get());
  EXPECT_FALSE(Exists(tree));
  EXPECT_FALSE(Exists(link));
  EXPECT_TRUE(Exists(kept));
}

// Of a socket the name is known before there is one.
TEST_F(LedgerTest, RemovesASocketByItsName) {
  const std::string path = Path("socket");
  BindSocket(path);
  const std::string file = MakeFile("file");
  NoteFile(path, FileIdentity());
  NoteFile(file, FileIdentity());
  NoteFile(Path("never-bound"), FileIdentity());
  RemoveAllOf(ledger_.get());
  EXPECT_FALSE(Exists(path));
  EXPECT_TRUE(Exists(file));
}

TEST_F(LedgerTest, RemovesObjects) {
  const int memory = shmget(IPC_PRIVATE, 1, 0600);
  const int semaphores = semget(IPC_PRIVATE, 1, 0600);
  const int messages = msgget(IPC_PRIVATE, 0600);
  const int other = msgget(IPC_PRIVATE, 0600);
  ASSERT_GE(memory, 0);
  ASSERT_GE(semaphores, 0);
  ASSERT_GE(messages, 0);
  ASSERT_GE(other, 0);
  const std::string queue = "ledger_test." + std::to_string(getpid());
  const mqd_t opened = mq_open(("/" + queue).c_str(), O_CREAT, 0600, nullptr);
  NoteObject(LedgerRecord::Kind::kMemory, memory);
  NoteObject(LedgerRecord::Kind::kSemaphores, semaphores);
  NoteObject(LedgerRecord::Kind::kMessages, messages);
  LedgerRecord record;
  record.kind = LedgerRecord::Kind::kQueue;
  record.size = static_cast<uint32_t>(queue.size());
  Write(record, queue);
  RemoveAllOf(ledger_.get());
  struct shmid_ds memory_info;
  EXPECT_NE(shmctl(memory, IPC_STAT, &memory_info), 0);
  struct semid_ds semaphores_info;
  EXPECT_NE(semctl(semaphores, 0, IPC_STAT, &semaphores_info), 0);
  struct msqid_ds messages_info;
  EXPECT_NE(msgctl(messages, IPC_STAT, &messages_info), 0);
  EXPECT_EQ(msgctl(other, IPC_STAT, &messages_info), 0);
  msgctl(other, IPC_RMID, nullptr);
  if (opened == -1) return;  // a host without queues
  mq_close(opened);
  EXPECT_EQ(mq_open(("/" + queue).c_str(), O_RDONLY), -1);
}

// Whoever was killed may have been about to write.
TEST_F(LedgerTest, EndsWhereARecordIsNotWhole) {
  const std::string before = MakeFile("before");
  const std::string after = MakeFile("after");
  NoteFile(before, MarkOf(before));
  LedgerRecord record;
  record.mark = MarkOf(after);
  for (uint32_t size : {static_cast<uint32_t>(after.size()) + 1,
                        uint32_t{PATH_MAX}, UINT32_MAX}) {
    const off_t end = lseek(ledger_.get(), 0, SEEK_END);
    record.size = size;
    Write(record, after);
    RemoveAllOf(ledger_.get());
    EXPECT_FALSE(Exists(before));
    EXPECT_TRUE(Exists(after));
    ASSERT_EQ(ftruncate(ledger_.get(), end), 0);
    lseek(ledger_.get(), end, SEEK_SET);
  }
  ASSERT_EQ(write(ledger_.get(), &record, sizeof(record) / 2),
            static_cast<ssize_t>(sizeof(record) / 2));
  RemoveAllOf(ledger_.get());
  EXPECT_TRUE(Exists(after));
}

TEST_F(LedgerTest, ReadsNoLedgerThatIsNone) {
  RemoveAllOf(-1);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  RemoveAllOf(ends[0]);
  close(ends[0]);
  close(ends[1]);
}

// --- RemoveTree()
// --------------------------------------------------------------

TEST_F(LedgerTest, RemovesATreeWhateverItForbids) {
  const std::string tree = Path("tree");
  std::filesystem::create_directories(tree + "/a/b/c");
  MakeFile("tree/a/b/file");
  for (const char* name : {"/a/b", "/a", ""}) {
    ASSERT_EQ(chmod((tree + name).c_str(), 0), 0);
  }
  EXPECT_TRUE(RemoveTree(AT_FDCWD, tree.c_str()));
  EXPECT_FALSE(Exists(tree));
  EXPECT_TRUE(RemoveTree(AT_FDCWD, tree.c_str())) << "it is gone";
}

// Deeper than a path may be long, and than there may be open descriptors.
TEST_F(LedgerTest, RemovesADeepTree) {
  constexpr int kDepth = 3000;
  const std::string tree = Path("tree");
  ASSERT_EQ(mkdir(tree.c_str(), 0700), 0);
  UniqueFd at(open(tree.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(mkdirat(at.get(), "deeper", 0700), 0) << i;
    at = UniqueFd(
        openat(at.get(), "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(at.valid()) << i;
  }
  EXPECT_TRUE(RemoveTree(AT_FDCWD, tree.c_str()));
  EXPECT_FALSE(Exists(tree));
}

TEST_F(LedgerTest, SaysWhatCannotBeRemoved) {
  if (geteuid() == 0) GTEST_SKIP() << "root can remove it";
  const std::string locked = Path("locked");
  std::filesystem::create_directories(locked + "/tree");
  ASSERT_EQ(chmod(locked.c_str(), 0500), 0);
  EXPECT_FALSE(RemoveTree(AT_FDCWD, (locked + "/tree").c_str()));
  ASSERT_EQ(chmod(locked.c_str(), 0700), 0);
}

}  // namespace
}  // namespace encapsulate
