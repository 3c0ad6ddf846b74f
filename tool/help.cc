// SPDX-License-Identifier: Apache-2.0

#include "tool/help.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "encapsulate/violations.h"
#include "tool/exit_codes.h"
#include "tool/flags.h"
#include "tool/words.h"

namespace encapsulate::tool {
namespace {

constexpr absl::string_view kSynopsis[] = {
    "encapsulate [flags] 'tree|tree2' command [argument...]",
    "encapsulate [flags] -- command [argument...]",
    "encapsulate --learn [flags] command [argument...]",
    "encapsulate --check",
};

constexpr absl::string_view kDescription[] = {
    "Runs the command in a sandbox: it sees this machine's files, read-only, "
    "and may write only to the trees (directories or files) that the first "
    "argument names, separated by '|'. An empty first argument, or '--' in its "
    "place, makes nothing writable.",
    "The command has its own processes, its own network with loopback only, "
    "its own /proc, /dev, /dev/shm and IPC, and no privileges, not even as "
    "root. Host sockets, devices and other users' processes are out of reach. "
    "User, groups, directory, environment and terminal are yours. When the "
    "command ends, so does everything that it started. Nothing is left on the "
    "host, and no privileges are needed.",
};

constexpr Term kExamples[] = {
    {"encapsulate '/tmp|/home/me/src' make -j4",
     "build, writing to two trees only"},
    {"encapsulate '' python3 untrusted.py", "run with nothing writable"},
    {"encapsulate --hermetic --timeout=5m . ctest",
     "run tests with a fresh /tmp and a clean environment"},
    {"encapsulate --overlay=/usr --overlay-changes '' make install",
     "see what an installation would change"},
    {"encapsulate --writable='/data/a|b' -- ./import",
     "name a tree that holds a '|'"},
    {"bazel test --run_under='//tool:encapsulate --hermetic --' //...",
     "run every test of a Bazel project in a sandbox"},
    {"encapsulate --violations=enforce '' ctest",
     "fail if a test tries to leave the sandbox, and say where"},
    {"encapsulate --learn make install",
     "print the flags that a command needs"},
    {"encapsulate --status-fd=3 '' make 3>status.json",
     "let a program read how it went"},
};

constexpr Term kUnits[] = {
    {"TIME", "seconds, such as 90 or 0.5, or with units: 300ms, 1m30s, 2h"},
    {"SIZE", "bytes, or with K, M, G or T for powers of 1024: 512M"},
};

constexpr Term kNotes[] = {
    {"Groups",
     "The kernel lets an ordinary user map one group only. The other "
     "groups still count for access, but 'id' shows them as "
     "'nogroup', and chown to them fails."},
    {"Flags",
     "Names may be written with dashes or underscores, values after "
     "'=' or as the next argument, those in brackets after '=' only. Flags "
     "end at the first argument that is none. Those marked with '...' may be "
     "repeated."},
    {"Tests",
     "One run is one sandbox: the tests of 'encapsulate . ctest' share one "
     "/tmp. docs/launchers.md says how a build tool starts each test in a "
     "sandbox of its own."},
    {"Bazel",
     "Under 'bazel test --run_under', the trees are left out, and "
     "where Bazel collects a test's outputs is writable. 'bazel run' "
     "starts in the directory where it was typed."},
    {"Signals",
     "TERM, INT, HUP, QUIT, USR1, USR2, ALRM and WINCH are passed "
     "on to the command, and the terminal is its own: Ctrl-C and "
     "Ctrl-Z work as without a sandbox."},
    {"Locks",
     "flock(2) works on read-only files too, so the command can hold "
     "a lock that a process outside waits for."},
};

void AppendTerm(absl::string_view term, absl::string_view text, size_t indent,
                std::string* out) {
  absl::StrAppend(out, "  ", term);
  size_t column = 2 + term.size();
  if (column + 2 > indent) {
    absl::StrAppend(out, "\n");
    column = 0;
  }
  absl::StrAppend(out, std::string(indent - column, ' '));
  AppendWrapped(text, indent, indent, out);
}

void AppendTerms(absl::string_view title, absl::Span<const Term> terms,
                 size_t indent, std::string* out) {
  absl::StrAppend(out, "\n", title, ":\n");
  for (const Term& term : terms) AppendTerm(term.term, term.text, indent, out);
}

}  // namespace

absl::Span<const absl::string_view> Synopsis() { return kSynopsis; }
absl::Span<const absl::string_view> Description() { return kDescription; }
absl::Span<const Term> Examples() { return kExamples; }
absl::Span<const Term> ExitCodes() {
  static const auto* const numbers = [] {
    auto* const made = new std::vector<std::string>;
    for (const ExitCode& code : kExitCodes) {
      made->push_back(
          absl::StrCat(code.code, code.code == kExitSignalBase ? "+N" : ""));
    }
    return made;
  }();
  static const auto* const terms = [] {
    auto* const made = new std::vector<Term>;
    for (size_t i = 0; i < numbers->size(); ++i) {
      made->push_back({(*numbers)[i], kExitCodes[i].meaning});
    }
    made->push_back({"other", "the command's own"});
    return made;
  }();
  return *terms;
}
absl::Span<const Term> Rules() {
  static const auto* const terms = [] {
    auto* const made = new std::vector<Term>;
    for (Rule rule : AllRules()) {
      made->push_back({RuleName(rule), DescribeRule(rule)});
    }
    return made;
  }();
  return *terms;
}
absl::Span<const Term> Notes() { return kNotes; }
absl::Span<const Term> Units() { return kUnits; }

std::string HelpText() {
  std::string out = absl::StrCat("encapsulate: ", kSummary, "\n\nUsage:\n");
  for (absl::string_view line : kSynopsis) {
    absl::StrAppend(&out, "  ", line, "\n");
  }
  for (absl::string_view paragraph : kDescription) {
    absl::StrAppend(&out, "\n");
    AppendWrapped(paragraph, 0, 0, &out);
  }
  absl::StrAppend(&out, "\nExamples:\n");
  for (const Term& example : kExamples) {
    absl::StrAppend(&out, "  ", example.term, "\n      ", example.text, "\n");
  }
  constexpr size_t kFlagIndent = 26;
  for (Section section : kSections) {
    absl::StrAppend(&out, "\n", TitleOf(section), ":\n");
    for (const FlagEntry& flag : AllFlags()) {
      if (flag.section != section) continue;
      AppendTerm(absl::StrCat(Usage(flag), flag.repeatable ? "..." : ""),
                 HelpOf(flag), kFlagIndent, &out);
    }
  }
  AppendTerms("Rules", Rules(), 17, &out);
  AppendTerms("Units", kUnits, 8, &out);
  AppendTerms("Exit codes", ExitCodes(), 9, &out);
  AppendTerms("Notes", kNotes, 11, &out);
  return out;
}

}  // namespace encapsulate::tool
