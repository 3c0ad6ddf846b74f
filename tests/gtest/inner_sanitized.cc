// SPDX-License-Identifier: Apache-2.0
//
// Tests for sanitizers_test: mistakes that sanitizers find.
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "gtest/gtest.h"

namespace {

const bool has_thread = [] {
  if (getenv("INNER_THREADS") == nullptr) return false;
  std::thread([] {
    for (;;) pause();
  }).detach();
  return true;
}();

TEST(SanitizedTest, PassesBefore) {}

TEST(SanitizedTest, ReadsBeyondTheEnd) {
  volatile int* const numbers = new int[4]();
  volatile int index = 4;
  printf("printed before it, ");
  printf("%d\n", numbers[index]);
  delete[] numbers;
}

TEST(SanitizedTest, Leaks) {
  // The one whose address is on no stack and in no register by the end.
  for (int i = 0; i < 10; ++i) {
    volatile char* const memory = new char[7];
    memory[0] = '\0';
  }
}

TEST(SanitizedTest, Overflows) {
  volatile int number = INT_MAX;
  number = number + 1;
}

TEST(SanitizedTest, Races) {
  int shared = 0;
  std::thread first([&] { ++shared; });
  std::thread second([&] { ++shared; });
  first.join();
  second.join();
}

TEST(SanitizedTest, PassesAfter) {}

}  // namespace
