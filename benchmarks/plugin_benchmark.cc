// What it costs to encapsulate a test, beside other ways to keep tests apart.
//
//   ./bazelw run -c opt //benchmarks:plugin
//
// For a small program and for one with 256 MB of memory in use, in Markdown:
//   - in the program: plain GoogleTest, all tests in one process.
//   - fork: the least that a test in a process of its own can cost.
//   - fork and exec: the program once for each test, as gtest-parallel does.
//   - encapsulated: by //gtest_plugin:environment.
// The contenders take turns, each with a share of the tests, so that a slow
// moment of the machine hits all of them; quote the ratios. At last it shows
// what memory and descriptors a program keeps while its tests come and go.
#include <fcntl.h>
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

ABSL_FLAG(int, tests, 10000,
          "tests of each contender; a twentieth of them in a program with "
          "memory in use, where a fork takes so much longer");
ABSL_FLAG(int, rounds, 20, "turns that each contender gets");
ABSL_FLAG(std::vector<std::string>, megabytes,
          (std::vector<std::string>{"0", "256"}),
          "memory that the program has in use");

namespace {

using Strings = std::vector<std::string>;

std::string ProgramPath(const std::string& name) {
  char self[4096];
  const ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
  const std::string path(self, size > 0 ? static_cast<size_t>(size) : 0);
  return absl::StrCat(path.substr(0, path.rfind('/')), "/", name);
}

// Runs one of the programs of plugin_benchmark_tests.cc and returns what it
// prints. `settings` are its environment.
std::string RunProgram(const std::string& name, Strings settings,
                       const Strings& arguments = {}) {
  Strings command = {ProgramPath(name), "--gtest_brief=1",
                     "--encapsulate_jobs=1"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  settings.emplace_back("PATH=/usr/bin:/bin");
  const auto pointers = [](Strings& strings) {
    std::vector<char*> result;
    for (std::string& text : strings) result.push_back(&text[0]);
    result.push_back(nullptr);
    return result;
  };
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) abort();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  pid_t pid;
  const int error =
      posix_spawn(&pid, command[0].c_str(), &actions, nullptr,
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
                           const Strings& arguments = {}) {
  settings.push_back(absl::StrCat("BENCHMARK_TESTS=", tests));
  settings.push_back(absl::StrCat("BENCHMARK_MEGABYTES=", megabytes));
  const std::string output =
      RunProgram(program, std::move(settings), arguments);
  return absl::Nanoseconds(atoll(Line(output, "time ").c_str()));
}

struct Contender {
  std::string name;
  // Runs `tests` tests and returns how long they took.
  std::function<absl::Duration(int tests, const std::string& megabytes)> run;
  // Of the tests, for a contender that would take too long with all of them.
  double share = 1;
};

std::vector<Contender> Contenders() {
  return {
      {"in the program",
       [](int tests, const std::string& megabytes) {
         return TimeOfTests("plugin_tests_plain", tests, megabytes);
       }},
      {"fork",
       [](int tests, const std::string& megabytes) {
         return TimeOfTests("plugin_tests_plain", tests, megabytes,
                            {"BENCHMARK_FORKS=1"});
       }},
      {"fork and exec",
       [](int tests, const std::string& megabytes) {
         const absl::Time begin = absl::Now();
         for (int i = 0; i < tests; ++i) {
           TimeOfTests("plugin_tests_plain", tests, megabytes, {},
                       {absl::StrCat("--gtest_filter=*/", i)});
         }
         return absl::Now() - begin;
       },
       0.1},
      {"encapsulated",
       [](int tests, const std::string& megabytes) {
         return TimeOfTests("plugin_tests_encapsulated", tests, megabytes);
       }},
  };
}

absl::Duration Median(std::vector<absl::Duration> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Compare(const std::string& megabytes) {
  const int rounds = absl::GetFlag(FLAGS_rounds);
  const double tests_of_round =
      static_cast<double>(absl::GetFlag(FLAGS_tests)) / rounds /
      (megabytes == "0" ? 1 : 20);
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
      "| one test of a program with %s MB | median | of a fork |\n"
      "|---|---:|---:|\n",
      megabytes.c_str());
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
    Compare(megabytes);
  }
  ShowWhatStays();
  return 0;
}
