// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/remote_memory.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "gtest/gtest.h"

namespace encapsulate {
namespace {

constexpr uint64_t kPage = 4096;

// Every byte is its page's number; pages from `end` on aren't there.
RemoteMemory::Reader PagesUpTo(uint64_t end, int* reads) {
  return [end, reads](uint64_t address, void* buffer, size_t size) {
    ++*reads;
    if (address >= end) return size_t{0};
    memset(buffer, static_cast<int>(address / kPage), size);
    return size;
  };
}

StackLimits Limits(int64_t reads, int64_t pages) {
  StackLimits limits;
  limits.reads = reads;
  limits.pages = pages;
  limits.time = std::chrono::hours(1);
  return limits;
}

TEST(RemoteMemoryTest, CopiesAcrossPagesAndReadsEachOnce) {
  StackBudget budget(Limits(10, 10));
  int reads = 0;
  RemoteMemory memory(PagesUpTo(3 * kPage, &reads), &budget);
  unsigned char bytes[4] = {};
  EXPECT_TRUE(memory.Copy(2 * kPage - 2, bytes, sizeof(bytes)));
  EXPECT_EQ(bytes[1], 1);
  EXPECT_EQ(bytes[2], 2);
  EXPECT_TRUE(memory.Copy(kPage, bytes, sizeof(bytes)));
  EXPECT_FALSE(memory.Copy(3 * kPage - 2, bytes, sizeof(bytes)));
  EXPECT_EQ(reads, 3);
  EXPECT_EQ(budget.pages(), 3);
  EXPECT_TRUE(budget.IsLeft());
}

TEST(RemoteMemoryTest, FailsForGoodAfterTooManyReads) {
  StackBudget budget(Limits(5, 10));
  int reads = 0;
  RemoteMemory memory(PagesUpTo(10 * kPage, &reads), &budget);
  char byte;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(memory.Copy(0, &byte, 1));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(memory.Copy(0, &byte, 1));
  EXPECT_FALSE(budget.IsLeft());
}

TEST(RemoteMemoryTest, FailsForGoodAfterTooManyPages) {
  StackBudget budget(Limits(100, 5));
  int reads = 0;
  RemoteMemory memory(PagesUpTo(100 * kPage, &reads), &budget);
  char byte;
  for (uint64_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(memory.Copy(i * kPage, &byte, 1));
  }
  EXPECT_FALSE(memory.Copy(5 * kPage, &byte, 1));
  EXPECT_FALSE(memory.Copy(0, &byte, 1)) << "though it was read before";
  EXPECT_EQ(reads, 5);
}

TEST(RemoteMemoryTest, PagesThatAreNotThereCountAsWell) {
  StackBudget budget(Limits(100, 5));
  int reads = 0;
  RemoteMemory memory(PagesUpTo(0, &reads), &budget);
  char byte;
  for (uint64_t i = 0; i < 50; ++i) {
    EXPECT_FALSE(memory.Copy(i * kPage, &byte, 1));
  }
  EXPECT_EQ(reads, 5);
}

TEST(RemoteMemoryTest, FailsAfterItsTime) {
  StackLimits limits = Limits(1 << 20, 1 << 20);
  limits.time = std::chrono::milliseconds(0);
  StackBudget budget(limits);
  int reads = 0;
  RemoteMemory memory(PagesUpTo(kPage, &reads), &budget);
  char byte;
  EXPECT_FALSE(memory.Copy(0, &byte, 1));
  EXPECT_EQ(reads, 0);
}

TEST(RemoteMemoryTest, AReadAcrossTheEndOfTheAddressSpaceHasAnEnd) {
  StackBudget budget(Limits(100, 100));
  int reads = 0;
  RemoteMemory memory(PagesUpTo(~uint64_t{0}, &reads), &budget);
  char bytes[8];
  EXPECT_TRUE(memory.Copy(~uint64_t{0} - 3, bytes, sizeof(bytes)));
  EXPECT_EQ(bytes[4], 0);
}

// --- Numbers
// ------------------------------------------------------------------

class CursorTest : public testing::Test {
 protected:
  // At address kPage.
  Cursor Over(const std::string& bytes) {
    bytes_ = bytes;
    return Cursor(memory_, kPage);
  }

 private:
  std::string bytes_;
  StackBudget budget_{Limits(1000, 10)};
  RemoteMemory memory_{[this](uint64_t address, void* buffer, size_t size) {
                         if (address != kPage) return size_t{0};
                         if (size > bytes_.size()) size = bytes_.size();
                         memcpy(buffer, bytes_.data(), size);
                         return size;
                       },
                       &budget_};
};

TEST_F(CursorTest, TakesNumbersOfVariableLength) {
  Cursor cursor = Over("\x7f\xe5\x8e\x26\x7f\x80\x7f");
  EXPECT_EQ(cursor.TakeUleb(), 127U);
  EXPECT_EQ(cursor.TakeUleb(), 624485U);
  EXPECT_EQ(cursor.TakeSleb(), -1);
  EXPECT_EQ(cursor.TakeSleb(), -128);
  EXPECT_TRUE(cursor.ok());
  EXPECT_EQ(cursor.TakeUleb(), 0U);
  EXPECT_FALSE(cursor.ok());
}

TEST_F(CursorTest, ANumberWithoutEndHasTenBytes) {
  Cursor cursor = Over(std::string(100, '\xff'));
  EXPECT_EQ(cursor.TakeUleb(), ~uint64_t{0});
  EXPECT_EQ(cursor.at(), kPage + 10);
  EXPECT_EQ(cursor.TakeSleb(), -1);
  EXPECT_EQ(cursor.at(), kPage + 20);
}

TEST_F(CursorTest, TakesEncodedPointers) {
  Cursor cursor = Over(std::string("\xfc\xff\xff\xff\x08\0\0\0", 8));
  EXPECT_EQ(cursor.TakeEncoded(0x1b, 0), kPage - 4);  // pc-relative, signed
  EXPECT_EQ(cursor.TakeEncoded(0x33, 100), 108U);     // data-relative
  EXPECT_EQ(cursor.TakeEncoded(kEncodingOmitted, 0), 0U);
  EXPECT_TRUE(cursor.ok());
  cursor.TakeEncoded(0x0f, 0);
  EXPECT_FALSE(cursor.ok());
}

}  // namespace
}  // namespace encapsulate
