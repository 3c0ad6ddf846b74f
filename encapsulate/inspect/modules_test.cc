// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/modules.h"

#include <elf.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "encapsulate/inspect/remote_memory.h"
#include "encapsulate/inspect/thread_view.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

TEST(ParseMapsTest, KeepsCodeAndStartsOfFiles) {
  const std::vector<Mapping> mappings = ParseMaps(
      "1000-2000 r--p 00000000 fe:00 12   /usr/bin/a b\n"
      "2000-3000 r-xp 00001000 fe:00 12   /usr/bin/a b\n"
      "3000-4000 rw-p 00002000 fe:00 12   /usr/bin/a b\n"
      "5000-6000 rw-p 00000000 00:00 0 \n"
      "5800-5900 rw-p 00000000 00:00 0  [heap]\n"
      "6000-7000 rwxp 00000000 00:00 0 \n"
      "7000-8000 r-xp 00000000 fe:00 13   /tmp/gone (deleted)\n");
  std::vector<std::string> got;
  got.reserve(mappings.size());
  for (const Mapping& mapping : mappings) {
    got.push_back(absl::StrCat(absl::Hex(mapping.begin), "-",
                               absl::Hex(mapping.end), " ",
                               absl::Hex(mapping.offset), " ", mapping.path));
  }
  const std::vector<std::string> wanted = {
      "1000-2000 0 /usr/bin/a b", "2000-3000 1000 /usr/bin/a b", "6000-7000 0 ",
      "7000-8000 0 /tmp/gone"};
  EXPECT_EQ(got, wanted);
}

TEST(ParseMapsTest, SkipsWhatIsNoMapping) {
  EXPECT_TRUE(ParseMaps("").empty());
  EXPECT_TRUE(ParseMaps("\n\n").empty());
  EXPECT_TRUE(ParseMaps("1000 r-xp 0 0:0 0 /a\n").empty());
  EXPECT_TRUE(ParseMaps("x-y r-xp 0 0:0 0 /a\n").empty());
  EXPECT_TRUE(ParseMaps("1000-2000 r-xp").empty());
  // The file was cut off in the midst of a line.
  EXPECT_EQ(ParseMaps("1000-2000 r-xp 0 0:0 0 /a\n2000-30").size(), 1U);
}

// --- Files
// --------------------------------------------------------------------

FileReader Reads(const std::string& file, int* reads) {
  return [&file, reads](uint64_t offset, void* buffer, size_t size) {
    ++*reads;
    if (offset > file.size() || size > file.size() - offset) return false;
    memcpy(buffer, file.data() + offset, size);
    return true;
  };
}

// With as many sections as it says, the last of which has the names.
std::string FileWithSections(uint16_t count) {
  Elf64_Ehdr header = {};
  header.e_shoff = sizeof(header);
  header.e_shnum = count;
  header.e_shstrndx = static_cast<uint16_t>(count - 1);
  std::vector<Elf64_Shdr> sections(count);
  sections[count - 1].sh_offset = sizeof(header) + count * sizeof(Elf64_Shdr);
  if (count > 2) {
    sections[1].sh_name = 5;
    sections[1].sh_addr = 0x4000;
    sections[1].sh_size = 0x100;
  }
  std::string file(reinterpret_cast<const char*>(&header), sizeof(header));
  file.append(reinterpret_cast<const char*>(sections.data()),
              count * sizeof(Elf64_Shdr));
  file.append("text\0.eh_frame\0", 15);
  return file;
}

TEST(FindEhFrameTest, FindsIt) {
  int reads = 0;
  const std::string file = FileWithSections(3);
  const absl::optional<ElfSection> section = FindEhFrame(Reads(file, &reads));
  ASSERT_TRUE(section.has_value());
  EXPECT_EQ(section->address, 0x4000U);
  EXPECT_EQ(section->size, 0x100U);
}

TEST(FindEhFrameTest, LooksAtSomeSectionsAndNotAtAnyNumber) {
  int reads = 0;
  const std::string many = FileWithSections(900);
  EXPECT_TRUE(FindEhFrame(Reads(many, &reads)).has_value());
  reads = 0;
  const std::string too_many = FileWithSections(65000);
  EXPECT_FALSE(FindEhFrame(Reads(too_many, &reads)).has_value());
  EXPECT_EQ(reads, 1);
}

TEST(FindEhFrameTest, NeedsSoundHeaders) {
  int reads = 0;
  EXPECT_FALSE(FindEhFrame(Reads("", &reads)).has_value());
  std::string file = FileWithSections(3);
  auto* const header = reinterpret_cast<Elf64_Ehdr*>(&file[0]);
  header->e_shstrndx = 3;
  EXPECT_FALSE(FindEhFrame(Reads(file, &reads)).has_value());
  header->e_shstrndx = 2;
  header->e_shoff = ~uint64_t{0};
  EXPECT_FALSE(FindEhFrame(Reads(file, &reads)).has_value());
}

// --- Processes
// ----------------------------------------------------------------

class ModulesTest : public testing::Test {
 protected:
  static StackLimits Limits() {
    StackLimits limits;
    limits.time = std::chrono::hours(1);
    return limits;
  }

  const ThreadView self_{getpid()};
  StackBudget budget_{Limits()};
  RemoteMemory memory_{[this](uint64_t address, void* buffer, size_t size) {
                         return self_.Read(address, buffer, size);
                       },
                       &budget_};
};

TEST_F(ModulesTest, FindsTheProgramsOwnCode) {
  Modules modules(getpid(), self_.Link("exe"), &memory_, &budget_);
  std::string path;
  const Module* const module =
      modules.Find(reinterpret_cast<uint64_t>(&ParseMaps), &path);
  ASSERT_NE(module, nullptr);
  EXPECT_FALSE(path.empty());
  EXPECT_TRUE(module->frames.table != 0 || !module->frames.functions.empty());
  EXPECT_EQ(modules.Find(reinterpret_cast<uint64_t>(&path), &path), nullptr)
      << "nothing is executed on the stack";
}

TEST_F(ModulesTest, ReadsNoMoreOfTheMapsThanItMay) {
  StackLimits limits = Limits();
  limits.maps_bytes = 0;
  StackBudget budget(limits);
  Modules modules(getpid(), self_.Link("exe"), &memory_, &budget);
  std::string path;
  EXPECT_EQ(modules.Find(reinterpret_cast<uint64_t>(&ParseMaps), &path),
            nullptr);
}

}  // namespace
}  // namespace encapsulate
