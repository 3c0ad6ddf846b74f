// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/kernel/mountinfo.h"

#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "encapsulate/base/unique_fd.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

// A mount table that says `text`.
UniqueFd Table(const std::string& text) {
  UniqueFd fd(memfd_create("mountinfo", MFD_CLOEXEC));
  EXPECT_EQ(write(fd.get(), text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
  return fd;
}

// The mount points in it, and whether the reader came to the end.
std::vector<std::string> Points(const std::string& text, int* error) {
  const UniqueFd table = Table(text);
  const auto reader = std::make_unique<MountInfoReader>();
  reader->Start(table.get());
  std::vector<std::string> points;
  MountInfo mount;
  while (reader->Next(&mount)) points.emplace_back(mount.point);
  *error = reader->error();
  return points;
}

TEST(MountInfoTest, EveryFieldIsRead) {
  const UniqueFd table = Table(
      "36 35 98:1 /in\\040side /mnt/a\\040b rw,noatime master:1 shared:7 - "
      "ext3 /dev/root rw,errors=continue\n");
  const auto reader = std::make_unique<MountInfoReader>();
  reader->Start(table.get());
  MountInfo mount;
  ASSERT_TRUE(reader->Next(&mount));
  EXPECT_EQ(mount.id, 36);
  EXPECT_EQ(mount.parent, 35);
  EXPECT_EQ(mount.device, makedev(98, 1));
  EXPECT_STREQ(mount.root, "/in side");
  EXPECT_STREQ(mount.point, "/mnt/a b");
  EXPECT_STREQ(mount.type, "ext3");
  EXPECT_STREQ(mount.super_options, "rw,errors=continue");
  EXPECT_TRUE(mount.Has("noatime"));
  EXPECT_FALSE(mount.Has("atime"));
  EXPECT_FALSE(mount.Has("no"));
  EXPECT_FALSE(reader->Next(&mount));
  EXPECT_EQ(reader->error(), 0);
}

TEST(MountInfoTest, EscapesAreUndoneOnce) {
  int error = -1;
  EXPECT_EQ(
      Points("1 0 0:1 / /a\\011b\\012c\\134040\\043 ro - tmpfs t rw\n", &error),
      std::vector<std::string>{"/a\tb\nc\\040#"});
  EXPECT_EQ(error, 0);
}

TEST(MountInfoTest, OptionalFieldsMayBeMissing) {
  int error = -1;
  EXPECT_EQ(Points("1 0 0:1 / / ro - tmpfs none rw\n"
                   "2 1 0:2 / /x ro - fuse.a,b  rw\n",
                   &error)
                .size(),
            2U)
      << "a source may be empty";
}

TEST(MountInfoTest, WhatCannotBeUnderstoodIsAnError) {
  for (const char* text :
       {"nonsense\n", "1 0 0:1 / / ro\n", "1 0 0:1 / / ro shared:1\n",
        "1 0 none / / ro - tmpfs t rw\n", "\n",
        "1 0 0:1 / / ro - tmpfs t rw"}) {
    int error = 0;
    Points(text, &error);
    EXPECT_EQ(error, EPROTO) << text;
  }
}

TEST(MountInfoTest, TablesLargerThanTheBufferAreRead) {
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    absl::StrAppend(&text, i, " 0 0:1 / /mount/point/number/", i,
                    " ro - tmpfs t rw\n");
  }
  int error = -1;
  const std::vector<std::string> points = Points(text, &error);
  EXPECT_EQ(error, 0);
  ASSERT_EQ(points.size(), 5000U);
  EXPECT_EQ(points.back(), "/mount/point/number/4999");
}

TEST(MountInfoTest, ALineLargerThanTheBufferIsAnError) {
  int error = 0;
  Points(absl::StrCat("1 0 0:1 / /", std::string(70000, 'x'), " ro - t t rw\n"),
         &error);
  EXPECT_EQ(error, E2BIG);
}

TEST(MountInfoTest, StartsAgainAtTheBeginning) {
  const UniqueFd table = Table("1 0 0:1 / / ro - tmpfs t rw\n");
  const auto reader = std::make_unique<MountInfoReader>();
  MountInfo mount;
  for (int i = 0; i < 2; ++i) {
    reader->Start(table.get());
    EXPECT_TRUE(reader->Next(&mount));
    EXPECT_FALSE(reader->Next(&mount));
  }
  reader->Start(-1);
  EXPECT_FALSE(reader->Next(&mount));
  EXPECT_EQ(reader->error(), EBADF);
}

TEST(HasWordTest, FindsWholeWordsOnly) {
  EXPECT_TRUE(HasWord("rw,nosuid,relatime", "rw"));
  EXPECT_TRUE(HasWord("rw,nosuid,relatime", "relatime"));
  EXPECT_FALSE(HasWord("rw,nosuid,relatime", "suid"));
  EXPECT_FALSE(HasWord("rwx", "rw"));
  EXPECT_FALSE(HasWord("", "rw"));
}

}  // namespace
}  // namespace encapsulate
