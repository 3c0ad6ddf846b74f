// SPDX-License-Identifier: Apache-2.0
//
// What it costs to encapsulate a test, beside other ways to keep tests apart.
//
//   ./bazelw run -c opt //benchmarks:plugin
//
// For programs with little and with much memory in use, and for hosts with few
// and with many mounts, in Markdown:
//   - in the program: plain GoogleTest, all tests in one process.
//   - fork: the least that a test in a process of its own can cost.
//   - encapsulated: by //gtest_plugin:environment.
//   - encapsulated, at a terminal: the same, with no pipe for the tests'
//   output.
//   - encapsulated, new sandboxes: by --encapsulate_reuse=off.
//   - encapsulated, new sandboxes, no monitor: with violations off as well.
//   - encapsulated, new sandboxes, in line: with none made ahead of need.
//   - fork and exec: the program once for each test, as gtest-parallel does.
//   - bubblewrap: the same in a sandbox, where that is installed.
// The contenders take turns, each with a share of the tests, so that a slow
// moment of the machine hits all of them; quote the ratios. Of processor time
// and what is counted, all processes' is meant: the program's, the tests', and
// the sandboxes'. The same for tests that write a file or talk TCP, for several
// at a time beside as many forks at a time, and for a program of one test.
//
// Then it shows what memory and descriptors a program keeps while its tests
// come and go, and last how long suites of tests that sleep, compute and write
// files take on one and on two processors, in the program, by forks, in
// gtest-parallel's way and encapsulated.
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "benchmarks/host_mounts.h"

ABSL_FLAG(int, tests, 2000,
          "tests of each contender; a tenth of them where a fork takes long, "
          "in programs with more than 16 MB in use");
ABSL_FLAG(int, rounds, 20, "turns that each contender gets");
ABSL_FLAG(std::vector<std::string>, megabytes,
          (std::vector<std::string>{"4", "64", "512"}),
          "memory that the program has in use");
ABSL_FLAG(std::vector<std::string>, mounts,
          (std::vector<std::string>{"300", "3000"}),
          "numbers of mounts to add to the host's, for a program with 4 MB");
ABSL_FLAG(int, suite, 1000, "tests of a suite; 0 leaves the suites out");

namespace {

using Strings = std::vector<std::string>;

std::string ProgramPath(const std::string& name) {
  char self[4096];
  const ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
  const std::string path(self, size > 0 ? static_cast<size_t>(size) : 0);
  return absl::StrCat(path.substr(0, path.rfind('/')), "/", name);
}

// What a program's stdout and stderr are.
enum class Console { kPipe, kTerminal };

bool OpenConsole(Console console, int (&ends)[2]) {
  if (console == Console::kPipe) return pipe2(ends, O_CLOEXEC) == 0;
  ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (grantpt(ends[0]) != 0 || unlockpt(ends[0]) != 0) return false;
  ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
  return ends[1] >= 0;
}

// Runs one of the programs of plugin_benchmark_tests.cc and returns what it
// prints. `settings` are its environment.
std::string RunProgram(const std::string& name, Strings settings,
                       const Strings& arguments = {},
                       const Strings& sandbox = {},
                       Console console = Console::kPipe) {
  Strings command = sandbox;
  for (const std::string& word :
       {ProgramPath(name), std::string("--gtest_brief=1"),
        std::string("--encapsulate_jobs=1")}) {
    command.push_back(word);
  }
  command.insert(command.end(), arguments.begin(), arguments.end());
  settings.emplace_back("PATH=/usr/bin:/bin");
  const auto pointers = [](Strings& strings) {
    std::vector<char*> result;
    for (std::string& text : strings) result.push_back(&text[0]);
    result.push_back(nullptr);
    return result;
  };
  int out[2];
  if (!OpenConsole(console, out)) abort();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDERR_FILENO);
  pid_t pid;
  const int error =
      posix_spawnp(&pid, command[0].c_str(), &actions, nullptr,
                   pointers(command).data(), pointers(settings).data());
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);
  std::string output;
  char buffer[4096];
  for (ssize_t size; (size = read(out[0], buffer, sizeof(buffer))) > 0;) {
    output.append(buffer, static_cast<size_t>(size));
  }
  close(out[0]);
  int status = -1;
  if (error != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
    fprintf(stderr, "plugin_benchmark: %s failed:\n%s", name.c_str(),
            output.c_str());
    exit(1);
  }
  return output;
}

// The words after `name` in the first line that begins with it.
std::string Line(const std::string& output, const std::string& name) {
  for (absl::string_view line : absl::StrSplit(output, '\n')) {
    if (absl::ConsumePrefix(&line, name)) return std::string(line);
  }
  return "";
}

// What one test costs.
struct Cost {
  absl::Duration wall;
  absl::Duration processor;
  double faults = 0;
  double switches = 0;
  double calls = -1;  // unknown
};

