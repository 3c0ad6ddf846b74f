// SPDX-License-Identifier: Apache-2.0
//
// What a sandbox costs: encapsulate beside its peers, in one run.
//
//   ./bazelw run -c opt //benchmarks:tool
//
// Three tables, in Markdown:
//   1. Wall time of `true` alone and in each sandbox that is installed, for
//      hosts with few and with many mounts. The contenders take turns, so that
//      a slow moment of the machine hits all of them; quote the ratios.
//   2. Where encapsulate's own time goes, step by step.
//   3. What work inside costs against the same work outside.
//
// The mounts are made in a private namespace; nothing on the host changes.
#include <fcntl.h>
#include <glob.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "benchmarks/host_mounts.h"
#include "encapsulate/sandbox.h"

ABSL_FLAG(std::string, encapsulate, "",
          "the tool to measure; by default the one built with this program");
ABSL_FLAG(std::vector<std::string>, mounts,
          (std::vector<std::string>{"0", "200", "2000"}),
          "numbers of mounts to add to the host's");
ABSL_FLAG(int, rounds, 60, "runs of each command");
ABSL_FLAG(std::string, workload, "",
          "internal: do this work once and print how many nanoseconds it took");

namespace {

using Command = std::vector<std::string>;

struct Contender {
  std::string name;
  Command command;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// Runs a command to its end. Its output goes to `output`, or nowhere.
int RunOnce(const Command& command, std::string* output = nullptr) {
  std::vector<char*> argv;
  for (const std::string& argument : command) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  int out[2] = {-1, -1};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (output != nullptr && pipe2(out, O_CLOEXEC) == 0) {
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  } else {
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  }
  pid_t pid;
  const int error =
      posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (out[1] >= 0) close(out[1]);
  if (error != 0) return 127;
  char buffer[4096];
  for (ssize_t size;
       out[0] >= 0 && (size = read(out[0], buffer, sizeof(buffer))) > 0;) {
    output->append(buffer, static_cast<size_t>(size));
  }
  if (out[0] >= 0) close(out[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string FirstMatch(const std::string& pattern) {
  glob_t found = {};
  std::string path;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) path = found.gl_pathv[0];
  globfree(&found);
  return path;
}

// The peers that are installed, each asked for the same view: everything
// read-only but /tmp, own /proc and /dev, no network but loopback.
std::vector<Contender> Contenders(const std::string& tool) {
  std::vector<Contender> all = {
      {"true, alone", {"true"}},
      {"encapsulate", {tool, "/tmp", "true"}},
      {"bubblewrap",
       {"bwrap", "--ro-bind", "/", "/", "--bind", "/tmp", "/tmp", "--dev",
        "/dev", "--proc", "/proc", "--unshare-all", "--die-with-parent",
        "true"}},
      {"unshare (no read-only view)",
       {"unshare", "-Urmnipuf", "--mount-proc", "true"}}};
  // Where Debian's package has it, or where Bazel unpacks it.
  const char* home = getenv("HOME");
  std::string linux_sandbox = "/usr/share/bazel/linux-sandbox";
  if (access(linux_sandbox.c_str(), X_OK) != 0) {
    linux_sandbox = FirstMatch(
        absl::StrCat(home != nullptr ? home : "",
                     "/.cache/bazel/_bazel_*/install/*/linux-sandbox"));
  }
  if (!linux_sandbox.empty()) {
    all.push_back({"Bazel's linux-sandbox",
                   {linux_sandbox, "-N", "-w", "/tmp", "--", "true"}});
  }
  std::vector<Contender> usable;
  for (Contender& contender : all) {
    if (RunOnce(contender.command) == 0) {
      usable.push_back(std::move(contender));
    } else {
      printf("(%s does not run here and is left out)\n\n",
             contender.name.c_str());
    }
  }
  return usable;
}

void CompareStartUp(const std::string& tool, const std::string& title) {
  const std::vector<Contender> contenders = Contenders(tool);
  std::vector<std::vector<double>> times(contenders.size());
  for (int round = -2; round < absl::GetFlag(FLAGS_rounds); ++round) {
    for (size_t i = 0; i < contenders.size(); ++i) {
      const absl::Time begin = absl::Now();
      RunOnce(contenders[i].command);
      if (round >= 0) {  // the first two warm up
        times[i].push_back(absl::ToDoubleMicroseconds(absl::Now() - begin));
      }
    }
  }
  std::map<std::string, double> medians;
  for (size_t i = 0; i < contenders.size(); ++i) {
    medians[contenders[i].name] = Median(times[i]);
  }
  const double bubblewrap = medians["bubblewrap"];
  printf("| %s | median | of bubblewrap's |\n|---|---:|---:|\n", title.c_str());
  for (const Contender& contender : contenders) {
    const double median = medians[contender.name];
    printf("| %s | %.2f ms | %s |\n", contender.name.c_str(), median / 1000,
           bubblewrap > 0
               ? absl::StrCat(std::to_string(median / bubblewrap).substr(0, 4))
                     .c_str()
               : "");
  }
  printf("\n");
  fflush(stdout);
}

void InChild(const std::function<bool()>& body) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    const bool ok = body();
    fflush(stdout);
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  if (status != 0) printf("(this host does not allow it)\n\n");
}

void ShowSteps() {
  std::vector<std::string> order;
  std::map<std::string, std::vector<double>> times;
  encapsulate::Options options;
  options.writable = {"/tmp"};
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    absl::StatusOr<encapsulate::Process> process =
        encapsulate::Spawn(options, {"true"});
    if (!process.ok()) {
      printf("%s\n", std::string(process.status().message()).c_str());
      return;
    }
    for (const encapsulate::StepTime& step : process->steps()) {
      if (times.count(step.step) == 0) order.push_back(step.step);
      times[step.step].push_back(absl::ToDoubleMicroseconds(step.time));
    }
    process->Wait();
  }
  printf("| step of setting up | median |\n|---|---:|\n");
  for (const std::string& step : order) {
    printf("| %s | %.0f us |\n", step.c_str(), Median(times[step]));
  }
  printf("\n");
}

// --- Work inside ------------------------------------------------------------

constexpr int kCalls = 200000;
constexpr int kFiles = 5000;

const std::map<std::string, std::function<void()>>& Workloads() {
  static const auto* const workloads =
      new std::map<std::string, std::function<void()>>{
          {"system call (getppid)",
           [] {
             for (int i = 0; i < kCalls; ++i) syscall(SYS_getppid);
           }},
          {"open, read, close",
           [] {
             char buffer[512];
             for (int i = 0; i < kFiles * 4; ++i) {
               const int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
               if (read(fd, buffer, sizeof(buffer)) < 0) abort();
               close(fd);
             }
           }},
          {"create, rename, unlink",
           [] {
             char directory[] = "/tmp/benchmark-XXXXXX";
             if (mkdtemp(directory) == nullptr || chdir(directory) != 0) {
               abort();
             }
             for (int i = 0; i < kFiles; ++i) {
               close(open("a", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
               rename("a", "b");
               unlink("b");
             }
             rmdir(directory);
           }},
          {"compile a C++ file", [] {
             char source[] = "/tmp/benchmark-XXXXXX.cc";
             const int fd = mkstemps(source, 3);
             const std::string text =
                 "#include <map>\n#include <regex>\n#include <string>\n"
                 "int f(const std::string& s) {\n"
                 "  return std::regex_match(s, std::regex(\"a+\"));\n}\n";
             if (write(fd, text.data(), text.size()) < 0) abort();
             close(fd);
             if (RunOnce({"g++", "-c", "-o", "/dev/null", source}) != 0) {
               abort();
             }
             unlink(source);
           }}};
  return *workloads;
}

int DoWorkload(const std::string& name) {
  const auto workload = Workloads().find(name);
  if (workload == Workloads().end()) return 2;
  const absl::Time begin = absl::Now();
  workload->second();
  printf("%lld\n",
         static_cast<long long>(absl::ToInt64Nanoseconds(absl::Now() - begin)));
  return 0;
}

void CompareWork(const std::string& tool, const std::string& self) {
  printf("| work | inside, of outside's time |\n|---|---:|\n");
  for (const auto& workload : Workloads()) {
    const Command alone = {self, absl::StrCat("--workload=", workload.first)};
    Command inside = {tool, "/tmp"};
    inside.insert(inside.end(), alone.begin(), alone.end());
    std::vector<double> ratios;
    for (int round = 0; round < std::max(5, absl::GetFlag(FLAGS_rounds) / 4);
         ++round) {
      std::string out;
      std::string in;
      if (RunOnce(alone, &out) != 0 || RunOnce(inside, &in) != 0) break;
      ratios.push_back(atof(in.c_str()) / atof(out.c_str()));
    }
    printf("| %s | %.3f |\n", workload.first.c_str(), Median(ratios));
    fflush(stdout);
  }
  printf("\n");
}

std::string SelfPath() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : "";
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Compares encapsulate with its peers.");
  absl::ParseCommandLine(argc, argv);
  if (!absl::GetFlag(FLAGS_workload).empty()) {
    return DoWorkload(absl::GetFlag(FLAGS_workload));
  }
  const std::string self = SelfPath();
  std::string tool = absl::GetFlag(FLAGS_encapsulate);
  if (tool.empty()) {
    tool = absl::StrCat(self.substr(0, self.rfind("/benchmarks/")),
                        "/tool/encapsulate_static");
  }
  if (RunOnce({tool, "", "true"}) != 0) {
    fprintf(stderr, "tool_benchmark: '%s' does not run\n", tool.c_str());
    return 1;
  }
  for (const std::string& text : absl::GetFlag(FLAGS_mounts)) {
    const int count = atoi(text.c_str());
    InChild([&] {
      if (!encapsulate::AddMounts(count)) return false;
      CompareStartUp(tool, absl::StrCat("host's mounts + ", count));
      return true;
    });
  }
  ShowSteps();
  CompareWork(tool, self);
  return 0;
}
