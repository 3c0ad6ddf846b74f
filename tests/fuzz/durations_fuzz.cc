// SPDX-License-Identifier: Apache-2.0
//
// The file that durations of tests are remembered in.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest_plugin/program/durations.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int file = memfd_create("durations", MFD_CLOEXEC);
  static const std::string path = absl::StrCat("/proc/self/fd/", file);
  if (ftruncate(file, 0) != 0 ||
      pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) {
    return 0;
  }
  const absl::StatusOr<encapsulate::Durations> durations =
      encapsulate::Durations::Read(path);
  FUZZ_CHECK(durations.ok() || !durations.status().message().empty());
  if (durations.ok()) durations->Of("Suite.Test");
  return 0;
}
