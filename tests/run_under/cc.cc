// Writes where Bazel lets tests write.
#include <cstdlib>
#include <fstream>
#include <string>

int main() {
  const std::string outputs = getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  const std::string scratch = getenv("TEST_TMPDIR");
  std::ofstream made(outputs + "/made");
  made << "by cc\n";
  std::ofstream kept(scratch + "/kept");
  return made.flush() && kept.flush() ? 0 : 1;
}
