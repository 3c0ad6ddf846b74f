// SPDX-License-Identifier: Apache-2.0
//
// What watching for violations and recording inputs cost: the same sandbox with
// and without.
//
//   ./bazelw run -c opt //benchmarks:monitor
//
// Three tables, in Markdown:
//   1. One call, by itself, of code that violates nothing.
//   2. Whole programs.
//   3. Setting up, which every test has to wait for.
//
// They take turns, so that a slow moment of the machine hits all, and the least
// of all rounds counts.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/sandbox.h"

ABSL_FLAG(int, rounds, 20, "runs of everything, with and without");
ABSL_FLAG(std::string, repository, "",
          "a git repository; by default the one that holds this program's "
          "source");

namespace {

using encapsulate::Options;
using encapsulate::Process;
using encapsulate::Result;
using encapsulate::Violations;

// Fresh and in memory: a disk's pace would hide the rest.
constexpr char kDirectory[] = "/var/tmp";

[[noreturn]] void Fail(const std::string& what) {
  fprintf(stderr, "monitor_benchmark: %s\n", what.c_str());
  exit(1);
}

// What a busy machine disturbs least.
double Least(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::min_element(values.begin(), values.end());
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// What somebody looks at.
enum Watch : size_t { kNothing, kViolations, kInputs, kWatches };

Options SandboxWith(Watch watch) {
  Options options;
  options.tmpfs = {{kDirectory, 0}};
  if (watch == kViolations) options.violations = Violations::kReport;
  options.inputs = watch == kInputs;
  return options;
}

// Of each Watch.
using Times = std::array<std::vector<double>, kWatches>;

Times InTurns(const std::function<double(Watch)>& measure) {
  Times times;
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    for (size_t watch = 0; watch < kWatches; ++watch) {
      times[watch].push_back(measure(static_cast<Watch>(watch)));
    }
  }
  return times;
}

// The median of the rounds' ratios to kNothing.
double RatioOf(const Times& times, Watch watch) {
  std::vector<double> ratios;
  for (size_t i = 0; i < times[watch].size(); ++i) {
    ratios.push_back(times[watch][i] / times[kNothing][i]);
  }
  return Median(std::move(ratios));
}

// --- One call ---------------------------------------------------------------

struct Work {
  std::string name;
  int count;
  // The i-th time. In an empty directory.
  std::function<void(int)> once;
};

std::string Name(int i) { return absl::StrCat("file", i); }

int Listener() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (listen(fd, 4096) != 0) abort();
  return fd;
}

void ConnectTo(int listener) {
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) abort();
  close(fd);
}

// In this order, because files that are created are renamed and removed.
std::vector<Work> Works() {
  constexpr int kMany = 20000;
  constexpr int kFiles = 1000;
  return {
      {"getppid", kMany, [](int) { syscall(SYS_getppid); }},
      {"stat", kMany,
       [](int) {
         struct stat info;
         if (stat("/etc/passwd", &info) != 0) abort();
       }},
      {"open for reading, read, close", kMany,
       [](int) {
         char buffer[512];
         const int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
         if (read(fd, buffer, sizeof(buffer)) < 0) abort();
         close(fd);
       }},
      {"look for a file that isn't there", kMany,
       [](int i) {
         if (open(Name(i + kMany).c_str(), O_RDONLY | O_CLOEXEC) >= 0) abort();
       }},
      {"create a file, close", kFiles,
       [](int i) {
         const int fd = open(Name(i).c_str(), O_WRONLY | O_CREAT, 0644);
         if (fd < 0) abort();
         close(fd);
       }},
      {"rename", kFiles,
       [](int i) {
         if (rename(Name(i).c_str(), Name(i + kFiles).c_str()) != 0) abort();
       }},
      {"unlink", kFiles,
       [](int i) {
         if (unlink(Name(i + kFiles).c_str()) != 0) abort();
       }},
      {"socket, connect to loopback, close", kFiles,
       [](int) {
         static const int listener = Listener();
         ConnectTo(listener);
       }},
  };
}

// Nanoseconds of each work's call, in one sandbox.
std::vector<double> DoWorks(Watch watch) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Fail("no pipe");
  absl::StatusOr<absl::optional<Process>> child = Enter(SandboxWith(watch));
  if (!child.ok()) Fail(std::string(child.status().message()));
  const std::vector<Work> works = Works();
  std::vector<double> times(works.size());
  const size_t size = times.size() * sizeof(double);
  if (!child->has_value()) {
    if (chdir(kDirectory) != 0) _exit(1);
    for (size_t i = 0; i < works.size(); ++i) {
      const absl::Time begin = absl::Now();
      for (int j = 0; j < works[i].count; ++j) works[i].once(j);
      times[i] =
          absl::ToDoubleNanoseconds(absl::Now() - begin) / works[i].count;
    }
    _exit(write(ends[1], times.data(), size) == static_cast<ssize_t>(size) ? 0
                                                                           : 1);
  }
  const Result result = (*child)->Wait();
  close(ends[1]);
  if (!result.ok() || !result.record.violations.empty() ||
      read(ends[0], times.data(), size) != static_cast<ssize_t>(size)) {
    Fail("the work failed");
  }
  close(ends[0]);
  return times;
}

