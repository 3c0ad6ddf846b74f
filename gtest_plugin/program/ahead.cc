// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/ahead.h"

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "gtest_plugin/shared/channel.h"

namespace encapsulate {
namespace {

// Most of them have ended.
constexpr size_t kMostAhead = 1000;
// Beyond this, all of them are paused.
constexpr size_t kMostHeldBytes = size_t{32} << 20;

}  // namespace

bool TestsAhead::HasRoom() const {
  return tests_.size() < kMostAhead && HeldBytes() < kMostHeldBytes;
}

void TestsAhead::Add(std::unique_ptr<TestRun> test) {
  running_.push_back(test.get());
  const testing::TestInfo* const info = &test->info();
  tests_[info] = std::move(test);
}

bool TestsAhead::Has(const testing::TestInfo& test) const {
  return tests_.count(&test) != 0;
}

std::unique_ptr<TestRun> TestsAhead::Take(const testing::TestInfo& test) {
  const auto found = tests_.find(&test);
  if (found == tests_.end()) return nullptr;
  std::unique_ptr<TestRun> taken = std::move(found->second);
  tests_.erase(found);
  if (taken->ended()) {
    held_by_ended_ -= taken->held_bytes();
  } else {
    running_.erase(absl::c_find(running_, taken.get()));
    taken->Resume();
  }
  return taken;
}

int TestsAhead::busy() const {
  return static_cast<int>(absl::c_count_if(
      running_, [](const TestRun* test) { return !test->paused(); }));
}

size_t TestsAhead::HeldBytes() const {
  size_t bytes = held_by_ended_;
  for (const TestRun* test : running_) bytes += test->held_bytes();
  return bytes;
}

void TestsAhead::Settle() {
  std::vector<TestRun*> running;
  for (TestRun* test : running_) {
    if (test->ended()) {
      held_by_ended_ += test->held_bytes();
    } else {
      running.push_back(test);
    }
  }
  running_ = std::move(running);
  const bool full = HeldBytes() >= kMostHeldBytes;
  for (TestRun* test : running_) {
    // A listener may throw at a fatal failure, and so end the test; that is
    // known in its turn only.
    const bool awaits_verdict =
        GTEST_HAS_EXCEPTIONS && test->waits() && test->failed_fatally();
    if (full || awaits_verdict) {
      test->Pause();
      continue;
    }
    test->Resume();
    if (test->waits()) test->GoOn(Answer::kGoOn);
  }
}

void TestsAhead::DisownAllBut(const TestRun* test) {
  for (auto& other : tests_) {
    if (other.second.get() != test) other.second->Disown();
  }
}

void TestsAhead::Clear() {
  running_.clear();
  tests_.clear();
  held_by_ended_ = 0;
}

}  // namespace encapsulate
