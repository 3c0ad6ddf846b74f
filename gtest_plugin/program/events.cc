// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/events.h"

#include <cstddef>
#include <utility>
#include <variant>

namespace encapsulate {
namespace {

size_t SizeOf(const Event& event) {
  size_t size = sizeof(Event);
  if (const auto* record = std::get_if<Record>(&event)) {
    size += record->texts[0].size() + record->texts[1].size();
  } else if (const auto* notice = std::get_if<Notice>(&event)) {
    size += notice->text.size();
  } else if (const auto* output = std::get_if<Output>(&event)) {
    size += output->bytes.size();
  }
  return size;
}

}  // namespace

void EventQueue::Push(Event event) {
  bytes_ += SizeOf(event);
  events_.push_back(std::move(event));
}

absl::optional<Event> EventQueue::Next() {
  if (events_.empty()) return absl::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  bytes_ -= SizeOf(event);
  return event;
}

}  // namespace encapsulate
