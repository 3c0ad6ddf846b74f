// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/monitor/decode.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace encapsulate {
namespace {

uint64_t Address(const void* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

uint64_t Number(int number) { return static_cast<unsigned>(number); }

SyscallArgs Call(const char* name, std::vector<uint64_t> arguments) {
  SyscallArgs call;
  call.watched = FindWatchedCall(name);
  EXPECT_NE(call.watched, nullptr) << name;
  std::copy(arguments.begin(), arguments.end(), call.arguments);
  return call;
}

// In place of a thread that waits: this one has its arguments in memory.
class DecodeTest : public testing::Test {
 protected:
  std::string Format(const char* name,
                     const std::vector<uint64_t>& arguments) const {
    return FormatArguments(self_, Call(name, arguments));
  }

  const ThreadView self_{getpid()};
};

TEST_F(DecodeTest, FormatsFlagsModesAndPaths) {
  const char path[] = "/a \"b\"\n";
  EXPECT_EQ(Format("openat",
                   {Number(AT_FDCWD), Address(path), O_WRONLY | O_CREAT, 0644}),
            R"(AT_FDCWD, "/a \"b\"\n", O_WRONLY|O_CREAT, 0644)");
  // Without O_CREAT there is no mode.
  EXPECT_EQ(Format("openat", {5, Address("x"), O_RDWR, 0644}),
            R"(5, "x", O_RDWR)");
  EXPECT_EQ(Format("rename", {Address("a"), Address("b")}), R"("a", "b")");
}

TEST_F(DecodeTest, TellsTextThatNobodyCanReadFromNone) {
  EXPECT_EQ(Format("unlink", {8}), "?");
  EXPECT_EQ(Format("unlink", {0}), "NULL");
}

TEST_F(DecodeTest, ReadsTheFlagsOfEachWayToOpen) {
  EXPECT_EQ(OpenFlags(self_, Call("creat", {Address("x"), 0600})),
            uint64_t{O_CREAT | O_WRONLY | O_TRUNC});
  open_how how = {};
  how.flags = O_RDWR;
  how.resolve = RESOLVE_IN_ROOT;
  const SyscallArgs call =
      Call("openat2", {3, Address("x"), Address(&how), sizeof(how)});
  EXPECT_EQ(OpenFlags(self_, call), uint64_t{O_RDWR});
  EXPECT_EQ(ResolveFlags(self_, call), uint64_t{RESOLVE_IN_ROOT});
  EXPECT_EQ(ResolveFlags(self_, Call("unlink", {Address("x")})), 0U);
}

sockaddr_in Internet(const char* address, int port) {
  sockaddr_in internet = {};
  internet.sin_family = AF_INET;
  internet.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, address, &internet.sin_addr);
  return internet;
}

TEST_F(DecodeTest, KnowsWhichAddressesAreItsOwn) {
  const auto parse = [](const char* address) {
    const sockaddr_in internet = Internet(address, 80);
    return ParseAddress(&internet, sizeof(internet));
  };
  EXPECT_EQ(parse("192.0.2.1").text, "192.0.2.1:80");
  EXPECT_FALSE(parse("192.0.2.1").local);
  for (const char* own : {"127.0.0.1", "127.255.0.9", "0.0.0.0"}) {
    EXPECT_TRUE(parse(own).local) << own;
  }
  EXPECT_TRUE(parse("224.0.0.1").group);
  EXPECT_EQ(parse("192.0.2.1").port, 80);
}

TEST_F(DecodeTest, TellsNamesInTheFilesystemFromOthers) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, "/run/x");
  EXPECT_EQ(ParseAddress(&address, sizeof(address)).path, "/run/x");
  memcpy(address.sun_path, "\0x", 2);
  const SocketAddress abstract =
      ParseAddress(&address, offsetof(sockaddr_un, sun_path) + 2);
  EXPECT_EQ(abstract.text, "@x");
  EXPECT_EQ(abstract.path, "");
}

TEST_F(DecodeTest, ReadsEachAddressOfManyMessages) {
  sockaddr_in first = Internet("192.0.2.1", 1);
  sockaddr_in second = Internet("192.0.2.2", 2);
  mmsghdr messages[3] = {};
  messages[0].msg_hdr.msg_name = &first;
  messages[0].msg_hdr.msg_namelen = sizeof(first);
  messages[2].msg_hdr.msg_name = &second;
  messages[2].msg_hdr.msg_namelen = sizeof(second);
  const std::vector<SocketAddress> found =
      ReadAddresses(self_, Call("sendmmsg", {3, Address(messages), 3, 0}));
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].text, "192.0.2.1:1");
  EXPECT_EQ(found[0].message, 0U);
  EXPECT_EQ(found[1].text, "192.0.2.2:2");
  EXPECT_EQ(found[1].message, 2U);
}

}  // namespace
}  // namespace encapsulate
