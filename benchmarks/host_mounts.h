// SPDX-License-Identifier: Apache-2.0
//
// A host with more mounts than this one.
#ifndef ENCAPSULATE_BENCHMARKS_HOST_MOUNTS_H_
#define ENCAPSULATE_BENCHMARKS_HOST_MOUNTS_H_

namespace encapsulate {

// Mounts so many file systems more, for this process and its children, in
// namespaces of their own. False if the host doesn't allow that.
bool AddMounts(int count);

}  // namespace encapsulate

#endif  // ENCAPSULATE_BENCHMARKS_HOST_MOUNTS_H_
