// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/cfi.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "encapsulate/inspect/dwarf_expression.h"
#include "encapsulate/inspect/registers.h"
#include "encapsulate/inspect/remote_memory.h"

namespace encapsulate {
namespace {

// DW_CFA_remember_state is nested by no compiler.
constexpr size_t kMaxRemembered = 64;

// How a caller's register, or the canonical frame address, is found.
struct RegisterRule {
  enum class Kind : uint8_t {
    kSame,
    kUndefined,
    kOffset,           // saved at CFA + value
    kValueOffset,      // is CFA + value
    kRegister,         // is register `value`
    kExpression,       // saved at an address
    kValueExpression,  // is a value
  };
  Kind kind = Kind::kSame;
  int64_t value = 0;
  uint64_t expression = 0;  // where its bytes are, after their count
  uint64_t size = 0;
};

struct Row {
  // The CFA: a register and an offset, or an expression.
  uint64_t cfa_register = 0;
  int64_t cfa_offset = 0;
  uint64_t cfa_expression = 0;
  uint64_t cfa_size = 0;
  RegisterRule rules[kDwarfRegisters];
};

// The common part of functions' frame information (CIE).
struct Common {
  uint64_t at = 0;  // 0: not read
  uint64_t code_alignment = 1;
  uint64_t data_alignment = 1;  // in two's complement
  uint64_t return_register = 0;
  uint8_t encoding = 0;
  bool augmented = false;
  bool signal_frame = false;
  uint64_t initial = 0;  // instructions
  uint64_t initial_end = 0;
};

// One function's (FDE).
struct Description {
  Common common;
  uint64_t begin = 0;
  uint64_t size = 0;
  uint64_t instructions = 0;
  uint64_t instructions_end = 0;
};

bool ReadCommon(RemoteMemory& memory, uint64_t at, Common* common) {
  *common = Common();
  common->at = at;
  Cursor entry(memory, at);
  const auto length = entry.Take<uint32_t>();
  if (length == 0 || length == 0xffffffff) return false;
  common->initial_end = entry.at() + length;
  entry.Take<uint32_t>();  // 0: a CIE
  const auto version = entry.Take<uint8_t>();
  std::string augmentation;
  while (const auto letter = entry.Take<char>()) {
    augmentation += letter;
    if (augmentation.size() > 8) return false;
  }
  common->code_alignment = entry.TakeUleb();
  common->data_alignment = static_cast<uint64_t>(entry.TakeSleb());
  common->return_register =
      version == 1 ? entry.Take<uint8_t>() : entry.TakeUleb();
  uint64_t end = entry.at();
  for (char letter : augmentation) {
    switch (letter) {
      case 'z':
        common->augmented = true;
        end = entry.TakeUleb();
        end += entry.at();
        break;
      case 'R':
        common->encoding = entry.Take<uint8_t>();
        break;
      case 'L':
        entry.Take<uint8_t>();
        break;
      case 'P':
        // Neither the exception handler's address nor what it points to.
        entry.TakeEncoded(entry.Take<uint8_t>() & ~kEncodingIndirect, 0);
        break;
      case 'S':
        common->signal_frame = true;
        break;
      case 'B':  // aarch64: return addresses are signed with key B
        break;
      default:
        return false;
    }
  }
  common->initial = common->augmented ? end : entry.at();
  return entry.ok() && common->return_register < kDwarfRegisters;
}

// `function->common` may be of the function before: neighbours share it.
bool ReadFunction(RemoteMemory& memory, uint64_t at, Description* function) {
  Cursor entry(memory, at);
  const auto length = entry.Take<uint32_t>();
  if (length == 0 || length == 0xffffffff) return false;
  function->instructions_end = entry.at() + length;
  const uint64_t here = entry.at();
  const uint64_t common = here - entry.Take<uint32_t>();
  if (common == 0) return false;
  if (function->common.at != common &&
      !ReadCommon(memory, common, &function->common)) {
    function->common = Common();
    return false;
  }
  const uint8_t encoding = function->common.encoding;
  function->begin = entry.TakeEncoded(encoding, 0);
  function->size = entry.TakeEncoded(encoding & 0x0f, 0);
  if (function->common.augmented) entry.Skip(entry.TakeUleb());
  function->instructions = entry.at();
  return entry.ok();
}

// By the sorted table of .eh_frame_hdr.
bool SearchTable(RemoteMemory& memory, uint64_t table, uint64_t address,
                 Description* function) {
  constexpr uint8_t kSortedTable = 0x3b;  // data-relative, 4 bytes, signed
  Cursor header(memory, table);
  const auto version = header.Take<uint8_t>();
  const auto pointer_encoding = header.Take<uint8_t>();
  const auto count_encoding = header.Take<uint8_t>();
  const auto table_encoding = header.Take<uint8_t>();
  header.TakeEncoded(pointer_encoding, table);
  const uint64_t count = header.TakeEncoded(count_encoding, table);
  if (!header.ok() || version != 1 || table_encoding != kSortedTable) {
    return false;
  }
  uint64_t low = 0;
  uint64_t high = count;
  const auto begin_of = [&](uint64_t index) {
    Cursor entry(memory, header.at() + index * 8);
    return table + static_cast<uint64_t>(int64_t{entry.Take<int32_t>()});
  };
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    (begin_of(middle) <= address ? low : high) = middle;
  }
  if (count == 0 || begin_of(low) > address) return false;
  Cursor entry(memory, header.at() + low * 8 + 4);
  const uint64_t at =
      table + static_cast<uint64_t>(int64_t{entry.Take<int32_t>()});
  return entry.ok() && ReadFunction(memory, at, function);
}

// The last one that begins at or before `address`.
bool FindFunction(RemoteMemory& memory, const FrameIndex& index,
                  uint64_t address, Description* function) {
  if (index.table != 0) {
    return SearchTable(memory, index.table, address, function);
  }
  const auto found =
      std::upper_bound(index.functions.begin(), index.functions.end(), address,
                       [](uint64_t value, const FunctionEntry& entry) {
                         return value < entry.begin;
                       });
  return found != index.functions.begin() &&
         ReadFunction(memory, found[-1].information, function);
}

// Runs instructions up to `address`.
bool Execute(RemoteMemory& memory, const Description& function, uint64_t begin,
             uint64_t end, uint64_t address, const Row& initial, Row* row) {
  using Kind = RegisterRule::Kind;
  std::vector<Row> remembered;
  uint64_t location = function.begin;
  Cursor code(memory, begin);
  const auto set = [&](uint64_t number, Kind kind, int64_t value) {
    if (number < kDwarfRegisters) {
      row->rules[number] = {kind, value, 0, 0};
    }
  };
  const auto set_expression = [&](uint64_t number, Kind kind) {
    const uint64_t size = code.TakeUleb();
    if (number < kDwarfRegisters) {
      row->rules[number] = {kind, 0, code.at(), size};
    }
    code.Skip(size);
  };
  const auto factored = [&](int64_t value) {
    return static_cast<int64_t>(static_cast<uint64_t>(value) *
                                function.common.data_alignment);
  };
  while (code.at() < end && code.ok()) {
    const auto instruction = code.Take<uint8_t>();
    const uint64_t low = instruction & 0x3f;
    uint64_t advance = 0;
    switch (instruction & 0xc0) {
      case 0x40:  // DW_CFA_advance_loc
        advance = low;
        break;
      case 0x80:  // DW_CFA_offset
        set(low, Kind::kOffset,
            factored(static_cast<int64_t>(code.TakeUleb())));
        continue;
      case 0xc0:  // DW_CFA_restore
        if (low < kDwarfRegisters) row->rules[low] = initial.rules[low];
        continue;
      default:
        break;
    }
    if ((instruction & 0xc0) == 0) {
      switch (instruction) {
        case 0x00:  // DW_CFA_nop
          continue;
        case 0x02:  // DW_CFA_advance_loc1
          advance = code.Take<uint8_t>();
          break;
        case 0x03:  // DW_CFA_advance_loc2
          advance = code.Take<uint16_t>();
          break;
        case 0x04:  // DW_CFA_advance_loc4
          advance = code.Take<uint32_t>();
          break;
        case 0x05: {  // DW_CFA_offset_extended
          const uint64_t number = code.TakeUleb();
          set(number, Kind::kOffset,
              factored(static_cast<int64_t>(code.TakeUleb())));
          continue;
        }
        case 0x06: {  // DW_CFA_restore_extended
          const uint64_t number = code.TakeUleb();
          if (number < kDwarfRegisters) {
            row->rules[number] = initial.rules[number];
          }
          continue;
        }
        case 0x07:  // DW_CFA_undefined
          set(code.TakeUleb(), Kind::kUndefined, 0);
          continue;
        case 0x08:  // DW_CFA_same_value
          set(code.TakeUleb(), Kind::kSame, 0);
          continue;
        case 0x09: {  // DW_CFA_register
          const uint64_t number = code.TakeUleb();
          set(number, Kind::kRegister, static_cast<int64_t>(code.TakeUleb()));
          continue;
        }
        case 0x0a:  // DW_CFA_remember_state
          if (remembered.size() == kMaxRemembered) return false;
          remembered.push_back(*row);
          continue;
        case 0x0b:  // DW_CFA_restore_state
          if (remembered.empty()) return false;
          *row = remembered.back();
          remembered.pop_back();
          continue;
        case 0x0c:  // DW_CFA_def_cfa
          row->cfa_register = code.TakeUleb();
          row->cfa_offset = static_cast<int64_t>(code.TakeUleb());
          row->cfa_size = 0;
          continue;
        case 0x0d:  // DW_CFA_def_cfa_register
          row->cfa_register = code.TakeUleb();
          row->cfa_size = 0;
          continue;
        case 0x0e:  // DW_CFA_def_cfa_offset
          row->cfa_offset = static_cast<int64_t>(code.TakeUleb());
          continue;
        case 0x0f:  // DW_CFA_def_cfa_expression
          row->cfa_size = code.TakeUleb();
          row->cfa_expression = code.at();
          code.Skip(row->cfa_size);
          continue;
        case 0x10:  // DW_CFA_expression
          set_expression(code.TakeUleb(), Kind::kExpression);
          continue;
        case 0x11: {  // DW_CFA_offset_extended_sf
          const uint64_t number = code.TakeUleb();
          set(number, Kind::kOffset, factored(code.TakeSleb()));
          continue;
        }
        case 0x12:  // DW_CFA_def_cfa_sf
          row->cfa_register = code.TakeUleb();
          row->cfa_offset = factored(code.TakeSleb());
          row->cfa_size = 0;
          continue;
        case 0x13:  // DW_CFA_def_cfa_offset_sf
          row->cfa_offset = factored(code.TakeSleb());
          continue;
        case 0x14: {  // DW_CFA_val_offset
          const uint64_t number = code.TakeUleb();
          set(number, Kind::kValueOffset,
              factored(static_cast<int64_t>(code.TakeUleb())));
          continue;
        }
        case 0x15: {  // DW_CFA_val_offset_sf
          const uint64_t number = code.TakeUleb();
          set(number, Kind::kValueOffset, factored(code.TakeSleb()));
          continue;
        }
        case 0x16:  // DW_CFA_val_expression
          set_expression(code.TakeUleb(), Kind::kValueExpression);
          continue;
        case 0x2d:  // DW_CFA_AARCH64_negate_ra_state; see Apply()
          continue;
        case 0x2e:  // DW_CFA_GNU_args_size
          code.TakeUleb();
          continue;
        default:
          return false;
      }
    }
    location += advance * function.common.code_alignment;
    if (location > address) return true;
  }
  return code.ok();
}

bool Apply(RemoteMemory& memory, const Description& function, const Row& row,
           Registers* registers) {
  using Kind = RegisterRule::Kind;
  uint64_t cfa = 0;
  if (row.cfa_size != 0) {
    const absl::optional<uint64_t> computed = EvaluateExpression(
        memory, *registers, row.cfa_expression, row.cfa_size, absl::nullopt);
    if (!computed.has_value()) return false;
    cfa = *computed;
  } else {
    if (row.cfa_register >= kDwarfRegisters) return false;
    cfa = registers->values[row.cfa_register] +
          static_cast<uint64_t>(row.cfa_offset);
  }
  const auto load = [&](uint64_t address, uint64_t* value) {
    return memory.Copy(address, value, sizeof(*value));
  };
  Registers caller = *registers;
  caller.values[kStackPointer] = cfa;
  for (size_t i = 0; i < kDwarfRegisters; ++i) {
    const RegisterRule& rule = row.rules[i];
    uint64_t& value = caller.values[i];
    const uint64_t address = cfa + static_cast<uint64_t>(rule.value);
    switch (rule.kind) {
      case Kind::kSame:
        break;
      case Kind::kUndefined:
        // The outermost function says so of its return address.
        if (i == function.common.return_register) {
          registers->pc = 0;
          return true;
        }
        value = 0;
        break;
      case Kind::kOffset:
        if (!load(address, &value)) return false;
        break;
      case Kind::kValueOffset:
        value = address;
        break;
      case Kind::kRegister:
        if (rule.value < 0 || rule.value >= kDwarfRegisters) return false;
        value = registers->values[rule.value];
        break;
      case Kind::kExpression:
      case Kind::kValueExpression: {
        const absl::optional<uint64_t> computed = EvaluateExpression(
            memory, *registers, rule.expression, rule.size, cfa);
        if (!computed.has_value()) return false;
        value = *computed;
        if (rule.kind == Kind::kExpression && !load(*computed, &value)) {
          return false;
        }
        break;
      }
    }
  }
  *registers = caller;
  registers->pc =
      WithoutSignature(caller.values[function.common.return_register]);
  return true;
}

}  // namespace

