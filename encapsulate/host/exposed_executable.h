// SPDX-License-Identifier: Apache-2.0
//
// Whether a forked child could change the file that this process executes.
#ifndef ENCAPSULATE_HOST_EXPOSED_EXECUTABLE_H_
#define ENCAPSULATE_HOST_EXPOSED_EXECUTABLE_H_

namespace encapsulate {

// Whether a child of fork(2) could change the file. Not if its mount is
// read-only, it has no name any more, or neither is it the caller's own nor may
// the caller write it.
bool ExecutableIsExposed();

}  // namespace encapsulate

#endif  // ENCAPSULATE_HOST_EXPOSED_EXECUTABLE_H_
