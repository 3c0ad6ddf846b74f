// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/shared/records.h"

#include <signal.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "encapsulate/violations.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

bool IsLine(int64_t number) {
  return number >= std::numeric_limits<int>::min() &&
         number <= std::numeric_limits<int>::max();
}

bool IsResultType(int64_t number) {
  return number >= testing::TestPartResult::kSuccess &&
         number <= testing::TestPartResult::kSkip;
}

bool IsRule(int64_t number) {
  return number >= 0 && number < static_cast<int64_t>(AllRules().size());
}

// Whether the numbers are such that the plugin can have written them.
bool HasUsableNumbers(RecordKind kind, const int64_t (&numbers)[3]) {
  switch (kind) {
    case RecordKind::kResult:
      return IsResultType(numbers[0]) && IsLine(numbers[1]);
    case RecordKind::kDone:
      return numbers[0] >= 0;
    case RecordKind::kBeginExpected:
      return numbers[0] > 0 && IsRule(numbers[1]) && IsLine(numbers[2]);
    case RecordKind::kEndExpected:
    case RecordKind::kStray:
      return numbers[0] > 0;
    case RecordKind::kSignal:
      return numbers[0] > 0 && numbers[0] < NSIG;
    case RecordKind::kProperty:
    case RecordKind::kExit:
    case RecordKind::kDeath:
    case RecordKind::kCleared:
    case RecordKind::kQuickExit:
      return true;
  }
  return false;  // no kind
}

}  // namespace

absl::nullopt_t RecordReader::Damaged(absl::string_view why) {
  damage_ = absl::StrCat(why, " at byte ", seen_);
  return absl::nullopt;
}

absl::optional<Record> RecordReader::Next(uint64_t committed) {
  if (!damage_.empty() || committed == seen_) return absl::nullopt;
  if (committed > capacity_ || committed < seen_) {
    return Damaged(
        absl::StrCat("there can't be ", committed, " bytes of records"));
  }
  const auto left = static_cast<size_t>(committed) - seen_;
  RecordHeader header;
  if (left < sizeof(header)) return Damaged("there is half a record");
  memcpy(&header, memory_ + seen_, sizeof(header));
  // From here on it is the copy that counts; it may not be fetched again.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (header.size < sizeof(header) || header.size > left ||
      header.size % kRecordAlignment != 0) {
    return Damaged(
        absl::StrCat("there is a record of ", header.size, " bytes"));
  }
  Record record;
  record.kind = static_cast<RecordKind>(header.kind);
  memcpy(record.numbers, header.numbers, sizeof(record.numbers));
  if (!HasUsableNumbers(record.kind, record.numbers)) {
    return Damaged("there is a record of no kind");
  }
  const char* from = memory_ + seen_ + sizeof(header);
  size_t room = header.size - sizeof(header);
  for (int i = 0; i < 2; ++i) {
    const int64_t size = header.text_sizes[i];
    if (size == -1) continue;
    if (size < 0 || static_cast<uint64_t>(size) > room) {
      return Damaged(absl::StrCat("there is a text of ", size, " bytes"));
    }
    record.texts[i].assign(from, static_cast<size_t>(size));
    if (record.texts[i].find('\0') != std::string::npos) {
      return Damaged("there is a text with a null character");
    }
    from += size;
    room -= static_cast<size_t>(size);
  }
  if (room >= kRecordAlignment) return Damaged("there is a gap in a record");
  seen_ += header.size;
  return record;
}

}  // namespace encapsulate
