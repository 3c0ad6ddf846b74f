// SPDX-License-Identifier: Apache-2.0
//
// The file of --encapsulate_trace: when each test ran, and beside which others,
// in the Trace Event format, which Perfetto and chrome://tracing show:
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
//
// A job has a track. Each test on it is four events, one after the other.
#ifndef GTEST_PLUGIN_PROGRAM_TRACE_H_
#define GTEST_PLUGIN_PROGRAM_TRACE_H_

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace encapsulate {

// When a test was where, by Trace::Now().
struct TestTimes {
  absl::Duration start;    // set-up: its sandbox is made, its process forked
  absl::Duration entered;  // body: the test itself
  absl::Duration done;     // wait: for all that runs in the sandbox to be gone
  absl::Duration gone;  // check: what its end means; its sandbox is given back
  absl::Duration end;
};

class Trace {
 public:
  // Since the first call, by a clock that nobody sets.
  static absl::Duration Now();

  // Of a test that starts: the job that it takes, 0 or more. No other one has
  // it until End() or Drop().
  int Begin();

  // When it has ended. Times that aren't in order are put in order: those that
  // a test reports may be forged.
  void End(int job, absl::string_view test, bool failed, TestTimes times);

  // It couldn't be started.
  void Drop(int job) { busy_.erase(job); }

  // One JSON object, as an array of events in "traceEvents". `program` names
  // what all tracks belong to.
  std::string Json(absl::string_view program) const;

 private:
  struct Test {
    int job;
    std::string name;
    bool failed;
    TestTimes times;
  };

  std::set<int> busy_;
  std::vector<Test> tests_;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_TRACE_H_
