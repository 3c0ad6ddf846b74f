// SPDX-License-Identifier: Apache-2.0
//
// Tests for hostile_test: some attack the program that runs them, those between
// them are as any others.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_environment.h"
#include "tests/gtest/hostile_acts.h"
#include "tests/support/rights.h"

namespace encapsulate {
namespace {

#define HONEST(number)                                            \
  TEST(ChannelTest, Honest##number##Passes) {                     \
    RecordProperty("property" #number, "value" #number);          \
    const ExpectBlocked blocked(Rule::kWrite, "/etc/*");          \
    EXPECT_NE(mkdir("/etc/inner_hostile", 0700), 0);              \
  }                                                               \
  TEST(ChannelTest, Honest##number##Fails) {                      \
    EXPECT_EQ(number, -1) << "as test " << number << " means to"; \
  }
#define HOSTILE(act) \
  TEST(ChannelTest, act) { hostile::act(); }

HONEST(1)
HOSTILE(CommitRecordOfSizeZero)
HONEST(2)
HOSTILE(CommitBeyondTheEnd)
HOSTILE(CommitNothingAgain)
HOSTILE(CommitTextOf120MiB)
HONEST(3)
HOSTILE(CommitTextOf1TiB)
HOSTILE(CommitRecordOfNoKind)
HONEST(4)
HOSTILE(ExpectWithoutEnd)
HOSTILE(FillWithOnes)
HOSTILE(FillWithNoise)
HONEST(5)

TEST(ChannelTest, SendsDescriptors) {
  const int bell = hostile::FindBell();
  ASSERT_GE(bell, 0);
  EXPECT_EQ(encapsulate::SendRight(bell, bell, MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, ENOTSOCK);
}

// The program goes on though nobody takes its answers.
TEST(ChannelTest, RingsAndTakesNoAnswer) {
  for (int i = 0; i < 100000; ++i) hostile::Ring();
}

#define HANGING(act) \
  TEST(HangingTest, act) { hostile::act(); }
TEST(HangingTest, PassesBefore) {}
HANGING(RingForEver)
HANGING(AnnounceForEver)
TEST(HangingTest, PassesBehind) {}

// Two that run at the same time, in the directory where scratch directories
// are kept. The link leads to a directory that isn't theirs.
constexpr char kOutputs[] = "TEST_UNDECLARED_OUTPUTS_DIR";
constexpr char kReplaced[] = "/replaced";

TEST(ScratchTest, WaitsForALinkInItsPlace) {
  const std::string outputs = getenv(kOutputs);
  const int events = inotify_init1(IN_CLOEXEC);
  ASSERT_GE(inotify_add_watch(events, outputs.c_str(), IN_CREATE), 0);
  close(creat((outputs + "/waits").c_str(), 0600));
  char buffer[4096];
  while (access((outputs + kReplaced).c_str(), F_OK) != 0) {
    ASSERT_GT(read(events, buffer, sizeof(buffer)), 0);
  }
}

TEST(ScratchTest, PutsALinkInPlaceOfAnothers) {
  const std::string outputs = getenv(kOutputs);
  const int events = inotify_init1(IN_CLOEXEC);
  ASSERT_GE(inotify_add_watch(events, outputs.c_str(), IN_CREATE), 0);
  char buffer[4096];
  while (access((outputs + "/waits").c_str(), F_OK) != 0) {
    ASSERT_GT(read(events, buffer, sizeof(buffer)), 0);
  }
  for (const auto& entry : std::filesystem::directory_iterator(outputs)) {
    const std::string path = entry.path().string();
    if (path.find("WaitsForALink") == std::string::npos) continue;
    ASSERT_EQ(rename(path.c_str(), (outputs + "/moved").c_str()), 0);
    ASSERT_EQ(symlink(getenv("INNER_VICTIM"), path.c_str()), 0);
    break;  // the link has its name
  }
  close(creat((outputs + kReplaced).c_str(), 0600));
}

TEST(DeepScratchTest, LeavesADeepTreeThatForbidsEverything) {
  ASSERT_EQ(chdir(ScratchDirectory().c_str()), 0);
  ASSERT_EQ(symlink(getenv("INNER_VICTIM"), "link"), 0);
  for (int i = 0; i < 2000; ++i) {
    close(creat("file", 0));
    ASSERT_EQ(symlink("..", "up"), 0);
    ASSERT_EQ(mkdir("removed-1", 0700), 0);
    ASSERT_EQ(mkdir("directory", 0700), 0);
    ASSERT_EQ(chdir("directory"), 0);
  }
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(chdir(".."), 0);
    ASSERT_EQ(chmod("directory", 0), 0);
  }
  ASSERT_EQ(chmod(ScratchDirectory().c_str(), 0), 0);
}

// The program reads and writes its durations in the working directory.
TEST(DurationsTest, PutsAFifoThere) {
  unlink("durations");
  ASSERT_EQ(mkfifo("durations", 0600), 0);
}
TEST(DurationsTest, PutsALinkThere) {
  unlink("durations");
  ASSERT_EQ(symlink(getenv("INNER_VICTIM"), "durations"), 0);
}

// The same of the files of --encapsulate_report.
TEST(ReportTest, PutsAFifoThere) {
  unlink("report");
  ASSERT_EQ(mkfifo("report", 0600), 0);
}
TEST(ReportTest, PutsALinkThere) {
  unlink("report");
  ASSERT_EQ(symlink(getenv("INNER_VICTIM"), "report"), 0);
}
TEST(ReportTest, LeavesItAlone) {}

}  // namespace
}  // namespace encapsulate
