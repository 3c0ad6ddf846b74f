// SPDX-License-Identifier: Apache-2.0
//
// Writes a filter of system calls (seccomp(2)), instruction by instruction.
#ifndef ENCAPSULATE_PLAN_BPF_PROGRAM_H_
#define ENCAPSULATE_PLAN_BPF_PROGRAM_H_

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <map>

#include "encapsulate/plan/seccomp_filter.h"

namespace encapsulate {

// SECCOMP_RET_ERRNO with the errno.
constexpr uint32_t Errno(int error) {
  return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error);
}

// Where the low half of an argument is: both supported machines are little
// endian. The kernel itself looks at no more of a socket family, an ioctl
// request, open flags or a socketcall number.
constexpr size_t Argument(int number) {
  return offsetof(seccomp_data, args) +
         static_cast<size_t>(number) * sizeof(uint64_t);
}

// A program, written from its end: what an instruction goes on to is there
// before it is, because jumps lead forward only. What several need is there
// once. The kernel translates and checks every instruction each time that a
// process installs the program, so a short one saves time; and it follows the
// program for each call number there is, so few steps do as well.
class BpfProgram {
 public:
  // An instruction, as their count from the end.
  using Label = size_t;

  Label Return(uint32_t action) {
    const auto there = returns_.find(action);
    if (there != returns_.end() && IsNear(there->second)) return there->second;
    return returns_[action] = Add(BPF_RET | BPF_K, action);
  }
  // Goes on with what was written last.
  Label Load(size_t offset) {
    return Add(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
  }
  // accumulator == value ? yes : no
  Label IfEqual(uint32_t value, Label yes, Label no) {
    return Jump(BPF_JEQ, value, yes, no);
  }
  // (accumulator & bits) != 0 ? yes : no
  Label IfAny(uint32_t bits, Label yes, Label no) {
    return Jump(BPF_JSET, bits, yes, no);
  }
  // accumulator >= value ? yes : no
  Label IfFrom(uint32_t value, Label yes, Label no) {
    return Jump(BPF_JGE, value, yes, no);
  }
  // All 64 bits of the argument are `value` ? yes : no
  Label IfArgument(int number, uint64_t value, Label yes, Label no) {
    const size_t low = Argument(number);
    IfEqual(static_cast<uint32_t>(value >> 32), yes, no);
    const Label high = Load(low + sizeof(uint32_t));
    IfEqual(static_cast<uint32_t>(value), high, no);
    return Load(low);
  }

  FilterProgram Finish() && {
    return FilterProgram(code_.rbegin(), code_.rend());
  }

 private:
  // Conditional jumps reach no further.
  static constexpr size_t kReach = 255;

  // Leaves room for two jumps that lead on.
  bool IsNear(Label label) const { return code_.size() + 2 - label <= kReach; }

  Label Add(unsigned code, uint32_t k, uint8_t jt = 0, uint8_t jf = 0) {
    code_.push_back({static_cast<uint16_t>(code), jt, jf, k});
    return code_.size() - 1;
  }

  size_t To(Label label) const { return code_.size() - label - 1; }

  Label Reach(Label label) {
    if (IsNear(label)) return label;
    return Add(BPF_JMP | BPF_JA, static_cast<uint32_t>(To(label)));
  }

  Label Jump(unsigned condition, uint32_t value, Label yes, Label no) {
    yes = Reach(yes);
    no = Reach(no);
    return Add(BPF_JMP | condition | BPF_K, value,
               static_cast<uint8_t>(To(yes)), static_cast<uint8_t>(To(no)));
  }

  FilterProgram code_;  // the last instruction first
  std::map<uint32_t, Label> returns_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_BPF_PROGRAM_H_
