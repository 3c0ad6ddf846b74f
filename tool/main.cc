// SPDX-License-Identifier: Apache-2.0
//
// The command line: see --help.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/base/write_all.h"
#include "encapsulate/host_check.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/violation_text.h"
#include "encapsulate/violations.h"
#include "tool/bazel.h"
#include "tool/command_line.h"
#include "tool/exit_codes.h"
#include "tool/flags.h"
#include "tool/help.h"
#include "tool/learning.h"
#include "tool/report.h"
#include "tool/reports.h"
#include "tool/request.h"
#include "tool/vary/scratch.h"
#include "tool/vary/variations.h"
#include "tool/vary/vary.h"
#include "tool/vary/world.h"
#include "tool/violation_report.h"

namespace encapsulate::tool {
namespace {

// Whoever reads what is said may be gone, and the exit code counts all the
// same. The command would inherit this, so only once it has started or never
// will.
void IgnoreBrokenPipes() { std::signal(SIGPIPE, SIG_IGN); }

void WriteStatus(const std::string& json) {
  if (!HasStatusDescriptor()) return;
  const int fd = absl::GetFlag(FLAGS_status_fd).number;
  const std::string line = absl::StrCat(json, "\n");
  if (!WriteAll(fd, line)) {
    Complain(absl::StrCat("write the status to descriptor ", fd), "", errno);
  }
}

int Fail(const absl::Status& failure) {
  IgnoreBrokenPipes();
  Complain(std::string(failure.message()));
  WriteStatus(ToJson(failure));
  return ExitCodeOf(failure);
}

// Standard output may be a full disk or a closed descriptor.
int Print(const std::string& text, int exit_code) {
  if (fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
      fflush(stdout) == 0) {
    return exit_code;
  }
  Complain("write to standard output", "", errno);
  return kExitFailed;
}

// A shell goes on with its loop after a program that exited, whatever the
// code, and stops it after one that Ctrl-C killed.
void DieOfInterrupt() {
  const bool typed = tcgetpgrp(STDIN_FILENO) == getpgrp() ||
                     tcgetpgrp(STDOUT_FILENO) == getpgrp() ||
                     tcgetpgrp(STDERR_FILENO) == getpgrp();
  if (!typed) return;
  std::signal(SIGINT, SIG_DFL);
  raise(SIGINT);
}

// Of the kinds that --learn prints, as they were given: whoever learns again
// needs them, too.
std::vector<std::string> KnownFlags() {
  std::vector<std::string> flags;
  if (absl::GetFlag(FLAGS_hermetic)) flags.emplace_back("--hermetic");
  if (absl::GetFlag(FLAGS_tmp)) flags.emplace_back("--tmp");
  for (const std::string& tree : absl::GetFlag(FLAGS_writable).values) {
    flags.push_back(absl::StrCat("--writable=", ShellWord(tree)));
  }
  for (const std::string& attempt : absl::GetFlag(FLAGS_allow).values) {
    flags.push_back(absl::StrCat("--allow=", ShellWord(attempt)));
  }
  return flags;
}

// `failed` is whether the command did, or nobody knows.
void ReportViolations(const Options& options, const Reports& reports,
                      bool failed, Result* result) {
  if (options.violations == Violations::kOff) return;
  const bool says =
      absl::GetFlag(FLAGS_violations).violations != Violations::kOff;
  const LearnChoice learn = absl::GetFlag(FLAGS_learn);
  const std::vector<Violation> all =
      learn.learn ? result->record.violations : std::vector<Violation>();
  reports.ApplyBaseline(result);
  if (says || reports.wanted()) Symbolize(&result->record.violations);
  // Exceptions alone aren't reported.
  const bool by_note =
      std::any_of(result->record.allowed.begin(), result->record.allowed.end(),
                  [](const AllowedUse& use) { return use.by_note; });
  if (says && (PrintViolations(*result, options) || by_note ||
               absl::GetFlag(FLAGS_verbose))) {
    SayIgnored(*result);
  }
  if (learn.learn) {
    Lesson lesson = CurrentLesson(options.directory);
    lesson.permit = learn.permit;
    lesson.is_hermetic = absl::GetFlag(FLAGS_hermetic);
    lesson.has_tmp = lesson.is_hermetic || absl::GetFlag(FLAGS_tmp);
    SayLearned(*result, all, failed, KnownFlags(), lesson);
  }
  reports.Write(*result);
}

// Of --world.
absl::Status MakeWorld(Scratch* scratch, World* world, Options* options) {
  const std::string list = absl::GetFlag(FLAGS_world);
  if (list.empty()) return absl::OkStatus();
  const absl::StatusOr<Variations> variations = ChooseForWorld(list);
  if (!variations.ok()) return variations.status();
  const absl::Status made = scratch->Make();
  return made.ok() ? world->Make(*variations, scratch->path(), options) : made;
}

int RunVariations(const std::vector<std::string>& arguments,
                  const CommandLine& line) {
  const absl::StatusOr<Options> options = MakeOptions(line);
  if (!options.ok()) return Fail(options.status());
  IgnoreBrokenPipes();
  const absl::StatusOr<int> code = RunVaried(arguments, *options, line.command);
  return code.ok() ? *code : Fail(code.status());
}

int RunCommand(const CommandLine& line) {
  absl::StatusOr<Options> options = MakeOptions(line);
  if (!options.ok()) return Fail(options.status());
  Scratch scratch;
  World world;
  absl::Status status = MakeWorld(&scratch, &world, &*options);
  if (!status.ok()) return Fail(status);
  Reports reports;
  status = reports.Open();
  if (status.ok()) status = world.ReplaceInput();
  if (!status.ok()) return Fail(status);
  absl::StatusOr<Process> process = Spawn(*options, line.command);
  if (!process.ok()) {
    const int code = Fail(process.status());
    if (FailureKindOf(process.status()) == FailureKind::kHostRefused) {
      const std::string weaker =
          DescribeWeakerLevel(options->isolation, "--isolation");
      if (!weaker.empty()) tool::Print(weaker);
    }
    return code;
  }
  IgnoreBrokenPipes();
  const bool verbose = absl::GetFlag(FLAGS_verbose);
  if (process->is_watched_outside()) {
    tool::Print(
        "the sandbox around this one watches and reports attempts; this one "
        "reports questions for names");
  }
  const std::string level = DescribeIsolation(process->isolation());
  if (!level.empty()) tool::Print(level);
  if (verbose) PrintSteps(process->steps());
  Result result = process->Wait();
  if (verbose) PrintOutcome(result);
  PrintLimits(result);
  SayUnknownSockets(result);
  if (!absl::GetFlag(FLAGS_quiet_leftovers)) SayLeftovers(result);
  SayTemporaryFiles(result);
  if (absl::GetFlag(FLAGS_overlay_changes)) PrintOverlayChanges(result);
  for (Violation& violation : result.record.violations) {
    if (violation.test.empty()) violation.test = absl::GetFlag(FLAGS_name);
  }
  ReportViolations(*options, reports, !result.ok(), &result);
  reports.WriteInputs(result);
  if (!result.lost.empty()) Complain(result.lost);
  const Judgement judgement = {options->violations,
                               absl::GetFlag(FLAGS_leftovers).fail};
  WriteStatus(ToJson(result, judgement));
  if (result.signal == SIGINT) DieOfInterrupt();
  return ExitCodeOf(result, judgement);
}

int Main(const std::vector<std::string>& arguments) {
  HasStandardError();
  const absl::Status entered = EnterCallersDirectory();
  if (!entered.ok()) return Fail(entered);
  const absl::StatusOr<CommandLine> line = ParseCommandLine(arguments);
  if (!line.ok()) return Fail(line.status());
  switch (line->action) {
    case CommandLine::Action::kHelp:
      return Print(HelpText(), 0);
    case CommandLine::Action::kVersion:
      return Print(absl::StrCat("encapsulate ", kVersion, "\n"), 0);
    case CommandLine::Action::kCheck: {
      const std::vector<HostFeature> features = CheckHost();
      return Print(HostReport(features, CheckLevels(features)),
                   CanSandbox(features) ? kExitCheckPassed : kExitCheckFailed);
    }
    case CommandLine::Action::kVaryHelp:
      return Print(VariationsHelp(), 0);
    case CommandLine::Action::kVary:
      return RunVariations(arguments, *line);
    case CommandLine::Action::kRun:
      break;
  }
  return RunCommand(*line);
}

}  // namespace
}  // namespace encapsulate::tool

int main(int argc, char** argv) {
  // execve(2) allows an empty argument list.
  const int first = argc > 0 ? 1 : 0;
  return encapsulate::tool::Main(
      std::vector<std::string>(argv + first, argv + argc));
}
