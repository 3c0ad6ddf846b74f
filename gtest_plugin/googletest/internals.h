// SPDX-License-Identifier: Apache-2.0
//
// The only place that knows how GoogleTest works inside.
//
// GoogleTest has no hook between "this test is about to run" and "its object
// is created", so six private members are used: TestInfo::factory_,
// TestInfo::Run, TestResult::set_elapsed_time,
// TestResult::ClearTestPartResults, UnitTest::mutex_ and
// TestEventListeners::repeater_. Their names and types are the same from
// GoogleTest 1.12 to 1.18, and gtest_internals.cc checks them when it is
// compiled.
#ifndef GTEST_PLUGIN_GOOGLETEST_INTERNALS_H_
#define GTEST_PLUGIN_GOOGLETEST_INTERNALS_H_

#include <string>

#include "gtest/gtest.h"

namespace encapsulate {
namespace gtest_internals {

// What GoogleTest makes the object of a test by.
class Factory {
 public:
  virtual testing::Test* Create() = 0;

 protected:
  Factory() = default;
  ~Factory() = default;
  Factory(const Factory&) = default;
  Factory& operator=(const Factory&) = default;
};

// Has the object of `test` made by `create` from now on, which gets what has
// made it so far.
void WrapFactory(const testing::TestInfo& test,
                 testing::Test* (*create)(Factory* original));

void SetElapsedTime(const testing::TestInfo& test,
                    testing::TimeInMillis elapsed);

// Runs `test` from its start to its end, whatever GoogleTest is at.
void Run(const testing::TestInfo& test);

// From now on `listener` (not owned) hears of results, and no other listener.
// Loops of GoogleTest that run already go on telling the others of starts and
// ends. For a child that never goes back: the others are kept for good.
void ReplaceListeners(testing::TestEventListener* listener);

// Holds the mutex that guards GoogleTest's results while it lives, so that a
// child forked meanwhile doesn't inherit it from a thread that isn't there.
class ResultsLock {
 public:
  ResultsLock();
  ~ResultsLock();
  ResultsLock(const ResultsLock&) = delete;
  ResultsLock& operator=(const ResultsLock&) = delete;
};

// Adds a result to the current test exactly as it is, without a trace, an
// exception or a breakpoint of its own; listeners hear of it.
void AddResult(const testing::TestPartResult& result);

// Adds a result as an assertion at that line does: with the SCOPED_TRACEs in
// force, and in the child of a test as a result of the test.
void AddResultAt(const char* file, int line, testing::TestPartResult::Type type,
                 const std::string& text);

// Drops the results of `test` so far, as GoogleTest's own tests do.
void ClearResults(const testing::TestInfo& test);

// While it lives, no result that this thread produces is recorded.
class ResultsIgnored {
 public:
  ResultsIgnored();
  ~ResultsIgnored();
  ResultsIgnored(const ResultsIgnored&) = delete;
  ResultsIgnored& operator=(const ResultsIgnored&) = delete;

 private:
  class Ignore : public testing::internal::HasNewFatalFailureHelper {
   public:
    void ReportTestPartResult(const testing::TestPartResult&) override {}
  };
  Ignore ignore_;
};

// What GoogleTest puts ahead of the SCOPED_TRACEs in the message of a failure,
// and ahead of a stack, which is no part of the message's summary.
extern const char kTraceHeading[];
const char* StackTraceHeading();

// The SCOPED_TRACEs in force on this thread, innermost first, as they are
// shown with a failure; empty if there are none. Locks and allocates.
std::string CurrentTrace();

// Whether this process is GoogleTest's own child for a "threadsafe" death
// test.
bool IsDeathTestChild();

// Whether --gtest_break_on_failure is in force.
bool BreaksOnFailure();

// Whether --gtest_fail_fast is in force.
bool FailsFast();

// Whether --gtest_repeat asks for another iteration.
bool Repeats();

}  // namespace gtest_internals
}  // namespace encapsulate

#endif  // GTEST_PLUGIN_GOOGLETEST_INTERNALS_H_
