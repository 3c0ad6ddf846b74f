// SPDX-License-Identifier: Apache-2.0
//
// Programs that forge what the caller reads to take their stacks: it gives up
// after a bounded effort, and the attempt is recorded all the same.
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "encapsulate/sandbox.h"
#include "encapsulate/violations.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

#if defined(__x86_64__)

// Where the forged library is.
constexpr uint64_t kBase = 0x200000000000;
constexpr size_t kLibrary = 8192;
// Parts of it.
constexpr size_t kTable = 0x200;   // .eh_frame_hdr
constexpr size_t kCommon = 0x300;  // of the frame information
constexpr size_t kCode = 0x800;

template <typename T>
void Put(unsigned char* at, T value) {
  memcpy(at, &value, sizeof(value));
}

// The library has one function, which makes the call mkdir(2). Its frame
// information ends with `size` bytes of `instruction`.
bool MapForgedLibrary(unsigned char instruction, size_t size) {
  unsigned char image[kLibrary] = {};
  auto* const header = reinterpret_cast<Elf64_Ehdr*>(image);
  memcpy(header->e_ident, ELFMAG, SELFMAG);
  header->e_ident[EI_CLASS] = ELFCLASS64;
  header->e_phoff = sizeof(*header);
  header->e_phnum = 2;
  auto* const segments = reinterpret_cast<Elf64_Phdr*>(image + sizeof(*header));
  segments[0].p_type = PT_LOAD;
  segments[1].p_type = PT_GNU_EH_FRAME;
  segments[1].p_vaddr = kTable;
  // One entry: where the function begins, and its information.
  memcpy(image + kTable, "\x01\x03\x03\x3b", 4);
  Put<uint32_t>(image + kTable + 8, 1);
  Put<int32_t>(image + kTable + 12, -static_cast<int32_t>(kTable));
  Put<int32_t>(image + kTable + 16, kLibrary - kTable);
  // Version 1, alignments 1 and -8, the return address is 16, pointers are
  // absolute.
  Put<uint32_t>(image + kCommon, 0x1c);
  memcpy(image + kCommon + 8, "\x01zR\0\x01\x78\x10\x01\x04", 9);
  image[kCode] = 0xb8;  // mov eax, ...
  Put<uint32_t>(image + kCode + 1, SYS_mkdir);
  memcpy(image + kCode + 5, "\x0f\x05\xc3", 3);  // syscall; ret
  const int file = memfd_create("forged", 0);
  if (write(file, image, sizeof(image)) != ssize_t{kLibrary} ||
      mmap(reinterpret_cast<void*>(kBase), kLibrary, PROT_READ | PROT_EXEC,
           MAP_PRIVATE | MAP_FIXED, file, 0) == MAP_FAILED) {
    return false;
  }
  close(file);
  auto* const information = reinterpret_cast<unsigned char*>(kBase + kLibrary);
  if (mmap(information, size + 8192, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
           0) == MAP_FAILED) {
    return false;
  }
  Put(information, static_cast<uint32_t>(size + 64));
  Put(information + 4, static_cast<uint32_t>(kLibrary + 4 - kCommon));
  Put<uint64_t>(information + 8, kBase);
  Put<uint64_t>(information + 16, kLibrary);
  // The caller's frame is at rsp + 8, the return address right below.
  memcpy(information + 25, "\x0c\x07\x08\x90\x01", 5);
  // Memory that is never written takes none.
  if (instruction != 0) memset(information + 30, instruction, size);
  return true;
}

bool AttemptFromForgedLibrary() {
  using Function = long (*)(const char*, long);
  return reinterpret_cast<Function>(kBase + kCode)("/usr/nothing", 0755) ==
         -EROFS;
}

size_t PeakMegabytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<size_t>(usage.ru_maxrss) >> 10;
}

// How many frames of the attempt are known, and that it took little memory.
void ExpectFrames(const std::function<bool()>& prepare, size_t least,
                  size_t most) {
  InFork([&] {
    const size_t before = PeakMegabytes();
    Options options = Writable({});
    options.violations = Violations::kReport;
    const Result result = RunEntered(options, [&] {
      return prepare() && AttemptFromForgedLibrary() ? 0 : 1;
    });
    EXPECT_EQ(result.exit_code, 0);
    ASSERT_EQ(result.record.violations.size(), 1U);
    EXPECT_EQ(result.record.violations[0].target, "/usr/nothing");
    EXPECT_EQ(result.record.violations[0].error, EROFS);
    EXPECT_GE(result.record.violations[0].stack.size(), least);
    EXPECT_LE(result.record.violations[0].stack.size(), most);
    EXPECT_LE(PeakMegabytes() - before, 64U);
  });
}

class HostileStackTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!HasStacks()) GTEST_SKIP() << "this kernel has none";
  }
};

TEST_F(HostileStackTest, SomeInstructionsAreRun) {
  ExpectFrames([] { return MapForgedLibrary(0, 4000); }, 3, 64);
  ExpectFrames([] { return MapForgedLibrary(0x0a, 10); }, 3, 64);
}

TEST_F(HostileStackTest, InstructionsWithoutEndAreNotRun) {
  constexpr size_t kMany = 512 << 20;
  ExpectFrames([] { return MapForgedLibrary(0, kMany); }, 1, 1);
}

TEST_F(HostileStackTest, StatesAreNotRememberedWithoutEnd) {
  constexpr size_t kMany = 4 << 20;
  // The frame pointer may lead on.
  ExpectFrames([] { return MapForgedLibrary(0x0a, kMany); }, 1, 64);
}

TEST_F(HostileStackTest, MappingsWithoutEndCostNoMore) {
  const auto prepare = [] {
    if (!MapForgedLibrary(0, 10)) return false;
    // Neighbours of different rights aren't merged. The library stays below.
    constexpr size_t kPage = 4096;
    constexpr size_t kMappings = 1 << 17;
    auto* const region = static_cast<char*>(
        mmap(reinterpret_cast<void*>(kBase + (1 << 20)), kMappings * kPage,
             PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (region == MAP_FAILED) return false;
    size_t made = 0;
    while (made < kMappings &&
           mprotect(region + made * kPage, kPage, PROT_READ | PROT_EXEC) == 0) {
      made += 2;
    }
    return made > 1000;
  };
  ExpectFrames(prepare, 1, 64);
}

#else

TEST(HostileStackTest, IsOfOneArchitecture) {
  GTEST_SKIP() << "the forged function is x86-64's";
}

#endif

}  // namespace
}  // namespace encapsulate
