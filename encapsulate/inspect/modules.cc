// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/modules.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/inspect/cfi.h"
#include "encapsulate/inspect/remote_memory.h"

namespace encapsulate {
namespace {

// Programs have some dozens.
constexpr size_t kMaxSections = 1000;

// The next word of a line, and the blanks behind it, are taken off.
absl::string_view TakeWord(absl::string_view* line) {
  const absl::string_view word = line->substr(0, line->find(' '));
  line->remove_prefix(word.size());
  while (absl::ConsumePrefix(line, " ")) {
  }
  return word;
}

// "begin-end perms offset device inode    path"
bool ParseMapping(absl::string_view line, Mapping* mapping) {
  const absl::string_view range = TakeWord(&line);
  const size_t dash = range.find('-');
  const absl::string_view permissions = TakeWord(&line);
  if (dash == absl::string_view::npos ||
      !absl::SimpleHexAtoi(TakeWord(&line), &mapping->offset)) {
    return false;
  }
  mapping->executable = absl::StrContains(permissions, "x");
  // Of 65,530 mappings most are neither.
  if (!mapping->executable && mapping->offset != 0) return false;
  if (!absl::SimpleHexAtoi(range.substr(0, dash), &mapping->begin) ||
      !absl::SimpleHexAtoi(range.substr(dash + 1), &mapping->end)) {
    return false;
  }
  TakeWord(&line);
  TakeWord(&line);
  if (!mapping->executable && !absl::StartsWith(line, "/")) return false;
  absl::ConsumeSuffix(&line, " (deleted)");
  mapping->path = std::string(line);
  return true;
}

}  // namespace

std::vector<Mapping> ParseMaps(absl::string_view text) {
  std::vector<Mapping> mappings;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    Mapping mapping;
    if (ParseMapping(line, &mapping)) mappings.push_back(std::move(mapping));
  }
  return mappings;
}

absl::optional<ElfImage> ReadElfImage(RemoteMemory& memory, uint64_t base) {
  Elf64_Ehdr header;
  if (!memory.Copy(base, &header, sizeof(header)) ||
      memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64) {
    return absl::nullopt;
  }
  ElfImage image;
  bool is_loaded = false;
  bool has_table = false;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    const uint64_t at =
        base + header.e_phoff + static_cast<uint64_t>(i) * sizeof(segment);
    if (!memory.Copy(at, &segment, sizeof(segment))) return absl::nullopt;
    if (segment.p_type == PT_LOAD && segment.p_offset == 0) {
      image.bias = base - segment.p_vaddr;
      is_loaded = true;
    } else if (segment.p_type == PT_GNU_EH_FRAME) {
      image.table = segment.p_vaddr;
      has_table = true;
    }
  }
  if (!is_loaded) return absl::nullopt;
  if (has_table) image.table += image.bias;
  return image;
}

absl::optional<ElfSection> FindEhFrame(const FileReader& read) {
  Elf64_Ehdr header;
  if (!read(0, &header, sizeof(header)) || header.e_shnum > kMaxSections ||
      header.e_shstrndx >= header.e_shnum) {
    return absl::nullopt;
  }
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  if (!read(header.e_shoff, sections.data(),
            sections.size() * sizeof(Elf64_Shdr))) {
    return absl::nullopt;
  }
  const uint64_t names = sections[header.e_shstrndx].sh_offset;
  for (const Elf64_Shdr& section : sections) {
    char name[sizeof(".eh_frame")];
    if (read(names + section.sh_name, name, sizeof(name)) &&
        memcmp(name, ".eh_frame", sizeof(name)) == 0) {
      return ElfSection{section.sh_addr, section.sh_size};
    }
  }
  return absl::nullopt;
}

Modules::Modules(pid_t tid, std::string executable, RemoteMemory* memory,
                 StackBudget* budget)
    : tid_(tid),
      executable_(std::move(executable)),
      memory_(*memory),
      budget_(*budget) {
  ReadMaps();
}

void Modules::ReadMaps() {
  const UniqueFd file(open(absl::StrCat("/proc/", tid_, "/maps").c_str(),
                           O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return;
  std::string text;
  char buffer[16384];
  ssize_t size;
  while (text.size() < budget_.limits().maps_bytes && budget_.IsLeft() &&
         (size = read(file.get(), buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(size));
  }
  mappings_ = ParseMaps(text);
}

const Module* Modules::Find(uint64_t address, std::string* path) {
  const auto above =
      std::upper_bound(mappings_.begin(), mappings_.end(), address,
                       [](uint64_t value, const Mapping& mapping) {
                         return value < mapping.begin;
                       });
  if (above == mappings_.begin() || address >= above[-1].end ||
      !above[-1].executable) {
    return nullptr;
  }
  *path = above[-1].path;
  // The file's start is mapped before its code.
  auto first = above - 1;
  while (first->offset != 0 && first != mappings_.begin() &&
         first[-1].path == *path) {
    --first;
  }
  const auto found = modules_.emplace(first->begin, Module());
  if (found.second) Read(*first, &found.first->second);
  return &found.first->second;
}

void Modules::Read(const Mapping& first, Module* module) {
  if (first.offset != 0 || first.path.empty()) return;
  const absl::optional<ElfImage> image = ReadElfImage(memory_, first.begin);
  if (!image.has_value()) return;
  module->bias = image->bias;
  module->frames.table = image->table;
  if (image->table != 0 || first.path != executable_) return;

  const UniqueFd file(
      open(absl::StrCat("/proc/", tid_, "/exe").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return;
  const auto read = [&](uint64_t offset, void* buffer, size_t size) {
    return budget_.SpendRead() &&
           pread(file.get(), buffer, size, static_cast<off_t>(offset)) ==
               static_cast<ssize_t>(size);
  };
  const absl::optional<ElfSection> section = FindEhFrame(read);
  if (!section.has_value()) return;
  module->frames.functions = ListFunctions(
      memory_, budget_, section->address + image->bias, section->size);
}

}  // namespace encapsulate
