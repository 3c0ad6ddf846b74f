// SPDX-License-Identifier: Apache-2.0
//
// A socket address that a program passed to a system call.
#include <cstddef>
#include <cstdint>
#include <string>

#include "encapsulate/monitor/decode.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const encapsulate::SocketAddress address =
      encapsulate::ParseAddress(data, size);
  FUZZ_CHECK(address.port >= 0 && address.port <= 65535);
  FUZZ_CHECK(address.text.size() <= size + 64);
  // A name in the filesystem is one that a path can be.
  FUZZ_CHECK(address.path.find('\0') == std::string::npos);
  FUZZ_CHECK(address.path.empty() || address.text == address.path);
  return 0;
}
