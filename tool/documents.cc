// Writes the man page and the shells' completions, from the flags:
//
//   documents man|bash|zsh|fish > FILE
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "tool/flags.h"
#include "tool/help.h"

namespace encapsulate::tool {
namespace {

// --- man(7) -----------------------------------------------------------------

// Text that troff shows as it is.
std::string Roff(absl::string_view text) {
  std::string roff =
      absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}, {"'", "\\(aq"}});
  if (!roff.empty() && roff.front() == '.') roff.insert(0, "\\&");
  return roff;
}

void AppendTerms(absl::string_view title, absl::Span<const Term> terms,
                 std::string* out) {
  absl::StrAppend(out, ".SH ", title, "\n");
  for (const Term& term : terms) {
    absl::StrAppend(out, ".TP\n.B ", Roff(term.term), "\n", Roff(term.text),
                    "\n");
  }
}

std::string ManPage() {
  std::string out = absl::StrCat(".TH ENCAPSULATE 1 \"\" \"encapsulate ",
                                 kVersion, "\"\n.SH NAME\n", "encapsulate \\- ",
                                 Roff(kSummary), "\n.SH SYNOPSIS\n.nf\n");
  for (absl::string_view line : Synopsis()) {
    absl::StrAppend(&out, Roff(line), "\n");
  }
  absl::StrAppend(&out, ".fi\n.SH DESCRIPTION\n",
                  absl::StrJoin(Description(), "\n.PP\n",
                                [](std::string* text, absl::string_view part) {
                                  absl::StrAppend(text, Roff(part));
                                }),
                  "\n.SH OPTIONS\n");
  for (Section section : kSections) {
    absl::StrAppend(&out, ".SS ", TitleOf(section), "\n");
    for (const FlagEntry& flag : AllFlags()) {
      if (flag.section != section) continue;
      absl::StrAppend(&out, ".TP\n.BR ", Roff(Spelling(flag)));
      if (!flag.value.empty()) {
        absl::StrAppend(&out, " =\\fI", Roff(flag.value), "\\fR");
      }
      if (flag.repeatable) {
        absl::StrAppend(&out, flag.value.empty() ? " ..." : "...");
      }
      absl::StrAppend(&out, "\n", Roff(HelpOf(flag)), "\n");
    }
  }
  AppendTerms("UNITS", Units(), &out);
  AppendTerms("EXIT STATUS", ExitCodes(), &out);
  absl::StrAppend(&out, ".SH EXAMPLES\n");
  for (const Term& example : Examples()) {
    absl::StrAppend(&out, ".PP\n", Roff(example.text), ":\n.PP\n.RS\n.nf\n",
                    Roff(example.term), "\n.fi\n.RE\n");
  }
  AppendTerms("NOTES", Notes(), &out);
  absl::StrAppend(&out, ".SH SEE ALSO\n",
                  ".BR unshare (1),\n.BR user_namespaces (7),\n",
                  ".BR mount_namespaces (7)\n");
  return out;
}

// --- Completions ------------------------------------------------------------

std::vector<std::string> FlagsWithValue(Completion completion) {
  std::vector<std::string> names;
  for (const FlagEntry& flag : AllFlags()) {
    if (!flag.value.empty() && flag.completion == completion) {
      names.push_back(Spelling(flag));
    }
  }
  return names;
}

