// What the plugin itself prints, and the program's buffers.
#ifndef GTEST_PLUGIN_OUTPUT_H_
#define GTEST_PLUGIN_OUTPUT_H_

#include <string>

namespace encapsulate {

// Writes out what stdio and iostreams still hold.
void FlushOutput();

// The same of stdout only, for a process that comes to no ordinary end. Safe in
// a signal handler, and takes no lock: another thread may be printing.
void SaveOutput();

// Prints "encapsulate: LINE" on stderr, after all output so far.
void Say(const std::string& line);

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_OUTPUT_H_
