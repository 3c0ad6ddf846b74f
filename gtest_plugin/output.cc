#include "gtest_plugin/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace encapsulate {

void FlushOutput() {
  std::cout.flush();
  std::cerr.flush();
  std::clog.flush();
  fflush(nullptr);
}

void Say(const std::string& line) {
  FlushOutput();
  absl::FPrintF(stderr, "encapsulate: %s\n", line);
  fflush(stderr);
}

void WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = write(fd, bytes.data(), bytes.size());
    if (size >= 0) {
      bytes.remove_prefix(static_cast<size_t>(size));
    } else if (errno == EAGAIN) {
      struct pollfd event = {fd, POLLOUT, 0};
      poll(&event, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace encapsulate
