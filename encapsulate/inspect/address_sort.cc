// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/address_sort.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate {
namespace {

// The file may be anything. A C library has a tenth of this, at most.
constexpr size_t kMostSections = 256;
constexpr size_t kMostBytes = size_t{8} << 20;
// connect(2) calls others, where it is a cancellation point.
constexpr size_t kMostInner = 4;

// `count` objects at a place in the file; none if it ends before.
template <typename Object>
std::vector<Object> ReadObjects(int fd, uint64_t offset, size_t count) {
  std::vector<Object> objects(count);
  const size_t size = count * sizeof(Object);
  if (pread(fd, objects.data(), size, static_cast<off_t>(offset)) !=
      static_cast<ssize_t>(size)) {
    objects.clear();
  }
  return objects;
}

// Whether one of the functions called `name` in that table of symbols holds the
// instruction.
bool HoldsInTable(int fd, const Elf64_Shdr& symbols, const Elf64_Shdr& strings,
                  uint64_t instruction, absl::string_view name) {
  if (symbols.sh_size > kMostBytes || strings.sh_size > kMostBytes) {
    return false;
  }
  const std::vector<char> names =
      ReadObjects<char>(fd, strings.sh_offset, strings.sh_size);
  for (const Elf64_Sym& symbol : ReadObjects<Elf64_Sym>(
           fd, symbols.sh_offset, symbols.sh_size / sizeof(Elf64_Sym))) {
    if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC ||
        instruction < symbol.st_value ||
        instruction - symbol.st_value >= symbol.st_size ||
        symbol.st_name >= names.size()) {
      continue;
    }
    const char* const start = names.data() + symbol.st_name;
    const size_t length = strnlen(start, names.size() - symbol.st_name);
    if (absl::string_view(start, length) == name) return true;
  }
  return false;
}

bool IsIn(const ThreadView& thread, const Frame& frame,
          absl::string_view name) {
  if (frame.object.empty() || frame.object[0] != '/') return false;
  const UniqueFd file(
      open(absl::StrCat("/proc/", thread.tid(), "/root", frame.object).c_str(),
           O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC));
  struct stat info;
  if (!file.valid() || fstat(file.get(), &info) != 0 ||
      !S_ISREG(info.st_mode)) {
    return false;
  }
  const std::vector<Elf64_Ehdr> header =
      ReadObjects<Elf64_Ehdr>(file.get(), 0, 1);
  if (header.empty() || memcmp(header[0].e_ident, ELFMAG, SELFMAG) != 0 ||
      header[0].e_ident[EI_CLASS] != ELFCLASS64 ||
      header[0].e_shnum > kMostSections) {
    return false;
  }
  const std::vector<Elf64_Shdr> sections =
      ReadObjects<Elf64_Shdr>(file.get(), header[0].e_shoff, header[0].e_shnum);
  for (const Elf64_Shdr& section : sections) {
    // A program that holds the C library has them in the second.
    if ((section.sh_type == SHT_DYNSYM || section.sh_type == SHT_SYMTAB) &&
        section.sh_link < sections.size() &&
        HoldsInTable(file.get(), section, sections[section.sh_link],
                     frame.offset, name)) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool SortsAddresses(const ThreadView& thread, const std::vector<Frame>& stack) {
  for (size_t i = 0; i + 1 < stack.size() && i < kMostInner; ++i) {
    if (!IsIn(thread, stack[i], "connect")) continue;
    return stack[i + 1].object == stack[i].object &&
           IsIn(thread, stack[i + 1], "getaddrinfo");
  }
  return false;
}

}  // namespace encapsulate