void CompareCalls() {
  const std::vector<Work> works = Works();
  std::vector<Times> times(works.size());
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    for (size_t watch = 0; watch < kWatches; ++watch) {
      const std::vector<double> taken = DoWorks(static_cast<Watch>(watch));
      for (size_t i = 0; i < works.size(); ++i) {
        times[i][watch].push_back(taken[i]);
      }
    }
  }
  printf("| one call | not watched | violations | more | inputs | more |\n");
  printf("|---|---:|---:|---:|---:|---:|\n");
  for (size_t i = 0; i < works.size(); ++i) {
    const double without = Least(times[i][kNothing]) / 1e3;
    const double violations = Least(times[i][kViolations]) / 1e3;
    const double inputs = Least(times[i][kInputs]) / 1e3;
    printf("| %s | %.2f us | %.2f us | %.2f us | %.2f us | %.2f us |\n",
           works[i].name.c_str(), without, violations, violations - without,
           inputs, inputs - without);
  }
  printf("\n");
  fflush(stdout);
}

// --- Whole programs ---------------------------------------------------------

absl::Duration ProcessorTime(const struct rusage& usage) {
  return absl::DurationFromTimeval(usage.ru_utime) +
         absl::DurationFromTimeval(usage.ru_stime);
}

// Seconds of the processor, the monitor's included: other programs disturb them
// less than the time on the wall.
double TimeOf(const std::vector<std::string>& command, Watch watch) {
  struct rusage before = {};
  struct rusage after = {};
  getrusage(RUSAGE_SELF, &before);
  // What it prints is of no interest.
  std::vector<std::string> quiet = {"/bin/sh", "-c",
                                    "exec \"$@\" >/dev/null 2>&1", "sh"};
  quiet.insert(quiet.end(), command.begin(), command.end());
  const absl::StatusOr<Result> result = Run(SandboxWith(watch), quiet);
  getrusage(RUSAGE_SELF, &after);
  if (!result.ok()) Fail(std::string(result.status().message()));
  if (!result->ok()) Fail(absl::StrCat(command[0], " failed"));
  return absl::ToDoubleSeconds(ProcessorTime(result->usage) +
                               ProcessorTime(after) - ProcessorTime(before));
}

void ComparePrograms() {
  char source[] = "/tmp/benchmark-XXXXXX.cc";
  const int fd = mkstemps(source, 3);
  if (fd < 0) Fail("no file in /tmp");
  close(fd);
  std::ofstream(source) << "#include <map>\n#include <string>\n"
                           "std::map<std::string, int> numbers;\n";
  std::string repository = absl::GetFlag(FLAGS_repository);
  const char* const workspace = getenv("BUILD_WORKSPACE_DIRECTORY");
  if (repository.empty() && workspace != nullptr) repository = workspace;
  printf(
      "| processor time of | not watched | violations | ratio | inputs | ratio "
      "|\n");
  printf("|---|---:|---:|---:|---:|---:|\n");
  const std::vector<std::pair<std::string, std::vector<std::string>>> programs =
      {{"compile a C++ file", {"g++", "-c", "-o", "/dev/null", source}},
       {"git log --stat",
        {"git", "-c", "safe.directory=*", "-C", repository, "log", "--stat"}}};
  for (const auto& program : programs) {
    const Times times = InTurns(
        [&program](Watch watch) { return TimeOf(program.second, watch); });
    printf("| %s | %.0f ms | %.0f ms | %.3f | %.0f ms | %.3f |\n",
           program.first.c_str(), Least(times[kNothing]) * 1e3,
           Least(times[kViolations]) * 1e3, RatioOf(times, kViolations),
           Least(times[kInputs]) * 1e3, RatioOf(times, kInputs));
    fflush(stdout);
  }
  printf("\n");
  unlink(source);
}

// --- A sandbox --------------------------------------------------------------

// What a step of setting up takes, in microseconds.
double TimeOfStep(Watch watch, absl::string_view name) {
  std::vector<double> times;
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds) * 10; ++round) {
    absl::StatusOr<absl::optional<Process>> child = Enter(SandboxWith(watch));
    if (!child.ok()) Fail(std::string(child.status().message()));
    if (!child->has_value()) _exit(0);
    for (const encapsulate::StepTime& step : (*child)->steps()) {
      if (step.step == name) {
        times.push_back(absl::ToDoubleMicroseconds(step.time));
      }
    }
    (*child)->Wait();
  }
  return Least(times);
}

void CompareSteps() {
  printf("| step of setting up | not watched | violations | inputs |\n");
  printf("|---|---:|---:|---:|\n");
  printf("| install the filter | %.0f us | %.0f us | %.0f us |\n",
         TimeOfStep(kNothing, "filter system calls"),
         TimeOfStep(kViolations, "watch system calls"),
         TimeOfStep(kInputs, "watch system calls"));
  printf("| listen for names | | %.0f us | |\n",
         TimeOfStep(kViolations, "listen for names"));
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Measures what watching costs.");
  absl::ParseCommandLine(argc, argv);
  CompareCalls();
  ComparePrograms();
  CompareSteps();
  return 0;
}