// A program that says itself what its tests took, so that its start doesn't
// count.
Cost CostOfTests(const std::string& program, int tests,
                 const std::string& megabytes, Strings settings = {},
                 const Strings& arguments = {}, const Strings& sandbox = {},
                 Console console = Console::kPipe) {
  settings.push_back(absl::StrCat("BENCHMARK_TESTS=", tests));
  settings.push_back(absl::StrCat("BENCHMARK_MEGABYTES=", megabytes));
  const std::string output =
      RunProgram(program, std::move(settings), arguments, sandbox, console);
  Cost cost;
  cost.wall = absl::Nanoseconds(atoll(Line(output, "time ").c_str())) / tests;
  const std::vector<std::string> used =
      absl::StrSplit(Line(output, "used "), ' ');
  if (used.size() != 4) abort();
  cost.processor = absl::Nanoseconds(atoll(used[0].c_str())) / tests;
  cost.faults = atof(used[1].c_str()) / tests;
  cost.switches = atof(used[2].c_str()) / tests;
  const double calls = atof(used[3].c_str());
  cost.calls = calls < 0 ? -1 : calls / tests;
  return cost;
}

struct Contender {
  std::string name;
  // Runs `tests` tests.
  std::function<Cost(int tests, const std::string& megabytes,
                     const Strings& settings)>
      run;
  // Of the tests, for a contender that would take too long with all of them.
  double share = 1;
};

Contender Program(std::string name, const std::string& program,
                  const Strings& own = {}, const Strings& arguments = {},
                  Console console = Console::kPipe) {
  return {std::move(name), [=](int tests, const std::string& megabytes,
                               const Strings& settings) {
            Strings all = own;
            all.insert(all.end(), settings.begin(), settings.end());
            return CostOfTests(program, tests, megabytes, std::move(all),
                               arguments, {}, console);
          }};
}

// Each test by a process of its own.
Contender Processes(std::string name, const Strings& sandbox) {
  return {
      std::move(name),
      [=](int tests, const std::string& megabytes, const Strings& settings) {
        Cost cost;
        const absl::Time begin = absl::Now();
        for (int i = 0; i < tests; ++i) {
          CostOfTests("plugin_tests_plain", tests, megabytes, settings,
                      {absl::StrCat("--gtest_filter=*/", i)}, sandbox);
        }
        cost.wall = (absl::Now() - begin) / tests;
        return cost;
      },
      0.1};
}

// Asked for what an encapsulated test has.
const Strings& Bubblewrap() {
  static const auto* const command =
      new Strings{"bwrap", "--ro-bind",     "/",
                  "/",     "--tmpfs",       "/tmp",
                  "--dev", "/dev",          "--proc",
                  "/proc", "--unshare-all", "--die-with-parent"};
  return *command;
}

bool HasBubblewrap() {
  Strings command = Bubblewrap();
  command.emplace_back("true");
  std::string words;
  for (const std::string& word : command) absl::StrAppend(&words, word, " ");
  return system(absl::StrCat(words, ">/dev/null 2>&1").c_str()) == 0;
}

constexpr char kEncapsulated[] = "plugin_tests_encapsulated";
constexpr char kAgain[] = "ENCAPSULATE_REUSE=on";

std::vector<Contender> Contenders() {
  std::vector<Contender> contenders = {
      Program("fork", "plugin_tests_plain", {"BENCHMARK_FORKS=1"}),
      Program("in the program", "plugin_tests_plain"),
      Program("encapsulated", kEncapsulated, {kAgain}),
      Program("encapsulated, at a terminal", kEncapsulated, {kAgain}, {},
              Console::kTerminal),
      Program("encapsulated, new sandboxes", kEncapsulated,
              {"ENCAPSULATE_REUSE=off"}),
      Program("encapsulated, new sandboxes, no monitor", kEncapsulated,
              {"ENCAPSULATE_REUSE=off", "ENCAPSULATE_VIOLATIONS=off"}),
      Program("encapsulated, new sandboxes, in line", kEncapsulated,
              {"ENCAPSULATE_REUSE=off", "BENCHMARK_IN_LINE=1"}),
      Processes("fork and exec", {})};
  if (HasBubblewrap()) {
    contenders.push_back(Processes("bubblewrap", Bubblewrap()));
  }
  return contenders;
}

