// SPDX-License-Identifier: Apache-2.0
//
// What comes of a test, in the order in which it is to be shown, held until
// then.
#ifndef GTEST_PLUGIN_PROGRAM_EVENTS_H_
#define GTEST_PLUGIN_PROGRAM_EVENTS_H_

#include <cstddef>
#include <deque>
#include <string>
#include <variant>

#include "absl/types/optional.h"
#include "gtest_plugin/shared/records.h"

namespace encapsulate {

// A line that the plugin prints.
struct Notice {
  std::string text;
  // If it isn't empty: to be printed for the first of those that have it.
  std::string once;
};

// What the test wrote to a standard descriptor.
struct Output {
  int fd;
  std::string bytes;
};

// A Record is a result, a property, or kCleared.
using Event = std::variant<Record, Notice, Output>;

class EventQueue {
 public:
  void Push(Event event);
  // Takes the next one out.
  absl::optional<Event> Next();
  // What they take of memory.
  size_t bytes() const { return bytes_; }

 private:
  std::deque<Event> events_;
  size_t bytes_ = 0;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_EVENTS_H_
