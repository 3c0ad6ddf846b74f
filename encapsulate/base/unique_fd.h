// SPDX-License-Identifier: Apache-2.0
//
// A file descriptor with one owner.
//
//   UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
//   if (!file.valid()) return absl::ErrnoToStatus(errno, "...");
//
// Closing keeps errno. Not thread-safe, like an int.
#ifndef ENCAPSULATE_BASE_UNIQUE_FD_H_
#define ENCAPSULATE_BASE_UNIQUE_FD_H_

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace encapsulate {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }
  void Reset() {
    if (fd_ < 0) return;
    const int saved_errno = errno;
    close(std::exchange(fd_, -1));
    errno = saved_errno;
  }
  // For a forked child that leaks the owner (leak.h): closes it and leaves the
  // memory alone, of which the kernel would have to make a copy.
  void CloseInChild() const {
    if (fd_ >= 0) close(fd_);
  }

 private:
  int fd_ = -1;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_UNIQUE_FD_H_
