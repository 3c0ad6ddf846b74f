// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/streams.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "encapsulate/base/error.h"

namespace encapsulate {
namespace {

bool HasInputAt(int fd) {
  struct pollfd event = {fd, POLLIN, 0};
  return poll(&event, 1, 0) > 0;
}

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

bool AreOneFile(int a, int b) {
  struct stat of_a;
  struct stat of_b;
  return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 &&
         of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

}  // namespace

absl::Status OutputStreams::Open(Where where) {
  std::vector<std::vector<int>> files;
  for (int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    if (!IsOpen(fd)) continue;
    if (where == Where::kShown && isatty(fd) != 0) {
      has_terminal_ = true;
      continue;
    }
    if (!files.empty() && AreOneFile(STDOUT_FILENO, STDERR_FILENO)) {
      files.front().push_back(fd);
    } else {
      files.push_back({fd});
    }
  }
  for (std::vector<int>& fds : files) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
      return MakeFailure(
          {FailureKind::kHostRefused, "make a pipe", "", "", errno});
    }
    streams_.push_back({std::move(fds), UniqueFd(ends[0]), UniqueFd(ends[1])});
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
  return absl::OkStatus();
}

void OutputStreams::EnterChild() const {
  for (const Stream& stream : streams_) {
    for (int fd : stream.fds) dup2(stream.write_end.get(), fd);
  }
  for (const Stream& stream : streams_) {
    stream.read_end.CloseInChild();
    stream.write_end.CloseInChild();
  }
}

void OutputStreams::Close() { streams_.clear(); }

std::array<int, OutputStreams::kMost> OutputStreams::descriptors() const {
  std::array<int, kMost> descriptors;
  descriptors.fill(-1);
  for (size_t i = 0; i < streams_.size(); ++i) {
    descriptors[i] = streams_[i].read_end.get();
  }
  return descriptors;
}

bool OutputStreams::HasInput() const {
  return absl::c_any_of(streams_, [](const Stream& stream) {
    return stream.read_end.valid() && HasInputAt(stream.read_end.get());
  });
}

void OutputStreams::Read(const Take& take) {
  for (Stream& stream : streams_) Read(&stream, take);
}

void OutputStreams::Read(Stream* stream, const Take& take) {
  char buffer[16384];
  // No more than a pipe holds: what writes without end mustn't keep the
  // program here.
  for (int i = 0; i < 8 && stream->read_end.valid(); ++i) {
    const ssize_t size = read(stream->read_end.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return;  // nothing for now
    if (size == 0) {
      stream->read_end.Reset();
      return;
    }
    take(stream->fds.front(), std::string(buffer, static_cast<size_t>(size)));
  }
}

}  // namespace encapsulate
