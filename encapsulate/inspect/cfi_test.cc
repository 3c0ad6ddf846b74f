// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/cfi.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "encapsulate/inspect/registers.h"
#include "encapsulate/inspect/remote_memory.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

constexpr uint64_t kBase = 0x10000;   // of the memory
constexpr uint64_t kFunction = 0x50;  // where it begins, and its size
constexpr uint64_t kSize = 0x20;
constexpr uint64_t kStack = kBase + 0x800;

template <typename T>
void Append(std::string* bytes, T value) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string Bytes(const std::vector<int>& values) {
  std::string bytes;
  for (int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

constexpr int kSp = kStackPointer;
constexpr int kRa = kReturnAddress;

// The caller's frame is 16 bytes up, and the return address right below it.
std::string Usual() { return Bytes({0x0c, kSp, 16, 0x80 | kRa, 1}); }

// Memory with one common part, the frame information of one function, a stack
// of words that count up from 1, and as many zeros behind as one likes.
class CfiTest : public testing::Test {
 protected:
  // False if there's no way to the caller.
  bool Step(const std::string& instructions, uint64_t address = kFunction + 8,
            const std::string& augmentation = "zR") {
    std::string common;
    Append<uint32_t>(&common, 0);
    common += '\1';  // version
    common += augmentation + '\0';
    common += Bytes({1, 0x78, kRa, 1, 0x04});  // alignments 1 and -8
    std::string function;
    Append(&function, static_cast<uint32_t>(common.size() + 8));
    Append(&function, kFunction);
    Append(&function, kSize);
    function += '\0';  // nothing of the language's own
    function += instructions;
    memory_bytes_.clear();
    Append(&memory_bytes_, static_cast<uint32_t>(common.size()));
    memory_bytes_ += common;
    information_ = kBase + memory_bytes_.size();
    Append(&memory_bytes_,
           static_cast<uint32_t>(function.size() + trailing_zeros_));
    memory_bytes_ += function;
    if (trailing_zeros_ == 0) {
      EXPECT_LT(memory_bytes_.size(), kStack - kBase);
      memory_bytes_.resize(kStack - kBase);
      for (uint64_t word = 1; word <= 64; ++word) Append(&memory_bytes_, word);
    }
    registers_ = Registers();
    registers_.pc = address;
    for (uint64_t i = 0; i < kDwarfRegisters; ++i) {
      registers_.values[i] = 1000 + i;
    }
    registers_.values[kSp] = kStack;
    FrameIndex index;
    index.functions = {{kFunction, information_}};
    RemoteMemory memory = Memory();
    return StepByCallFrames(memory, index, address, &registers_, &interrupted_);
  }

  RemoteMemory Memory() {
    return RemoteMemory(
        [this](uint64_t address, void* buffer, size_t size) {
          const uint64_t end = memory_bytes_.size() + trailing_zeros_;
          if (address < kBase || address - kBase >= end) return size_t{0};
          memset(buffer, 0, size);
          const uint64_t at = address - kBase;
          if (at < memory_bytes_.size()) {
            memcpy(buffer, &memory_bytes_[at],
                   std::min<size_t>(size, memory_bytes_.size() - at));
          }
          return size;
        },
        &budget_);
  }

  std::string memory_bytes_;
  uint64_t information_ = 0;
  size_t trailing_zeros_ = 0;
  StackLimits limits_ = [] {
    StackLimits limits;
    limits.time = std::chrono::hours(1);
    return limits;
  }();
  StackBudget budget_{limits_};
  Registers registers_;
  bool interrupted_ = false;
};

TEST_F(CfiTest, FindsTheCaller) {
  ASSERT_TRUE(Step(Usual()));
  EXPECT_EQ(registers_.pc, 2U) << "the second word of the stack";
  EXPECT_EQ(registers_.values[kSp], kStack + 16);
  EXPECT_EQ(registers_.values[3], 1003U) << "others stay as they are";
  EXPECT_FALSE(interrupted_);
}

TEST_F(CfiTest, KnowsWhereAFunctionEnds) {
  EXPECT_TRUE(Step(Usual(), kFunction));
  EXPECT_TRUE(Step(Usual(), kFunction + kSize - 1));
  EXPECT_FALSE(Step(Usual(), kFunction - 1));
  EXPECT_FALSE(Step(Usual(), kFunction + kSize));
}

TEST_F(CfiTest, RunsInstructionsUpToTheAddress) {
  const std::string pushes = Usual() + Bytes({0x44, 0x0e, 32});  // 4 on
  ASSERT_TRUE(Step(pushes, kFunction + 3));
  EXPECT_EQ(registers_.values[kSp], kStack + 16);
  ASSERT_TRUE(Step(pushes, kFunction + 4));
  EXPECT_EQ(registers_.values[kSp], kStack + 32);
}

TEST_F(CfiTest, RemembersAndRestores) {
  ASSERT_TRUE(Step(Usual() + Bytes({0x0a, 0x0e, 32, 0x07, 3, 0x0b})));
  EXPECT_EQ(registers_.values[kSp], kStack + 16);
  EXPECT_EQ(registers_.values[3], 1003U);
  EXPECT_FALSE(Step(Usual() + Bytes({0x0b}))) << "nothing was remembered";
}

TEST_F(CfiTest, RestoresEveryKindOfRegister) {
  EXPECT_FALSE(Step(Usual() + Bytes({0x10, 5, 2, 0x08, 8})))
      << "saved at address 8, where nothing is";
  const std::string restores = Bytes({
      0x83, 2,                    // 3: saved at CFA - 16
      0x14, 2, 1,                 // 2: is CFA - 8
      0x09, 1, 3,                 // 1: is in 3
      0x07, 0,                    // 0: lost
      0x10, 5, 2, 0x23, 8,        // 5: saved at CFA + 8
      0x16, 4, 3, 0x08, 42, 0x12  // 4: is 42
  });
  ASSERT_TRUE(Step(Usual() + restores));
  EXPECT_EQ(registers_.values[3], 1U);
  EXPECT_EQ(registers_.values[2], kStack + 8);
  EXPECT_EQ(registers_.values[1], 1003U);
  EXPECT_EQ(registers_.values[0], 0U);
  EXPECT_EQ(registers_.values[5], 4U);
  EXPECT_EQ(registers_.values[4], 42U);
}

TEST_F(CfiTest, TheOutermostFunctionHasNoCaller) {
  ASSERT_TRUE(Step(Usual() + Bytes({0x07, kRa})));
  EXPECT_EQ(registers_.pc, 0U);
}

TEST_F(CfiTest, KnowsSignalFrames) {
  ASSERT_TRUE(Step(Usual(), kFunction + 8, "zRS"));
  EXPECT_TRUE(interrupted_);
}

TEST_F(CfiTest, RefusesWhatItDoesNotKnow) {
  EXPECT_FALSE(Step(Usual() + Bytes({0x3f})));
  EXPECT_FALSE(Step(Usual(), kFunction + 8, "zX"));
  EXPECT_FALSE(Step(Bytes({0x0c, 99, 16}))) << "no such register";
  EXPECT_FALSE(Step(Bytes({0x0f, 1, 0x06}))) << "an empty stack";
  EXPECT_EQ(registers_.pc, kFunction + 8) << "nothing was changed";
}

// --- Without end
// --------------------------------------------------------------

TEST_F(CfiTest, EndlessNopsSpendTheBudget) {
  trailing_zeros_ = size_t{1} << 30;
  EXPECT_FALSE(Step(Usual()));
  EXPECT_LE(budget_.reads(), limits_.reads + 1);
  EXPECT_LE(budget_.pages(), limits_.pages);
  EXPECT_FALSE(budget_.IsLeft());
}

TEST_F(CfiTest, StatesAreRememberedADozenDeepAndNotForEver) {
  const auto remember = [](size_t count) {
    return Usual() + std::string(count, '\x0a');
  };
  EXPECT_TRUE(Step(remember(12)));
  EXPECT_FALSE(Step(remember(1000)));
}

TEST_F(CfiTest, ExpressionsHaveAStackOfLimitedDepth) {
  const auto duplicates = [](int count) {
    return Usual() + Bytes({0x16, 4, count + 1, 0x30}) +
           std::string(static_cast<size_t>(count), '\x12');
  };
  EXPECT_TRUE(Step(duplicates(12)));
  EXPECT_FALSE(Step(duplicates(100)));
}

// --- All functions
// -------------------------------------------------------------

TEST_F(CfiTest, ListsFunctions) {
  ASSERT_TRUE(Step(Usual()));
  RemoteMemory memory = Memory();
  const std::vector<FunctionEntry> functions =
      ListFunctions(memory, budget_, kBase, 0x1000);
  ASSERT_EQ(functions.size(), 1U);
  EXPECT_EQ(functions[0].begin, kFunction);
  EXPECT_EQ(functions[0].information, information_);
  EXPECT_TRUE(ListFunctions(memory, budget_, kBase, 0).empty());
}

TEST_F(CfiTest, AnEndlessListLeavesReadsForTheStack) {
  // Entries of one word each, in memory that has the same page again and again.
  std::string page;
  while (page.size() < 4096) {
    Append<uint32_t>(&page, 4);
    Append<uint32_t>(&page, 0);
  }
  const auto reader = [&](uint64_t, void* buffer, size_t size) {
    memcpy(buffer, page.data(), size);
    return size;
  };
  StackLimits generous = limits_;
  generous.pages = 1 << 30;
  StackBudget budget(generous);
  RemoteMemory endless(reader, &budget);
  EXPECT_TRUE(ListFunctions(endless, budget, kBase, ~uint64_t{0}).empty());
  EXPECT_LE(budget.reads(), generous.reads / 2 + 2);
  EXPECT_TRUE(budget.IsLeft());
}

}  // namespace
}  // namespace encapsulate