std::string Bash() {
  std::vector<std::string> all;
  std::vector<std::string> valued;
  std::string choices;
  for (const FlagEntry& flag : AllFlags()) {
    if (flag.completion == Completion::kChoice) {
      absl::StrAppend(&choices, "    ", Spelling(flag),
                      ")\n      mapfile -t COMPREPLY < <(compgen -W '",
                      flag.choices, "' -- \"$value\")\n      return ;;\n");
    }
    all.push_back(absl::StrCat(Spelling(flag), flag.value.empty() ? "" : "="));
    if (!flag.value.empty()) valued.push_back(Spelling(flag));
  }
  const auto either = [](const std::vector<std::string>& names) {
    return absl::StrJoin(names, " | ");
  };
  return absl::StrCat(
      "# bash completion for encapsulate. Generated.\n"
      "_encapsulate() {\n"
      "  local cur prev words cword\n"
      "  _get_comp_words_by_ref -n =: cur prev words cword 2>/dev/null ||\n"
      "    return\n"
      "  local i=1 trees=1\n"
      "  while ((i < cword)); do\n"
      "    case ${words[i]} in\n"
      "      --) trees=0; ((i++)); break ;;\n"
      "      ",
      either(valued),
      ") ((i++)) ;;\n"
      "      -*) ;;\n"
      "      *) break ;;\n"
      "    esac\n"
      "    ((i++))\n"
      "  done\n"
      "  if ((i + trees <= cword && (trees == 0 || i < cword))); then\n"
      "    _command_offset $((i + trees))\n"
      "    return\n"
      "  fi\n"
      "  local flag=$prev value=$cur\n"
      "  if [[ $cur == --*=* ]]; then\n"
      "    flag=${cur%%=*} value=${cur#*=}\n"
      "  fi\n"
      "  case $flag in\n",
      choices, "    ", either(FlagsWithValue(Completion::kDirectory)),
      ")\n"
      "      compopt -o filenames\n"
      "      mapfile -t COMPREPLY < <(compgen -d -- \"$value\")\n"
      "      return ;;\n"
      "    ",
      either(FlagsWithValue(Completion::kPath)),
      ")\n"
      "      compopt -o filenames\n"
      "      mapfile -t COMPREPLY < <(compgen -f -- \"$value\")\n"
      "      return ;;\n"
      "    ",
      either(FlagsWithValue(Completion::kNothing)),
      ")\n"
      "      return ;;\n"
      "  esac\n"
      "  if [[ $cur == -* ]]; then\n"
      "    mapfile -t COMPREPLY < <(compgen -W '",
      absl::StrJoin(all, " "),
      "' -- \"$cur\")\n"
      "    [[ ${COMPREPLY-} == *= ]] && compopt -o nospace\n"
      "  else\n"
      "    compopt -o filenames\n"
      "    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
      "  fi\n"
      "}\n"
      "complete -F _encapsulate encapsulate\n");
}

// The first sentence of a flag's help, for menus.
std::string Brief(const FlagEntry& flag) {
  const std::string help = HelpOf(flag);
  std::string brief = help.substr(0, help.find_first_of(".;:"));
  return absl::StrReplaceAll(brief, {{"'", ""}});
}

std::string Zsh() {
  std::string out =
      "#compdef encapsulate\n# zsh completion for encapsulate. Generated.\n"
      "_arguments -S \\\n";
  for (const FlagEntry& flag : AllFlags()) {
    std::string action;
    if (flag.completion == Completion::kChoice) {
      action = absl::StrCat("(", flag.choices, ")");
    } else if (flag.completion == Completion::kDirectory) {
      action = "_files -/";
    } else if (flag.completion == Completion::kPath) {
      action = "_files";
    }
    const std::string brief =
        absl::StrReplaceAll(Brief(flag), {{"[", "\\["}, {"]", "\\]"}});
    absl::StrAppend(&out, "  '", flag.repeatable ? "*" : "", Spelling(flag),
                    flag.value.empty() ? "" : "=", "[", brief, "]");
    if (!flag.value.empty()) {
      absl::StrAppend(&out, ":",
                      absl::StrReplaceAll(flag.value, {{":", "\\:"}}), ":",
                      action);
    }
    absl::StrAppend(&out, "' \\\n");
  }
  absl::StrAppend(&out, "  '1:writable trees:_files' \\\n",
                  "  '*::command: _normal'\n");
  return out;
}

std::string Fish() {
  std::string out =
      "# fish completion for encapsulate. Generated.\n"
      "complete -c encapsulate -n 'test (count (commandline -opc)) -gt 2' "
      "-xa '(__fish_complete_subcommand)'\n";
  for (const FlagEntry& flag : AllFlags()) {
    absl::StrAppend(&out, "complete -c encapsulate -l ",
                    Spelling(flag).substr(2));
    if (!flag.value.empty()) {
      switch (flag.completion) {
        case Completion::kChoice:
          absl::StrAppend(&out, " -xa '", flag.choices, "'");
          break;
        case Completion::kDirectory:
          absl::StrAppend(&out, " -xa '(__fish_complete_directories)'");
          break;
        case Completion::kPath:
          absl::StrAppend(&out, " -r");
          break;
        case Completion::kNothing:
          absl::StrAppend(&out, " -x");
          break;
      }
    }
    absl::StrAppend(&out, " -d '", Brief(flag), "'\n");
  }
  return out;
}

}  // namespace
}  // namespace encapsulate::tool

int main(int argc, char** argv) {
  const std::map<std::string, std::function<std::string()>> documents = {
      {"man", encapsulate::tool::ManPage},
      {"bash", encapsulate::tool::Bash},
      {"zsh", encapsulate::tool::Zsh},
      {"fish", encapsulate::tool::Fish},
  };
  const auto document = documents.find(argc == 2 ? argv[1] : "");
  if (document == documents.end()) {
    fprintf(stderr, "usage: documents man|bash|zsh|fish\n");
    return 2;
  }
  const std::string text = document->second();
  return fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
                 fflush(stdout) == 0
             ? 0
             : 1;
}
