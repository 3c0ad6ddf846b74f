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
//   - encapsulated, no monitor: the same with violations off.
//   - encapsulated, sandboxes used again: by --encapsulate_reuse=on.
//   - encapsulated, in line: the same as the first, with no sandbox made ahead
//   of need.
//   - encapsulated, at a terminal: the same as the first, with no pipe for the
//   tests' output.
//   - fork and exec: the program once for each test, as gtest-parallel does.
//   - bubblewrap: the same in a sandbox, where that is installed.
// The contenders take turns, each with a share of the tests, so that a slow
// moment of the machine hits all of them; quote the ratios. Then it shows what
// memory and descriptors a program keeps while its tests come and go, and last
// how long suites of tests that sleep, compute and write files take on one and
// on two processors, in the program, in gtest-parallel's way and encapsulated.
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
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
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

// A program that says itself how long its tests took, so that its start
// doesn't count.
absl::Duration TimeOfTests(const std::string& program, int tests,
                           const std::string& megabytes, Strings settings = {},
                           const Strings& arguments = {},
                           const Strings& sandbox = {},
                           Console console = Console::kPipe) {
  settings.push_back(absl::StrCat("BENCHMARK_TESTS=", tests));
  settings.push_back(absl::StrCat("BENCHMARK_MEGABYTES=", megabytes));
  const std::string output =
      RunProgram(program, std::move(settings), arguments, sandbox, console);
  return absl::Nanoseconds(atoll(Line(output, "time ").c_str()));
}

struct Contender {
  std::string name;
  // Runs `tests` tests and returns how long they took.
  std::function<absl::Duration(int tests, const std::string& megabytes)> run;
  // Of the tests, for a contender that would take too long with all of them.
  double share = 1;
};

// Each test by a process of its own.
absl::Duration TimeOfProcesses(int tests, const std::string& megabytes,
                               const Strings& sandbox) {
  const absl::Time begin = absl::Now();
  for (int i = 0; i < tests; ++i) {
    TimeOfTests("plugin_tests_plain", tests, megabytes, {},
                {absl::StrCat("--gtest_filter=*/", i)}, sandbox);
  }
  return absl::Now() - begin;
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

std::vector<Contender> Contenders() {
  std::vector<Contender> contenders = {
      {"in the program",
       [](int tests, const std::string& megabytes) {
         return TimeOfTests("plugin_tests_plain", tests, megabytes);
       }},
      {"fork",
       [](int tests, const std::string& megabytes) {
         return TimeOfTests("plugin_tests_plain", tests, megabytes,
                            {"BENCHMARK_FORKS=1"});
       }},
      {"encapsulated",
       [](int tests, const std::string& megabytes) {
         return TimeOfTests("plugin_tests_encapsulated", tests, megabytes);
       }},
      {"encapsulated, no monitor",
       [](int tests, const std::string& megabytes) {
         return TimeOfTests("plugin_tests_encapsulated", tests, megabytes,
                            {"ENCAPSULATE_VIOLATIONS=off"});
       }},
      {"encapsulated, sandboxes used again",
       [](int tests, const std::string& megabytes) {
         return TimeOfTests("plugin_tests_encapsulated", tests, megabytes,
                            {"ENCAPSULATE_REUSE=on"});
       }},
      {"encapsulated, in line",
       [](int tests, const std::string& megabytes) {
         return TimeOfTests("plugin_tests_encapsulated", tests, megabytes,
                            {"BENCHMARK_IN_LINE=1"});
       }},
      {"encapsulated, at a terminal",
       [](int tests, const std::string& megabytes) {
         return TimeOfTests("plugin_tests_encapsulated", tests, megabytes, {},
                            {}, {}, Console::kTerminal);
       }},
      {"fork and exec",
       [](int tests, const std::string& megabytes) {
         return TimeOfProcesses(tests, megabytes, {});
       },
       0.1}};
  if (HasBubblewrap()) {
    contenders.push_back({"bubblewrap",
                          [](int tests, const std::string& megabytes) {
                            return TimeOfProcesses(tests, megabytes,
                                                   Bubblewrap());
                          },
                          0.1});
  }
  return contenders;
}

absl::Duration Median(std::vector<absl::Duration> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Compare(const std::string& megabytes, const std::string& where) {
  const int rounds = absl::GetFlag(FLAGS_rounds);
  const double tests_of_round =
      static_cast<double>(absl::GetFlag(FLAGS_tests)) / rounds /
      (atoi(megabytes.c_str()) <= 16 ? 1 : 10);
  const std::vector<Contender> contenders = Contenders();
  std::vector<std::vector<absl::Duration>> times(contenders.size());
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < contenders.size(); ++i) {
      const int tests =
          std::max(1, static_cast<int>(tests_of_round * contenders[i].share));
      times[i].push_back(contenders[i].run(tests, megabytes) / tests);
    }
  }
  absl::Duration fork;
  for (size_t i = 0; i < contenders.size(); ++i) {
    if (contenders[i].name == "fork") fork = Median(times[i]);
  }
  printf(
      "| one test of a program with %s MB%s | median | of a fork |\n"
      "|---|---:|---:|\n",
      megabytes.c_str(), where.c_str());
  for (size_t i = 0; i < contenders.size(); ++i) {
    const absl::Duration median = Median(times[i]);
    printf("| %s | %.1f us | %.3g |\n", contenders[i].name.c_str(),
           absl::ToDoubleMicroseconds(median),
           absl::FDivDuration(median, fork));
  }
  printf("\n");
  fflush(stdout);
}

