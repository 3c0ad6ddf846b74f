// SPDX-License-Identifier: Apache-2.0
//
// The memory of a thread of another process, read to take its call stack, and
// what that may cost. Every byte of it may be forged, so that loops in it never
// end: whoever reads spends of one budget, and once that is spent every read
// fails.
#ifndef ENCAPSULATE_INSPECT_REMOTE_MEMORY_H_
#define ENCAPSULATE_INSPECT_REMOTE_MEMORY_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>

namespace encapsulate {

// Of one stack. The deepest stacks of large programs need a twentieth; a
// static program without a table of functions needs four reads for each of its
// functions.
struct StackLimits {
  int64_t reads = 2000000;
  int64_t pages = 2048;  // 8 MiB
  // For pages that come from a slow disk.
  std::chrono::milliseconds time{1000};
  // Of /proc/TID/maps: 65,530 mappings, which is the kernel's own limit.
  size_t maps_bytes = 8 << 20;
};

class StackBudget {
 public:
  explicit StackBudget(const StackLimits& limits)
      : limits_(limits),
        deadline_(std::chrono::steady_clock::now() + limits.time) {}

  // Each is false once anything is spent, and remains so.
  bool SpendRead();
  bool SpendPage();
  // To be asked around other work.
  bool IsLeft();

  const StackLimits& limits() const { return limits_; }
  int64_t reads() const { return reads_; }
  int64_t pages() const { return pages_; }

 private:
  const StackLimits limits_;
  const std::chrono::steady_clock::time_point deadline_;
  int64_t reads_ = 0;
  int64_t pages_ = 0;
  bool spent_ = false;
};

// Reads a page at a time, and each page once.
class RemoteMemory {
 public:
  // How many bytes of `size` could be read.
  using Reader =
      std::function<size_t(uint64_t address, void* buffer, size_t size)>;

  RemoteMemory(Reader reader, StackBudget* budget)
      : reader_(std::move(reader)), budget_(*budget) {}

  // All of it or nothing; `buffer` is undefined then.
  bool Copy(uint64_t address, void* buffer, size_t size);

 private:
  // Null if the budget is spent.
  const std::string* Page(uint64_t page);

  const Reader reader_;
  StackBudget& budget_;
  std::unordered_map<uint64_t, std::string> pages_;
  // Most reads are of the page that the one before was of.
  uint64_t last_page_ = 0;
  const std::string* last_ = nullptr;
};

// Encodings of pointers (Linux Standard Base, "DWARF Extensions").
inline constexpr uint8_t kEncodingOmitted = 0xff;
inline constexpr uint8_t kEncodingIndirect = 0x80;

// Walks through memory; after a failed read everything is 0 and ok() false.
class Cursor {
 public:
  Cursor(RemoteMemory& memory, uint64_t at) : memory_(memory), at_(at) {}

  uint64_t at() const { return at_; }
  bool ok() const { return ok_; }
  void Skip(uint64_t count) { at_ += count; }

  template <typename T>
  T Take() {
    T value = {};
    if (!ok_ || !memory_.Copy(at_, &value, sizeof(value))) {
      ok_ = false;
      return T();
    }
    at_ += sizeof(value);
    return value;
  }

  uint64_t TakeUleb();
  int64_t TakeSleb();
  // `data` is what data-relative pointers count from.
  uint64_t TakeEncoded(uint8_t encoding, uint64_t data);

 private:
  RemoteMemory& memory_;
  uint64_t at_;
  bool ok_ = true;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_REMOTE_MEMORY_H_
