// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/verdict.h"

#include <signal.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/printable.h"
#include "encapsulate/violation_text.h"
#include "gtest_plugin/googletest/frames.h"
#include "gtest_plugin/shared/channel.h"

namespace encapsulate {
namespace {

std::string SignalText(int signal) {
  const char* const meaning = strsignal(signal);
  return meaning != nullptr
             ? absl::StrCat(SignalName(signal), " (", meaning, ")")
             : SignalName(signal);
}

bool HasAddress(int signal, int64_t code) {
  return code > 0 && (signal == SIGSEGV || signal == SIGBUS ||
                      signal == SIGFPE || signal == SIGILL);
}

class Verdict {
 public:
  explicit Verdict(const Evidence& evidence)
      : evidence_(evidence),
        result_(evidence.result),
        failed_(evidence.failed),
        failed_fatally_(evidence.failed_fatally) {}

  std::vector<Finding> Find() {
    if (result_.outcome == Outcome::kLost) {
      Fail(absl::StrCat("The test was lost with its sandbox: ", result_.lost,
                        "."),
           Account::kAll);
      FindViolations();
    } else {
      FindEnd();
      FindDamage();
      FindStrays();
      FindViolations();
      FindLeftovers();
      OfferWorkingDirectory();
    }
    return std::move(findings_);
  }

 private:
  using Account = Finding::Account;
  using Kind = Finding::Kind;

  Finding& Add(Kind kind, std::string text) {
    failed_ |= kind != Kind::kNote;
    failed_fatally_ |= kind == Kind::kFatalFailure;
    findings_.emplace_back();
    findings_.back().kind = kind;
    findings_.back().text = std::move(text);
    return findings_.back();
  }
  void Fail(std::string text, Account account = Account::kNone) {
    Add(Kind::kFatalFailure, std::move(text)).account = account;
  }
  void Note(const std::string& text) {
    Add(Kind::kNote, absl::StrCat(evidence_.test, text));
  }

  void FindEnd();
  std::string ExplainEnd() const;
  void FindDamage();
  void FindStrays();
  void FindViolations();
  void FindViolation(const Violation& violation, const TextOptions& options);
  void ReachedOut(std::string text);
  void NoteAllowed();
  void FindLeftovers();
  void OfferWorkingDirectory();

