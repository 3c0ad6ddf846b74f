// SPDX-License-Identifier: Apache-2.0
//
// For what a forked child has no use for.
//
//   Leak(std::move(state));  // never freed
//
// To free it would have the kernel copy every page that a piece of it is on,
// which takes longer than the child's own work, and so would a list on the
// heap. Leak checkers find it here. Thread-safe in a child, which has one
// thread.
#ifndef ENCAPSULATE_BASE_LEAK_H_
#define ENCAPSULATE_BASE_LEAK_H_

#include <cstddef>
#include <memory>

namespace encapsulate {

// A child has few of them; where there are more, they form a list.
template <typename T>
struct Leaked {
  static constexpr size_t kMost = 62;
  T* objects[kMost] = {};
  size_t count = 0;
  Leaked* more = nullptr;
};

template <typename T>
void Leak(std::unique_ptr<T> object) {
  static Leaked<T> leaked;
  if (leaked.count == Leaked<T>::kMost) {
    leaked.more = new Leaked<T>(leaked);
    leaked.count = 0;
  }
  leaked.objects[leaked.count++] = object.release();
}

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_LEAK_H_
