#include "encapsulate/unwind.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/unique_fd.h"

namespace encapsulate {
namespace {

// The thread's memory, a page at a time.
class Memory {
 public:
  explicit Memory(const ThreadView& thread) : thread_(thread) {}

  bool Copy(uint64_t address, void* buffer, size_t size) {
    auto* to = static_cast<char*>(buffer);
    while (size > 0) {
      const uint64_t page = address & ~(kPage - 1);
      const auto found = pages_.emplace(page, std::string());
      std::string& bytes = found.first->second;
      if (found.second) {
        bytes.resize(kPage);
        bytes.resize(thread_.Read(page, &bytes[0], kPage));
      }
      const size_t at = address - page;
      if (at >= bytes.size()) return false;
      const size_t count = std::min(size, bytes.size() - at);
      std::copy_n(bytes.data() + at, count, to);
      to += count;
      address += count;
      size -= count;
    }
    return true;
  }

 private:
  static constexpr uint64_t kPage = 4096;

  const ThreadView& thread_;
  std::unordered_map<uint64_t, std::string> pages_;
};

// Encodings of pointers (Linux Standard Base, "DWARF Extensions").
constexpr uint8_t kEncodingOmitted = 0xff;
constexpr uint8_t kEncodingIndirect = 0x80;

// Walks through memory; after a failed read everything is 0 and ok() false.
class Cursor {
 public:
  Cursor(Memory& memory, uint64_t at) : memory_(memory), at_(at) {}

  uint64_t at() const { return at_; }
  bool ok() const { return ok_; }
  void Skip(uint64_t count) { at_ += count; }

  template <typename T>
  T Take() {
    T value = {};
    if (!ok_ || !memory_.Copy(at_, &value, sizeof(value))) {
      ok_ = false;
      return T();
    }
    at_ += sizeof(value);
    return value;
  }

  uint64_t TakeUleb() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = Take<uint8_t>();
      value |= uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) break;
    }
    return value;
  }

  int64_t TakeSleb() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = Take<uint8_t>();
      value |= uint64_t{byte & 0x7fU} << shift;
      if ((byte & 0x80) == 0) {
        if ((byte & 0x40) != 0 && shift < 57) {
          value |= ~uint64_t{0} << (shift + 7);
        }
        break;
      }
    }
    return static_cast<int64_t>(value);
  }

  // `data` is what data-relative pointers count from.
  uint64_t TakeEncoded(uint8_t encoding, uint64_t data) {
    if (encoding == kEncodingOmitted) return 0;
    const uint64_t here = at_;
    uint64_t value = 0;
    switch (encoding & 0x0f) {
      case 0x00:
      case 0x04:
      case 0x0c:
        value = Take<uint64_t>();
        break;
      case 0x01:
        value = TakeUleb();
        break;
      case 0x02:
        value = Take<uint16_t>();
        break;
      case 0x03:
        value = Take<uint32_t>();
        break;
      case 0x09:
        value = static_cast<uint64_t>(TakeSleb());
        break;
      case 0x0a:
        value = static_cast<uint64_t>(int64_t{Take<int16_t>()});
        break;
      case 0x0b:
        value = static_cast<uint64_t>(int64_t{Take<int32_t>()});
        break;
      default:
        ok_ = false;
        return 0;
    }
    switch (encoding & 0x70) {
      case 0x00:
        break;
      case 0x10:
        value += here;
        break;
      case 0x30:
        value += data;
        break;
      default:
        ok_ = false;
        return 0;
    }
    if ((encoding & kEncodingIndirect) != 0) {
      value = Cursor(memory_, value).Take<uint64_t>();
    }
    return value;
  }

 private:
  Memory& memory_;
  uint64_t at_;
  bool ok_ = true;
};

struct Mapping {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t offset = 0;
  std::string path;
};

// A mapped program or library.
struct Module {
  bool valid = false;
  uint64_t bias = 0;    // of addresses to those it was linked to
  uint64_t frames = 0;  // address of .eh_frame_hdr, 0 if none
  // Without it, as in static programs of some linkers: where each function's
  // frame information is, by where the function begins.
  std::map<uint64_t, uint64_t> functions;
};

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

// The common part of functions' frame information (CIE), and one function's.
struct Description {
  uint64_t code_alignment = 1;
  int64_t data_alignment = 1;
  uint64_t return_register = 0;
  bool signal_frame = false;
  uint64_t initial = 0;  // instructions of the CIE
  uint64_t initial_end = 0;
  uint64_t begin = 0;  // the function
  uint64_t size = 0;
  uint64_t instructions = 0;
  uint64_t instructions_end = 0;
};

