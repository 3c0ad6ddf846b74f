// SPDX-License-Identifier: Apache-2.0
//
// Whatever changes of what was looked up is noticed, and nothing else is.
#include "encapsulate/base/lookups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

class LookupsTest : public testing::Test {
 protected:
  LookupsTest() {
    std::string pattern = testing::TempDir() + "/lookupsXXXXXX";
    char* const made = mkdtemp(&pattern[0]);
    char real[4096];
    directory_ =
        made != nullptr && realpath(made, real) != nullptr ? real : "none";
  }

  std::string Path(const std::string& name) const {
    return directory_ + "/" + name;
  }

  std::string Make(const std::string& name, const std::string& text = "text") {
    std::ofstream(Path(name)) << text;
    return Path(name);
  }

  std::string directory_;
};

TEST_F(LookupsTest, NothingIsSame) { EXPECT_TRUE(Lookups().AreSame()); }

TEST_F(LookupsTest, OneThatNotesNothingIsAlwaysTheSame) {
  const std::string file = Make("file");
  Lookups seen(/*notes=*/false);
  seen.Add(file);
  unlink(file.c_str());
  EXPECT_TRUE(seen.AreSame());
}

TEST_F(LookupsTest, ContentIsWhatIsWrittenAndWhoMay) {
  const std::string written = Make("written");
  const std::string closed = Make("closed");
  Lookups which;
  which.Add(written);
  which.Add(closed);
  EXPECT_TRUE(which.AreSame());
  const auto look = [](const std::string& file) {
    Lookups seen;
    seen.Add(file, Lookups::Depth::kContent);
    return seen;
  };
  // It may be written again at the same time.
  EXPECT_FALSE(look(written).AreSame());
  absl::SleepFor(absl::Seconds(Lookups::kClockTick));
  while (!look(written).AreSame() || !look(closed).AreSame()) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  const Lookups text = look(written);
  const Lookups mode = look(closed);
  std::ofstream(written) << "etxt";
  ASSERT_EQ(chmod(closed.c_str(), 0400), 0);
  EXPECT_TRUE(which.AreSame());
  EXPECT_FALSE(text.AreSame());
  EXPECT_FALSE(mode.AreSame());
}

TEST_F(LookupsTest, AnotherFileIsNotTheSame) {
  const std::string file = Make("file");
  const std::string other = Make("other");
  Lookups seen;
  seen.Add(file);
  ASSERT_EQ(rename(other.c_str(), file.c_str()), 0);
  EXPECT_FALSE(seen.AreSame());
}

TEST_F(LookupsTest, WhatComesAndGoesIsNoticed) {
  Lookups absent;
  absent.Add(Path("file"));
  EXPECT_TRUE(absent.AreSame());
  const std::string file = Make("file");
  EXPECT_FALSE(absent.AreSame());
  Lookups there;
  there.Add(file);
  EXPECT_TRUE(there.AreSame());
  unlink(file.c_str());
  EXPECT_FALSE(there.AreSame());
  EXPECT_TRUE(absent.AreSame());
}

TEST_F(LookupsTest, ALinkInAPathIsNoticedThatLeadsToTheSameFile) {
  ASSERT_EQ(mkdir(Path("directory").c_str(), 0700), 0);
  const std::string file = Make("directory/file");
  Lookups which;
  which.Add(file);
  Lookups real;
  real.AddRealPath(file);
  EXPECT_TRUE(real.AreSame());
  ASSERT_EQ(rename(Path("directory").c_str(), Path("moved").c_str()), 0);
  ASSERT_EQ(symlink("moved", Path("directory").c_str()), 0);
  EXPECT_TRUE(which.AreSame());
  EXPECT_FALSE(real.AreSame());
}

TEST_F(LookupsTest, TheDirectoryIsItsPath) {
  ASSERT_EQ(chdir(directory_.c_str()), 0);
  Lookups seen;
  seen.AddDirectory();
  EXPECT_TRUE(seen.AreSame());
  ASSERT_EQ(chdir("/"), 0);
  EXPECT_FALSE(seen.AreSame());
  ASSERT_EQ(chdir(directory_.c_str()), 0);
  EXPECT_TRUE(seen.AreSame());
  ASSERT_EQ(rename(directory_.c_str(), (directory_ + "moved").c_str()), 0);
  EXPECT_FALSE(seen.AreSame());
  ASSERT_EQ(chdir("/"), 0);
}

TEST_F(LookupsTest, DescriptorsAreTheirFilesAndFlags) {
  const std::string file = Make("file");
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  Lookups seen;
  seen.AddDescriptor(fd);
  EXPECT_TRUE(seen.AreSame());
  ASSERT_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  EXPECT_FALSE(seen.AreSame());
  ASSERT_EQ(fcntl(fd, F_SETFL, 0), 0);
  EXPECT_TRUE(seen.AreSame());
  const int other = open(file.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(dup2(other, fd), fd);
  EXPECT_FALSE(seen.AreSame());
  close(other);
  close(fd);
  EXPECT_FALSE(seen.AreSame());
  Lookups closed;
  closed.AddDescriptor(fd);
  EXPECT_TRUE(closed.AreSame());
}

TEST_F(LookupsTest, WhoMayOpenADeviceIsNoticed) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(master, 0);
  ASSERT_EQ(grantpt(master) | unlockpt(master), 0);
  const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  Lookups seen;
  seen.AddDescriptor(terminal);
  EXPECT_TRUE(seen.AreSame());
  if (fchmod(terminal, 0600) == 0) {
    EXPECT_FALSE(seen.AreSame());
  } else {
    EXPECT_EQ(errno, EROFS);  // in Bazel's sandbox
  }
  close(terminal);
  close(master);
}

TEST_F(LookupsTest, MountsAreWritableOrNot) {
  Lookups seen;
  seen.AddMount("/proc");
  seen.AddMount(Path("none"));
  seen.AddHostName();
  EXPECT_TRUE(seen.AreSame());
  ASSERT_EQ(mkdir(Path("none").c_str(), 0700), 0);
  EXPECT_FALSE(seen.AreSame());
}

}  // namespace
}  // namespace encapsulate
