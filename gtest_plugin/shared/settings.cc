#include "gtest_plugin/shared/settings.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "encapsulate/environment.h"
#include "gtest_plugin/googletest/stdio.h"
#include "gtest_plugin/shared/output.h"

namespace encapsulate {
namespace {

constexpr absl::string_view kFlagPrefix = "encapsulate_";
constexpr absl::string_view kVariablePrefix = "ENCAPSULATE_";

std::vector<std::string> CommandLine() {
  std::ifstream file("/proc/self/cmdline");
  std::vector<std::string> arguments;
  for (std::string argument; std::getline(file, argument, '\0');) {
    arguments.push_back(argument);
  }
  return arguments;
}

absl::Status BadValue(absl::string_view value, absl::string_view shown,
                      absl::string_view allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat("cannot set '", shown, "': '", value, "' is not ", allowed));
}

// Far beyond what helps; each takes a few descriptors and processes.
constexpr int kMostJobs = 128;

template <typename T>
using Choices = std::initializer_list<std::pair<absl::string_view, T>>;

template <typename T>
absl::Status SetChoice(const Choices<T>& choices, absl::string_view value,
                       absl::string_view shown, absl::optional<T>* setting) {
  std::vector<absl::string_view> names;
  for (const auto& choice : choices) {
    if (choice.first == value) {
      *setting = choice.second;
      return absl::OkStatus();
    }
    names.push_back(choice.first);
  }
  return BadValue(value, shown,
                  absl::StrCat("one of ", absl::StrJoin(names, ", ")));
}

absl::Status SetDuration(absl::string_view value, absl::string_view shown,
                         absl::optional<absl::Duration>* setting) {
  absl::Duration duration;
  if (!absl::ParseDuration(value, &duration) ||
      duration <= absl::ZeroDuration()) {
    return BadValue(value, shown, "a time above zero like 90s, 1h30m or inf");
  }
  *setting = duration;
  return absl::OkStatus();
}

absl::Status SetJobs(absl::string_view value, absl::string_view shown,
                     absl::optional<int>* setting) {
  int jobs;
  if (!absl::SimpleAtoi(value, &jobs) || jobs < 0 || jobs > kMostJobs) {
    return BadValue(value, shown,
                    absl::StrCat("a number from 0 to ", kMostJobs));
  }
  *setting = jobs;
  return absl::OkStatus();
}

absl::Status AddPatterns(absl::string_view value, absl::string_view shown,
                         std::vector<std::string>* patterns) {
  const std::vector<std::string> named =
      absl::StrSplit(value, ':', absl::SkipEmpty());
  if (named.empty()) return BadValue(value, shown, "PATTERN:PATTERN...");
  patterns->insert(patterns->end(), named.begin(), named.end());
  return absl::OkStatus();
}

absl::Status AddTrees(absl::string_view value, absl::string_view shown,
                      std::vector<std::string>* trees) {
  const std::vector<std::string> named =
      absl::StrSplit(value, '|', absl::SkipEmpty());
  if (named.empty()) return BadValue(value, shown, "TREE|TREE...");
  trees->insert(trees->end(), named.begin(), named.end());
  return absl::OkStatus();
}

constexpr char kHelp[] = R"(Encapsulated tests:
  Each has a process and a sandbox of its own. Every flag has a variable,
  ENCAPSULATE_MODE for the first; the command line wins.

