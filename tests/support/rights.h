// SPDX-License-Identifier: Apache-2.0
//
// A descriptor as a message (SCM_RIGHTS, unix(7)).
#ifndef TESTS_SUPPORT_RIGHTS_H_
#define TESTS_SUPPORT_RIGHTS_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>

namespace encapsulate {

// As sendmsg(2).
inline ssize_t SendRight(int socket, int fd, int flags = 0) {
  char byte = 'x';
  iovec data = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  cmsghdr* const rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
  return sendmsg(socket, &header, flags);
}

}  // namespace encapsulate

#endif  // TESTS_SUPPORT_RIGHTS_H_
