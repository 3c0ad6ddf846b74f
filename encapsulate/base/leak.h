// SPDX-License-Identifier: Apache-2.0
//
// For what a forked child has no use for.
//
//   Leak(std::move(state));  // never freed
//
// To free it would have the kernel copy every page that a piece of it is on,
// which takes longer than the child's own work. Leak checkers find it here.
// Thread-safe in a child, which has one thread.
#ifndef ENCAPSULATE_BASE_LEAK_H_
#define ENCAPSULATE_BASE_LEAK_H_

#include <memory>
#include <utility>
#include <vector>

namespace encapsulate {

template <typename T>
void Leak(std::unique_ptr<T> object) {
  static auto* const kept = new std::vector<std::unique_ptr<T>>;
  kept->push_back(std::move(object));
}

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_LEAK_H_