class Unwinder {
 public:
  Unwinder(const ThreadView& thread, const Registers& registers)
      : thread_(thread), memory_(thread), registers_(registers) {
    ReadMappings(thread.tid());
  }

  std::vector<Frame> Run() {
    std::vector<Frame> frames;
    // Where a thread stopped, and where a signal interrupted it, is an
    // instruction to come; elsewhere pc is where a call returns to.
    bool exact = true;
    while (frames.size() < kMaxFrames && registers_.pc != 0) {
      const uint64_t address = registers_.pc - (exact ? 0 : 1);
      const Mapping* const mapping = Find(address);
      if (mapping == nullptr) break;
      const Module& module = ModuleOf(*mapping);
      Frame frame;
      frame.address = address;
      frame.object = mapping->path;
      frame.offset = address - module.bias;
      frames.push_back(std::move(frame));

      const uint64_t stack = registers_.values[kStackPointer];
      const uint64_t pc = registers_.pc;
      exact = false;
      if (!StepByFrames(module, address, &exact) && !StepByPointer()) break;
      // Stacks grow downwards, except onto the one that a signal came in on.
      if (registers_.values[kStackPointer] < stack && !exact) break;
      if (registers_.values[kStackPointer] == stack && registers_.pc == pc) {
        break;
      }
    }
    return frames;
  }

