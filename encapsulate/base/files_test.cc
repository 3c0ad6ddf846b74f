// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/base/files.h"

#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace encapsulate {
namespace {

std::string File(const std::string& content) {
  std::string path = testing::TempDir() + "/files_test";
  std::ofstream(path) << content;
  return path;
}

TEST(FilesTest, ReadsAFileToItsEnd) {
  const std::string large(100000, 'x');
  EXPECT_EQ(ReadFile(File(large)), large);
  EXPECT_EQ(ReadFile(File("")), "");
  errno = 0;
  EXPECT_FALSE(ReadFile("/nothing").has_value());
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(ReadFile("/").has_value());
  EXPECT_EQ(errno, EISDIR);
}

TEST(FilesTest, FirstLineHasNoLineBreak) {
  EXPECT_EQ(FirstLine(File("a b\nc\n")), "a b");
  EXPECT_EQ(FirstLine(File("a")), "a");
  EXPECT_EQ(FirstLine(File("\na")), "");
  EXPECT_EQ(FirstLine("/nothing"), "");
}

TEST(FilesTest, CgroupsHaveControllersAndAPath) {
  bool is_whole = false;
  const std::vector<CgroupOfProcess> cgroups = ReadCgroups(
      File("4:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/user\n"), &is_whole);
  EXPECT_TRUE(is_whole);
  ASSERT_EQ(cgroups.size(), 3U);
  EXPECT_EQ(cgroups[0].controllers, "cpu,cpuacct");
  EXPECT_EQ(cgroups[0].path, "/a:b");
  EXPECT_EQ(cgroups[1].controllers, "name=systemd");
  EXPECT_EQ(cgroups[2].controllers, "");
  EXPECT_EQ(cgroups[2].path, "/user");
}

TEST(FilesTest, CgroupsOfAnotherFormAreLeftOut) {
  bool is_whole = true;
  EXPECT_EQ(ReadCgroups(File("nonsense\n0::/\n"), &is_whole).size(), 1U);
  EXPECT_FALSE(is_whole);
  EXPECT_TRUE(ReadCgroups("/nothing", &is_whole).empty());
  EXPECT_TRUE(is_whole);
}

}  // namespace
}  // namespace encapsulate