  --encapsulate_mode=require|off
      `off` runs every test in this process. Default: `require`.
  --encapsulate_timeout=DURATION
      Wall time of one test, like 90s or 1h30m; `inf` is no limit. Default:
      what is left of Bazel's TEST_TIMEOUT; 15m without Bazel.
  --encapsulate_jobs=N
      How many tests of a suite may run at a time; 0 is one for each processor.
      What is shown and reported doesn't change. Default: 1 under Bazel, else 0.
  --encapsulate_alone=PATTERN:PATTERN...
      Tests that run while no other one of the program does.
  --encapsulate_durations=FILE
      Remembers there how long tests take, and starts those that take longest
      first. Results keep their order.
  --encapsulate_progress=0|1
      Whether a line on a terminal says what is running while a test that runs
      ahead takes longer than a second. Default: 1.
  --encapsulate_slow=DURATION
      A test that still runs after this time is named on stderr. Default: a
      quarter of its wall time.
  --encapsulate_keep_scratch=never|failed
      `failed` keeps the scratch directory of a failed test, and prints where.
  --encapsulate_working_directory=read-only|overlay|copy
      Whether a test may write to the working directory: no; yes, and what it
      writes is thrown away; or to a copy. Default: `read-only`.
  --encapsulate_network=loopback|none|host
      Default: `loopback`, an own one.
  --encapsulate_leftovers=fail|note
      What a process that outlives its test means. Default: `fail`.
  --encapsulate_violations=off|report|enforce
      Whether a test that tries to reach out fails, or is only shown on stderr,
      or nobody watches. Default: `enforce`.
  --encapsulate_exposed_executable=fail|note
      What it means that tests can't be kept from changing this program's file.
      Default: `fail` for root, else `note`.
  --encapsulate_writable=TREE|TREE...
      Trees that tests may change for good.
  --encapsulate_verbose=0|1
      Shows on stderr what the sandbox of each test took to make.
  --encapsulate_help
      This text.

)";

}  // namespace

const char* HelpText() { return kHelp; }

absl::Status Set(absl::string_view name, absl::string_view value,
                 absl::string_view shown, Settings* settings) {
  if (name == "mode") {
    return SetChoice<Mode>({{"require", Mode::kRequire}, {"off", Mode::kOff}},
                           value, shown, &settings->mode);
  }
  if (name == "timeout") return SetDuration(value, shown, &settings->timeout);
  if (name == "jobs") return SetJobs(value, shown, &settings->jobs);
  if (name == "alone") return AddPatterns(value, shown, &settings->alone);
  if (name == "durations") {
    if (value.empty()) return BadValue(value, shown, "the path of a file");
    settings->durations = std::string(value);
    return absl::OkStatus();
  }
  if (name == "progress") {
    return SetChoice<bool>({{"0", false}, {"1", true}}, value, shown,
                           &settings->progress);
  }
  if (name == "slow") return SetDuration(value, shown, &settings->slow);
  if (name == "keep_scratch") {
    return SetChoice<KeepScratch>(
        {{"never", KeepScratch::kNever}, {"failed", KeepScratch::kFailed}},
        value, shown, &settings->keep_scratch);
  }
  if (name == "working_directory") {
    return SetChoice<WorkingDirectory>(
        {{"read-only", WorkingDirectory::kReadOnly},
         {"overlay", WorkingDirectory::kOverlay},
         {"copy", WorkingDirectory::kCopy}},
        value, shown, &settings->working_directory);
  }
  if (name == "network") {
    return SetChoice<Network>({{"loopback", Network::kLoopback},
                               {"none", Network::kNone},
                               {"host", Network::kHost}},
                              value, shown, &settings->network);
  }
  if (name == "leftovers") {
    return SetChoice<Leftovers>(
        {{"fail", Leftovers::kFail}, {"note", Leftovers::kNote}}, value, shown,
        &settings->leftovers);
  }
  if (name == "violations") {
    return SetChoice<Violations>({{"off", Violations::kOff},
                                  {"report", Violations::kReport},
                                  {"enforce", Violations::kEnforce}},
                                 value, shown, &settings->violations);
  }
  if (name == "exposed_executable") {
    return SetChoice<ExposedExecutable>({{"fail", ExposedExecutable::kRefuse},
                                         {"note", ExposedExecutable::kAllow}},
                                        value, shown,
                                        &settings->exposed_executable);
  }
  if (name == "writable") return AddTrees(value, shown, &settings->writable);
  if (name == "verbose") {
    return SetChoice<bool>({{"0", false}, {"1", true}}, value, shown,
                           &settings->verbose);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "cannot set '", shown,
      "': there is no such setting; hint: --encapsulate_help lists them"));
}

