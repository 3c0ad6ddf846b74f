// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/shared/records.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

using testing::HasSubstr;
using testing::TestPartResult;

constexpr int64_t kFailed = TestPartResult::kNonFatalFailure;

// Memory of exactly the size of its records, so that a sanitizer finds what
// reads beyond them.
class Log {
 public:
  void Add(const RecordHeader& header, const std::string& texts = "") {
    const auto* const bytes = reinterpret_cast<const char*>(&header);
    memory_.insert(memory_.end(), bytes, bytes + sizeof(header));
    memory_.insert(memory_.end(), texts.begin(), texts.end());
    memory_.resize((memory_.size() + kRecordAlignment - 1) / kRecordAlignment *
                   kRecordAlignment);
  }
  std::vector<char>& memory() { return memory_; }

  // The damage that its records are found to have; "" if all can be read.
  std::string Damage() const { return DamageOf(memory_.size()); }
  std::string DamageOf(uint64_t committed) const {
    RecordReader reader(memory_.data(), memory_.size());
    while (reader.Next(committed).has_value()) {
    }
    return reader.damage();
  }

 private:
  std::vector<char> memory_;
};

RecordHeader Header(RecordKind kind, uint32_t size) {
  return {static_cast<uint32_t>(kind), size, {kFailed, 7, 0}, {-1, -1}};
}

constexpr auto kAlone = static_cast<uint32_t>(sizeof(RecordHeader));

TEST(RecordReaderTest, ReadsRecordsAsTheyCome) {
  Log log;
  RecordHeader header = Header(RecordKind::kResult, kAlone + 16);
  header.text_sizes[0] = 4;
  header.text_sizes[1] = 7;
  log.Add(header, "filemessage");
  const size_t first = log.memory().size();
  log.Add(Header(RecordKind::kDone, kAlone));
  RecordReader reader(log.memory().data(), log.memory().size());
  EXPECT_FALSE(reader.Next(0).has_value());
  const absl::optional<Record> result = reader.Next(first);
  ASSERT_TRUE(result.has_value()) << reader.damage();
  EXPECT_EQ(result->kind, RecordKind::kResult);
  EXPECT_EQ(result->numbers[0], kFailed);
  EXPECT_EQ(result->numbers[1], 7);
  EXPECT_EQ(result->texts[0], "file");
  EXPECT_EQ(result->texts[1], "message");
  EXPECT_FALSE(reader.Next(first).has_value());
  const absl::optional<Record> done = reader.Next(log.memory().size());
  ASSERT_TRUE(done.has_value()) << reader.damage();
  EXPECT_EQ(done->kind, RecordKind::kDone);
  EXPECT_EQ(reader.damage(), "");
}

TEST(RecordReaderTest, NoTextAndAnEmptyOneAreReadAlike) {
  Log log;
  RecordHeader header = Header(RecordKind::kProperty, kAlone);
  header.text_sizes[0] = 0;
  log.Add(header);
  EXPECT_EQ(log.Damage(), "");
}

TEST(RecordReaderTest, SizesThatCannotBeAreDamage) {
  for (uint32_t size : {0U, 8U, kAlone - 8, kAlone + 4, kAlone + 8,
                        std::numeric_limits<uint32_t>::max()}) {
    Log log;
    log.Add(Header(RecordKind::kDone, size));
    EXPECT_THAT(log.Damage(), HasSubstr("there is a record of ")) << size;
  }
}

TEST(RecordReaderTest, CountsThatCannotBeAreDamage) {
  Log log;
  log.Add(Header(RecordKind::kDone, kAlone));
  EXPECT_EQ(log.DamageOf(kAlone), "");
  EXPECT_EQ(log.DamageOf(1), "there is half a record at byte 0");
  for (uint64_t committed : {uint64_t{kAlone} + 1, uint64_t{1} << 40,
                             std::numeric_limits<uint64_t>::max()}) {
    EXPECT_THAT(log.DamageOf(committed), HasSubstr("bytes of records at byte"));
  }
  RecordReader reader(log.memory().data(), log.memory().size());
  ASSERT_TRUE(reader.Next(kAlone).has_value());
  EXPECT_FALSE(reader.Next(0).has_value());
  EXPECT_THAT(reader.damage(), HasSubstr("there can't be 0 bytes of records"));
  // Nothing is read from there on.
  EXPECT_FALSE(reader.Next(kAlone).has_value());
}

