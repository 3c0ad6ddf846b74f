// SPDX-License-Identifier: Apache-2.0
//
// What the process of a test tells its program, as records in memory that both
// map, and how they are read.
//
// The test can write there whatever it likes, at any time, on purpose or by a
// stray pointer. So nothing in there is believed: the reader copies each header
// once, and bounds every size by what is there before it uses it.
#ifndef GTEST_PLUGIN_SHARED_RECORDS_H_
#define GTEST_PLUGIN_SHARED_RECORDS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace encapsulate {

enum class RecordKind : uint32_t {
  kResult,    // numbers: type, line; texts: file, message
  kProperty,  // texts: key, value
  kDone,      // numbers: elapsed time in us
  kSignal,    // a signal that ends the process; numbers: signal, code, address
  kExit,      // exit() was called; numbers: status
  kStray,     // a process that the test had forked came back; numbers: pid
  kDeath,     // a sanitizer ends the process
  // ExpectBlocked begins; numbers: its own, rule, line; texts: target, file
  kBeginExpected,
  kEndExpected,  // and ends; numbers: its own
  kCleared,      // the test has dropped its results so far
  kQuickExit,    // quick_exit() was called
};

// clang-tidy 14 trips over the arrays' hidden loop variable.
// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming)
struct Record {
  RecordKind kind = RecordKind::kDone;
  int64_t numbers[3] = {};
  std::string texts[2];  // empty if there is none
};

// A record in memory: this, the texts without a terminator, and what fills it
// up to the next multiple of the alignment.
struct RecordHeader {
  uint32_t kind;
  uint32_t size;  // of the whole record
  int64_t numbers[3];
  int64_t text_sizes[2];  // -1: no text
};
constexpr size_t kRecordAlignment = alignof(RecordHeader);

class RecordReader {
 public:
  // Of the `capacity` bytes at `memory`.
  RecordReader() = default;
  RecordReader(const char* memory, size_t capacity)
      : memory_(memory), capacity_(capacity) {}

  // The next record of those that take the first `committed` bytes, if there is
  // one. Takes the time of a copy of it, whatever the memory holds.
  absl::optional<Record> Next(uint64_t committed);

  // Why the records can't be read any further; "" if they can. There is no next
  // one from then on.
  const std::string& damage() const { return damage_; }

 private:
  absl::nullopt_t Damaged(absl::string_view why);

  const char* memory_ = nullptr;
  size_t capacity_ = 0;
  size_t seen_ = 0;
  std::string damage_;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_SHARED_RECORDS_H_
