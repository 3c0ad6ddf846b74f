// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/base/paths.h"

#include <cerrno>

#include "gtest/gtest.h"

namespace encapsulate {
namespace {

TEST(PathsTest, IsWithinComparesWholeNames) {
  EXPECT_TRUE(IsWithin("/a", "/a"));
  EXPECT_TRUE(IsWithin("/a/b", "/a"));
  EXPECT_TRUE(IsWithin("/a/b", "/"));
  EXPECT_FALSE(IsWithin("/ab", "/a"));
  EXPECT_FALSE(IsWithin("/a", "/a/b"));
}

TEST(PathsTest, ParentOfStopsAtTheRoot) {
  EXPECT_EQ(ParentOf("/a/b"), "/a");
  EXPECT_EQ(ParentOf("/a"), "/");
  EXPECT_EQ(ParentOf("/"), "/");
}

TEST(PathsTest, EntriesOfTheRootHaveOneSlash) {
  EXPECT_EQ(EntryOf("/", "a"), "/a");
  EXPECT_EQ(EntryOf("/a", "b"), "/a/b");
}

TEST(PathsTest, RealPathLeavesErrno) {
  EXPECT_EQ(*RealPath("/usr/../usr/./bin/.."), "/usr");
  EXPECT_FALSE(RealPath("/no/such/path").ok());
  EXPECT_EQ(errno, ENOENT);
}

}  // namespace
}  // namespace encapsulate