 private:
  void ReadMappings(pid_t tid) {
    const UniqueFd file(open(absl::StrCat("/proc/", tid, "/maps").c_str(),
                             O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return;
    std::string text;
    char buffer[16384];
    ssize_t size;
    while ((size = read(file.get(), buffer, sizeof(buffer))) > 0) {
      text.append(buffer, static_cast<size_t>(size));
    }
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      AddMapping(line);
    }
  }

  // "begin-end perms offset device inode    path"
  void AddMapping(absl::string_view line) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::MaxSplits(' ', 5));
    if (words.size() < 6) return;
    const std::pair<absl::string_view, absl::string_view> range =
        absl::StrSplit(words[0], absl::MaxSplits('-', 1));
    Mapping mapping;
    if (!absl::SimpleHexAtoi(range.first, &mapping.begin) ||
        !absl::SimpleHexAtoi(range.second, &mapping.end) ||
        !absl::SimpleHexAtoi(words[2], &mapping.offset)) {
      return;
    }
    absl::string_view path = words[5];
    while (absl::StartsWith(path, " ")) path.remove_prefix(1);
    if (absl::EndsWith(path, " (deleted)")) path.remove_suffix(10);
    mapping.path = std::string(path);
    mappings_.push_back(std::move(mapping));
  }

  const Mapping* Find(uint64_t address) const {
    for (const Mapping& mapping : mappings_) {
      if (mapping.begin <= address && address < mapping.end) return &mapping;
    }
    return nullptr;
  }

  const Module& ModuleOf(const Mapping& mapping) {
    // The file's start is mapped before its code.
    const Mapping* first = &mapping;
    while (first->offset != 0 && first > mappings_.data() &&
           first[-1].path == mapping.path) {
      --first;
    }
    const auto found = modules_.emplace(first->begin, Module());
    if (found.second && first->offset == 0 && !first->path.empty()) {
      Module* const module = &found.first->second;
      ReadModule(first->begin, module);
      if (module->valid && module->frames == 0 &&
          first->path == thread_.Link("exe")) {
        ListFunctions(module);
      }
    }
    return found.first->second;
  }

  void ReadModule(uint64_t base, Module* module) {
    Elf64_Ehdr header;
    if (!memory_.Copy(base, &header, sizeof(header)) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64) {
      return;
    }
    uint64_t frames = 0;
    bool has_frames = false;
    for (int i = 0; i < header.e_phnum; ++i) {
      Elf64_Phdr segment;
      const uint64_t at =
          base + header.e_phoff + static_cast<uint64_t>(i) * sizeof(segment);
      if (!memory_.Copy(at, &segment, sizeof(segment))) return;
      if (segment.p_type == PT_LOAD && segment.p_offset == 0) {
        module->bias = base - segment.p_vaddr;
        module->valid = true;
      } else if (segment.p_type == PT_GNU_EH_FRAME) {
        frames = segment.p_vaddr;
        has_frames = true;
      }
    }
    if (module->valid && has_frames) module->frames = frames + module->bias;
  }

  // Finds .eh_frame by the section headers, which are not in memory, and notes
  // every function in it.
  void ListFunctions(Module* module) {
    const UniqueFd file(
        open(absl::StrCat("/proc/", thread_.tid(), "/exe").c_str(),
             O_RDONLY | O_CLOEXEC));
    Elf64_Ehdr header;
    if (!file.valid() || !ReadAt(file.get(), 0, &header, sizeof(header)) ||
        header.e_shstrndx >= header.e_shnum) {
      return;
    }
    std::vector<Elf64_Shdr> sections(header.e_shnum);
    if (!ReadAt(file.get(), header.e_shoff, sections.data(),
                sections.size() * sizeof(Elf64_Shdr))) {
      return;
    }
    for (const Elf64_Shdr& section : sections) {
      char name[sizeof(".eh_frame")];
      if (!ReadAt(file.get(),
                  sections[header.e_shstrndx].sh_offset + section.sh_name, name,
                  sizeof(name)) ||
          memcmp(name, ".eh_frame", sizeof(name)) != 0) {
        continue;
      }
      const uint64_t begin = section.sh_addr + module->bias;
      uint64_t at = begin;
      while (at < begin + section.sh_size) {
        Cursor entry(memory_, at);
        const auto length = entry.Take<uint32_t>();
        if (length == 0 || length == 0xffffffff) break;
        const bool is_function = entry.Take<uint32_t>() != 0;
        Description function;
        if (is_function && ReadFunction(at, &function)) {
          module->functions[function.begin] = at;
        }
        at += sizeof(length) + length;
      }
      return;
    }
  }

  static bool ReadAt(int fd, uint64_t offset, void* buffer, size_t size) {
    return pread(fd, buffer, size, static_cast<off_t>(offset)) ==
           static_cast<ssize_t>(size);
  }

  // --- By call frame information ------------------------------------------

  bool StepByFrames(const Module& module, uint64_t address, bool* exact) {
    Description function;
    if (!FindFunction(module, address, &function) || address < function.begin ||
        address - function.begin >= function.size) {
      return false;
    }
    Row row;
    Row initial;
    if (!Execute(function, function.initial, function.initial_end, ~0ULL,
                 initial, &row)) {
      return false;
    }
    initial = row;
    if (!Execute(function, function.instructions, function.instructions_end,
                 address, initial, &row)) {
      return false;
    }
    return Apply(function, row, exact);
  }

  // The last one that begins at or before `address`.
  bool FindFunction(const Module& module, uint64_t address,
                    Description* function) {
    if (module.frames != 0) return SearchTable(module, address, function);
    auto found = module.functions.upper_bound(address);
    return found != module.functions.begin() &&
           ReadFunction((--found)->second, function);
  }

  // By the sorted table of .eh_frame_hdr.
  bool SearchTable(const Module& module, uint64_t address,
                   Description* function) {
    constexpr uint8_t kSortedTable = 0x3b;  // data-relative, 4 bytes, signed
    Cursor header(memory_, module.frames);
    const auto version = header.Take<uint8_t>();
    const auto pointer_encoding = header.Take<uint8_t>();
    const auto count_encoding = header.Take<uint8_t>();
    const auto table_encoding = header.Take<uint8_t>();
    header.TakeEncoded(pointer_encoding, module.frames);
    const uint64_t count = header.TakeEncoded(count_encoding, module.frames);
    if (!header.ok() || version != 1 || table_encoding != kSortedTable) {
      return false;
    }
    uint64_t low = 0;
    uint64_t high = count;
    const auto begin_of = [&](uint64_t index) {
      Cursor entry(memory_, header.at() + index * 8);
      return module.frames +
             static_cast<uint64_t>(int64_t{entry.Take<int32_t>()});
    };
    while (high - low > 1) {
      const uint64_t middle = low + (high - low) / 2;
      (begin_of(middle) <= address ? low : high) = middle;
    }
    if (count == 0 || begin_of(low) > address) return false;
    Cursor entry(memory_, header.at() + low * 8 + 4);
    const uint64_t at =
        module.frames + static_cast<uint64_t>(int64_t{entry.Take<int32_t>()});
    return entry.ok() && ReadFunction(at, function);
  }

  bool ReadFunction(uint64_t at, Description* function) {
    Cursor entry(memory_, at);
    const auto length = entry.Take<uint32_t>();
    if (length == 0 || length == 0xffffffff) return false;
    function->instructions_end = entry.at() + length;
    const uint64_t here = entry.at();
    const uint64_t common = here - entry.Take<uint32_t>();
    uint8_t encoding = 0;
    bool augmented = false;
    if (!ReadCommon(common, function, &encoding, &augmented)) return false;
    function->begin = entry.TakeEncoded(encoding, 0);
    function->size = entry.TakeEncoded(encoding & 0x0f, 0);
    if (augmented) entry.Skip(entry.TakeUleb());
    function->instructions = entry.at();
    return entry.ok();
  }

  bool ReadCommon(uint64_t at, Description* function, uint8_t* encoding,
                  bool* augmented) {
    Cursor entry(memory_, at);
    const auto length = entry.Take<uint32_t>();
    if (length == 0 || length == 0xffffffff) return false;
    function->initial_end = entry.at() + length;
    entry.Take<uint32_t>();  // 0: a CIE
    const auto version = entry.Take<uint8_t>();
    std::string augmentation;
    while (const auto letter = entry.Take<char>()) {
      augmentation += letter;
      if (augmentation.size() > 8) return false;
    }
    function->code_alignment = entry.TakeUleb();
    function->data_alignment = entry.TakeSleb();
    function->return_register =
        version == 1 ? entry.Take<uint8_t>() : entry.TakeUleb();
    uint64_t end = entry.at();
    for (char letter : augmentation) {
      switch (letter) {
        case 'z':
          *augmented = true;
          end = entry.TakeUleb();
          end += entry.at();
          break;
        case 'R':
          *encoding = entry.Take<uint8_t>();
          break;
        case 'L':
          entry.Take<uint8_t>();
          break;
        case 'P':
          // Neither the exception handler's address nor what it points to.
          entry.TakeEncoded(entry.Take<uint8_t>() & ~kEncodingIndirect, 0);
          break;
        case 'S':
          function->signal_frame = true;
          break;
        case 'B':  // aarch64: return addresses are signed with key B
          break;
        default:
          return false;
      }
    }
    function->initial = *augmented ? end : entry.at();
    return entry.ok() && function->return_register < kDwarfRegisters;
  }

  // Runs instructions up to `address`.
  bool Execute(const Description& function, uint64_t begin, uint64_t end,
               uint64_t address, const Row& initial, Row* row) {
    using Kind = RegisterRule::Kind;
    std::vector<Row> remembered;
    uint64_t location = function.begin;
    Cursor code(memory_, begin);
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
      return value * function.data_alignment;
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
      location += advance * function.code_alignment;
      if (location > address) return true;
    }
    return code.ok();
  }

  bool Apply(const Description& function, const Row& row, bool* exact) {
    using Kind = RegisterRule::Kind;
    uint64_t cfa = 0;
    if (row.cfa_size != 0) {
      if (!Evaluate(row.cfa_expression, row.cfa_size, absl::nullopt, &cfa)) {
        return false;
      }
    } else {
      if (row.cfa_register >= kDwarfRegisters) return false;
      cfa = registers_.values[row.cfa_register] +
            static_cast<uint64_t>(row.cfa_offset);
    }
    Registers caller = registers_;
    caller.values[kStackPointer] = cfa;
    for (size_t i = 0; i < kDwarfRegisters; ++i) {
      const RegisterRule& rule = row.rules[i];
      uint64_t& value = caller.values[i];
      uint64_t address = cfa + static_cast<uint64_t>(rule.value);
      switch (rule.kind) {
        case Kind::kSame:
          break;
        case Kind::kUndefined:
          // The outermost function says so of its return address.
          if (i == function.return_register) {
            registers_.pc = 0;
            return true;
          }
          value = 0;
          break;
        case Kind::kOffset:
          if (!Load(address, &value)) return false;
          break;
        case Kind::kValueOffset:
          value = address;
          break;
        case Kind::kRegister:
          if (rule.value < 0 || rule.value >= kDwarfRegisters) return false;
          value = registers_.values[rule.value];
          break;
        case Kind::kExpression:
          if (!Evaluate(rule.expression, rule.size, cfa, &address) ||
              !Load(address, &value)) {
            return false;
          }
          break;
        case Kind::kValueExpression:
          if (!Evaluate(rule.expression, rule.size, cfa, &value)) return false;
          break;
      }
    }
    registers_ = caller;
    registers_.pc = WithoutSignature(caller.values[function.return_register]);
    *exact = function.signal_frame;
    return true;
  }

  bool Load(uint64_t address, uint64_t* value) {
    return memory_.Copy(address, value, sizeof(*value));
  }

  // aarch64 signs return addresses in the bits above any user address.
  static uint64_t WithoutSignature(uint64_t address) {
#if defined(__aarch64__)
    constexpr int kAddressBits = 48;
    return address & ((uint64_t{1} << kAddressBits) - 1);
#else
    return address;
#endif
  }

  // A DWARF expression, as far as compilers and C libraries use them for
  // frames: procedure linkage tables and signal trampolines.
  bool Evaluate(uint64_t begin, uint64_t size, absl::optional<uint64_t> first,
                uint64_t* result) {
    constexpr size_t kMaxDepth = 64;
    std::vector<uint64_t> stack;
    if (first.has_value()) stack.push_back(*first);
    Cursor code(memory_, begin);
    while (code.at() < begin + size) {
      const auto operation = code.Take<uint8_t>();
      if (!code.ok() || stack.size() > kMaxDepth) return false;
      if (operation >= 0x30 && operation <= 0x4f) {  // DW_OP_lit0...
        stack.push_back(operation - 0x30U);
        continue;
      }
      if (operation >= 0x70 && operation <= 0x8f) {  // DW_OP_breg0...
        const size_t number = operation - 0x70U;
        const int64_t offset = code.TakeSleb();
        if (number >= kDwarfRegisters) return false;
        stack.push_back(registers_.values[number] +
                        static_cast<uint64_t>(offset));
        continue;
      }
      if (!Operate(operation, code, &stack)) return false;
    }
    if (!code.ok() || stack.empty()) return false;
    *result = stack.back();
    return true;
  }

  bool Operate(uint8_t operation, Cursor& code, std::vector<uint64_t>* stack) {
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
        return Load(top, &top);
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
        left =
            static_cast<int64_t>(left) >= static_cast<int64_t>(right) ? 1 : 0;
        return true;
      default:
        return false;
    }
  }

  // --- By frame pointers ----------------------------------------------------

  // On both architectures, the caller's frame pointer and the return address
  // lie where the frame pointer points to.
  bool StepByPointer() {
    const uint64_t frame = registers_.values[kFramePointer];
    uint64_t saved[2];
    if (frame % sizeof(uint64_t) != 0 ||
        frame < registers_.values[kStackPointer] ||
        !memory_.Copy(frame, saved, sizeof(saved))) {
      return false;
    }
    registers_.values[kFramePointer] = saved[0];
    registers_.values[kStackPointer] = frame + sizeof(saved);
    registers_.pc = WithoutSignature(saved[1]);
    return true;
  }

  const ThreadView& thread_;
  Memory memory_;
  Registers registers_;
  std::vector<Mapping> mappings_;
  std::map<uint64_t, Module> modules_;  // by where they begin
};

