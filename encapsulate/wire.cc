#include "encapsulate/wire.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "encapsulate/filter.h"

namespace encapsulate {
namespace {

size_t SizeOf(const Message& message) {
  return offsetof(Message, text) + message.text_size;
}

union ControlBuffer {
  cmsghdr alignment;
  char bytes[CMSG_SPACE(sizeof(int))];
};

}  // namespace

bool SendMessage(int socket, const Message& message) {
  ssize_t sent;
  do {
    sent = send(socket, &message, SizeOf(message), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(SizeOf(message));
}

bool SendDescriptor(int socket, const Message& message, int fd) {
  iovec data = {const_cast<Message*>(&message), SizeOf(message)};
  ControlBuffer control = {};
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof(control.bytes);
  cmsghdr* rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(fd));
  memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
  ssize_t sent;
  do {
    sent = sendmsg(socket, &header, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(SizeOf(message));
}

bool SendListener(int socket, int listener, bool killable) {
  static Message message;
  static iovec data;
  static ControlBuffer control;
  message.kind = MessageKind::kListener;
  message.number = killable ? 1 : 0;
  data = {&message, SizeOf(message)};
  msghdr* const header = HandoverHeader();
  header->msg_iov = &data;
  header->msg_iovlen = 1;
  header->msg_control = control.bytes;
  header->msg_controllen = sizeof(control.bytes);
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
  iovec data = {message, sizeof(*message)};
  ControlBuffer control = {};
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = fd != nullptr ? sizeof(control.bytes) : 0;
  ssize_t size;
  // The kernel says ECONNRESET, once, if the other side has ended with messages
  // unread; what it sent before is still to be had.
  do {
    size = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (size < 0 && (errno == EINTR || errno == ECONNRESET));
  if (size == 0) errno = 0;
  if (size <= 0) return false;
  if (fd != nullptr) {
    *fd = -1;
    const cmsghdr* rights = CMSG_FIRSTHDR(&header);
    if (rights != nullptr && rights->cmsg_type == SCM_RIGHTS) {
      memcpy(fd, CMSG_DATA(rights), sizeof(*fd));
    }
  }
  if (static_cast<size_t>(size) < offsetof(Message, text) ||
      static_cast<size_t>(size) != SizeOf(*message)) {
    errno = EPROTO;
    return false;
  }
  return true;
}

}  // namespace encapsulate
