// SPDX-License-Identifier: Apache-2.0

#ifndef TESTS_GTEST_COVERED_H_
#define TESTS_GTEST_COVERED_H_

namespace encapsulate {

int Covered(int number);

}  // namespace encapsulate

#endif  // TESTS_GTEST_COVERED_H_
