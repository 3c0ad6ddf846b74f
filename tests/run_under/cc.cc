// SPDX-License-Identifier: Apache-2.0
//
// Writes where Bazel lets tests write.
#include <cstdlib>
#include <fstream>
#include <string>

int main() {
  const char* outputs = getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  const char* scratch = getenv("TEST_TMPDIR");
  if (outputs == nullptr || scratch == nullptr) return 1;
  std::ofstream made(std::string(outputs) + "/made");
  made << "by cc\n";
  std::ofstream kept(std::string(scratch) + "/kept");
  return made.flush() && kept.flush() ? 0 : 1;
}
