// SPDX-License-Identifier: Apache-2.0
//
// The programs and libraries that a process has mapped, as far as its stacks
// need them. All that is read may be forged.
#ifndef ENCAPSULATE_INSPECT_MODULES_H_
#define ENCAPSULATE_INSPECT_MODULES_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/inspect/cfi.h"
#include "encapsulate/inspect/remote_memory.h"

namespace encapsulate {

struct Mapping {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t offset = 0;
  bool executable = false;
  std::string path;
};

// Of /proc/PID/maps, in its order: what can be executed, and starts of files.
std::vector<Mapping> ParseMaps(absl::string_view text);

// What the program headers in memory tell of an ELF file.
struct ElfImage {
  uint64_t bias = 0;   // of addresses to those it was linked to
  uint64_t table = 0;  // address of .eh_frame_hdr, 0 if none
};
// `base` is where its start is mapped. None if it is no 64-bit ELF file.
absl::optional<ElfImage> ReadElfImage(RemoteMemory& memory, uint64_t base);

// A section by the section headers, which are not in memory.
struct ElfSection {
  uint64_t address = 0;  // as linked
  uint64_t size = 0;
};
// False if not all of `size` could be read.
using FileReader =
    std::function<bool(uint64_t offset, void* buffer, size_t size)>;
absl::optional<ElfSection> FindEhFrame(const FileReader& read);

struct Module {
  uint64_t bias = 0;
  FrameIndex frames;
};

class Modules {
 public:
  // `executable` is the path of the process's program.
  Modules(pid_t tid, std::string executable, RemoteMemory* memory,
          StackBudget* budget);

  // The module and the path of its file at an address. Null if nothing there
  // can be executed. It stays valid.
  const Module* Find(uint64_t address, std::string* path);

 private:
  void ReadMaps();
  void Read(const Mapping& first, Module* module);

  const pid_t tid_;
  const std::string executable_;
  RemoteMemory& memory_;
  StackBudget& budget_;
  std::vector<Mapping> mappings_;
  std::map<uint64_t, Module> modules_;  // by where they begin
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_MODULES_H_
