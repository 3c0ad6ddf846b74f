// SPDX-License-Identifier: Apache-2.0
//
// Text and numbers for where snprintf(3) and strtoul(3), which look at the
// locale and may take the heap, have no place.
//
//   const Text<64> path("/proc/", pid, "/status");
//   open(path.c_str(), O_RDONLY);
#ifndef ENCAPSULATE_KERNEL_TEXT_H_
#define ENCAPSULATE_KERNEL_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "encapsulate/kernel/raw_clone.h"

namespace encapsulate {

// Its parts, strings and numbers from 0 up, one after the other. What doesn't
// fit into `kSize` bytes, the '\0' included, makes all of it empty, so that a
// path that was cut short is never used: no file has that name.
template <size_t kSize>
class Text {
 public:
  template <typename... Parts>
  explicit Text(Parts... parts) {
    (Add(parts), ...);
  }

  const char* c_str() const { return text_; }
  size_t size() const { return size_; }

 private:
  void Add(const char* text) {
    for (; *text != '\0'; ++text) AddCharacter(*text);
  }

  template <typename Number,
            typename = std::enable_if_t<std::is_integral<Number>::value>>
  void Add(Number number) {
    char digits[20];
    size_t count = 0;
    auto rest = static_cast<uint64_t>(number);
    do {
      digits[count++] = static_cast<char>('0' + rest % 10);
      rest /= 10;
    } while (rest != 0);
    while (count > 0) AddCharacter(digits[--count]);
  }

  void AddCharacter(char c) {
    if (full_) return;
    if (size_ + 1 == kSize) {
      full_ = true;
      size_ = 0;
    } else {
      text_[size_++] = c;
    }
    text_[size_] = '\0';
  }

  char text_[kSize] = {};
  size_t size_ = 0;
  bool full_ = false;
};

// The number that `*at` begins with, 0 if there is none, and moves `*at` behind
// it. Letters are digits up to `base`, which is 16 at most.
SHARES_CALLER_MEMORY inline uint64_t ReadNumber(const char** at,
                                                unsigned base) {
  uint64_t number = 0;
  for (;; ++*at) {
    const char c = **at;
    unsigned digit = base;
    if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
    if (digit >= base) return number;
    number = number * base + digit;
  }
}

// The same of a text that nothing else is wanted of.
inline uint64_t NumberIn(const char* text, unsigned base = 10) {
  return ReadNumber(&text, base);
}

}  // namespace encapsulate

#endif  // ENCAPSULATE_KERNEL_TEXT_H_
