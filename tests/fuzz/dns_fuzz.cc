// SPDX-License-Identifier: Apache-2.0
//
// A DNS message to the sandbox's name server.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "encapsulate/monitor/name_server.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view query(reinterpret_cast<const char*>(data), size);
  encapsulate::Question asked;
  const std::string answer = encapsulate::AnswerDns(query, "host", &asked);
  if (answer.empty()) {
    FUZZ_CHECK(asked.name.empty());
    return 0;
  }
  // The id comes back, and no answer is much longer than its question.
  FUZZ_CHECK(answer.substr(0, 2) == query.substr(0, 2));
  FUZZ_CHECK(answer.size() <= query.size() + 64);
  for (char c : asked.name) {
    FUZZ_CHECK(absl::ascii_isprint(static_cast<unsigned char>(c)));
  }
  return 0;
}
