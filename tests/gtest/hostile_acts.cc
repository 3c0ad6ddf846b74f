// SPDX-License-Identifier: Apache-2.0

#include "tests/gtest/hostile_acts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "gtest_plugin/shared/channel.h"

namespace encapsulate {
namespace hostile {
namespace {

constexpr size_t kOffsetOfAnswer = 20;
constexpr size_t kOffsetOfReport = 24;

RecordHeader Header(RecordKind kind) {
  RecordHeader header = {};
  header.kind = static_cast<uint32_t>(kind);
  header.size = sizeof(header);
  header.numbers[0] = 1;
  header.text_sizes[0] = -1;
  header.text_sizes[1] = -1;
  return header;
}

}  // namespace

uint64_t* SharedMemory::committed() const {
  return reinterpret_cast<uint64_t*>(begin);
}
uint32_t* SharedMemory::answer() const {
  return reinterpret_cast<uint32_t*>(begin + kOffsetOfAnswer);
}
char* SharedMemory::records() const {
  return begin + kOffsetOfReport + Channel::kReportSize;
}

SharedMemory FindSharedMemory() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin;
    uintptr_t end;
    if (sscanf(line.c_str(), "%lx-%lx rw-s", &begin, &end) == 2 &&
        line.find("rw-s") != std::string::npos &&
        end - begin > Channel::kRecordsSize) {
      // NOLINTNEXTLINE(performance-no-int-to-ptr): it is how the kernel says it
      return {reinterpret_cast<char*>(begin), end - begin};
    }
  }
  return {};
}

int FindBell() {
  for (int fd = 700; fd < 1024; ++fd) {
    struct stat info;
    if (fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode)) return fd;
  }
  return -1;
}

void Ring() { static_cast<void>(write(FindBell(), "!", 1) == 1); }

void Commit(const RecordHeader& header, uint64_t more) {
  const SharedMemory memory = FindSharedMemory();
  memcpy(memory.records() + *memory.committed(), &header, sizeof(header));
  *memory.committed() += more;
  Ring();
}

void CommitRecordOfSizeZero() {
  RecordHeader header = Header(RecordKind::kProperty);
  header.size = 0;
  Commit(header, uint64_t{1} << 60);
}

void CommitBeyondTheEnd() {
  Commit(Header(RecordKind::kProperty), uint64_t{1} << 40);
}

void CommitNothingAgain() {
  Commit(Header(RecordKind::kProperty), sizeof(RecordHeader));
  // The next result is for a program that has read the first one.
  testing::Test::RecordProperty("known", 1);
  GTEST_NONFATAL_FAILURE_("so that the program reads it");
  *FindSharedMemory().committed() = 8;
  Ring();
}

void CommitTextOf120MiB() {
  RecordHeader header = Header(RecordKind::kResult);
  header.text_sizes[1] = int64_t{120} << 20;
  Commit(header, sizeof(header));
}

void CommitTextOf1TiB() {
  RecordHeader header = Header(RecordKind::kResult);
  header.text_sizes[1] = int64_t{1} << 40;
  Commit(header, sizeof(header));
}

void CommitRecordOfNoKind() {
  Commit(Header(static_cast<RecordKind>(4711)), sizeof(RecordHeader));
}

void ExpectWithoutEnd() {
  const SharedMemory memory = FindSharedMemory();
  RecordHeader header = Header(RecordKind::kBeginExpected);
  for (int i = 1; i < 2000; ++i) {
    header.numbers[0] = i;
    memcpy(memory.records() + *memory.committed(), &header, sizeof(header));
    *memory.committed() += sizeof(header);
  }
  Ring();
}

void FillWithOnes() {
  const SharedMemory memory = FindSharedMemory();
  memset(memory.begin, 0xff, size_t{1} << 20);
  Ring();
}

void FillWithNoise() {
  const SharedMemory memory = FindSharedMemory();
  std::mt19937 random;
  const size_t end = size_t{2} << 20;
  for (size_t at = 0; at < end; at += sizeof(uint32_t)) {
    const auto number = static_cast<uint32_t>(random());
    memcpy(memory.begin + at, &number, sizeof(number));
  }
  Ring();
}

void RingForEver() {
  const int bell = FindBell();
  for (;;) static_cast<void>(write(bell, "!!!!!!!!", 8) == 8);
}

void AnnounceForEver() {
  const int bell = FindBell();
  for (;;) static_cast<void>(write(bell, "rrrrrrrr", 8) == 8);
}

}  // namespace hostile
}  // namespace encapsulate