TEST(RecordReaderTest, TextsThatCannotBeAreDamage) {
  for (int64_t size : {int64_t{-2}, int64_t{17}, int64_t{120} << 20,
                       int64_t{1} << 40, std::numeric_limits<int64_t>::min(),
                       std::numeric_limits<int64_t>::max()}) {
    for (int text : {0, 1}) {
      Log log;
      RecordHeader header = Header(RecordKind::kResult, kAlone + 16);
      header.text_sizes[text] = size;
      log.Add(header, std::string(16, 'x'));
      EXPECT_THAT(log.Damage(), HasSubstr("there is a text of ")) << size;
    }
  }
  Log log;
  RecordHeader header = Header(RecordKind::kResult, kAlone + 16);
  header.text_sizes[0] = 8;
  log.Add(header, std::string(16, 'x'));
  EXPECT_EQ(log.Damage(), "there is a gap in a record at byte 0");
  header.text_sizes[1] = 8;
  Log filled;
  filled.Add(header, std::string(16, 'x'));
  EXPECT_EQ(filled.Damage(), "");
  Log null;
  null.Add(header, std::string(16, '\0'));
  EXPECT_EQ(null.Damage(), "there is a text with a null character at byte 0");
}

TEST(RecordReaderTest, NumbersThatCannotBeAreDamage) {
  struct Case {
    RecordKind kind;
    int64_t numbers[3];
    bool good;
  };
  constexpr int64_t kLarge = int64_t{1} << 32;
  for (const Case& one : std::vector<Case>{
           {RecordKind::kResult, {0, -1, 0}, true},
           {RecordKind::kResult, {3, 1, 0}, true},
           {RecordKind::kResult, {-1, 1, 0}, false},
           {RecordKind::kResult, {4, 1, 0}, false},
           {RecordKind::kResult, {1, kLarge, 0}, false},
           {RecordKind::kDone, {0, 0, 0}, true},
           {RecordKind::kDone, {-1, 0, 0}, false},
           {RecordKind::kSignal, {11, 0, -1}, true},
           {RecordKind::kSignal, {0, 0, 0}, false},
           {RecordKind::kSignal, {kLarge, 0, 0}, false},
           {RecordKind::kExit, {-1, 0, 0}, true},
           {RecordKind::kStray, {5, 0, 0}, true},
           {RecordKind::kStray, {-5, 0, 0}, false},
           {RecordKind::kBeginExpected, {1, 12, 3}, true},
           {RecordKind::kBeginExpected, {1, 13, 3}, false},
           {RecordKind::kBeginExpected, {1, -1, 3}, false},
           {RecordKind::kBeginExpected, {0, 1, 3}, false},
           {RecordKind::kBeginExpected, {1, 1, kLarge}, false},
           {RecordKind::kEndExpected, {1, 0, 0}, true},
           {RecordKind::kEndExpected, {0, 0, 0}, false},
           {RecordKind::kCleared, {0, 0, 0}, true},
           {static_cast<RecordKind>(11), {1, 1, 1}, false},
           {static_cast<RecordKind>(0xffffffff), {1, 1, 1}, false},
       }) {
    Log log;
    RecordHeader header = Header(one.kind, kAlone);
    memcpy(header.numbers, one.numbers, sizeof(header.numbers));
    log.Add(header);
    EXPECT_EQ(log.Damage(),
              one.good ? "" : "there is a record of no kind at byte 0")
        << static_cast<uint32_t>(one.kind) << " " << one.numbers[0];
  }
}

// Whatever is there: it is read within the memory, and to an end.
TEST(RecordReaderTest, EndsWhateverIsThere) {
  constexpr unsigned kSeed = 20260110;
  std::mt19937 random(kSeed);
  for (int i = 0; i < 2000; ++i) {
    Log log;
    RecordHeader header = Header(RecordKind::kResult, kAlone + 16);
    header.text_sizes[0] = 5;
    header.text_sizes[1] = 9;
    for (int j = 0; j < 4; ++j) log.Add(header, "some text here");
    std::vector<char>& memory = log.memory();
    for (unsigned changes = random() % 8; changes > 0; --changes) {
      memory[random() % memory.size()] = static_cast<char>(random());
    }
    RecordReader reader(memory.data(), memory.size());
    size_t records = 0;
    while (reader.Next(memory.size()).has_value()) ++records;
    EXPECT_LE(records, memory.size() / sizeof(RecordHeader)) << "round " << i;
    EXPECT_EQ(records == 4, reader.damage().empty()) << "round " << i;
  }
}

}  // namespace
}  // namespace encapsulate
