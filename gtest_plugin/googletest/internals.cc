// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/googletest/internals.h"

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace encapsulate {
namespace gtest_internals {
namespace {

// Access checks don't apply to the arguments of an explicit instantiation
// ([temp.spec]/6), and the friend that it defines hands the member out.
template <typename Name, auto kMember>
struct Reveal {
  friend constexpr auto Get(Name) { return kMember; }
};

#define ENCAPSULATE_REVEAL(name, member) \
  struct name {                          \
    friend constexpr auto Get(name);     \
  };                                     \
  template struct Reveal<name, &testing::member>

ENCAPSULATE_REVEAL(FactoryOfTest, TestInfo::factory_);
ENCAPSULATE_REVEAL(RunOfTest, TestInfo::Run);
ENCAPSULATE_REVEAL(ElapsedTime, TestResult::set_elapsed_time);
ENCAPSULATE_REVEAL(ClearParts, TestResult::ClearTestPartResults);
ENCAPSULATE_REVEAL(UnitTestMutex, UnitTest::mutex_);
ENCAPSULATE_REVEAL(Repeater, TestEventListeners::repeater_);

#undef ENCAPSULATE_REVEAL

static_assert(
    std::is_same<
        decltype(Get(FactoryOfTest{})),
        testing::internal::TestFactoryBase* const testing::TestInfo::*>::value,
    "GoogleTest changed the type of TestInfo::factory_; versions 1.12 to 1.18 "
    "are known to work");
static_assert(
    std::is_same<decltype(Get(RunOfTest{})),
                 void (testing::TestInfo::*)()>::value,
    "GoogleTest changed TestInfo::Run; versions 1.12 to 1.17 are known to "
    "work");
static_assert(
    std::is_same<decltype(Get(ElapsedTime{})),
                 void (testing::TestResult::*)(testing::TimeInMillis)>::value,
    "GoogleTest changed TestResult::set_elapsed_time; versions 1.12 to 1.18 "
    "are known to work");
static_assert(
    std::is_same<decltype(Get(ClearParts{})),
                 void (testing::TestResult::*)()>::value,
    "GoogleTest changed TestResult::ClearTestPartResults; versions 1.12 to "
    "1.18 are known to work");
static_assert(
    std::is_same<decltype(Get(Repeater{})),
                 testing::internal::TestEventRepeater *
                     testing::TestEventListeners::*>::value,
    "GoogleTest changed the type of TestEventListeners::repeater_; versions "
    "1.12 to 1.18 are known to work");

// The mutex's functions were renamed to those of std::mutex.
template <typename Mutex>
auto Lock(Mutex& mutex, int) -> decltype(mutex.lock()) {
  mutex.lock();
}
template <typename Mutex>
auto Lock(Mutex& mutex, long) -> decltype(mutex.Lock()) {  // NOLINT
  mutex.Lock();
}
template <typename Mutex>
auto Unlock(Mutex& mutex, int) -> decltype(mutex.unlock()) {
  mutex.unlock();
}
template <typename Mutex>
auto Unlock(Mutex& mutex, long) -> decltype(mutex.Unlock()) {  // NOLINT
  mutex.Unlock();
}

auto& ResultsMutex() {
  return testing::UnitTest::GetInstance()->*Get(UnitTestMutex{});
}

// GoogleTest owns it.
class WrappingFactory : public testing::internal::TestFactoryBase,
                        public Factory {
 public:
  // Takes the ownership of `original`.
  WrappingFactory(testing::internal::TestFactoryBase* original,
                  testing::Test* (*create)(Factory* original))
      : original_(original), create_(create) {}

  testing::Test* CreateTest() override { return create_(this); }
  testing::Test* Create() override { return original_->CreateTest(); }

 private:
  const std::unique_ptr<testing::internal::TestFactoryBase> original_;
  testing::Test* (*const create_)(Factory* original);
};

// Catches what this thread reports instead of recording it.
class Catch : public testing::internal::HasNewFatalFailureHelper {
 public:
  void ReportTestPartResult(const testing::TestPartResult& result) override {
    message_ = result.message();
  }
  const std::string& message() const { return message_; }

 private:
  std::string message_;
};

}  // namespace

void WrapFactory(const testing::TestInfo& test,
                 testing::Test* (*create)(Factory* original)) {
  auto* const& constant = test.*Get(FactoryOfTest{});
  auto*& slot = const_cast<testing::internal::TestFactoryBase*&>(constant);
  slot = new WrappingFactory(slot, create);
}

void SetElapsedTime(const testing::TestInfo& test,
                    testing::TimeInMillis elapsed) {
  auto* const result = const_cast<testing::TestResult*>(test.result());
  (result->*Get(ElapsedTime{}))(elapsed);
}

void Run(const testing::TestInfo& test) {
  (const_cast<testing::TestInfo&>(test).*Get(RunOfTest{}))();
}

void ReplaceListeners(testing::TestEventListener* listener) {
  static auto* const fresh = new testing::TestEventListeners;
  fresh->Append(listener);
  std::swap(fresh->*Get(Repeater{}),
            testing::UnitTest::GetInstance()->listeners().*Get(Repeater{}));
}

ResultsLock::ResultsLock() { Lock(ResultsMutex(), 0); }
ResultsLock::~ResultsLock() { Unlock(ResultsMutex(), 0); }

void AddResult(const testing::TestPartResult& result) {
  const ResultsLock lock;
  testing::internal::HasNewFatalFailureHelper().ReportTestPartResult(result);
}

void AddResultAt(const char* file, int line, testing::TestPartResult::Type type,
                 const std::string& text) {
  GTEST_MESSAGE_AT_(file, line, text.c_str(), type);
}

void ClearResults(const testing::TestInfo& test) {
  const ResultsLock lock;
  auto* const result = const_cast<testing::TestResult*>(test.result());
  (result->*Get(ClearParts{}))();
}

ResultsIgnored::ResultsIgnored() = default;
ResultsIgnored::~ResultsIgnored() = default;

const char kTraceHeading[] = "Google Test trace:\n";

const char* StackTraceHeading() { return testing::internal::kStackTraceMarker; }

std::string CurrentTrace() {
  const Catch caught;
  GTEST_MESSAGE_AT_("", -1, "", testing::TestPartResult::kSuccess);
  const std::string& message = caught.message();
  const size_t heading = message.find(kTraceHeading);
  if (heading == std::string::npos) return "";
  std::string trace = message.substr(heading + strlen(kTraceHeading));
  // Newer versions end it with one more line break.
  while (!trace.empty() && trace.back() == '\n') trace.pop_back();
  return trace;
}

bool IsDeathTestChild() {
  return !GTEST_FLAG_GET(internal_run_death_test).empty();
}

bool BreaksOnFailure() { return GTEST_FLAG_GET(break_on_failure); }

bool FailsFast() { return GTEST_FLAG_GET(fail_fast); }

bool Repeats() {
  // A negative one never ends.
  const int times = GTEST_FLAG_GET(repeat);
  return times < 0 || times > 1;
}

}  // namespace gtest_internals
}  // namespace encapsulate
