// SPDX-License-Identifier: Apache-2.0
//
// What a test can do on purpose, or by a fault, to the program that runs it and
// to the other tests of that program. Each act goes on where it stands for a
// test's end: as a test does that returns.
#ifndef TESTS_GTEST_HOSTILE_ACTS_H_
#define TESTS_GTEST_HOSTILE_ACTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gtest_plugin/shared/records.h"

namespace encapsulate {
namespace hostile {

// The memory that the plugin's process and the test's share; its layout is that
// of gtest_plugin/shared/channel.cc.
struct SharedMemory {
  char* begin = nullptr;
  size_t size = 0;

  uint64_t* committed() const;
  uint32_t* answer() const;
  char* records() const;
};
// A null one if the test isn't encapsulated.
SharedMemory FindSharedMemory();

// The descriptor of the plugin's bell; -1 if there is none.
int FindBell();
void Ring();

// Writes `header` behind the records so far, says that there are `more` bytes,
// and rings.
void Commit(const RecordHeader& header, uint64_t more);

// The acts. Those above the line damage the results, one below it never comes
// to its end.
void CommitRecordOfSizeZero();
void CommitBeyondTheEnd();
void CommitNothingAgain();
void CommitTextOf120MiB();
void CommitTextOf1TiB();
void CommitRecordOfNoKind();
void ExpectWithoutEnd();
void FillWithOnes();
void FillWithNoise();
// ---
[[noreturn]] void RingForEver();
[[noreturn]] void AnnounceForEver();

}  // namespace hostile
}  // namespace encapsulate

#endif  // TESTS_GTEST_HOSTILE_ACTS_H_
