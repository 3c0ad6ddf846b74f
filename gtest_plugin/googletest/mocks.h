// SPDX-License-Identifier: Apache-2.0
//
// Mock objects that a test never deletes. GoogleMock looks for them when the
// program exits, which a test's process never does.
//
// Knows of mocks in code that is linked with this library's linker options,
// which put the functions in mocks.cc between a mock and GoogleMock.
#ifndef GTEST_PLUGIN_GOOGLETEST_MOCKS_H_
#define GTEST_PLUGIN_GOOGLETEST_MOCKS_H_

#include <vector>

namespace encapsulate {
namespace mocks {

// In the child: from now on mocks count. Those of the program are its own.
void Watch();

// The mocks made since that still expect something, or have a default action.
// Empty if --gmock_catch_leaked_mocks is off.
std::vector<void*> Leaked();

// Reports the expectations on `mock` that are not met, as its end would.
void Verify(void* mock);

}  // namespace mocks
}  // namespace encapsulate

#endif  // GTEST_PLUGIN_GOOGLETEST_MOCKS_H_