template <typename T>
T Median(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string Counted(double count) {
  return count < 0 ? "-" : absl::StrFormat("%.0f", count);
}

// The first one is what the others are compared with.
void Compare(const std::string& what, const std::vector<Contender>& contenders,
             const std::string& megabytes, const Strings& settings = {}) {
  const int rounds = absl::GetFlag(FLAGS_rounds);
  const double tests_of_round =
      static_cast<double>(absl::GetFlag(FLAGS_tests)) / rounds /
      (atoi(megabytes.c_str()) <= 16 ? 1 : 10);
  std::vector<std::vector<Cost>> costs(contenders.size());
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < contenders.size(); ++i) {
      const int tests =
          std::max(1, static_cast<int>(tests_of_round * contenders[i].share));
      costs[i].push_back(contenders[i].run(tests, megabytes, settings));
    }
  }
  const auto median = [&costs](size_t i, auto member) {
    std::vector<std::decay_t<decltype(costs[i][0].*member)>> values;
    for (const Cost& cost : costs[i]) values.push_back(cost.*member);
    return Median(std::move(values));
  };
  printf(
      "| %s | median | of a fork | processor time, of a fork | page faults | "
      "switches | system calls |\n|---|---:|---:|---:|---:|---:|---:|\n",
      what.c_str());
  Strings counted = settings;
  counted.emplace_back("BENCHMARK_CALLS=1");
  for (size_t i = 0; i < contenders.size(); ++i) {
    const absl::Duration wall = median(i, &Cost::wall);
    const absl::Duration processor = median(i, &Cost::processor);
    printf("| %s | %.1f us | %.3g | ", contenders[i].name.c_str(),
           absl::ToDoubleMicroseconds(wall),
           absl::FDivDuration(wall, median(0, &Cost::wall)));
    if (processor > absl::ZeroDuration()) {
      const double calls =
          contenders[i]
              .run(std::max(1, static_cast<int>(tests_of_round)), megabytes,
                   counted)
              .calls;
      printf("%.3g | %.0f | %.1f | %s |\n",
             absl::FDivDuration(processor, median(0, &Cost::processor)),
             median(i, &Cost::faults), median(i, &Cost::switches),
             Counted(calls).c_str());
    } else {
      printf("- | - | - | - |\n");
    }
  }
  printf("\n");
  fflush(stdout);
}

void CompareWork() {
  for (const auto& work : {std::make_pair("writes a file", "write"),
                           std::make_pair("talks TCP on loopback", "tcp")}) {
    Compare(absl::StrCat("one test that ", work.first),
            {Program("fork", "plugin_tests_plain", {"BENCHMARK_FORKS=1"}),
             Program("encapsulated", kEncapsulated, {kAgain}),
             Program("encapsulated, new sandboxes", kEncapsulated,
                     {"ENCAPSULATE_REUSE=off"})},
            "4", {absl::StrCat("BENCHMARK_WORK=", work.second)});
  }
}

void CompareJobs() {
  for (int jobs : {2, 8, 32}) {
    Compare(absl::StrCat("one test of ", jobs, " at a time"),
            {Program("fork", "plugin_tests_plain",
                     {absl::StrCat("BENCHMARK_FORKS=", jobs)}),
             Program("encapsulated", kEncapsulated, {kAgain},
                     {absl::StrCat("--encapsulate_jobs=", jobs)})},
            "4");
  }
}

// From the start to the end of the program.
void CompareOneTest() {
  std::vector<absl::Duration> times[2];
  std::vector<absl::Duration> forks;
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    for (int i = 0; i < 2; ++i) {
      const absl::Time begin = absl::Now();
      RunProgram(i == 0 ? "plugin_tests_plain" : kEncapsulated,
                 {"BENCHMARK_TESTS=1", kAgain});
      times[i].push_back(absl::Now() - begin);
    }
    forks.push_back(
        CostOfTests("plugin_tests_plain", 20, "4", {"BENCHMARK_FORKS=1"}).wall);
  }
  const absl::Duration plain = Median(times[0]);
  const absl::Duration encapsulated = Median(times[1]);
  printf(
      "A program of one test takes %.2g times as long encapsulated: %.1f forks "
      "more.\n\n",
      absl::FDivDuration(encapsulated, plain),
      absl::FDivDuration(encapsulated - plain, Median(forks)));
  fflush(stdout);
}

// The program prints a line for every tenth of its tests, and one for each
// sandbox.
void ShowWhatStays() {
  const std::string output =
      RunProgram(kEncapsulated,
                 {absl::StrCat("BENCHMARK_TESTS=", absl::GetFlag(FLAGS_tests)),
                  "BENCHMARK_SAMPLES=10", "ENCAPSULATE_VERBOSE=1", kAgain});
  int sandboxes = 0;
  printf(
      "| encapsulated tests so far | sandboxes made | memory of the program | "
      "descriptors |\n|---:|---:|---:|---:|\n");
  for (absl::string_view line : absl::StrSplit(output, '\n')) {
    if (absl::StrContains(line, ": sandbox made in ")) ++sandboxes;
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    // "sample TESTS KILOBYTES DESCRIPTORS"
    if (words.size() != 4 || words[0] != "sample") continue;
    printf("| %s | %d | %s kB | %s |\n", words[1].c_str(), sandboxes,
           words[2].c_str(), words[3].c_str());
  }
  printf("\n");
}

