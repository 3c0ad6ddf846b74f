// SPDX-License-Identifier: Apache-2.0
//
// A packet between the caller and the sandbox's init, with descriptors along.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "encapsulate/base/unique_fd.h"
#include "encapsulate/child/message.h"
#include "tests/fuzz/check.h"

namespace {

int LowestFreeDescriptor() {
  const int fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
  close(fd);
  return fd;
}

}  // namespace

// The input's first byte is how many descriptors come along.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const int before = LowestFreeDescriptor();
  {
    int ends[2];
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) ==
               0);
    const encapsulate::UniqueFd sender(ends[0]);
    const encapsulate::UniqueFd receiver(ends[1]);
    const int fds[encapsulate::kMaxDescriptors] = {ends[0], ends[1]};
    const size_t count = data[0] % (encapsulate::kMaxDescriptors + 1);
    if (!encapsulate::SendPacket(sender.get(), data + 1, size - 1, fds,
                                 count)) {
      return 0;
    }
    // Whether descriptors are expected is another matter.
    const bool takes = (data[0] & 0x80) == 0;
    int received[] = {-1, 12345};
    encapsulate::Message message;
    const bool ok = encapsulate::ReceiveMessage(receiver.get(), &message,
                                                takes ? received : nullptr);
    FUZZ_CHECK(received[1] == 12345);
    FUZZ_CHECK(!ok || message.text_size <= encapsulate::kMaxMessageText);
    FUZZ_CHECK(ok || received[0] == -1);
    if (received[0] >= 0) close(received[0]);
  }
  FUZZ_CHECK(LowestFreeDescriptor() == before);
  return 0;
}
