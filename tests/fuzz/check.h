// SPDX-License-Identifier: Apache-2.0
//
// What fuzz targets demand of the code beside that it doesn't crash.
#ifndef TESTS_FUZZ_CHECK_H_
#define TESTS_FUZZ_CHECK_H_

#include <cstdio>
#include <cstdlib>

// Ends the program, which is how fuzzers learn of a fault.
#define FUZZ_CHECK(condition)                                                 \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                \
    }                                                                         \
  } while (false)

#endif  // TESTS_FUZZ_CHECK_H_
