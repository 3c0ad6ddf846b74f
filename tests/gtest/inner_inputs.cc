// SPDX-License-Identifier: Apache-2.0
//
// Tests that read, for inputs_test, which runs this program.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace {

bool IsThere(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  return fd >= 0 && close(fd) == 0;
}

std::string Data(const std::string& name) {
  return std::string(getenv("INNER_DATA")) + "/" + name;
}

TEST(InputsTest, Nothing) {}

TEST(InputsTest, OwnFiles) {
  const std::string file = std::string(getenv("TEST_TMPDIR")) + "/file";
  std::ofstream(file) << "content";
  EXPECT_TRUE(IsThere(file));
  EXPECT_FALSE(IsThere(file + "2"));
}

TEST(InputsTest, BySource) { EXPECT_TRUE(IsThere(Data("source.cc"))); }

TEST(InputsTest, ByLinkInTheDirectory) { EXPECT_TRUE(IsThere("data")); }

TEST(InputsTest, Missing) {
  EXPECT_FALSE(IsThere(Data(".gitconfig")));
  EXPECT_FALSE(IsThere("/opt/no/such/tool"));
}

TEST(InputsTest, Machine) { EXPECT_TRUE(IsThere("/proc/cpuinfo")); }

TEST(InputsTest, Lists) {
  int entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(Data("tree"))) {
    entries += entry.exists() ? 1 : 0;
  }
  EXPECT_EQ(entries, 1);
}

TEST(InputsTest, ReadsALink) {
  EXPECT_EQ(std::filesystem::read_symlink("data"), Data("source.cc"));
}

TEST(InputsTest, Executes) { EXPECT_EQ(system(Data("program").c_str()), 0); }

TEST(InputsTest, Fails) {
  EXPECT_TRUE(IsThere("/etc/passwd"));
  FAIL();
}

}  // namespace
