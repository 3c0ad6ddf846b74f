// Tests for hostile_test: some attack the program that runs them, those between
// them are as any others.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_environment.h"
#include "tests/gtest/hostile_acts.h"

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
  char byte = '!';
  struct iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  struct msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  cmsghdr* const rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(rights), &bell, sizeof(bell));
  EXPECT_EQ(sendmsg(bell, &header, MSG_DONTWAIT), -1);
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

}  // namespace
}  // namespace encapsulate
