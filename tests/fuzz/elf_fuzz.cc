// SPDX-License-Identifier: Apache-2.0
//
// An ELF file, as it is mapped and as it is read.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "encapsulate/inspect/modules.h"
#include "encapsulate/inspect/remote_memory.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kBase = 0x10000;
  encapsulate::StackLimits limits;
  limits.time = std::chrono::hours(1);
  encapsulate::StackBudget budget(limits);
  encapsulate::RemoteMemory memory(
      [&](uint64_t address, void* buffer, size_t wanted) {
        if (address < kBase || address - kBase >= size) return size_t{0};
        const size_t at = address - kBase;
        const size_t count = wanted < size - at ? wanted : size - at;
        memcpy(buffer, data + at, count);
        return count;
      },
      &budget);
  encapsulate::ReadElfImage(memory, kBase);

  size_t reads = 0;
  encapsulate::FindEhFrame([&](uint64_t offset, void* buffer, size_t wanted) {
    ++reads;
    if (offset > size || wanted > size - offset) return false;
    memcpy(buffer, data + offset, wanted);
    return true;
  });
  FUZZ_CHECK(reads < 2000);
  return 0;
}