// --- A thread's registers ---------------------------------------------------

#if defined(__x86_64__)
using UserRegisters = user_regs_struct;

Registers FromUser(const UserRegisters& user) {
  Registers registers;
  registers.pc = user.rip;
  const uint64_t values[] = {user.rax, user.rdx, user.rcx, user.rbx, user.rsi,
                             user.rdi, user.rbp, user.rsp, user.r8,  user.r9,
                             user.r10, user.r11, user.r12, user.r13, user.r14,
                             user.r15, user.rip};
  static_assert(sizeof(values) == sizeof(registers.values),
                "DWARF's order of registers is complete");
  memcpy(registers.values, values, sizeof(values));
  return registers;
}

int64_t ResultOf(const UserRegisters& user) {
  return static_cast<int64_t>(user.rax);
}

// i386's, as far as it is needed.
constexpr size_t kCompatSize = 17 * sizeof(uint32_t);
constexpr size_t kCompatResult = 6;  // eax
#elif defined(__aarch64__)
using UserRegisters = user_regs_struct;

Registers FromUser(const UserRegisters& user) {
  Registers registers;
  registers.pc = user.pc;
  memcpy(registers.values, user.regs, sizeof(user.regs));
  registers.values[kStackPointer] = user.sp;
  return registers;
}

int64_t ResultOf(const UserRegisters& user) {
  return static_cast<int64_t>(user.regs[0]);
}

constexpr size_t kCompatSize = 18 * sizeof(uint32_t);
constexpr size_t kCompatResult = 0;  // r0
#endif

}  // namespace

absl::optional<StoppedState> ReadStoppedState(pid_t tid) {
  union {
    UserRegisters native;
    uint32_t compat[kCompatSize / sizeof(uint32_t)];
  } user = {};
  iovec data = {&user, sizeof(user)};
  if (ptrace(PTRACE_GETREGSET, tid, reinterpret_cast<void*>(NT_PRSTATUS),
             &data) != 0) {
    return absl::nullopt;
  }
  StoppedState state;
  if (data.iov_len == kCompatSize) {
    state.result = static_cast<int32_t>(user.compat[kCompatResult]);
  } else {
    state.result = ResultOf(user.native);
    state.registers = FromUser(user.native);
  }
  return state;
}

std::vector<Frame> Unwind(const ThreadView& thread, Registers registers) {
  return Unwinder(thread, registers).Run();
}

}  // namespace encapsulate
