// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/test_names.h"

#include <elf.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "encapsulate/base/files.h"
#include "encapsulate/inspect/modules.h"
#include "encapsulate/inspect/remote_memory.h"

namespace encapsulate {
namespace {

constexpr absl::string_view kPytest = "PYTEST_CURRENT_TEST";
constexpr absl::string_view kVariables[] = {kPytest, "NEXTEST_TEST_NAME",
                                            "BATS_TEST_NAME"};

// A name may be of any length, and each attempt of another one is recorded.
constexpr size_t kMostOfName = 500;
// An environment may have two megabytes (execve(2)).
constexpr size_t kMostInitial = 256 << 10;
constexpr size_t kMostVariables = 4096;
// Programs have some dozens of each.
constexpr int kMostTags = 200;
constexpr int kMostInChain = 1000;

StackLimits Limits() {
  StackLimits limits;
  limits.reads = 20000;
  limits.pages = 256;
  limits.time = std::chrono::milliseconds(100);
  limits.maps_bytes = 1 << 20;
  return limits;
}

absl::string_view NameOf(absl::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// "name=value"; false if it is of another name.
bool TakeName(absl::string_view name, absl::string_view* variable) {
  return absl::ConsumePrefix(variable, name) &&
         absl::ConsumePrefix(variable, "=");
}

// Without what pytest says of the part of the test that runs.
std::string Cut(absl::string_view test) {
  for (absl::string_view phase : {" (setup)", " (call)", " (teardown)"}) {
    if (absl::ConsumeSuffix(&test, phase)) break;
  }
  return std::string(test.substr(0, kMostOfName));
}

// --- The environment in memory -----------------------------------------------

// What the dynamic section of an ELF file in memory tells of its symbols
// (elf(5)); the table of hashes is described in binutils' bfd/elflink.c.
class DynamicSymbols {
 public:
  // `base` is where its start is mapped.
  DynamicSymbols(RemoteMemory& memory, uint64_t base) : memory_(memory) {
    Elf64_Ehdr header;
    const absl::optional<ElfImage> image = ReadElfImage(memory, base);
    if (!image.has_value() || !memory.Copy(base, &header, sizeof(header))) {
      return;
    }
    bias_ = image->bias;
    for (int i = 0; i < header.e_phnum; ++i) {
      Elf64_Phdr segment;
      if (!memory.Copy(base + header.e_phoff + sizeof(segment) * i, &segment,
                       sizeof(segment))) {
        return;
      }
      if (segment.p_type == PT_DYNAMIC) ReadTags(bias_ + segment.p_vaddr);
    }
  }

  // Where the object of that name is; 0 if it isn't defined here.
  uint64_t Find(absl::string_view name) const {
    if (hashes_ == 0 || symbols_ == 0 || strings_ == 0) return 0;
    uint32_t wanted = 5381;
    for (char letter : name) {
      wanted = wanted * 33 + static_cast<unsigned char>(letter);
    }
    Cursor header(memory_, hashes_);
    const auto buckets = header.Take<uint32_t>();
    const auto first = header.Take<uint32_t>();
    const auto words = header.Take<uint32_t>();
    if (!header.ok() || buckets == 0) return 0;
    const uint64_t bucket_table = hashes_ + 16 + uint64_t{8} * words;
    uint32_t symbol = 0;
    if (!memory_.Copy(bucket_table + uint64_t{4} * (wanted % buckets), &symbol,
                      sizeof(symbol)) ||
        symbol < first) {
      return 0;
    }
    const uint64_t chains = bucket_table + uint64_t{4} * buckets;
    for (int i = 0; i < kMostInChain; ++i, ++symbol) {
      uint32_t hash;
      if (!memory_.Copy(chains + uint64_t{4} * (symbol - first), &hash,
                        sizeof(hash))) {
        return 0;
      }
      if ((hash | 1) == (wanted | 1)) {
        const uint64_t address = AddressOf(symbol, name);
        if (address != 0) return address;
      }
      if ((hash & 1) != 0) return 0;
    }
    return 0;
  }

 private:
  void ReadTags(uint64_t at) {
    Cursor tags(memory_, at);
    for (int i = 0; i < kMostTags; ++i) {
      const auto tag = tags.Take<Elf64_Dyn>();
      if (!tags.ok() || tag.d_tag == DT_NULL) return;
      // glibc has put the addresses of the process there, musl has not.
      const uint64_t address =
          tag.d_un.d_ptr < bias_ ? tag.d_un.d_ptr + bias_ : tag.d_un.d_ptr;
      if (tag.d_tag == DT_GNU_HASH) hashes_ = address;
      if (tag.d_tag == DT_SYMTAB) symbols_ = address;
      if (tag.d_tag == DT_STRTAB) strings_ = address;
    }
  }

  uint64_t AddressOf(uint32_t number, absl::string_view name) const {
    Elf64_Sym symbol;
    if (!memory_.Copy(symbols_ + sizeof(symbol) * number, &symbol,
                      sizeof(symbol)) ||
        symbol.st_shndx == SHN_UNDEF || symbol.st_value == 0) {
      return 0;
    }
    std::string there(name.size() + 1, '\0');
    if (!memory_.Copy(strings_ + symbol.st_name, &there[0], there.size()) ||
        there.back() != '\0' || !absl::StartsWith(there, name)) {
      return 0;
    }
    return bias_ + symbol.st_value;
  }

  RemoteMemory& memory_;
  uint64_t bias_ = 0;
  uint64_t hashes_ = 0;
  uint64_t symbols_ = 0;
  uint64_t strings_ = 0;
};

bool IsLibc(absl::string_view path) {
  const absl::string_view name = NameOf(path);
  return absl::StartsWith(name, "libc.so") ||
         absl::StartsWith(name, "ld-musl-");
}

// Where `environ` is. A program that names it has a copy of the C library's.
uint64_t FindEnviron(const ThreadView& thread, absl::string_view program,
                     RemoteMemory& memory) {
  const std::vector<Mapping> mappings = ParseMaps(ReadStart(
      absl::StrCat("/proc/", thread.tid(), "/maps"), Limits().maps_bytes));
  for (const bool own : {true, false}) {
    for (const Mapping& mapping : mappings) {
      if (mapping.offset != 0 ||
          (own ? mapping.path != program : !IsLibc(mapping.path))) {
        continue;
      }
      const uint64_t found =
          DynamicSymbols(memory, mapping.begin).Find("environ");
      if (found != 0) return found;
    }
  }
  return 0;
}

}  // namespace

std::string LiveVariable(const ThreadView& thread, absl::string_view program,
                         absl::string_view name) {
  StackBudget budget(Limits());
  RemoteMemory memory(
      [&thread](uint64_t address, void* buffer, size_t size) {
        return thread.Read(address, buffer, size);
      },
      &budget);
  const uint64_t variable = FindEnviron(thread, program, memory);
  uint64_t list = 0;
  if (variable == 0 || !memory.Copy(variable, &list, sizeof(list)) ||
      list == 0) {
    return "";
  }
  const std::string start = absl::StrCat(name, "=");
  std::string there(start.size(), '\0');
  Cursor entries(memory, list);
  for (size_t i = 0; i < kMostVariables; ++i) {
    const auto entry = entries.Take<uint64_t>();
    if (!entries.ok() || entry == 0) return "";
    if (memory.Copy(entry, &there[0], there.size()) && there == start) {
      return thread.ReadString(entry + start.size()).value_or("");
    }
  }
  return "";
}

std::string NameOfTest(const ThreadView& thread, absl::string_view program) {
  const absl::string_view interpreter = NameOf(program);
  if (absl::StartsWith(interpreter, "python") ||
      absl::StartsWith(interpreter, "pypy")) {
    const std::string test = LiveVariable(thread, program, kPytest);
    if (!test.empty()) return Cut(test);
  }
  const std::string initial =
      ReadStart(absl::StrCat("/proc/", thread.tid(), "/environ"), kMostInitial);
  for (absl::string_view variable : absl::StrSplit(initial, '\0')) {
    for (absl::string_view name : kVariables) {
      absl::string_view test = variable;
      if (TakeName(name, &test)) return Cut(test);
    }
  }
  // Rust's, which runs each test in a thread of its name.
  const ThreadView::Status status = thread.ReadStatus();
  if (status.tid != status.pid && absl::StrContains(status.name, "::")) {
    return status.name;
  }
  return "";
}

}  // namespace encapsulate
