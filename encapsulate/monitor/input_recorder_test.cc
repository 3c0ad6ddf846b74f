// SPDX-License-Identifier: Apache-2.0
//
// What is kept. How calls are looked at is tests/sandbox/inputs_test's part.
#include "encapsulate/monitor/input_recorder.h"

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "encapsulate/inputs.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = InputRecorder::Input::Kind;

TEST(InputRecorderTest, ListsAreSortedAndHaveEachOnce) {
  InputRecorder recorder({"/here", {}});
  for (const char* path : {"/b", "/a", "/b", "/a/b"}) {
    recorder.Add({Kind::kRead, path, ""});
  }
  recorder.Add({Kind::kAbsent, "/b", ""});
  recorder.Add({Kind::kListed, "/c", ""});
  recorder.Add({Kind::kLink, "/d", ""});
  recorder.Add({Kind::kExecuted, "/e", ""});
  recorder.Add({Kind::kNone, "/f", ""});
  const InputRecord record = recorder.Take();
  EXPECT_EQ(record.directory, "/here");
  EXPECT_THAT(record.read, ElementsAre("/a", "/a/b", "/b"));
  EXPECT_THAT(record.absent, ElementsAre("/b"));
  EXPECT_THAT(record.listed, ElementsAre("/c"));
  EXPECT_THAT(record.links, ElementsAre("/d"));
  EXPECT_THAT(record.executed, ElementsAre("/e"));
  EXPECT_EQ(record.beyond, 0u);
  EXPECT_EQ(record.unseen, 0u);
}

TEST(InputRecorderTest, TheInnermostTreeSaysWhetherItIsFresh) {
  InputRecorder recorder(
      {"/", {{"/tmp", true}, {"/tmp/shown", false}, {"/tmp/shown/new", true}}});
  for (const char* path : {"/tmp", "/tmp/a", "/tmp/shown", "/tmp/shown/a",
                           "/tmp/shown/new/a", "/tmp2"}) {
    recorder.Add({Kind::kRead, path, ""});
  }
  EXPECT_THAT(recorder.Take().read,
              ElementsAre("/tmp/shown", "/tmp/shown/a", "/tmp2"));
}

TEST(InputRecorderTest, WhatWasMadeIsNoneFromThereOn) {
  InputRecorder recorder({"/", {}});
  recorder.Add({Kind::kRead, "/made/before", ""});
  recorder.Add({Kind::kMade, "/made", ""});
  for (const char* path : {"/made", "/made/a/b", "/made2", "/mad"}) {
    recorder.Add({Kind::kRead, path, ""});
  }
  EXPECT_THAT(recorder.Take().read,
              ElementsAre("/mad", "/made/before", "/made2"));
}

TEST(InputRecorderTest, ProcessesAreNone) {
  InputRecorder recorder({"/", {}});
  for (const char* path : {"/proc/7/maps", "/proc/self", "/proc/thread-self",
                           "/proc/7", "/proc/cpuinfo", "/proc/sys/7"}) {
    recorder.Add({Kind::kRead, path, ""});
  }
  EXPECT_THAT(recorder.Take().read,
              ElementsAre("/proc/cpuinfo", "/proc/sys/7"));
}

TEST(InputRecorderTest, BeyondTheBoundAndUnseenAreCounted) {
  InputRecorder recorder({"/", {}});
  constexpr size_t kMore = 7;
  for (size_t i = 0; i < kMaxInputs + kMore; ++i) {
    recorder.Add(
        {i % 2 == 0 ? Kind::kAbsent : Kind::kMade, absl::StrCat("/", i), ""});
  }
  // What is known already isn't beyond it.
  recorder.Add({Kind::kAbsent, "/0", ""});
  recorder.Add({Kind::kUnseen, "", ""});
  const InputRecord record = recorder.Take();
  EXPECT_EQ(record.absent.size(), kMaxInputs / 2);
  EXPECT_THAT(record.read, IsEmpty());
  EXPECT_EQ(record.beyond, kMore);
  EXPECT_EQ(record.unseen, 1u);
}

}  // namespace
}  // namespace encapsulate
