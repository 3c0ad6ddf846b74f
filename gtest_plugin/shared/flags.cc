// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/shared/flags.h"

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/base/error.h"

namespace encapsulate {
namespace {

// Far beyond what helps; each takes a few descriptors and processes.
constexpr int kMostJobs = 128;

constexpr size_t kHelpColumns = 80;

absl::Status BadValue(absl::string_view value, absl::string_view shown,
                      absl::string_view allowed) {
  return MakeFailure({FailureKind::kInvalidOptions, "set", std::string(shown),
                      absl::StrCat(Quote(value), " is not ", allowed)});
}

// --- How a value is read ----------------------------------------------------

// One of the words in Flag::value, which stand for `kValues` in turn.
template <auto kSetting, auto... kValues>
absl::Status SetChoice(const Flag& flag, absl::string_view value,
                       absl::string_view shown, Settings* settings) {
  const std::vector<absl::string_view> words = absl::StrSplit(flag.value, '|');
  size_t i = 0;
  for (auto one : {kValues...}) {
    if (words[i++] == value) {
      settings->*kSetting = one;
      return absl::OkStatus();
    }
  }
  return BadValue(value, shown,
                  absl::StrCat("one of ", absl::StrJoin(words, ", ")));
}

template <auto kSetting>
absl::Status SetDuration(const Flag&, absl::string_view value,
                         absl::string_view shown, Settings* settings) {
  absl::Duration duration;
  if (!absl::ParseDuration(value, &duration) ||
      duration <= absl::ZeroDuration()) {
    return BadValue(value, shown, "a time above zero like 90s, 1h30m or inf");
  }
  settings->*kSetting = duration;
  return absl::OkStatus();
}

absl::Status SetJobs(const Flag&, absl::string_view value,
                     absl::string_view shown, Settings* settings) {
  int jobs;
  if (!absl::SimpleAtoi(value, &jobs) || jobs < 0 || jobs > kMostJobs) {
    return BadValue(value, shown,
                    absl::StrCat("a number from 0 to ", kMostJobs));
  }
  settings->jobs = jobs;
  return absl::OkStatus();
}

template <auto kSetting>
absl::Status SetFile(const Flag&, absl::string_view value,
                     absl::string_view shown, Settings* settings) {
  if (value.empty()) return BadValue(value, shown, "the path of a file");
  settings->*kSetting = std::string(value);
  return absl::OkStatus();
}

absl::Status AddReports(const Flag&, absl::string_view value,
                        absl::string_view shown, Settings* settings) {
  for (absl::string_view text : absl::StrSplit(value, ',')) {
    absl::optional<ReportTarget> target = ParseReportTarget(text);
    if (!target.has_value()) {
      return BadValue(value, shown,
                      absl::StrCat("FORMAT:FILE, where FORMAT is ",
                                   absl::StrJoin(ReportFormatNames(), ", ")));
    }
    settings->reports.push_back(*std::move(target));
  }
  return absl::OkStatus();
}

template <auto kSetting, char kSeparator>
absl::Status AddList(const Flag& flag, absl::string_view value,
                     absl::string_view shown, Settings* settings) {
  const std::vector<std::string> named =
      absl::StrSplit(value, kSeparator, absl::SkipEmpty());
  if (named.empty()) return BadValue(value, shown, flag.value);
  std::vector<std::string>& list = settings->*kSetting;
  list.insert(list.end(), named.begin(), named.end());
  return absl::OkStatus();
}

// --- What it changes in a test's options ------------------------------------

template <auto kSetting, auto kOption>
bool Replace(const Settings& settings, TestOptions* options) {
  if (!(settings.*kSetting).has_value()) return false;
  if (options != nullptr) options->*kOption = *(settings.*kSetting);
  return true;
}

template <auto kSetting, auto kOption>
bool Append(const Settings& settings, TestOptions* options) {
  const std::vector<std::string>& more = settings.*kSetting;
  if (options != nullptr) {
    std::vector<std::string>& list = options->*kOption;
    list.insert(list.end(), more.begin(), more.end());
  }
  return !more.empty();
}

constexpr Flag kFlags[] = {
    {"mode", "require|off",
     "`off` runs every test in this process. Default: `require`.",
     SetChoice<&Settings::mode, Mode::kRequire, Mode::kOff>, "", "", nullptr},
    {"timeout", "DURATION",
     "Wall time of one test, like 90s or 1h30m; `inf` is no limit. Default: "
     "what is left of Bazel's TEST_TIMEOUT; 15m without Bazel.",
     SetDuration<&Settings::timeout>, "timeout", "per_test_timeout",
     Replace<&Settings::timeout, &TestOptions::timeout>},
    {"jobs", "N",
     "How many tests of a suite may run at a time; 0 is one for each "
     "processor. What is shown and reported doesn't change. Default: 1 under "
     "Bazel, else 0.",
     SetJobs, "", "jobs", nullptr},
    {"alone", "PATTERN:PATTERN...",
     "Tests that run while no other one of the program does.",
     AddList<&Settings::alone, ':'>, "alone", "alone",
     Append<&Settings::alone, &TestOptions::alone>},
    {"durations", "FILE",
     "Remembers there how long tests take, and starts those that take longest "
     "first. Results keep their order.",
     SetFile<&Settings::durations>, "", "", nullptr},
    {"progress", "0|1",
     "Whether a line on a terminal says what is running while a test that runs "
     "ahead takes longer than a second. Default: 1.",
     SetChoice<&Settings::progress, false, true>, "", "", nullptr},
    {"slow", "DURATION",
     "A test that still runs after this time is named on stderr. Default: a "
     "quarter of its wall time.",
     SetDuration<&Settings::slow>, "", "", nullptr},
    {"keep_scratch", "never|failed",
     "`failed` keeps the scratch directory of a failed test, and prints where.",
     SetChoice<&Settings::keep_scratch, KeepScratch::kNever,
               KeepScratch::kFailed>,
     "", "keep_scratch", nullptr},
    {"isolation", "namespaces|landlock|process|best",
     "What isolates tests; a weaker level than namespaces is for places that "
     "forbid them, and says what it doesn't keep. Default: `namespaces`.",
     SetChoice<&Settings::isolation, Isolation::kNamespaces,
               Isolation::kLandlock, Isolation::kProcess, Isolation::kBest>,
     "isolation", "isolation",
     Replace<&Settings::isolation, &TestOptions::isolation>},
    {"working_directory", "read-only|overlay|copy",
     "Whether a test may write to the working directory: no; yes, and what it "
     "writes is thrown away; or to a copy. Default: `read-only`.",
     SetChoice<&Settings::working_directory, WorkingDirectory::kReadOnly,
               WorkingDirectory::kOverlay, WorkingDirectory::kCopy>,
     "working_directory", "working_directory",
     Replace<&Settings::working_directory, &TestOptions::working_directory>},
    {"network", "loopback|none|host", "Default: `loopback`, an own one.",
     SetChoice<&Settings::network, Network::kLoopback, Network::kNone,
               Network::kHost>,
     "network", "network", Replace<&Settings::network, &TestOptions::network>},
    {"leftovers", "fail|note",
     "What a process that outlives its test means. Default: `fail`.",
     SetChoice<&Settings::leftovers, Leftovers::kFail, Leftovers::kNote>,
     "leftovers", "leftovers",
     Replace<&Settings::leftovers, &TestOptions::leftovers>},
    {"violations", "off|report|enforce",
     "Whether a test that tries to reach out fails, or is only shown on "
     "stderr, or nobody watches. Default: `enforce`.",
     SetChoice<&Settings::violations, Violations::kOff, Violations::kReport,
               Violations::kEnforce>,
     "violations", "violations",
     Replace<&Settings::violations, &TestOptions::violations>},
    {"report", "FORMAT:FILE,...",
     "Writes the attempts of all tests to FILE. FORMAT is json, junit, sarif, "
     "github, gitlab or html.",
     AddReports, "", "", nullptr},
    {"inputs", "FILE",
     "Writes to FILE what each test read of the host, as JSON, a line a test: "
     "files, paths that led to nothing, directories, links and programs.",
     SetFile<&Settings::inputs>, "", "", nullptr},
    {"trace", "FILE",
     "Writes there when each test ran, and beside which others, in the Trace "
     "Event format.",
     SetFile<&Settings::trace>, "", "", nullptr},
    {"exposed_executable", "fail|note",
     "What it means that tests can't be kept from changing this program's "
     "file. Default: `fail` for root, else `note`.",
     SetChoice<&Settings::exposed_executable, ExposedExecutable::kRefuse,
               ExposedExecutable::kAllow>,
     "", "", nullptr},
    {"reuse", "on|off",
     "`on` uses a test's sandbox again if it is proven that nothing of the "
     "test "
     "is left in it; with `off`, every test gets a new one. Default: `off`.",
     SetChoice<&Settings::reuse, Reuse::kOn, Reuse::kOff>, "", "reuse",
     nullptr},
    {"writable", "TREE|TREE...", "Trees that tests may change for good.",
     AddList<&Settings::writable, '|'>, "writable", "writable",
     Append<&Settings::writable, &TestOptions::writable>},
    {"verbose", "0|1",
     "Shows on stderr what the sandbox of each test took to make, and why it "
     "isn't used again.",
     SetChoice<&Settings::verbose, false, true>, "", "", nullptr},
};

// `text` in lines that start with `indent`.
std::string Wrap(absl::string_view text, absl::string_view indent) {
  std::string lines;
  size_t column = 0;
  for (absl::string_view word : absl::StrSplit(text, ' ')) {
    if (column == 0 || column + 1 + word.size() > kHelpColumns) {
      absl::StrAppend(&lines, column == 0 ? "" : "\n", indent, word);
      column = indent.size() + word.size();
    } else {
      absl::StrAppend(&lines, " ", word);
      column += 1 + word.size();
    }
  }
  return lines + "\n";
}

}  // namespace

absl::Span<const Flag> AllFlags() { return kFlags; }

const Flag* FindFlag(absl::string_view name) {
  const auto* const found = absl::c_find_if(
      kFlags, [&](const Flag& flag) { return flag.name == name; });
  return found != std::end(kFlags) ? found : nullptr;
}

std::string FlagName(const Flag& flag) {
  return absl::StrCat("--encapsulate_", flag.name);
}

std::string VariableName(const Flag& flag) {
  return absl::StrCat("ENCAPSULATE_", absl::AsciiStrToUpper(flag.name));
}

std::string HelpText() {
  std::string text =
      "Encapsulated tests:\n"
      "  Each has a process and a sandbox of its own. Every flag has a "
      "variable,\n"
      "  ENCAPSULATE_MODE for the first; the command line wins.\n"
      "\n";
  for (const Flag& flag : AllFlags()) {
    absl::StrAppend(&text, "  ", FlagName(flag), "=", flag.value, "\n",
                    Wrap(flag.help, "      "));
  }
  return absl::StrCat(text, "  --encapsulate_help\n      This text.\n\n");
}

}  // namespace encapsulate