absl::Status ReadEnvironment(const std::vector<std::string>& environment,
                             Settings* settings) {
  for (absl::string_view entry : environment) {
    const absl::string_view variable = entry.substr(0, entry.find('='));
    absl::string_view name = variable;
    if (variable.size() == entry.size() ||
        !absl::ConsumePrefix(&name, kVariablePrefix)) {
      continue;
    }
    absl::Status status =
        Set(absl::AsciiStrToLower(name), entry.substr(variable.size() + 1),
            variable, settings);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status TakeFlags(int* argc, char** argv, Settings* settings) {
  int kept = 0;
  absl::Status status;
  bool flags_end = false;
  for (int i = 0; i < *argc; ++i) {
    const absl::string_view argument = argv[i];
    flags_end |= argument == "--";
    const absl::string_view flag = argument.substr(0, argument.find('='));
    // As other flags of a test program: one dash does, and so does a dash
    // between words.
    absl::string_view bare = flag;
    if (absl::ConsumePrefix(&bare, "-")) absl::ConsumePrefix(&bare, "-");
    const std::string spelled = absl::StrReplaceAll(bare, {{"-", "_"}});
    absl::string_view name = spelled;
    if (flags_end || bare.size() == flag.size() ||
        !absl::ConsumePrefix(&name, kFlagPrefix)) {
      settings->help |= i > 0 && !flags_end &&
                        (flag == "--help" || flag == "-h" || flag == "-?");
      argv[kept++] = argv[i];
      continue;
    }
    if (flag.size() < argument.size()) {
      status.Update(
          Set(name, argument.substr(flag.size() + 1), flag, settings));
    } else if (name == "help") {
      settings->only_help = true;
    } else {
      status.Update(absl::InvalidArgumentError(absl::StrCat(
          "cannot set '", flag, "': it has no value; hint: ", flag, "=VALUE")));
    }
  }
  argv[kept] = nullptr;
  *argc = kept;
  return status;
}

bool Settings::ChangeOptions() const {
  return timeout.has_value() || working_directory.has_value() ||
         network.has_value() || leftovers.has_value() ||
         violations.has_value() || !writable.empty() || !alone.empty();
}

TestOptions Apply(const Settings& settings, TestOptions options) {
  if (settings.timeout.has_value()) options.timeout = settings.timeout;
  if (settings.working_directory.has_value()) {
    options.working_directory = *settings.working_directory;
  }
  if (settings.network.has_value()) options.network = *settings.network;
  if (settings.leftovers.has_value()) options.leftovers = *settings.leftovers;
  if (settings.violations.has_value()) {
    options.violations = *settings.violations;
  }
  options.writable.insert(options.writable.end(), settings.writable.begin(),
                          settings.writable.end());
  options.alone.insert(options.alone.end(), settings.alone.begin(),
                       settings.alone.end());
  return options;
}

Settings ReadSettings(int* argc, char** argv) {
  Settings settings;
  absl::Status status = ReadEnvironment(CurrentEnvironment(), &settings);
  // A mistake in a variable doesn't hide one on the command line.
  if (argc != nullptr) {
    status.Update(TakeFlags(argc, argv, &settings));
  } else {
    std::vector<std::string> arguments = CommandLine();
    std::vector<char*> pointers;
    pointers.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) pointers.push_back(&argument[0]);
    int count = static_cast<int>(pointers.size());
    pointers.push_back(nullptr);
    status.Update(TakeFlags(&count, pointers.data(), &settings));
  }
  if (!status.ok()) {
    PrintNotice(std::string(status.message()));
    exit(2);
  }
  if (settings.help || settings.only_help) {
    fputs(HelpText(), stdout);
    FlushOutput();
  }
  if (settings.only_help) exit(0);
  return settings;
}

}  // namespace encapsulate
