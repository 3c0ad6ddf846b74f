// SPDX-License-Identifier: Apache-2.0
//
// Coverage counters of a process that is forked and leaves by _exit(): gcc's
// and LLVM's runtimes write them at exit() only. Without instrumentation these
// functions do nothing.
#ifndef GTEST_PLUGIN_CHILD_COVERAGE_H_
#define GTEST_PLUGIN_CHILD_COVERAGE_H_

namespace encapsulate {
namespace coverage {

// Forgets what the parent has counted, which the parent saves itself.
void Reset();

// Adds what has been counted to the files of earlier processes. LLVM does so
// only where %m is in LLVM_PROFILE_FILE, as under Bazel.
void Save();

}  // namespace coverage
}  // namespace encapsulate

#endif  // GTEST_PLUGIN_CHILD_COVERAGE_H_
