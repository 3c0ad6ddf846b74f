// What the plugin itself prints, and the program's buffers.
#ifndef GTEST_PLUGIN_OUTPUT_H_
#define GTEST_PLUGIN_OUTPUT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace encapsulate {

// Writes out what stdio and iostreams still hold.
void FlushOutput();

// Prints "encapsulate: LINE" on stderr, after all output so far.
void Say(const std::string& line);

// Writes to a descriptor, whether it blocks or not. Errors are ignored, like
// those of stdio.
void WriteAll(int fd, absl::string_view bytes);

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_OUTPUT_H_
