// SPDX-License-Identifier: Apache-2.0
//
// What a test's process writes when a signal ends it or when it hangs. In the
// child only, in signal handlers.
#ifndef GTEST_PLUGIN_CHILD_SIGNALS_H_
#define GTEST_PLUGIN_CHILD_SIGNALS_H_

#include "gtest_plugin/shared/channel.h"

namespace encapsulate {

// Makes a fatal signal (unless the program handles it itself) append a record
// of kind kSignal, and `before_end`, to `channel`, with the stack in its
// report. The signal then does what it would have done. Processes that the
// test forks are left alone.
//
// The signal HangSignal() makes every thread write where it stands.
void ReportSignals(Channel* channel, void (*before_end)());

int HangSignal();

// Loads what naming functions takes. In the parent, once.
void PrepareStacks(const char* program);

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_CHILD_SIGNALS_H_
