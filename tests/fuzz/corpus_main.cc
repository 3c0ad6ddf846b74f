// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzz target on the files of its corpus, under any compiler. With
// clang, libFuzzer's own main() takes its place.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// Not every target has one.
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc,
                                                          char*** argv);

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "%s: no files in the corpus\n", argv[0]);
    return 1;
  }
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    if (!file) {
      fprintf(stderr, "%s: cannot read '%s'\n", argv[0], argv[i]);
      return 1;
    }
    printf("%s, %zu bytes\n", argv[i], text.size());
    fflush(stdout);
    // A copy of its own, so that sanitizers see a read beyond its end. Also an
    // empty one and each half, which are cut off somewhere.
    for (size_t size : {text.size(), text.size() / 2, size_t{0}}) {
      std::vector<uint8_t> bytes(
          text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
      bytes.reserve(1);  // no null pointer
      LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
  }
}
