// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/vary.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/printable.h"
#include "encapsulate/result.h"
#include "encapsulate/violation_text.h"
#include "tool/exit_codes.h"
#include "tool/flags.h"
#include "tool/report.h"
#include "tool/vary/search.h"
#include "tool/vary/trial.h"
#include "tool/vary/variations.h"
#include "tool/vary/world.h"
#include "tool/words.h"

namespace encapsulate::tool {
namespace {

// Longer filters don't fit well into a line; then all tests run again.
constexpr size_t kMostFiltered = 50;
constexpr int kShownLines = 10;

std::string Counted(size_t count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

void SayLine(const std::string& line) {
  std::fputs(absl::StrCat(line, "\n").c_str(), stdout);
  std::fflush(stdout);
}

// "exits with 1", "is ended by SIGSEGV"
std::string EndOf(const Result& result) {
  if (result.outcome == Outcome::kTimedOut) return "is ended by --timeout";
  if (result.signal != 0) {
    return absl::StrCat("is ended by ", SignalName(result.signal));
  }
  return absl::StrCat("exits with ", result.exit_code);
}

// "12 tests pass, 1 fails"; of a command without tests, how it ended.
std::string Summary(const Trial& trial) {
  if (trial.tests.empty()) {
    return absl::StrCat("the command ", EndOf(trial.result));
  }
  std::map<TestResult::State, size_t> counts;
  for (const auto& test : trial.tests) ++counts[test.second.state];
  std::vector<std::string> parts;
  for (const auto& count : counts) {
    const bool one = count.second == 1;
    absl::string_view verb;
    switch (count.first) {
      case TestResult::State::kPassed:
        verb = one ? "passes" : "pass";
        break;
      case TestResult::State::kFailed:
        verb = one ? "fails" : "fail";
        break;
      case TestResult::State::kSkipped:
        verb = one ? "is skipped" : "are skipped";
        break;
    }
    parts.push_back(parts.empty()
                        ? absl::StrCat(Counted(count.second, "test"), " ", verb)
                        : absl::StrCat(count.second, " ", verb));
  }
  return absl::StrJoin(parts, ", ");
}

// Whether it is what users and their programs stop a command with. The tool
// passes it on, so the whole search ends.
bool MeansStop(int signal) {
  return signal == SIGINT || signal == SIGTERM || signal == SIGHUP ||
         signal == SIGQUIT;
}

// A line for a terminal, without what selects colours (ECMA-48, SGR).
std::string WithoutColors(absl::string_view line) {
  std::string plain;
  while (!line.empty()) {
    const size_t end = absl::StartsWith(line, "\033[")
                           ? line.find_first_not_of("0123456789;", 2)
                           : absl::string_view::npos;
    if (end != absl::string_view::npos && line[end] == 'm') {
      line.remove_prefix(end + 1);
      continue;
    }
    if (line != "\r") plain.push_back(line[0]);
    line.remove_prefix(1);
  }
  return plain;
}

class Varying {
 public:
  Varying(const std::vector<std::string>& arguments, const Options& options,
          const std::vector<std::string>& command)
      : arguments_(arguments),
        experiment_(options, command,
                    absl::GetFlag(FLAGS_vary_compare).values) {}

  absl::StatusOr<int> Run() {
    absl::Status status = Choose();
    if (status.ok()) status = RunAsItIs();
    if (!status.ok()) return status;
    if (stopped_.has_value()) return *stopped_;
    const std::vector<Variations> worlds = Worlds(variations_);
    for (size_t i = 0; i < worlds.size(); ++i) {
      SayWorld(i + 1, worlds);
      status = Look(worlds[i]);
      if (!status.ok()) return status;
      if (stopped_.has_value()) return *stopped_;
    }
    return Conclude();
  }

 private:
  // What is asked for by name must be had; of a group and "all", what can.
  absl::Status Choose() {
    const std::string list = absl::GetFlag(FLAGS_vary);
    const absl::StatusOr<Variations> chosen = ParseVariations(list);
    if (!chosen.ok()) return chosen.status();
    const std::vector<std::string> names = absl::StrSplit(list, ',');
    for (const Variation* variation : *chosen) {
      const std::string why = WhyWithout(*variation);
      if (why.empty()) {
        variations_.push_back(variation);
      } else if (std::count(names.begin(), names.end(), variation->name) > 0) {
        return MakeFailure({FailureKind::kInvalidOptions,
                            absl::StrCat("use --vary=", variation->name), "",
                            why});
      } else {
        Print(absl::StrCat("without ", variation->name, ": ", why));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Trial> RunOnce(const Variations& variations,
                                const Cases* tests = nullptr) {
    ++runs_;
    const std::string names = NamesOf(variations);
    Progress(
        absl::StrCat("run ", runs_, ": ", names.empty() ? "as it is" : names));
    absl::StatusOr<Trial> trial = experiment_.Run(variations, tests);
    Progress("");
    if (trial.ok() && MeansStop(trial->result.signal)) {
      stopped_ = trial->exit_code;
      Print(absl::StrCat("stopped by ", SignalName(trial->result.signal)));
    }
    return trial;
  }

  absl::Status RunAsItIs() {
    absl::StatusOr<Trial> first = RunOnce({});
    if (!first.ok()) return first.status();
    base_ = *std::move(first);
    if (stopped_.has_value()) return absl::OkStatus();
    const absl::StatusOr<Trial> second = RunOnce({});
    if (!second.ok()) return second.status();
    if (stopped_.has_value()) return absl::OkStatus();
    unsteady_ = Differences(base_, *second);
    SayLine(absl::StrCat("as it is: ", Summary(base_),
                         unsteady_.empty() ? "; again the same" : ""));
    if (unsteady_.empty()) return absl::OkStatus();
    SayLine("\nagain as it is: other results, with nothing varied");
    for (const std::string& name : unsteady_) SayCase(name, base_, *second);
    return absl::OkStatus();
  }

  // The cases that differ and didn't differ by themselves.
  Cases NewDifferences(const Trial& trial) const {
    Cases cases;
    if (unsteady_.count(kCommandCase) > 0) return cases;
    for (const std::string& name : Differences(base_, trial)) {
      if (unsteady_.count(name) == 0) cases.insert(name);
    }
    return cases;
  }

  // Whether those tests do the same without the others.
  absl::StatusOr<bool> CanRunAlone(const Cases& tests) {
    if (base_.tests.empty() || tests.empty() || tests.size() > kMostFiltered ||
        tests.size() == base_.tests.size()) {
      return false;
    }
    for (const std::string& name : tests) {
      // Of one program of several, or a file.
      if (base_.tests.count(name) == 0 || absl::StrContains(name, ": ")) {
        return false;
      }
    }
    const absl::StatusOr<Trial> alone = RunOnce({}, &tests);
    if (!alone.ok()) return alone.status();
    const Cases differing = NewDifferences(*alone);
    return std::none_of(
        tests.begin(), tests.end(),
        [&](const std::string& name) { return differing.count(name) > 0; });
  }

  static void SayWorld(size_t number, const std::vector<Variations>& worlds) {
    std::string text =
        absl::StrCat("world ", number, " of ", worlds.size(), ": ");
    const size_t column = text.size();
    AppendWrapped(
        absl::StrReplaceAll(NamesOf(worlds[number - 1]), {{",", ", "}}), column,
        2, &text);
    SayLine(std::string(absl::StripSuffix(text, "\n")));
  }

  absl::Status Look(const Variations& world) {
    const absl::StatusOr<Trial> trial = RunOnce(world);
    if (!trial.ok()) return trial.status();
    if (stopped_.has_value()) return absl::OkStatus();
    const Cases cases = NewDifferences(*trial);
    SayLine(absl::StrCat(
        "  ", cases.empty()
                  ? "the same"
                  : absl::StrCat(Summary(*trial), "; looking for why")));
    if (cases.empty()) return absl::OkStatus();
    if (world.size() == 1) {
      SayFinding({world, cases}, *trial);
      return absl::OkStatus();
    }
    const absl::StatusOr<bool> alone = CanRunAlone(cases);
    if (!alone.ok()) return alone.status();
    absl::Status failure;
    std::map<std::string, Trial> trials;  // the last, by names of variations
    const std::vector<Finding> findings = FindCauses(
        world, cases, [&](const Variations& some, const Cases& wanted) {
          Cases differing;
          if (!failure.ok() || stopped_.has_value()) return differing;
          absl::StatusOr<Trial> part =
              RunOnce(some, *alone ? &wanted : nullptr);
          if (!part.ok()) {
            failure = part.status();
            return differing;
          }
          const Cases all = NewDifferences(*part);
          for (const std::string& name : wanted) {
            if (all.count(name) > 0 || LostItsTests(*part, base_)) {
              differing.insert(name);
            }
          }
          trials[NamesOf(some)] = *std::move(part);
          return differing;
        });
    if (!failure.ok() || stopped_.has_value()) return failure;
    for (const Finding& finding : findings) {
      const auto found = trials.find(NamesOf(finding.variations));
      SayFinding(finding, found == trials.end() ? *trial : found->second);
    }
    return absl::OkStatus();
  }

  void SayFinding(const Finding& finding, const Trial& trial) {
    for (const Variation* variation : finding.variations) {
      causes_.insert(variation->name);
    }
    if (finding.variations.empty()) {
      SayLine("\nonce, and not again");
    } else if (finding.variations.size() == 1) {
      SayLine(absl::StrCat("\n", finding.variations[0]->name, ": ",
                           finding.variations[0]->does));
    } else {
      SayLine(
          absl::StrCat("\n", NamesOf(finding.variations), ": only together"));
    }
    for (const std::string& name : finding.cases) SayCase(name, base_, trial);
    if (!finding.variations.empty()) {
      SayLine(absl::StrCat("  again: ", AgainCommand(finding)));
    }
    found_ = true;
  }

  // One test, file or command, before and after.
  static void SayCase(const std::string& name, const Trial& before,
                      const Trial& after) {
    const auto old_test = before.tests.find(name);
    const auto new_test = after.tests.find(name);
    const auto state = [](const Trial& trial, auto found) {
      return found == trial.tests.end() ? "has no result"
                                        : StateName(found->second.state);
    };
    if (name == kCommandCase || LostItsTests(after, before)) {
      SayLine(absl::StrCat("  the command ", EndOf(before.result),
                           " as it is, and ", EndOf(after.result), " here"));
      SayOutput(after.output);
    } else if (old_test != before.tests.end() ||
               new_test != after.tests.end()) {
      std::string line =
          absl::StrCat("  ", Printable(name), " ", state(before, old_test),
                       " as it is, and ", state(after, new_test), " here");
      SayLine(line);
      for (const auto* message :
           {new_test == after.tests.end() ? nullptr : &new_test->second.message,
            old_test == before.tests.end() ? nullptr
                                           : &old_test->second.message}) {
        if (message == nullptr || message->empty()) continue;
        SayOutput(*message);
        break;
      }
    } else {
      SayFile(name, before, after);
    }
  }

  static void SayFile(const std::string& path, const Trial& before,
                      const Trial& after) {
    const auto what = [&](const Trial& trial) {
      return trial.files.count(path) > 0 ? trial.files.at(path) : FileState();
    };
    SayLine(absl::StrCat("  ", Quote(path), " ",
                         FileDifference(what(before), what(after))));
  }

  // Its last lines.
  static void SayOutput(absl::string_view output) {
    output = absl::StripTrailingAsciiWhitespace(output);
    if (output.empty()) return;
    std::vector<std::string> lines = absl::StrSplit(output, '\n');
    const size_t skipped =
        lines.size() > kShownLines ? lines.size() - kShownLines : 0;
    if (skipped > 0) {
      SayLine(absl::StrCat("    | (", Counted(skipped, "line"), " before)"));
    }
    for (size_t i = skipped; i < lines.size(); ++i) {
      SayLine(absl::StrCat("    | ", Printable(WithoutColors(lines[i]))));
    }
  }

  // The command line with these variations only and, if only tests differ,
  // with those tests only.
  std::string AgainCommand(const Finding& finding) const {
    std::vector<std::string> words = {"encapsulate"};
    words.push_back(absl::StrCat("--vary=", NamesOf(finding.variations)));
    bool tests = finding.cases.size() <= kMostFiltered;
    for (const std::string& name : finding.cases) {
      tests &= base_.tests.count(name) > 0 && !absl::StrContains(name, ": ");
    }
    if (tests) {
      words.push_back(ShellWord(absl::StrCat(
          "--setenv=GTEST_FILTER=", absl::StrJoin(finding.cases, ":"))));
    }
    bool flags = true;
    for (const std::string& argument : arguments_) {
      flags &= absl::StartsWith(argument, "-") && argument != "--";
      if (flags && (argument == "--vary" || argument == "-vary" ||
                    absl::StartsWith(argument, "--vary=") ||
                    absl::StartsWith(argument, "-vary=") ||
                    absl::StartsWith(argument, "--setenv=GTEST_FILTER="))) {
        continue;
      }
      words.push_back(ShellWord(argument));
    }
    return absl::StrJoin(words, " ");
  }

  int Conclude() {
    if (!found_ && unsteady_.empty()) {
      SayLine(absl::StrCat("\nno variation of ", variations_.size(),
                           " changes a result (", Counted(runs_, "run"), ")"));
      return base_.exit_code;
    }
    SayLine(absl::StrCat(
        "\n", Counted(causes_.size(), "variation"), " of ", variations_.size(),
        causes_.size() == 1 ? " changes results" : " change results",
        causes_.empty() ? "" : absl::StrCat(": ", absl::StrJoin(causes_, ", ")),
        " (", Counted(runs_, "run"), ")"));
    return kExitVaries;
  }

  // One line that the next replaces, for whoever waits.
  static void Progress(const std::string& line) {
    if (isatty(STDERR_FILENO) == 0) return;
    std::fputs(absl::StrCat("\r\033[K", line.substr(0, 78)).c_str(), stderr);
    std::fflush(stderr);
  }

  const std::vector<std::string>& arguments_;
  Experiment experiment_;
  Variations variations_;
  Trial base_;
  Cases unsteady_;  // differ with nothing varied
  std::set<absl::string_view> causes_;
  bool found_ = false;
  absl::optional<int> stopped_;  // the exit code then
  size_t runs_ = 0;
};

}  // namespace

absl::StatusOr<Variations> ChooseForWorld(const std::string& list) {
  absl::StatusOr<Variations> chosen = ParseVariations(list);
  if (!chosen.ok()) return chosen;
  const auto refuse = [](absl::string_view names, std::string why) {
    return MakeFailure({FailureKind::kInvalidOptions,
                        absl::StrCat("use --world=", names), "",
                        std::move(why)});
  };
  const size_t worlds = Worlds(*chosen).size();
  if (worlds > 1) {
    return refuse(list, "of each group one variation holds at a time");
  }
  for (const Variation* variation : *chosen) {
    std::string why = WhyWithout(*variation);
    if (variation->kind == VariationKind::kTerminal &&
        isatty(STDOUT_FILENO) == 0) {
      why = "standard output isn't a terminal";
    }
    if (!why.empty()) {
      return refuse(variation->name, std::move(why));
    }
  }
  return chosen;
}

absl::StatusOr<int> RunVaried(const std::vector<std::string>& arguments,
                              const Options& options,
                              const std::vector<std::string>& command) {
  return Varying(arguments, options, command).Run();
}

}  // namespace encapsulate::tool
