// SPDX-License-Identifier: Apache-2.0
//
// Writes the man page, the shells' completions and the site's page, from the
// flags:
//
//   documents man|bash|zsh|fish|markdown > FILE
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
        absl::StrAppend(&out, flag.implied.empty() ? " =" : " [=", "\\fI",
                        Roff(flag.value), "\\fR",
                        flag.implied.empty() ? "" : "]");
      }
      if (flag.repeatable) {
        absl::StrAppend(&out, flag.value.empty() ? " ..." : "...");
      }
      absl::StrAppend(&out, "\n", Roff(HelpOf(flag)), "\n");
    }
  }
  AppendTerms("RULES", Rules(), &out);
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

// --- The site ---------------------------------------------------------------

// Text that stands in a cell of a table as it is.
std::string Cell(absl::string_view text) {
  return absl::StrReplaceAll(
      text,
      {{"|", "\\|"}, {"*", "\\*"}, {"<", "&lt;"}, {"_", "\\_"}, {"`", "\\`"}});
}

void AppendTable(absl::string_view title, absl::string_view first,
                 absl::Span<const Term> terms, std::string* out) {
  absl::StrAppend(out, "\n## ", title, "\n\n| ", first,
                  " | meaning |\n|---|---|\n");
  for (const Term& term : terms) {
    absl::StrAppend(out, "| `", absl::StrReplaceAll(term.term, {{"|", "\\|"}}),
                    "` | ", Cell(term.text), " |\n");
  }
}

std::string Markdown() {
  std::string out = "# Flags of the tool\n\n";
  for (absl::string_view line : Synopsis()) {
    absl::StrAppend(&out, "    ", line, "\n");
  }
  for (absl::string_view paragraph : Description()) {
    absl::StrAppend(&out, "\n", Cell(paragraph), "\n");
  }
  for (Section section : kSections) {
    absl::StrAppend(&out, "\n## ", TitleOf(section),
                    "\n\n| flag | meaning |\n|---|---|\n");
    for (const FlagEntry& flag : AllFlags()) {
      if (flag.section != section) continue;
      absl::StrAppend(&out, "| `", Usage(flag), flag.repeatable ? "..." : "",
                      "` | ", Cell(HelpOf(flag)), " |\n");
    }
  }
  AppendTable("Rules of violations", "rule", Rules(), &out);
  AppendTable("Units", "value", Units(), &out);
  AppendTable("Exit codes", "code", ExitCodes(), &out);
  AppendTable("Notes", "on", Notes(), &out);
  AppendTable("Examples", "command", Examples(), &out);
  return out;
}

// --- Completions ------------------------------------------------------------
//
// Each finds where the command begins, after the flags and, but for "--" and
// --learn, after the trees, and leaves the rest to the command's own
// completion.

// Whether its value may be the next word of the command line.
bool TakesAWord(const FlagEntry& flag) {
  return !flag.value.empty() && flag.implied.empty();
}

std::vector<std::string> FlagsThatTakeAWord() {
  std::vector<std::string> names;
  for (const FlagEntry& flag : AllFlags()) {
    if (TakesAWord(flag)) names.push_back(Spelling(flag));
  }
  return names;
}

std::vector<std::string> FlagsWithValue(Completion completion) {
  std::vector<std::string> names;
  for (const FlagEntry& flag : AllFlags()) {
    if (TakesAWord(flag) && flag.completion == completion) {
      names.push_back(Spelling(flag));
    }
  }
  return names;
}

