#include "gtest_plugin/output.h"

#include <cstdio>
#include <iostream>
#include <string>

#include "absl/strings/str_format.h"

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

}  // namespace encapsulate
