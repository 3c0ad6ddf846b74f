// SPDX-License-Identifier: Apache-2.0

#ifndef GTEST_PLUGIN_CHILD_DESCRIPTORS_H_
#define GTEST_PLUGIN_CHILD_DESCRIPTORS_H_

namespace encapsulate {

// In the child, just inside: reopens what the test program had open through
// the child's own view, because directories, and files, FIFOs and devices
// opened for reading or with O_PATH, would be ways around it. Keeps numbers,
// flags and offsets. What the view doesn't have is closed. What was opened for
// writing, sockets and pipes stay: the program has opened them for its tests.
void ShowDescriptorsThroughView();

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_CHILD_DESCRIPTORS_H_