// --- On hosts with many mounts ----------------------------------------------

void CompareWithMounts(const std::string& mounts) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    const bool added = encapsulate::AddMounts(atoi(mounts.c_str()));
    if (added) {
      Compare(absl::StrCat("one test of a program with 4 MB, ", mounts,
                           " more mounts"),
              Contenders(), "4");
    }
    _exit(added ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (status != 0) printf("(this host does not allow more mounts)\n\n");
}

// --- Suites -----------------------------------------------------------------

// gtest-parallel's way: a process for each test, `jobs` at a time.
absl::Duration TimeOfProcesses(const std::string& work, int jobs) {
  const absl::Time begin = absl::Now();
  const int tests = absl::GetFlag(FLAGS_suite);
  int running = 0;
  for (int next = 0; next < tests || running > 0;) {
    if (next < tests && running < jobs) {
      const pid_t pid = fork();
      if (pid == 0) {
        RunProgram("plugin_tests_plain",
                   {absl::StrCat("BENCHMARK_TESTS=", tests),
                    absl::StrCat("BENCHMARK_WORK=", work)},
                   {absl::StrCat("--gtest_filter=*/", next)});
        _exit(0);
      }
      ++next;
      ++running;
    } else if (wait(nullptr) > 0) {
      --running;
    }
  }
  return absl::Now() - begin;
}

// With `forks`, by so many forks at a time.
absl::Duration TimeOfSuite(const std::string& program, const std::string& work,
                           int jobs, int forks = 0) {
  const absl::Time begin = absl::Now();
  RunProgram(program,
             {absl::StrCat("BENCHMARK_TESTS=", absl::GetFlag(FLAGS_suite)),
              absl::StrCat("BENCHMARK_FORKS=", forks),
              absl::StrCat("BENCHMARK_WORK=", work), kAgain},
             {absl::StrCat("--encapsulate_jobs=", jobs)});
  return absl::Now() - begin;
}

bool UseProcessors(int count) {
  cpu_set_t all;
  cpu_set_t some;
  CPU_ZERO(&some);
  if (sched_getaffinity(0, sizeof(all), &all) != 0) return false;
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&some) < count; ++cpu) {
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &some);
  }
  return CPU_COUNT(&some) == count &&
         sched_setaffinity(0, sizeof(some), &some) == 0;
}

void CompareSuites() {
  printf(
      "| %d tests | processors | at a time | in the program | forks | "
      "gtest-parallel's way | encapsulated |\n"
      "|---|---:|---:|---:|---:|---:|---:|\n",
      absl::GetFlag(FLAGS_suite));
  for (int processors : {2, 1}) {
    if (!UseProcessors(processors)) continue;
    for (const char* work : {"sleep", "cpu", "files"}) {
      const int jobs = work == std::string("sleep") ? 32 : processors;
      std::vector<absl::Duration> times[4];
      for (int round = 0; round < 3; ++round) {
        times[0].push_back(TimeOfSuite("plugin_tests_plain", work, 1));
        times[1].push_back(TimeOfSuite("plugin_tests_plain", work, 1, jobs));
        times[2].push_back(TimeOfProcesses(work, jobs));
        times[3].push_back(TimeOfSuite(kEncapsulated, work, jobs));
      }
      const absl::Duration plain = Median(times[0]);
      printf("| %s | %d | %d | %.2f s | %.3g | %.3g | %.3g |\n", work,
             processors, jobs, absl::ToDoubleSeconds(plain),
             absl::FDivDuration(Median(times[1]), plain),
             absl::FDivDuration(Median(times[2]), plain),
             absl::FDivDuration(Median(times[3]), plain));
      fflush(stdout);
    }
  }
  printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Compares encapsulated tests with others: see plugin_benchmark.cc.");
  absl::ParseCommandLine(argc, argv);
  if (absl::GetFlag(FLAGS_rounds) < 1 || absl::GetFlag(FLAGS_tests) < 1) {
    fprintf(stderr, "plugin_benchmark: --rounds and --tests start at 1\n");
    return 2;
  }
  for (const std::string& megabytes : absl::GetFlag(FLAGS_megabytes)) {
    Compare(absl::StrCat("one test of a program with ", megabytes, " MB"),
            Contenders(), megabytes);
  }
  CompareWork();
  CompareJobs();
  CompareOneTest();
  for (const std::string& mounts : absl::GetFlag(FLAGS_mounts)) {
    CompareWithMounts(mounts);
  }
  ShowWhatStays();
  if (absl::GetFlag(FLAGS_suite) > 0) CompareSuites();
  return 0;
}
