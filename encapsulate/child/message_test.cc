// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/child/message.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "encapsulate/base/unique_fd.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

class WireTest : public testing::Test {
 protected:
  WireTest() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    sender_ = UniqueFd(ends[0]);
    receiver_ = UniqueFd(ends[1]);
  }

  static int LowestFreeDescriptor() {
    const int fd = dup(0);
    close(fd);
    return fd;
  }

  UniqueFd sender_;
  UniqueFd receiver_;
  Message message_;
};

TEST_F(WireTest, MessagesArriveWithTheirText) {
  Message sent;
  sent.kind = MessageKind::kChange;
  sent.number = 4711;
  memcpy(sent.text, "text", 4);
  sent.text_size = 4;
  ASSERT_TRUE(SendMessage(sender_.get(), sent));
  ASSERT_TRUE(ReceiveMessage(receiver_.get(), &message_));
  EXPECT_EQ(message_.kind, MessageKind::kChange);
  EXPECT_EQ(message_.number, 4711);
  EXPECT_EQ(std::string(message_.text, message_.text_size), "text");
}

TEST_F(WireTest, ADescriptorComesAlong) {
  Message sent;
  sent.kind = MessageKind::kInput;
  ASSERT_TRUE(SendDescriptor(sender_.get(), sent, 0));
  const int next = LowestFreeDescriptor();
  int fd = -1;
  ASSERT_TRUE(ReceiveMessage(receiver_.get(), &message_, &fd));
  EXPECT_EQ(fd, next);
  EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  close(fd);
}

// Control data is aligned to two descriptors.
TEST_F(WireTest, MoreDescriptorsThanAreExpectedAreClosed) {
  Message sent;
  sent.kind = MessageKind::kInput;
  const int two[] = {sender_.get(), receiver_.get()};
  ASSERT_TRUE(
      SendPacket(sender_.get(), &sent, offsetof(Message, text), two, 2));
  int fds[] = {-1, 12345};
  ASSERT_TRUE(ReceiveMessage(receiver_.get(), &message_, fds));
  EXPECT_GE(fds[0], 0);
  EXPECT_EQ(fds[1], 12345) << "which isn't ReceiveMessage()'s";
  close(fds[0]);
  const int next = LowestFreeDescriptor();
  ASSERT_TRUE(
      SendPacket(sender_.get(), &sent, offsetof(Message, text), two, 2));
  ASSERT_TRUE(ReceiveMessage(receiver_.get(), &message_));
  EXPECT_EQ(LowestFreeDescriptor(), next);
}

TEST_F(WireTest, WhatIsNoMessageLeavesNoDescriptor) {
  const int next = LowestFreeDescriptor();
  Message sent;
  sent.text_size = 100;  // and not sent
  const int fd = receiver_.get();
  for (size_t size : {size_t{0}, size_t{1}, offsetof(Message, text)}) {
    SCOPED_TRACE(size);
    int received = 12345;
    ASSERT_TRUE(SendPacket(sender_.get(), &sent, size, &fd, 1));
    EXPECT_FALSE(ReceiveMessage(receiver_.get(), &message_, &received));
    EXPECT_EQ(errno, size == 0 ? 0 : EPROTO);
    EXPECT_EQ(received, -1);
    EXPECT_EQ(LowestFreeDescriptor(), next);
  }
}

TEST_F(WireTest, NoTextIsLongerThanItsRoom) {
  Message sent;
  memset(sent.text, 'x', sizeof(sent.text));
  sent.text_size = kMaxMessageText;
  ASSERT_TRUE(SendMessage(sender_.get(), sent));
  EXPECT_TRUE(ReceiveMessage(receiver_.get(), &message_));
  sent.text_size = kMaxMessageText + 1;
  ASSERT_TRUE(SendPacket(sender_.get(), &sent, sizeof(sent), nullptr, 0));
  EXPECT_FALSE(ReceiveMessage(receiver_.get(), &message_));
}

TEST_F(WireTest, TheEndOfTheStreamIsNoError) {
  sender_.Reset();
  EXPECT_FALSE(ReceiveMessage(receiver_.get(), &message_));
  EXPECT_EQ(errno, 0);
}

}  // namespace
}  // namespace encapsulate
