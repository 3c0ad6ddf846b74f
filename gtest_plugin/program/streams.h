// SPDX-License-Identifier: Apache-2.0
//
// What a test writes to stdout and stderr, on its way to the program.
#ifndef GTEST_PLUGIN_PROGRAM_STREAMS_H_
#define GTEST_PLUGIN_PROGRAM_STREAMS_H_

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate {

class OutputStreams {
 public:
  // Where the test's descriptors lead: to the program, or, for a test whose
  // output is shown as it comes, to the program's terminal if it has one. A
  // pseudo-terminal in between would hand on what is written at some later
  // time, and lose the order of output and results. If both descriptors are
  // one file, its order is kept.
  enum class Where { kShown, kHeld };

  static constexpr size_t kMost = 2;

  // Before the test's process is forked. The program keeps the test's ends as
  // well, so that nobody has to hear of their end beside the process's own.
  absl::Status Open(Where where);
  // In the process, whose stdout and stderr they are from here on. The object
  // must never be destroyed there.
  void EnterChild() const;
  // In any process.
  void Close();

  // Whether the test itself may write to the program's terminal.
  bool has_terminal() const { return has_terminal_; }

  // What to read from; -1 where there is nothing.
  std::array<int, kMost> descriptors() const;
  bool HasInput() const;

  // Hands on what is there, with the descriptor that it was written to.
  using Take = std::function<void(int fd, std::string bytes)>;
  void Read(const Take& take);

 private:
  struct Stream {
    std::vector<int> fds;  // which of the test's it stands for
    UniqueFd read_end;
    UniqueFd write_end;
  };

  static void Read(Stream* stream, const Take& take);

  std::vector<Stream> streams_;
  bool has_terminal_ = false;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_STREAMS_H_
