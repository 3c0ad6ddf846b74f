// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/child/message.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "encapsulate/plan/seccomp_filter.h"

namespace encapsulate {
namespace {

size_t SizeOf(const Message& message) {
  return offsetof(Message, text) + message.text_size;
}

union ControlBuffer {
  cmsghdr alignment;
  char bytes[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
};

}  // namespace

bool SendPacket(int socket, const void* data, size_t size, const int* fds,
                size_t count) {
  iovec packet = {const_cast<void*>(data), size};
  ControlBuffer control = {};
  msghdr header = {};
  header.msg_iov = &packet;
  header.msg_iovlen = 1;
  if (count > 0) {
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(rights), fds, sizeof(int) * count);
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(size);
}

ssize_t ReceivePacket(int socket, void* data, size_t size, int* fds,
                      size_t count) {
  iovec packet = {data, size};
  ControlBuffer control = {};
  msghdr header = {};
  header.msg_iov = &packet;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = count > 0 ? CMSG_SPACE(sizeof(int) * count) : 0;
  ssize_t received;
  // The kernel says ECONNRESET, once, if the other side has ended with messages
  // unread; what it sent before is still to be had.
  do {
    received = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (received < 0 && (errno == EINTR || errno == ECONNRESET));
  for (size_t i = 0; i < count; ++i) fds[i] = -1;
  const cmsghdr* rights =
      received >= 0 && count > 0 ? CMSG_FIRSTHDR(&header) : nullptr;
  if (rights != nullptr && rights->cmsg_level == SOL_SOCKET &&
      rights->cmsg_type == SCM_RIGHTS) {
    // Control data is aligned, so that one more may come than was wanted.
    const size_t came = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < came; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(rights) + i * sizeof(fd), sizeof(fd));
      if (i < count) {
        fds[i] = fd;
      } else {
        close(fd);
      }
    }
  }
  return received;
}

bool SendMessage(int socket, const Message& message) {
  ssize_t sent;
  do {
    sent = send(socket, &message, SizeOf(message), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(SizeOf(message));
}

bool SendDescriptor(int socket, const Message& message, int fd) {
  return SendPacket(socket, &message, SizeOf(message), &fd, 1);
}

bool SendListener(int socket, int listener, bool killable) {
  Message message;
  ControlBuffer control;
  message.kind = MessageKind::kListener;
  message.number = killable ? 1 : 0;
  iovec data = {&message, SizeOf(message)};
  msghdr* const header = HandoverHeader();
  header->msg_iov = &data;
  header->msg_iovlen = 1;
  header->msg_control = control.bytes;
  header->msg_controllen = CMSG_SPACE(sizeof(listener));
  cmsghdr* rights = CMSG_FIRSTHDR(header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(listener));
  memcpy(CMSG_DATA(rights), &listener, sizeof(listener));
  ssize_t sent;
  do {
    sent = sendmsg(socket, header, kHandoverFlags);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(SizeOf(message));
}

bool ReceiveMessage(int socket, Message* message, int* fd) {
  const ssize_t size = ReceivePacket(socket, message, sizeof(*message), fd,
                                     fd != nullptr ? 1 : 0);
  if (size >= static_cast<ssize_t>(offsetof(Message, text)) &&
      message->text_size <= kMaxMessageText &&
      static_cast<size_t>(size) == SizeOf(*message)) {
    return true;
  }
  if (fd != nullptr && *fd >= 0) {
    close(*fd);
    *fd = -1;
  }
  if (size >= 0) errno = size == 0 ? 0 : EPROTO;
  return false;
}

}  // namespace encapsulate
