// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/write_all.h"
#include "gtest_plugin/googletest/stdio.h"

namespace encapsulate {
namespace {

constexpr size_t kColumns = 80;
// To the start of the line, and all that is behind it goes.
constexpr char kErase[] = "\r\x1b[K";

size_t Columns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0
             ? size.ws_col
             : kColumns;
}

}  // namespace

bool CanShowProgress() {
  const char* const terminal = getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && terminal != nullptr &&
         absl::string_view(terminal) != "dumb";
}

// The last column stays free, or the line might break.
Progress::Progress(const std::string& line) {
  FlushOutput();
  WriteAll(STDERR_FILENO, absl::StrCat("\r", line.substr(0, Columns() - 1)));
}

Progress::~Progress() { WriteAll(STDERR_FILENO, kErase); }

}  // namespace encapsulate
