// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/capture.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>

#include "encapsulate/base/write_all.h"
#include "tool/vary/host_failure.h"

namespace encapsulate::tool {
namespace {

constexpr size_t kKept = size_t{64} << 10;

struct Ends {
  UniqueFd reader;
  UniqueFd writer;
};

absl::StatusOr<Ends> MakePipe() {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return HostFailure("make a pipe");
  return Ends{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

absl::StatusOr<Ends> MakeTerminal() {
  UniqueFd reader(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  int unlocked = 0;
  if (!reader.valid() || ioctl(reader.get(), TIOCSPTLCK, &unlocked) != 0) {
    return HostFailure("make a terminal");
  }
  // By the descriptor: a name may mean another in a container.
  UniqueFd writer(
      ioctl(reader.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!writer.valid()) return HostFailure("open a terminal");
  struct winsize size = {};
  size.ws_row = 24;
  size.ws_col = 40;
  if (ioctl(writer.get(), TIOCSWINSZ, &size) != 0) {
    return HostFailure("size a terminal");
  }
  return Ends{std::move(reader), std::move(writer)};
}

// The end of a terminal is an error, EIO.
[[noreturn]] void Read(int from, int into) {
  // It ends with its command, which a signal to the group may not do.
  for (int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP}) {
    std::signal(signal, SIG_IGN);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::string kept;
  std::array<char, kKept> buffer;
  for (;;) {
    const ssize_t size = read(from, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    kept.append(buffer.data(), static_cast<size_t>(size));
    if (kept.size() > 2 * kKept) kept.erase(0, kept.size() - kKept);
  }
  if (kept.size() > kKept) kept.erase(0, kept.size() - kKept);
  _exit(WriteAll(into, kept) ? 0 : 1);
}

}  // namespace

absl::StatusOr<Capture> Capture::Make(Kind kind) {
  absl::StatusOr<Ends> ends = kind == Kind::kPipe ? MakePipe() : MakeTerminal();
  if (!ends.ok()) return ends.status();
  Capture capture;
  capture.kept_ = UniqueFd(memfd_create("output", MFD_CLOEXEC));
  if (!capture.kept_.valid()) return HostFailure("keep output");
  capture.reader_ = fork();
  if (capture.reader_ == -1) return HostFailure("start a reader");
  if (capture.reader_ == 0) {
    ends->writer.Reset();
    Read(ends->reader.get(), capture.kept_.get());
  }
  capture.writer_ = std::move(ends->writer);
  return capture;
}

Capture::Capture(Capture&& other) noexcept
    : writer_(std::move(other.writer_)),
      kept_(std::move(other.kept_)),
      reader_(std::exchange(other.reader_, -1)) {}

Capture::~Capture() {
  if (reader_ == -1) return;
  kill(reader_, SIGKILL);
  while (waitpid(reader_, nullptr, 0) == -1 && errno == EINTR) {
  }
}

std::string Capture::Finish() {
  writer_.Reset();
  while (waitpid(reader_, nullptr, 0) == -1 && errno == EINTR) {
  }
  reader_ = -1;
  std::string output;
  std::array<char, kKept> buffer;
  const ssize_t size = pread(kept_.get(), buffer.data(), buffer.size(), 0);
  if (size > 0) output.assign(buffer.data(), static_cast<size_t>(size));
  return output;
}

}  // namespace encapsulate::tool
