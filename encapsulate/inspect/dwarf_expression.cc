// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/dwarf_expression.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/optional.h"
#include "encapsulate/inspect/registers.h"
#include "encapsulate/inspect/remote_memory.h"

namespace encapsulate {
namespace {

bool Operate(uint8_t operation, RemoteMemory& memory, Cursor& code,
             std::vector<uint64_t>* stack) {
  switch (operation) {
    case 0x08:  // DW_OP_const1u
      stack->push_back(code.Take<uint8_t>());
      return true;
    case 0x09:  // DW_OP_const1s
      stack->push_back(static_cast<uint64_t>(int64_t{code.Take<int8_t>()}));
      return true;
    case 0x0a:  // DW_OP_const2u
      stack->push_back(code.Take<uint16_t>());
      return true;
    case 0x0c:  // DW_OP_const4u
      stack->push_back(code.Take<uint32_t>());
      return true;
    case 0x0e:  // DW_OP_const8u
      stack->push_back(code.Take<uint64_t>());
      return true;
    case 0x10:  // DW_OP_constu
      stack->push_back(code.TakeUleb());
      return true;
    case 0x11:  // DW_OP_consts
      stack->push_back(static_cast<uint64_t>(code.TakeSleb()));
      return true;
    default:
      break;
  }
  if (stack->empty()) return false;
  uint64_t& top = stack->back();
  switch (operation) {
    case 0x06:  // DW_OP_deref
      return memory.Copy(top, &top, sizeof(top));
    case 0x12:  // DW_OP_dup
      stack->push_back(uint64_t{top});
      return true;
    case 0x13:  // DW_OP_drop
      stack->pop_back();
      return true;
    case 0x23:  // DW_OP_plus_uconst
      top += code.TakeUleb();
      return true;
    default:
      break;
  }
  if (stack->size() < 2) return false;
  const uint64_t right = stack->back();
  stack->pop_back();
  uint64_t& left = stack->back();
  switch (operation) {
    case 0x1a:  // DW_OP_and
      left &= right;
      return true;
    case 0x1c:  // DW_OP_minus
      left -= right;
      return true;
    case 0x1e:  // DW_OP_mul
      left *= right;
      return true;
    case 0x21:  // DW_OP_or
      left |= right;
      return true;
    case 0x22:  // DW_OP_plus
      left += right;
      return true;
    case 0x24:  // DW_OP_shl
      left = right < 64 ? left << right : 0;
      return true;
    case 0x25:  // DW_OP_shr
      left = right < 64 ? left >> right : 0;
      return true;
    case 0x2a:  // DW_OP_ge
      left = static_cast<int64_t>(left) >= static_cast<int64_t>(right) ? 1 : 0;
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::optional<uint64_t> EvaluateExpression(RemoteMemory& memory,
                                            const Registers& registers,
                                            uint64_t begin, uint64_t size,
                                            absl::optional<uint64_t> first) {
  constexpr size_t kMaxDepth = 64;
  std::vector<uint64_t> stack;
  if (first.has_value()) stack.push_back(*first);
  Cursor code(memory, begin);
  while (code.at() < begin + size) {
    const auto operation = code.Take<uint8_t>();
    if (!code.ok() || stack.size() > kMaxDepth) return absl::nullopt;
    if (operation >= 0x30 && operation <= 0x4f) {  // DW_OP_lit0...
      stack.push_back(operation - 0x30U);
      continue;
    }
    if (operation >= 0x70 && operation <= 0x8f) {  // DW_OP_breg0...
      const size_t number = operation - 0x70U;
      const int64_t offset = code.TakeSleb();
      if (number >= kDwarfRegisters) return absl::nullopt;
      stack.push_back(registers.values[number] + static_cast<uint64_t>(offset));
      continue;
    }
    if (!Operate(operation, memory, code, &stack)) return absl::nullopt;
  }
  if (!code.ok() || stack.empty()) return absl::nullopt;
  return stack.back();
}

}  // namespace encapsulate
