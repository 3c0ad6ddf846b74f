// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/trace.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "encapsulate/base/json.h"

namespace encapsulate {
namespace {

// An event with a name for a process or a track.
std::string Named(absl::string_view kind, int job, absl::string_view name) {
  return absl::StrCat("{\"ph\":\"M\",\"pid\":", getpid(), ",\"tid\":", job,
                      ",\"name\":", JsonString(kind),
                      ",\"args\":{\"name\":", JsonString(name), "}}");
}

}  // namespace

absl::Duration Trace::Now() {
  using Clock = std::chrono::steady_clock;
  static const Clock::time_point start = Clock::now();
  return absl::FromChrono(Clock::now() - start);
}

int Trace::Begin() {
  int job = 0;
  while (busy_.count(job) != 0) ++job;
  busy_.insert(job);
  return job;
}

void Trace::End(int job, absl::string_view test, bool failed, TestTimes times) {
  busy_.erase(job);
  times.end = std::max(times.end, times.start);
  times.entered = std::clamp(times.entered, times.start, times.end);
  times.done = std::clamp(times.done, times.entered, times.end);
  times.gone = std::clamp(times.gone, times.done, times.end);
  tests_.push_back({job, std::string(test), failed, times});
}

std::string Trace::Json(absl::string_view program) const {
  std::string json =
      absl::StrCat("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n",
                   Named("process_name", 0, program));
  int jobs = 0;
  for (const Test& test : tests_) jobs = std::max(jobs, test.job + 1);
  for (int job = 0; job < jobs; ++job) {
    absl::StrAppend(&json, ",\n",
                    Named("thread_name", job, absl::StrCat("job ", job + 1)));
  }
  for (const Test& test : tests_) {
    const TestTimes& times = test.times;
    const auto add = [&](absl::string_view what, absl::Duration from,
                         absl::Duration to) {
      // Microseconds.
      absl::StrAppend(
          &json, ",\n{\"ph\":\"X\",\"pid\":", getpid(), ",\"tid\":", test.job,
          ",\"ts\":", absl::ToInt64Microseconds(from), ",\"dur\":",
          absl::ToInt64Microseconds(to) - absl::ToInt64Microseconds(from),
          ",\"cat\":", JsonString(what), ",\"name\":",
          JsonString(what == "body" ? absl::string_view(test.name) : what),
          ",\"args\":{\"test\":", JsonString(test.name),
          ",\"failed\":", test.failed ? "true" : "false", "}}");
    };
    add("set-up", times.start, times.entered);
    add("body", times.entered, times.done);
    add("wait", times.done, times.gone);
    add("check", times.gone, times.end);
  }
  return absl::StrCat(json, "\n]}\n");
}

}  // namespace encapsulate