// The program prints a line for every tenth of its tests.
void ShowWhatStays() {
  printf(
      "| encapsulated tests so far | memory of the program | descriptors |\n"
      "|---:|---:|---:|\n");
  const std::string output =
      RunProgram("plugin_tests_encapsulated",
                 {absl::StrCat("BENCHMARK_TESTS=", absl::GetFlag(FLAGS_tests)),
                  "BENCHMARK_SAMPLES=10"});
  for (absl::string_view line : absl::StrSplit(output, '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() != 4) continue;  // "sample TESTS KILOBYTES DESCRIPTORS"
    printf("| %s | %s kB | %s |\n", words[1].c_str(), words[2].c_str(),
           words[3].c_str());
  }
  printf("\n");
}

// --- On hosts with many mounts ----------------------------------------------

void CompareWithMounts(const std::string& mounts) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    const bool added = encapsulate::AddMounts(atoi(mounts.c_str()));
    if (added) Compare("4", absl::StrCat(", ", mounts, " more mounts"));
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

absl::Duration TimeOfSuite(const std::string& program, const std::string& work,
                           int jobs) {
  const absl::Time begin = absl::Now();
  RunProgram(program,
             {absl::StrCat("BENCHMARK_TESTS=", absl::GetFlag(FLAGS_suite)),
              absl::StrCat("BENCHMARK_WORK=", work)},
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
      "| %d tests | processors | at a time | in the program | gtest-parallel's "
      "way | encapsulated |\n|---|---:|---:|---:|---:|---:|\n",
      absl::GetFlag(FLAGS_suite));
  for (int processors : {2, 1}) {
    if (!UseProcessors(processors)) continue;
    for (const char* work : {"sleep", "cpu", "files"}) {
      const int jobs = work == std::string("sleep") ? 32 : processors;
      std::vector<absl::Duration> times[3];
      for (int round = 0; round < 3; ++round) {
        times[0].push_back(TimeOfSuite("plugin_tests_plain", work, 1));
        times[1].push_back(TimeOfProcesses(work, jobs));
        times[2].push_back(
            TimeOfSuite("plugin_tests_encapsulated", work, jobs));
      }
      const absl::Duration plain = Median(times[0]);
      printf("| %s | %d | %d | %.2f s | %.3g | %.3g |\n", work, processors,
             jobs, absl::ToDoubleSeconds(plain),
             absl::FDivDuration(Median(times[1]), plain),
             absl::FDivDuration(Median(times[2]), plain));
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
    Compare(megabytes, "");
  }
  for (const std::string& mounts : absl::GetFlag(FLAGS_mounts)) {
    CompareWithMounts(mounts);
  }
  ShowWhatStays();
  if (absl::GetFlag(FLAGS_suite) > 0) CompareSuites();
  return 0;
}
