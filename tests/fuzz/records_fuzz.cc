// SPDX-License-Identifier: Apache-2.0
//
// The memory in which the process of a test records what happened.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/types/optional.h"
#include "gtest_plugin/shared/records.h"
#include "tests/fuzz/check.h"

namespace {

void ReadAll(const uint8_t* data, size_t size, uint64_t committed) {
  encapsulate::RecordReader reader(reinterpret_cast<const char*>(data), size);
  size_t texts = 0;
  while (absl::optional<encapsulate::Record> record = reader.Next(committed)) {
    // Each byte belongs to one record at most, so there is an end.
    texts += sizeof(encapsulate::RecordHeader) + record->texts[0].size() +
             record->texts[1].size();
    FUZZ_CHECK(texts <= size);
    FUZZ_CHECK(reader.damage().empty());
  }
  FUZZ_CHECK(!reader.Next(committed).has_value());
}

}  // namespace

// The input's first eight bytes say how much is committed.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint64_t committed = 0;
  if (size < sizeof(committed)) return 0;
  memcpy(&committed, data, sizeof(committed));
  // Aligned, as mapped memory is.
  const std::vector<uint8_t> memory(data + sizeof(committed), data + size);
  ReadAll(memory.data(), memory.size(), committed);
  ReadAll(memory.data(), memory.size(), memory.size());
  return 0;
}
