// SPDX-License-Identifier: Apache-2.0
//
// Many sandboxes leave descriptors, mounts, processes, files and memory where
// they were.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/sandbox.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

// In a row. CONTRIBUTING.md says how to run more.
int Repetitions() {
  const char* given = getenv("ENCAPSULATE_TEST_REPETITIONS");
  int count = 0;
  return given != nullptr && absl::SimpleAtoi(given, &count) ? count : 500;
}

int64_t ResidentKilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t size = 0;
    if (word == "VmRSS:" && status >> size) return size;
  }
  return -1;
}

// What may not grow.
struct Footprint {
  int descriptors = CountDescriptors();
  int mounts = CountMounts();
  int children = CountChildren();

  friend bool operator==(const Footprint& a, const Footprint& b) {
    return a.descriptors == b.descriptors && a.mounts == b.mounts &&
           a.children == b.children;
  }
};

std::ostream& operator<<(std::ostream& out, const Footprint& print) {
  return out << print.descriptors << " descriptors, " << print.mounts
             << " mounts, " << print.children << " children";
}

TEST(StressTest, ManyInARowLeaveNothing) {
  const Scratch scratch;
  const Options options = Writable({scratch.path()});
  // What is made once is made by now.
  for (int i = 0; i < 50; ++i)
    ASSERT_TRUE(encapsulate::Run(options, {"/bin/true"}).ok());
  const Footprint before;
  const int64_t memory = ResidentKilobytes();
  for (int i = 0; i < Repetitions(); ++i) {
    const absl::StatusOr<Result> result =
        encapsulate::Run(options, {"/bin/true"});
    ASSERT_TRUE(result.ok()) << i << ": " << result.status();
    ASSERT_TRUE(result->ok()) << i;
  }
  EXPECT_EQ(Footprint(), before);
  EXPECT_LT(ResidentKilobytes() - memory, 4096);
}

TEST(StressTest, AThousandAtOnceLeaveNothing) {
  constexpr int kCount = 1000;
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  REQUIRE_HOST(limit.rlim_cur > 4 * kCount, "too few descriptors allowed");
  const Scratch scratch;
  const Options options = Writable({scratch.path()});
  ASSERT_TRUE(encapsulate::Run(options, {"/bin/true"}).ok());
  const Footprint before;
  {
    // Each waits for its input's end.
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    Options waiting = options;
    waiting.keep_descriptors = {reader.get()};
    std::vector<Process> processes;
    const std::vector<std::string> command = {
        "/bin/sh", "-c", absl::StrCat("read x <&", reader.get(), "; exit 9")};
    for (int i = 0; i < kCount; ++i) {
      absl::StatusOr<Process> process = Spawn(waiting, command);
      ASSERT_TRUE(process.ok()) << i << ": " << process.status();
      processes.push_back(*std::move(process));
    }
    EXPECT_GE(CountChildren(), kCount);
    writer.Reset();
    for (Process& process : processes) {
      const Result result = process.Wait();
      ASSERT_NE(result.outcome, Outcome::kLost) << result.lost;
      EXPECT_EQ(result.exit_code, 9);
    }
  }
  EXPECT_EQ(Footprint(), before);
}

}  // namespace
}  // namespace encapsulate
