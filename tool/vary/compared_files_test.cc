// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/compared_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate::tool {
namespace {

class ComparedFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "/compared_files";
    std::filesystem::remove_all(path_);
  }
  void TearDown() override { std::filesystem::remove_all(path_); }

  FileState Now() const {
    FileStates files;
    AddFileStates(path_, &files);
    return files[path_];
  }
  void Write(const std::string& text) {
    std::filesystem::remove_all(path_);
    std::ofstream(path_) << text;
    chmod(path_.c_str(), 0644);
  }

  std::string path_;
};

TEST_F(ComparedFilesTest, AreTheSameIfNothingButTimesDiffers) {
  Write("a");
  const FileState before = Now();
  Write("a");
  EXPECT_TRUE(before == Now());
}

TEST_F(ComparedFilesTest, DifferInKindModeAndText) {
  const FileState absent = Now();
  Write("a\nb\n");
  const FileState file = Now();
  EXPECT_EQ(FileDifference(absent, file),
            "is absent as it is, and a file here");
  Write("a\nc\033\n");
  EXPECT_EQ(FileDifference(file, Now()),
            "differs: line 2 is 'b' as it is, and 'c\\033' here");
  Write("a\nb");
  EXPECT_EQ(FileDifference(file, Now()),
            "differs: line 3 is '' as it is, and missing here");
  Write("a\nb\n");
  chmod(path_.c_str(), 0600);
  EXPECT_EQ(FileDifference(file, Now()),
            "has mode 0644 as it is, and 0600 here");
  std::filesystem::remove(path_);
  ASSERT_EQ(symlink("/nowhere", path_.c_str()), 0);
  EXPECT_EQ(FileDifference(file, Now()),
            "is a file as it is, and a symbolic link here");
}

TEST_F(ComparedFilesTest, DifferInWhatIsTooLongToKeep) {
  Write(std::string(2 << 20, 'x'));
  const FileState before = Now();
  Write(std::string((2 << 20) - 1, 'x') + 'y');
  EXPECT_FALSE(before == Now());
  EXPECT_EQ(FileDifference(before, Now()),
            "differs: 2097152 bytes as it is, and 2097152 here");
}

TEST_F(ComparedFilesTest, AreNeverWaitedFor) {
  std::filesystem::create_directory(path_);
  ASSERT_EQ(mkfifo((path_ + "/fifo").c_str(), 0600), 0);
  std::filesystem::create_directory_symlink("/", path_ + "/root");
  FileStates files;
  AddFileStates(path_, &files);
  EXPECT_EQ(files.size(), 3u);
  EXPECT_EQ(files[path_ + "/fifo"].kind, "a special file");
  EXPECT_EQ(ReadForeignFile(path_ + "/fifo"), "");
  EXPECT_EQ(ReadForeignFile(path_ + "/root"), "");
}

}  // namespace
}  // namespace encapsulate::tool
