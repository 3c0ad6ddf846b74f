// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/unwind.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "encapsulate/inspect/cfi.h"
#include "encapsulate/inspect/modules.h"
#include "encapsulate/inspect/registers.h"
#include "encapsulate/inspect/remote_memory.h"
#include "encapsulate/inspect/thread_view.h"
#include "encapsulate/violations.h"

namespace encapsulate {
namespace {

// Of the paths of a stack's objects: a path may be as long as a page.
constexpr size_t kMaxPathBytes = 32 << 10;

// On both architectures, the caller's frame pointer and the return address lie
// where the frame pointer points to.
bool StepByFramePointer(RemoteMemory& memory, Registers* registers) {
  const uint64_t frame = registers->values[kFramePointer];
  uint64_t saved[2];
  if (frame % sizeof(uint64_t) != 0 ||
      frame < registers->values[kStackPointer] ||
      !memory.Copy(frame, saved, sizeof(saved))) {
    return false;
  }
  registers->values[kFramePointer] = saved[0];
  registers->values[kStackPointer] = frame + sizeof(saved);
  registers->pc = WithoutSignature(saved[1]);
  return true;
}

}  // namespace

std::vector<Frame> Unwind(const ThreadView& thread, Registers registers,
                          const StackLimits& limits) {
  StackBudget budget(limits);
  RemoteMemory memory(
      [&](uint64_t address, void* buffer, size_t size) {
        return thread.Read(address, buffer, size);
      },
      &budget);
  Modules modules(thread.tid(), thread.Link("exe"), &memory, &budget);
  std::vector<Frame> frames;
  size_t path_bytes = 0;
  // Where a thread stopped, and where a signal interrupted it, is an
  // instruction to come; elsewhere pc is where a call returns to.
  bool exact = true;
  while (frames.size() < kMaxFrames && registers.pc != 0) {
    const uint64_t address = registers.pc - (exact ? 0 : 1);
    Frame frame;
    const Module* const module = modules.Find(address, &frame.object);
    if (module == nullptr) break;
    path_bytes += frame.object.size();
    if (path_bytes > kMaxPathBytes) break;
    frame.address = address;
    frame.offset = address - module->bias;
    frames.push_back(std::move(frame));

    const uint64_t stack = registers.values[kStackPointer];
    const uint64_t pc = registers.pc;
    exact = false;
    if (!StepByCallFrames(memory, module->frames, address, &registers,
                          &exact) &&
        !StepByFramePointer(memory, &registers)) {
      break;
    }
    // Stacks grow downwards, except onto the one that a signal came in on.
    if (registers.values[kStackPointer] < stack && !exact) break;
    if (registers.values[kStackPointer] == stack && registers.pc == pc) break;
  }
  return frames;
}

}  // namespace encapsulate
