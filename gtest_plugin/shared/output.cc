// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/shared/output.h"

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "encapsulate/base/printable.h"
#include "encapsulate/base/write_all.h"
#include "gtest_plugin/googletest/stdio.h"

namespace encapsulate {

void PrintNotice(const std::string& line) {
  FlushOutput();
  WriteAll(STDERR_FILENO,
           absl::StrCat("encapsulate: ", PrintableLines(line), "\n"));
}

}  // namespace encapsulate