std::string Bash() {
  std::vector<std::string> all;
  std::string choices;
  for (const FlagEntry& flag : AllFlags()) {
    if (flag.completion == Completion::kChoice && TakesAWord(flag)) {
      absl::StrAppend(&choices, "    ", Spelling(flag),
                      ")\n      mapfile -t COMPREPLY < <(compgen -W '",
                      flag.choices, "' -- \"$value\")\n      return ;;\n");
    }
    all.push_back(absl::StrCat(Spelling(flag), TakesAWord(flag) ? "=" : ""));
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
      "  local i=1 trees=1 flags=1\n"
      "  while ((i < cword)); do\n"
      "    case ${words[i]} in\n"
      "      --) trees=0 flags=0; ((i++)); break ;;\n"
      "      --learn | --learn=*) trees=0 ;;\n"
      "      ",
      either(FlagsThatTakeAWord()),
      ") ((i++)) ;;\n"
      "      -*) ;;\n"
      "      *) flags=0; break ;;\n"
      "    esac\n"
      "    ((i++))\n"
      "  done\n"
      "  if ((i + trees <= cword)) && [[ $flags = 0 || $cur != -* ]]; then\n"
      "    # Bash has cut the words once more, at '=' and ':'.\n"
      "    local word=0 joined j\n"
      "    for ((j = 0; j < i + trees; j++)); do\n"
      "      joined=\n"
      "      until [[ -n $joined && $joined = \"${words[j]}\" ]]; do\n"
      "        ((word < COMP_CWORD)) || return\n"
      "        joined+=${COMP_WORDS[word++]}\n"
      "      done\n"
      "    done\n"
      "    _command_offset $word\n"
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
      "local -i i=2 trees=1 flags=1\n"
      "while ((i < CURRENT)); do\n"
      "  case $words[i] in\n"
      "    (--) trees=0 flags=0; ((i++)); break ;;\n"
      "    (--learn|--learn=*) trees=0 ;;\n"
      "    (";
  absl::StrAppend(&out, absl::StrJoin(FlagsThatTakeAWord(), "|"),
                  ") ((i++)) ;;\n"
                  "    (-*) ;;\n"
                  "    (*) flags=0; break ;;\n"
                  "  esac\n"
                  "  ((i++))\n"
                  "done\n"
                  "if ((i + trees <= CURRENT)) && "
                  "[[ $flags = 0 || $words[CURRENT] != -* ]]; then\n"
                  "  shift $((i + trees - 1)) words\n"
                  "  ((CURRENT -= i + trees - 1))\n"
                  "  _normal\n"
                  "  return\n"
                  "fi\n"
                  "_arguments -S \\\n");
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
                    flag.value.empty() ? "" : "=",
                    flag.implied.empty() ? "" : "-", "[", brief, "]");
    if (!flag.value.empty()) {
      absl::StrAppend(&out, flag.implied.empty() ? ":" : "::",
                      absl::StrReplaceAll(flag.value, {{":", "\\:"}}), ":",
                      action);
    }
    absl::StrAppend(&out, "' \\\n");
  }
  absl::StrAppend(&out, "  '1:writable trees:_files'\n");
  return out;
}

std::string Fish() {
  std::string out =
      "# fish completion for encapsulate. Generated.\n"
      "# The command line of the command, if the cursor is in it.\n"
      "function __encapsulate_command\n"
      "    set -l words (commandline -opc)[2..]\n"
      "    set -l trees 1\n"
      "    set -l flags 1\n"
      "    while set -q words[1]\n"
      "        switch $words[1]\n"
      "            case --\n"
      "                set -e words[1]\n"
      "                set trees 0\n"
      "                set flags 0\n"
      "                break\n"
      "            case --learn '--learn=*'\n"
      "                set trees 0\n"
      "                set -e words[1]\n"
      "            case ";
  absl::StrAppend(
      &out, absl::StrJoin(FlagsThatTakeAWord(), " "),
      "\n"
      "                set -q words[2]; or return 1\n"
      "                set -e words[1..2]\n"
      "            case '-*'\n"
      "                set -e words[1]\n"
      "            case '*'\n"
      "                set flags 0\n"
      "                break\n"
      "        end\n"
      "    end\n"
      "    if test $trees = 1\n"
      "        set -q words[1]; or return 1\n"
      "        set -e words[1]\n"
      "    else if test $flags = 1; and string match -q -- '-*' "
      "(commandline -ct)\n"
      "        return 1\n"
      "    end\n"
      "    echo (string escape -- $words) (commandline -ct)\n"
      "end\n"
      "complete -c encapsulate -n '__encapsulate_command >/dev/null' "
      "-xa '(complete -C (__encapsulate_command))'\n");
  for (const FlagEntry& flag : AllFlags()) {
    absl::StrAppend(&out,
                    "complete -c encapsulate -n 'not __encapsulate_command "
                    ">/dev/null' -l ",
                    Spelling(flag).substr(2));
    if (TakesAWord(flag)) {
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
      {"markdown", encapsulate::tool::Markdown},
  };
  const auto document = documents.find(argc == 2 ? argv[1] : "");
  if (document == documents.end()) {
    fprintf(stderr, "usage: documents man|bash|zsh|fish|markdown\n");
    return 2;
  }
  const std::string text = document->second();
  return fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
                 fflush(stdout) == 0
             ? 0
             : 1;
}