  const Evidence& evidence_;
  const Result& result_;
  bool failed_;
  bool failed_fatally_;
  std::vector<Finding> findings_;
};

void Verdict::FindEnd() {
  if (!evidence_.done) {
    if (evidence_.timed_out) {
      Fail(absl::StrCat("The test still ran after ",
                        absl::FormatDuration(evidence_.timeout),
                        " and was stopped.", evidence_.timeout_hint),
           Account::kAll);
    } else if (evidence_.damage.empty() || result_.signal != 0 ||
               result_.exit_code != 0) {
      // With damaged results nobody knows whether it was done.
      Fail(ExplainEnd(), Account::kAll);
    }
  } else if (result_.signal != 0) {
    Fail(absl::StrCat("The test was done, but then its process was ended by ",
                      SignalText(result_.signal), "."),
         Account::kOutput);
  } else if (result_.exit_code != 0) {
    Fail(absl::StrCat("The test was done, but then its process ended with the "
                      "exit code ",
                      result_.exit_code, "."),
         Account::kOutput);
  }
}

std::string Verdict::ExplainEnd() const {
  const absl::optional<Record>& end = evidence_.end;
  std::string text;
  if (end.has_value() && end->kind == RecordKind::kSignal) {
    const int signal = static_cast<int>(end->numbers[0]);
    absl::StrAppend(&text, "The test's process was ended by ",
                    SignalText(signal));
    if (HasAddress(signal, end->numbers[1])) {
      absl::StrAppend(&text, " at address 0x",
                      absl::Hex(static_cast<uint64_t>(end->numbers[2])));
    }
  } else if (result_.signal != 0) {
    absl::StrAppend(&text, "The test's process was ended by ",
                    SignalText(result_.signal));
  } else if (end.has_value() && end->kind == RecordKind::kExit) {
    absl::StrAppend(&text, "The test called exit(", end->numbers[0], ")");
  } else if (end.has_value() && end->kind == RecordKind::kQuickExit) {
    absl::StrAppend(&text, "The test called quick_exit(", result_.exit_code,
                    ")");
  } else if (end.has_value() && end->kind == RecordKind::kDeath) {
    absl::StrAppend(&text, "A sanitizer ended the test's process");
  } else {
    absl::StrAppend(&text, "The test's process ended with the exit code ",
                    result_.exit_code,
                    ", by _exit() or as another program that it executed,");
  }
  absl::StrAppend(&text, " before the test was done.");
  if (!result_.limits_hit.empty()) {
    std::vector<std::string> limits;
    for (LimitHit limit : result_.limits_hit) {
      limits.emplace_back(LimitName(limit));
    }
    absl::StrAppend(
        &text, "\nIt ran into its limit: ", absl::StrJoin(limits, ", "), ".");
  }
  return text;
}

void Verdict::FindDamage() {
  if (evidence_.damage.empty()) return;
  Fail(absl::StrCat(
           "The results of the test are damaged: ", evidence_.damage,
           ", which the plugin didn't write.\nWhat comes behind it is lost; "
           "hint: something in the test's process writes to memory that isn't "
           "its own, which AddressSanitizer (-fsanitize=address) may find"),
       failed_fatally_ ? Account::kNone : Account::kAll);
}

void Verdict::FindStrays() {
  for (const Record& stray : evidence_.strays) {
    Fail(absl::StrCat("Process ", stray.numbers[0],
                      ", forked by the test, returned from ", stray.texts[0],
                      "; it has to end by _exit() or exec()."));
  }
  if (evidence_.overflowed) {
    Fail(absl::StrCat("The test's results are larger than ",
                      Channel::kRecordsSize >> 20, " MiB; the rest is lost."));
  }
}

// A failure of the test, or only a note of it.
void Verdict::ReachedOut(std::string text) {
  if (evidence_.violations == Violations::kEnforce) {
    Add(Kind::kNonFatalFailure, std::move(text));
  } else {
    Note(absl::StrCat(": ", text));
  }
}

void Verdict::FindViolation(const Violation& violation,
                            const TextOptions& options) {
  const std::string text =
      absl::StrCat("The test ", DescribeViolation(violation, options));
  // The lines of other programs aren't the test's.
  const Frame* const frame = violation.program == evidence_.program
                                 ? OwnFrame(violation, options.left_out)
                                 : nullptr;
  if (evidence_.violations == Violations::kEnforce && frame != nullptr) {
    Add(Kind::kNonFatalFailure, text).position = {frame->file, frame->line};
  } else {
    ReachedOut(text);
  }
}

void Verdict::FindViolations() {
  TextOptions options = {Language::kCode, evidence_.writable, evidence_.program,
                         "", gtest_internals::GoogleTestFrames()};
  if (evidence_.working_directory == WorkingDirectory::kReadOnly) {
    options.working_directory = evidence_.directory;
  }
  const size_t shown =
      std::min(result_.record.violations.size(), kMostShownViolations);
  for (size_t i = 0; i < shown; ++i) {
    FindViolation(result_.record.violations[i], options);
  }
  const uint64_t more =
      result_.record.violations.size() - shown + result_.record.beyond;
  if (more > 0) {
    ReachedOut(absl::StrCat("The test reached out in ", more,
                            " more ways, which are not shown."));
  }
  // Any of them may have been a violation.
  if (result_.record.unseen > 0) {
    ReachedOut(absl::StrCat(
        "The test made ", result_.record.unseen,
        result_.record.unseen == 1 ? " system call" : " system calls",
        " that may have reached out and couldn't be looked at, because its "
        "process forbids it (PR_SET_DUMPABLE, memfd_secret).\n"
        "hint: make those calls in a program that the test executes, which is "
        "seen; or TestOptions::violations or --encapsulate_violations=report "
        "if the test may reach out unseen"));
  }
  // A test that was stopped or crashed had no chance to end them.
  for (const Evidence::Position& open : evidence_.open_expectations) {
    if (!evidence_.done) break;
    Add(Kind::kNonFatalFailure,
        "The test ended within the scope of this ExpectBlocked.")
        .position = open;
  }
  NoteAllowed();
}

void Verdict::NoteAllowed() {
  for (const AllowedUse& use : result_.record.allowed) {
    const Allowed& allowed = use.allowed;
    const bool is_default =
        absl::c_any_of(DefaultAllowed(), [&](const Allowed& one) {
          return one.rule == allowed.rule && one.target == allowed.target &&
                 one.reason == allowed.reason;
        });
    if (is_default && !evidence_.verbose) continue;
    Note(absl::StrCat(
        " was blocked, which is allowed: ", RuleName(allowed.rule), " '",
        allowed.target, "', ", use.count, use.count == 1 ? " time" : " times",
        ": ", allowed.reason));
  }
}

void Verdict::FindLeftovers() {
  // Where a test has no /tmp of its own.
  constexpr size_t kShownFiles = 10;
  const std::vector<std::string>& files = result_.temporary_files;
  for (size_t i = 0; i < files.size() && i < kShownFiles; ++i) {
    Note(absl::StrCat(" left ", Quote(files[i]), ", which has been removed"));
  }
  if (files.size() > kShownFiles) {
    Note(absl::StrCat(" left ", files.size() - kShownFiles,
                      " more such files and directories"));
  }
  // A test that was stopped or crashed had no chance to put things right.
  if (result_.leftover_count == 0 || !evidence_.done) return;
  std::string text = absl::StrCat(
      "The test left ", result_.leftover_count,
      result_.leftover_count == 1 ? " process" : " processes", " behind:");
  for (const Leftover& leftover : result_.leftovers) {
    absl::StrAppend(&text, "\n  ", leftover.pid, " ", Printable(leftover.name));
    if (!leftover.command.empty()) {
      absl::StrAppend(&text, ": ", Printable(leftover.command));
    }
  }
  if (evidence_.leftovers == Leftovers::kFail) {
    absl::StrAppend(&text,
                    "\nhint: end them in the test; or, if they may stay, "
                    "TestOptions::leftovers or --encapsulate_leftovers=note");
    Add(Kind::kNonFatalFailure, text);
  } else {
    Note(absl::StrCat(": ", text));
  }
}

// A violation says so itself. Where nobody watches, nothing tells for sure that
// a write was refused there, but its error text in a failure or in the output
// does.
void Verdict::OfferWorkingDirectory() {
  if (!failed_ || !evidence_.tells_read_only ||
      evidence_.violations != Violations::kOff ||
      evidence_.working_directory != WorkingDirectory::kReadOnly) {
    return;
  }
  Note(
      " wrote to something that is read-only for a test; hint: "
      "--encapsulate_working_directory=overlay (or "
      "TestOptions::working_directory) lets it write to its working "
      "directory, and throws that away");
}

}  // namespace

std::vector<Finding> Classify(const Evidence& evidence) {
  return Verdict(evidence).Find();
}

}  // namespace encapsulate
