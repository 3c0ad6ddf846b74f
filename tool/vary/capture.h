// SPDX-License-Identifier: Apache-2.0
//
// Keeps what a command writes to standard output and error.
//
//   absl::StatusOr<Capture> capture = Capture::Make(Capture::Kind::kPipe);
//   ... start the command with capture->descriptor() as 1 and 2 ...
//   const std::string output = capture->Finish();
//
// A process of its own reads, so that the command never waits for its reader,
// and this process stays without threads.
#ifndef TOOL_VARY_CAPTURE_H_
#define TOOL_VARY_CAPTURE_H_

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate::tool {

class Capture {
 public:
  enum class Kind {
    kPipe,
    kTerminal,  // of 40 columns and 24 rows
  };

  static absl::StatusOr<Capture> Make(Kind kind);
  Capture(Capture&& other) noexcept;
  Capture& operator=(Capture&&) = delete;
  ~Capture();

  int descriptor() const { return writer_.get(); }

  // The last 64 kB of what was written. Waits until nobody has the other end
  // open any more. Call it once.
  std::string Finish();

 private:
  Capture() = default;

  UniqueFd writer_;
  UniqueFd kept_;  // a file in memory
  pid_t reader_ = -1;
};

}  // namespace encapsulate::tool

#endif  // TOOL_VARY_CAPTURE_H_
