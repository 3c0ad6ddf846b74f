// SPDX-License-Identifier: Apache-2.0
//
// Call frame information that a program forged, with the words of its stack.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "encapsulate/inspect/cfi.h"
#include "encapsulate/inspect/registers.h"
#include "encapsulate/inspect/remote_memory.h"
#include "tests/fuzz/check.h"

namespace {

// The input's first two bytes choose the address; the rest is memory from kBase
// on, where all registers point to.
constexpr uint64_t kBase = 0x10000;

void Step(const uint8_t* data, size_t size, bool by_table) {
  encapsulate::StackLimits limits;
  limits.reads = 20000;
  limits.pages = 16;
  limits.time = std::chrono::hours(1);
  encapsulate::StackBudget budget(limits);
  encapsulate::RemoteMemory memory(
      [&](uint64_t address, void* buffer, size_t wanted) {
        if (address < kBase || address - kBase >= size - 2) return size_t{0};
        const size_t at = 2 + (address - kBase);
        const size_t count = wanted < size - at ? wanted : size - at;
        memcpy(buffer, data + at, count);
        return count;
      },
      &budget);
  encapsulate::FrameIndex index;
  if (by_table) {
    index.table = kBase;
  } else {
    index.functions =
        encapsulate::ListFunctions(memory, budget, kBase, size - 2);
  }
  encapsulate::Registers registers;
  for (uint64_t& value : registers.values) value = kBase;
  bool interrupted = false;
  for (int frames = 0; frames < 8; ++frames) {
    const uint64_t address = kBase + data[0] + 256U * data[1];
    if (!encapsulate::StepByCallFrames(memory, index, address, &registers,
                                       &interrupted)) {
      break;
    }
  }
  FUZZ_CHECK(budget.reads() <= limits.reads + 64);
  FUZZ_CHECK(budget.pages() <= limits.pages + 64);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  Step(data, size, /*by_table=*/true);
  Step(data, size, /*by_table=*/false);
  return 0;
}
