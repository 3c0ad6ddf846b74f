// SPDX-License-Identifier: Apache-2.0
//
// The programs that plugin_benchmark runs: tests that do nothing, or one of the
// things below.
//
// BENCHMARK_TESTS says how many, BENCHMARK_WORK what they do (sleep, cpu,
// files), BENCHMARK_MEGABYTES how much memory the program touches before. It
// prints how many nanoseconds the tests took. With BENCHMARK_IN_LINE no sandbox
// is made ahead: the program that does it isn't to be had. With BENCHMARK_FORKS
// it forks and waits that often instead of testing, and with
// BENCHMARK_SAMPLES=N it prints what it keeps, N times along the way.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#ifdef ENCAPSULATED
#include "gtest_plugin/encapsulated_environment.h"
#endif

namespace {

int Setting(const char* name) {
  const char* const value = getenv(name);
  return value != nullptr ? atoi(value) : 0;
}

absl::Duration ProcessorTime() {
  struct timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return absl::DurationFromTimespec(used);
}

// Five milliseconds each, but for the files.
void Work() {
  const char* const given = getenv("BENCHMARK_WORK");
  const std::string work = given != nullptr ? given : "";
  if (work == "sleep") {
    absl::SleepFor(absl::Milliseconds(5));
  } else if (work == "cpu") {
    const absl::Duration end = ProcessorTime() + absl::Milliseconds(5);
    while (ProcessorTime() < end) {
    }
  } else if (work == "files") {
    const std::string file = testing::TempDir() + std::to_string(getpid());
    for (int i = 0; i < 100; ++i) {
      std::ofstream(file) << i;
      std::filesystem::rename(file, file + "-renamed");
      std::filesystem::remove(file + "-renamed");
    }
  }
}

class WorkTest : public testing::TestWithParam<int> {};
TEST_P(WorkTest, Passes) { Work(); }
INSTANTIATE_TEST_SUITE_P(Each, WorkTest,
                         testing::Range(0, Setting("BENCHMARK_TESTS")));

// As on hosts that don't execute files in memory.
void RefuseFilesInMemory() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) abort();
}

class Sampler : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo&) override {
    if (++tests_ % (Setting("BENCHMARK_TESTS") / samples_) != 0) return;
    long pages = 0;
    std::ifstream statm("/proc/self/statm");
    statm >> pages >> pages;
    const std::filesystem::directory_iterator descriptors("/proc/self/fd");
    // One of them is the iterator's own.
    printf("sample %d %ld %td\n", tests_,
           pages * (sysconf(_SC_PAGESIZE) / 1024),
           std::distance(begin(descriptors), end(descriptors)) - 1);
  }

  const int samples_ = Setting("BENCHMARK_SAMPLES");
  int tests_ = 0;
};

int Fork(int times) {
  for (int i = 0; i < times; ++i) {
    const pid_t pid = fork();
    if (pid == 0) _exit(0);
    if (waitpid(pid, nullptr, 0) != pid) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (getenv("BENCHMARK_IN_LINE") != nullptr) RefuseFilesInMemory();
#ifdef ENCAPSULATED
  testing::AddGlobalTestEnvironment(new encapsulate::EncapsulatedEnvironment);
#endif
  if (Setting("BENCHMARK_SAMPLES") > 0) {
    testing::UnitTest::GetInstance()->listeners().Append(new Sampler);
  }
  const size_t size = static_cast<size_t>(Setting("BENCHMARK_MEGABYTES")) << 20;
  void* const memory = malloc(size);
  memset(memory, 1, size);
  const absl::Time begin = absl::Now();
  const int result = getenv("BENCHMARK_FORKS") != nullptr
                         ? Fork(Setting("BENCHMARK_TESTS"))
                         : RUN_ALL_TESTS();
  const absl::Duration time = absl::Now() - begin;
  printf("time %lld\n", static_cast<long long>(absl::ToInt64Nanoseconds(time)));
  free(memory);
  return result;
}
