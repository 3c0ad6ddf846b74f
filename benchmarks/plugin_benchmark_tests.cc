// SPDX-License-Identifier: Apache-2.0
//
// The programs that plugin_benchmark runs: tests that do nothing, or one of the
// things below.
//
// BENCHMARK_TESTS says how many, BENCHMARK_WORK what they do (sleep, cpu,
// files, write, tcp), BENCHMARK_MEGABYTES how much memory the program touches
// before. It prints how many nanoseconds the tests took, and what all processes
// used for them: nanoseconds of processor time, page faults, switches, and
// system calls, which only root may count (-1 for others). With
// BENCHMARK_IN_LINE no sandbox is made ahead: the program that does it isn't to
// be had. With BENCHMARK_FORKS=N it forks, N children at a time, instead of
// testing, and with BENCHMARK_SAMPLES=N it prints what it keeps, N times along
// the way.
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
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

// A client and a server on loopback, which say a word each.
void TalkToItself() {
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const place = reinterpret_cast<sockaddr*>(&address);
  if (bind(server, place, size) != 0 || listen(server, 1) != 0 ||
      getsockname(server, place, &size) != 0 ||
      connect(client, place, size) != 0) {
    abort();
  }
  const int connection = accept(server, nullptr, nullptr);
  char byte = 'x';
  if (write(client, &byte, 1) != 1 || read(connection, &byte, 1) != 1 ||
      write(connection, &byte, 1) != 1 || read(client, &byte, 1) != 1) {
    abort();
  }
  for (int fd : {connection, client, server}) close(fd);
}

// Five milliseconds each of those that sleep or compute.
void Work() {
  const char* const given = getenv("BENCHMARK_WORK");
  const std::string work = given != nullptr ? given : "";
  if (work == "sleep") {
    absl::SleepFor(absl::Milliseconds(5));
  } else if (work == "cpu") {
    const absl::Duration end = ProcessorTime() + absl::Milliseconds(5);
    while (ProcessorTime() < end) {
    }
  } else if (work == "write") {
    std::ofstream(testing::TempDir() + std::to_string(getpid())) << "text";
  } else if (work == "tcp") {
    TalkToItself();
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
    if (++tests_ % std::max(1, Setting("BENCHMARK_TESTS") / samples_) != 0) {
      return;
    }
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

int Fork(int times, int at_a_time) {
  int running = 0;
  for (int next = 0; next < times || running > 0;) {
    if (next < times && running < at_a_time) {
      const pid_t pid = fork();
      if (pid == 0) {
        Work();
        _exit(0);
      }
      if (pid < 0) return 1;
      ++next;
      ++running;
    } else {
      if (waitpid(-1, nullptr, 0) < 0) return 1;
      --running;
    }
  }
  return 0;
}

// What this process and those that it has waited for have used.
struct Usage {
  int64_t nanoseconds = 0;
  int64_t faults = 0;
  int64_t switches = 0;

  static Usage Now() {
    Usage sum;
    for (int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
      struct rusage used;
      getrusage(who, &used);
      for (const timeval& time : {used.ru_utime, used.ru_stime}) {
        sum.nanoseconds += time.tv_sec * 1000000000LL + time.tv_usec * 1000LL;
      }
      sum.faults += used.ru_minflt + used.ru_majflt;
      sum.switches += used.ru_nvcsw + used.ru_nivcsw;
    }
    return sum;
  }
};

// Counts the system calls of this process and of all that descend from it;
// -1 without the right to.
int CountCalls() {
  uint64_t id = 0;
  std::ifstream("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id") >> id;
  if (id == 0) {
    std::ifstream(
        "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id") >>
        id;
  }
  if (id == 0) return -1;
  perf_event_attr attributes = {};
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.size = sizeof(attributes);
  attributes.config = id;
  attributes.inherit = 1;
  return static_cast<int>(syscall(SYS_perf_event_open, &attributes, 0, -1, -1,
                                  PERF_FLAG_FD_CLOEXEC));
}

int64_t Counted(int counter) {
  int64_t count = -1;
  return read(counter, &count, sizeof(count)) == sizeof(count) ? count : -1;
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
  const size_t size =
      static_cast<size_t>(std::max(1, Setting("BENCHMARK_MEGABYTES"))) << 20;
  void* const memory = malloc(size);
  memset(memory, 1, size);
  // Only where it is asked for: a process that is counted takes longer.
  const int counter = getenv("BENCHMARK_CALLS") != nullptr ? CountCalls() : -1;
  const Usage before = Usage::Now();
  const absl::Time begin = absl::Now();
  const int forks = Setting("BENCHMARK_FORKS");
  const int result =
      forks > 0 ? Fork(Setting("BENCHMARK_TESTS"), forks) : RUN_ALL_TESTS();
  const absl::Duration time = absl::Now() - begin;
  const Usage after = Usage::Now();
  printf("time %lld\n", static_cast<long long>(absl::ToInt64Nanoseconds(time)));
  printf("used %lld %lld %lld %lld\n",
         static_cast<long long>(after.nanoseconds - before.nanoseconds),
         static_cast<long long>(after.faults - before.faults),
         static_cast<long long>(after.switches - before.switches),
         static_cast<long long>(Counted(counter)));
  free(memory);
  return result;
}
