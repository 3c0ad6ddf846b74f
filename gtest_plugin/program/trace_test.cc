// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/trace.h"

#include <unistd.h>

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

using ::testing::HasSubstr;

absl::Duration Us(int64_t microseconds) {
  return absl::Microseconds(microseconds);
}

TEST(TraceTest, HasFourEventsForATest) {
  Trace trace;
  const int job = trace.Begin();
  trace.End(job, "A.B", true, {Us(5), Us(15), Us(115), Us(120), Us(121)});
  const std::string json = absl::StrReplaceAll(
      trace.Json("/p"),
      {{absl::StrCat("\"pid\":", getpid(), ","), "\"pid\":P,"}});
  EXPECT_EQ(json,
            R"({"displayTimeUnit":"ms","traceEvents":[
{"ph":"M","pid":P,"tid":0,"name":"process_name","args":{"name":"/p"}},
{"ph":"M","pid":P,"tid":0,"name":"thread_name","args":{"name":"job 1"}},
{"ph":"X","pid":P,"tid":0,"ts":5,"dur":10,"cat":"set-up","name":"set-up","args":{"test":"A.B","failed":true}},
{"ph":"X","pid":P,"tid":0,"ts":15,"dur":100,"cat":"body","name":"A.B","args":{"test":"A.B","failed":true}},
{"ph":"X","pid":P,"tid":0,"ts":115,"dur":5,"cat":"wait","name":"wait","args":{"test":"A.B","failed":true}},
{"ph":"X","pid":P,"tid":0,"ts":120,"dur":1,"cat":"check","name":"check","args":{"test":"A.B","failed":true}}
]}
)");
}

TEST(TraceTest, GivesEachTestThatRunsAJobOfItsOwn) {
  Trace trace;
  EXPECT_EQ(trace.Begin(), 0);
  EXPECT_EQ(trace.Begin(), 1);
  EXPECT_EQ(trace.Begin(), 2);
  trace.End(1, "A.B", false, {});
  EXPECT_EQ(trace.Begin(), 1);
  trace.Drop(0);
  EXPECT_EQ(trace.Begin(), 0);
}

TEST(TraceTest, EscapesNames) {
  Trace trace;
  trace.End(trace.Begin(), "A.B/\"\n\xff", false, {});
  const std::string json = trace.Json("a\\b");
  EXPECT_THAT(json, HasSubstr(R"("test":"A.B/\"\u000a\ufffd")"));
  EXPECT_THAT(json, HasSubstr(R"("name":"a\\b")"));
}

// What a test says of its own time isn't believed.
TEST(TraceTest, PutsTimesInOrder) {
  Trace trace;
  trace.End(trace.Begin(), "A.B", false,
            {Us(10), Us(20), Us(1000), Us(5), Us(50)});
  const std::string json = trace.Json("p");
  EXPECT_THAT(json, HasSubstr("\"ts\":20,\"dur\":30,\"cat\":\"body\""));
  EXPECT_THAT(json, HasSubstr("\"ts\":50,\"dur\":0,\"cat\":\"wait\""));
  EXPECT_THAT(json, HasSubstr("\"ts\":50,\"dur\":0,\"cat\":\"check\""));
}

TEST(TraceTest, IsAnObjectWithoutTests) {
  EXPECT_THAT(Trace().Json("p"), HasSubstr("process_name"));
}

}  // namespace
}  // namespace encapsulate
