// SPDX-License-Identifier: Apache-2.0
//
// Makes an attempt of attempts.h, for tests that execute it:
//
//   attempt NUMBER outside|inside TREE OTHER IPV4 IPV6 PID
#include <cstdlib>
#include <string>

#include "tests/support/attempts.h"

int main(int argc, char** argv) {
  constexpr int kArguments = 7;
  if (argc != kArguments + 1) return 2;
  const int number = atoi(argv[1]);
  const encapsulate::Aim aim = {std::string(argv[2]) == "outside",
                                argv[3],
                                argv[4],
                                argv[5],
                                argv[6],
                                atoi(argv[7])};
  encapsulate::Attempts().at(static_cast<size_t>(number)).make(aim);
  return 0;
}
