// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/remote_memory.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace encapsulate {
namespace {

constexpr uint64_t kPage = 4096;
// Looking at the clock takes longer than a read.
constexpr int64_t kReadsBetweenLooks = 1024;

}  // namespace

bool StackBudget::SpendRead() {
  if (spent_ || ++reads_ > limits_.reads) spent_ = true;
  return reads_ % kReadsBetweenLooks == 0 ? IsLeft() : !spent_;
}

bool StackBudget::SpendPage() {
  if (spent_ || ++pages_ > limits_.pages) spent_ = true;
  return IsLeft();
}

bool StackBudget::IsLeft() {
  if (!spent_ && std::chrono::steady_clock::now() >= deadline_) spent_ = true;
  return !spent_;
}

bool RemoteMemory::Copy(uint64_t address, void* buffer, size_t size) {
  if (!budget_.SpendRead()) return false;
  auto* to = static_cast<char*>(buffer);
  while (size > 0) {
    const std::string* const bytes = Page(address & ~(kPage - 1));
    const size_t at = address % kPage;
    if (bytes == nullptr || at >= bytes->size()) return false;
    const size_t count = std::min(size, bytes->size() - at);
    std::copy_n(bytes->data() + at, count, to);
    to += count;
    address += count;
    size -= count;
  }
  return true;
}

const std::string* RemoteMemory::Page(uint64_t page) {
  if (last_ != nullptr && last_page_ == page) return last_;
  auto found = pages_.find(page);
  if (found == pages_.end()) {
    if (!budget_.SpendPage()) return nullptr;
    found = pages_.emplace(page, std::string(kPage, '\0')).first;
    std::string& bytes = found->second;
    bytes.resize(reader_(page, &bytes[0], kPage));
  }
  last_page_ = page;
  last_ = &found->second;
  return last_;
}

uint64_t Cursor::TakeUleb() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = Take<uint8_t>();
    value |= uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80) == 0) break;
  }
  return value;
}

int64_t Cursor::TakeSleb() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = Take<uint8_t>();
    value |= uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80) == 0) {
      if ((byte & 0x40) != 0 && shift < 57) {
        value |= ~uint64_t{0} << (shift + 7);
      }
      break;
    }
  }
  return static_cast<int64_t>(value);
}

uint64_t Cursor::TakeEncoded(uint8_t encoding, uint64_t data) {
  if (encoding == kEncodingOmitted) return 0;
  const uint64_t here = at_;
  uint64_t value = 0;
  switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
      value = Take<uint64_t>();
      break;
    case 0x01:
      value = TakeUleb();
      break;
    case 0x02:
      value = Take<uint16_t>();
      break;
    case 0x03:
      value = Take<uint32_t>();
      break;
    case 0x09:
      value = static_cast<uint64_t>(TakeSleb());
      break;
    case 0x0a:
      value = static_cast<uint64_t>(int64_t{Take<int16_t>()});
      break;
    case 0x0b:
      value = static_cast<uint64_t>(int64_t{Take<int32_t>()});
      break;
    default:
      ok_ = false;
      return 0;
  }
  switch (encoding & 0x70) {
    case 0x00:
      break;
    case 0x10:
      value += here;
      break;
    case 0x30:
      value += data;
      break;
    default:
      ok_ = false;
      return 0;
  }
  if ((encoding & kEncodingIndirect) != 0) {
    value = Cursor(memory_, value).Take<uint64_t>();
  }
  return value;
}

}  // namespace encapsulate
