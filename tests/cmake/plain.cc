// SPDX-License-Identifier: Apache-2.0
//
// A test without a framework: succeeds in a sandbox, with one argument.
#include <cstdlib>
#include <fstream>

int main(int argc, char**) {
  const bool has_scratch = std::getenv("TEST_TMPDIR") != nullptr;
  const bool can_write = !!(std::ofstream("/tmp/x") << "x" << std::flush);
  return argc == 2 && has_scratch && can_write ? 0 : 1;
}
