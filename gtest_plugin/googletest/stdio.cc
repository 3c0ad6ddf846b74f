// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/googletest/stdio.h"

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <iostream>

#include "absl/strings/string_view.h"
#include "encapsulate/base/write_all.h"

namespace encapsulate {

void FlushOutput() {
  std::cout.flush();
  std::cerr.flush();
  std::clog.flush();
  fflush(nullptr);
}

void SaveOutput() {
#ifdef __GLIBC__
  const char* const begin = stdout->_IO_write_base;
  const char* const end = stdout->_IO_write_ptr;
  if (begin == nullptr || end <= begin) return;
  const absl::string_view text(begin, static_cast<size_t>(end - begin));
  if (WriteAll(STDOUT_FILENO, text)) {
    stdout->_IO_write_ptr = stdout->_IO_write_base;
  }
#endif
}

}  // namespace encapsulate
