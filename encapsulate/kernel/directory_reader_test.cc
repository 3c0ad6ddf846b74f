// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/kernel/directory_reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace encapsulate {
namespace {

std::set<std::string> NamesIn(int directory) {
  std::set<std::string> names;
  // So small that it takes many calls.
  DirectoryReader<280> reader;
  reader.Start(directory);
  while (const dirent64* const entry = reader.Next()) {
    EXPECT_TRUE(names.insert(entry->d_name).second) << entry->d_name;
  }
  EXPECT_EQ(reader.error(), 0);
  return names;
}

TEST(DirectoryReaderTest, ReadsEveryNameOnce) {
  std::string path = testing::TempDir() + "/reader.XXXXXX";
  ASSERT_NE(mkdtemp(path.data()), nullptr);
  std::set<std::string> wanted = {".", ".."};
  for (int i = 0; i < 50; ++i) {
    const std::string name = std::string(static_cast<size_t>(i) * 5 + 1, 'x');
    ASSERT_EQ(mkdir((path + "/" + name).c_str(), 0700), 0);
    wanted.insert(name);
  }
  const int directory = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT_EQ(NamesIn(directory), wanted);
  // The offset is at the end.
  EXPECT_TRUE(NamesIn(directory).empty());
  ASSERT_EQ(lseek(directory, 0, SEEK_SET), 0);
  EXPECT_EQ(NamesIn(directory), wanted);
  close(directory);
  for (const std::string& name : wanted) rmdir((path + "/" + name).c_str());
  rmdir(path.c_str());
}

TEST(DirectoryReaderTest, TellsWhyItCannotRead) {
  const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  DirectoryReader<280> reader;
  reader.Start(file);
  EXPECT_EQ(reader.Next(), nullptr);
  EXPECT_EQ(reader.error(), ENOTDIR);
  close(file);
  reader.Start(-1);
  EXPECT_EQ(reader.Next(), nullptr);
  EXPECT_EQ(reader.error(), EBADF);
}

}  // namespace
}  // namespace encapsulate
