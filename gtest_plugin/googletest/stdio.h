// SPDX-License-Identifier: Apache-2.0
//
// The program's output buffers.
#ifndef GTEST_PLUGIN_GOOGLETEST_STDIO_H_
#define GTEST_PLUGIN_GOOGLETEST_STDIO_H_

namespace encapsulate {

// Writes out what stdio and iostreams still hold.
void FlushOutput();

// The same of stdout only, for a process that comes to no ordinary end. Safe in
// a signal handler, and takes no lock: another thread may be printing. Uses
// private members of glibc's FILE; with another C library it does nothing.
void SaveOutput();

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_GOOGLETEST_STDIO_H_
