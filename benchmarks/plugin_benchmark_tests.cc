// The programs that plugin_benchmark runs: tests that do nothing.
//
// BENCHMARK_TESTS says how many, BENCHMARK_MEGABYTES how much memory the
// program touches before. It prints how many nanoseconds the tests took.
// With BENCHMARK_FORKS it forks and waits that often instead of testing, and
// with BENCHMARK_SAMPLES=N it prints what it keeps, N times along the way.
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

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

class NothingTest : public testing::TestWithParam<int> {};
TEST_P(NothingTest, Passes) {}
INSTANTIATE_TEST_SUITE_P(Each, NothingTest,
                         testing::Range(0, Setting("BENCHMARK_TESTS")));

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
