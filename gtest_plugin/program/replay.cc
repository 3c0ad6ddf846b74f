// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/replay.h"

#include <string>
#include <utility>
#include <variant>

#include "encapsulate/base/write_all.h"
#include "gtest/gtest.h"
#include "gtest_plugin/googletest/internals.h"
#include "gtest_plugin/googletest/stdio.h"
#include "gtest_plugin/shared/output.h"

namespace encapsulate {

using testing::TestPartResult;

void Replay::Show(TestRun* test) {
  while (const absl::optional<Event> event = test->Next()) {
    if (const auto* record = std::get_if<Record>(&*event)) {
      GiveToGoogleTest(*record, test->info());
    } else if (const auto* notice = std::get_if<Notice>(&*event)) {
      if (notice->once.empty() || printed_.insert(notice->once).second) {
        PrintNotice(notice->text);
      }
    } else if (const auto* output = std::get_if<Output>(&*event)) {
      FlushOutput();
      WriteAll(output->fd, output->bytes);
      is_at_line_start_ = output->bytes.back() == '\n';
    }
  }
  const bool threw = std::exchange(listener_threw_, false);
  if (test->waits()) test->GoOn(threw ? Answer::kThrow : Answer::kGoOn);
}

void Replay::GiveToGoogleTest(const Record& record,
                              const testing::TestInfo& test) {
  if (record.kind == RecordKind::kProperty) {
    testing::Test::RecordProperty(record.texts[0], record.texts[1]);
    return;
  }
  if (record.kind == RecordKind::kCleared) {
    gtest_internals::ClearResults(test);
    return;
  }
  // GoogleTest shows an empty name of the file as none, and from 1.18 on takes
  // no null.
  const TestPartResult result(
      static_cast<TestPartResult::Type>(record.numbers[0]),
      record.texts[0].c_str(), static_cast<int>(record.numbers[1]),
      record.texts[1].c_str());
#if GTEST_HAS_EXCEPTIONS
  // A listener may throw to end the test (testing::AssertionException).
  try {
    gtest_internals::AddResult(result);
  } catch (...) {
    listener_threw_ = true;
  }
#else
  gtest_internals::AddResult(result);
#endif
}

}  // namespace encapsulate
