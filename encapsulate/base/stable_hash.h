// SPDX-License-Identifier: Apache-2.0
//
// A hash that is the same in every process and on every host, unlike
// absl::Hash: FNV-1a with 64 bits. Not for what an attacker chooses.
#ifndef ENCAPSULATE_BASE_STABLE_HASH_H_
#define ENCAPSULATE_BASE_STABLE_HASH_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace encapsulate {

class StableHash {
 public:
  void Add(absl::string_view bytes) {
    for (char byte : bytes) AddByte(static_cast<uint8_t>(byte));
  }
  // The same on machines of either byte order.
  void AddNumber(uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) {
      AddByte(static_cast<uint8_t>(number >> shift));
    }
  }
  uint64_t value() const { return value_; }

 private:
  void AddByte(uint8_t byte) {
    constexpr uint64_t kPrime = 0x100000001b3;
    value_ = (value_ ^ byte) * kPrime;
  }

  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_STABLE_HASH_H_