std::vector<FunctionEntry> ListFunctions(RemoteMemory& memory,
                                         const StackBudget& budget,
                                         uint64_t begin, uint64_t size) {
  std::vector<FunctionEntry> functions;
  Description function;
  uint64_t at = begin;
  while (at - begin < size && budget.reads() < budget.limits().reads / 2) {
    Cursor entry(memory, at);
    const auto length = entry.Take<uint32_t>();
    if (length == 0 || length == 0xffffffff) break;
    const bool is_function = entry.Take<uint32_t>() != 0;
    if (is_function && ReadFunction(memory, at, &function)) {
      functions.push_back({function.begin, at});
    }
    at += sizeof(length) + length;
  }
  std::sort(functions.begin(), functions.end(),
            [](const FunctionEntry& left, const FunctionEntry& right) {
              return left.begin < right.begin;
            });
  return functions;
}

bool StepByCallFrames(RemoteMemory& memory, const FrameIndex& index,
                      uint64_t address, Registers* registers,
                      bool* interrupted) {
  Description function;
  if (!FindFunction(memory, index, address, &function) ||
      address < function.begin || address - function.begin >= function.size) {
    return false;
  }
  const Common& common = function.common;
  Row row;
  const Row none;
  if (!Execute(memory, function, common.initial, common.initial_end, ~0ULL,
               none, &row)) {
    return false;
  }
  const Row initial = row;
  if (!Execute(memory, function, function.instructions,
               function.instructions_end, address, initial, &row) ||
      !Apply(memory, function, row, registers)) {
    return false;
  }
  *interrupted = common.signal_frame;
  return true;
}

}  // namespace encapsulate
