// SPDX-License-Identifier: Apache-2.0

#include "tool/command_line.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/error.h"
#include "tool/bazel.h"
#include "tool/flags.h"

namespace encapsulate::tool {
namespace {

// Of a file of flags. Devices have no end.
constexpr size_t kMostFlagFile = 1 << 20;

// A sentence, and what to do.
absl::Status Wrong(std::string sentence, std::string hint = "") {
  return MakeFailure({FailureKind::kInvalidOptions, "", "", std::move(sentence),
                      0, std::move(hint)});
}

bool IsDirectory(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool IsExecutableFile(const std::string& path) {
  return access(path.c_str(), X_OK) == 0 && !IsDirectory(path);
}

// Whether a shell would take it for a command.
bool IsCommand(const std::string& name) {
  if (absl::StrContains(name, "/")) return IsExecutableFile(name);
  const char* const path = getenv("PATH");
  if (name.empty() || path == nullptr) return false;
  for (absl::string_view directory : absl::StrSplit(path, ':')) {
    if (IsExecutableFile(absl::StrCat(directory, "/", name))) return true;
  }
  return false;
}

class Parser {
 public:
  explicit Parser(const std::vector<std::string>& arguments)
      : arguments_(arguments) {}

  absl::StatusOr<CommandLine> Parse() {
    absl::Status status = ParseFlags();
    if (!status.ok()) return status;
    CommandLine line;
    if (absl::GetFlag(FLAGS_help)) {
      line.action = CommandLine::Action::kHelp;
    } else if (absl::GetFlag(FLAGS_version)) {
      line.action = CommandLine::Action::kVersion;
    } else if (absl::GetFlag(FLAGS_check)) {
      line.action = CommandLine::Action::kCheck;
      if (next_ < arguments_.size()) {
        return Wrong(absl::StrCat("--check takes no command, but there is ",
                                  Quote(arguments_[next_])));
      }
    } else if (absl::GetFlag(FLAGS_vary) == "help") {
      line.action = CommandLine::Action::kVaryHelp;
    } else {
      if (!absl::GetFlag(FLAGS_vary).empty()) {
        line.action = CommandLine::Action::kVary;
      }
      status = ParseCommand(&line);
      if (!status.ok()) return status;
    }
    return line;
  }

 private:
  // Up to the first argument that is no flag.
  absl::Status ParseFlags() {
    for (; next_ < arguments_.size(); ++next_) {
      const std::string& argument = arguments_[next_];
      if (argument == "--") {
        dashes_ = true;
        ++next_;
        break;
      }
      if (argument.size() < 2 || argument[0] != '-') break;
      absl::Status status = ParseFlag(argument, /*in_file=*/false);
      if (!status.ok()) return status;
    }
    return SetRepeated();
  }

  // Each line is a flag with its value.
  absl::Status ParseFlagFile(const std::string& name) {
    const auto cannot = [&](std::string reason, int error) {
      return MakeFailure({FailureKind::kInvalidOptions, "read", name,
                          std::move(reason), error});
    };
    errno = 0;
    std::ifstream file(name);
    std::string text(kMostFlagFile + 1, '\0');
    file.read(&text[0], static_cast<std::streamsize>(text.size()));
    if (!file.is_open() || file.bad()) return cannot("", errno);
    text.resize(static_cast<size_t>(file.gcount()));
    if (text.size() > kMostFlagFile) {
      return cannot(absl::StrCat("it has more than ", kMostFlagFile, " bytes"),
                    0);
    }
    int number = 0;
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      ++number;
      const absl::string_view flag = absl::StripAsciiWhitespace(line);
      if (flag.empty() || flag[0] == '#') continue;
      const absl::Status status =
          flag.size() > 2 && absl::StartsWith(flag, "--")
              ? ParseFlag(flag, /*in_file=*/true)
              : Wrong(absl::StrCat(Quote(flag), " is no flag"));
      if (!status.ok()) {
        return Wrong(absl::StrCat("line ", number, " of ", Quote(name), ": ",
                                  std::string(status.message())));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ParseFlag(absl::string_view argument, bool in_file) {
    absl::string_view name = argument;
    name.remove_prefix(absl::StartsWith(argument, "--") ? 2 : 1);
    absl::string_view value;
    const size_t equals = name.find('=');
    const bool has_value = equals != absl::string_view::npos;
    if (has_value) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    const FlagEntry* flag = FindFlag(argument == "-h" ? "help" : name);
    if (flag == nullptr) {
      const std::string nearest = NearestFlag(name);
      return Wrong(absl::StrCat("there is no flag ",
                                Quote(argument.substr(0, argument.find('=')))),
                   nearest.empty()
                       ? "encapsulate --help lists them"
                       : absl::StrCat("did you mean ", nearest, "?"));
    }
    if (!has_value && flag->value.empty()) {
      value = "true";
    } else if (!has_value && !flag->implied.empty()) {
      value = flag->implied;
    } else if (!has_value) {
      if (in_file || next_ + 1 == arguments_.size()) {
        return Wrong(absl::StrCat(Spelling(*flag), " needs a value"),
                     Usage(*flag));
      }
      value = arguments_[++next_];
    }
    if (flag->value.empty() && value != "true" && value != "false") {
      return Bad(*flag, value, "takes no value but true or false");
    }
    if (value.empty()) return Bad(*flag, value, "must not be empty");
    if (flag->name == "flagfile") {
      if (in_file) return Bad(*flag, value, "a file of flags names no other");
      return ParseFlagFile(std::string(value));
    }
    if (flag->repeatable) {
      repeated_[flag].emplace_back(value);
      return absl::OkStatus();
    }
    if (flag->name == "violations") watches_off_ = value == "off";
    std::string error;
    return SetFlag(*flag, value, &error) ? absl::OkStatus()
                                         : Bad(*flag, value, error);
  }

  static absl::Status Bad(const FlagEntry& flag, absl::string_view value,
                          absl::string_view why) {
    return MakeFailure({FailureKind::kInvalidOptions,
                        absl::StrCat("use ", Spelling(flag), "=", Quote(value)),
                        "", std::string(why)});
  }

  absl::Status SetRepeated() {
    for (const auto& flag : repeated_) {
      std::string error;
      if (!SetFlag(*flag.first, JoinValues(flag.second), &error)) {
        return Bad(*flag.first, flag.second.back(), error);
      }
    }
    return absl::OkStatus();
  }

  absl::Status ParseCommand(CommandLine* line) {
    std::vector<std::string> rest(
        arguments_.begin() + static_cast<std::ptrdiff_t>(next_),
        arguments_.end());
    line->runs_bazel_test = IsRunUnderTest(rest);
    if (absl::GetFlag(FLAGS_learn).learn) {
      absl::Status status = CheckLearn(rest);
      if (!status.ok()) return status;
    }
    if (dashes_ || absl::GetFlag(FLAGS_learn).learn ||
        (line->runs_bazel_test && IsProgram(rest.front()))) {
      line->command = std::move(rest);
      return line->command.empty() ? NoCommand() : absl::OkStatus();
    }
    if (rest.empty()) return NoCommand();
    const std::string trees = rest.front();
    rest.erase(rest.begin());
    if (!rest.empty() && rest.front() == "--") rest.erase(rest.begin());
    line->trees = absl::StrSplit(trees, '|', absl::SkipEmpty());
    line->command = std::move(rest);
    return CheckTrees(trees, line->command);
  }

  static absl::Status NoCommand() {
    return Wrong("there is no command to run",
                 "encapsulate 'writable|trees' command args..., see "
                 "encapsulate --help");
  }

  // Nothing is writable while the tool learns what a command wants to write,
  // so no trees are named.
  absl::Status CheckLearn(const std::vector<std::string>& rest) const {
    if (watches_off_) {
      return MakeFailure({FailureKind::kInvalidOptions,
                          "learn while nobody watches", "", "", 0,
                          "leave out --violations=off or --learn"});
    }
    if (dashes_ || rest.size() < 2) return absl::OkStatus();
    const std::string& first = rest[0];
    if (!first.empty() && !absl::StrContains(first, "|") &&
        !IsDirectory(first)) {
      return absl::OkStatus();
    }
    return Wrong(absl::StrCat("--learn takes no writable trees, but there is ",
                              Quote(first)),
                 absl::StrCat("encapsulate --learn ", rest[1],
                              rest.size() > 2 ? " ..." : ""));
  }

  // The one mistake that everybody makes: a command in place of the trees.
  static absl::Status CheckTrees(const std::string& trees,
                                 const std::vector<std::string>& command) {
    const bool is_word =
        !trees.empty() && trees.find_first_of("/|.") == std::string::npos;
    if (is_word && access(trees.c_str(), F_OK) != 0) {
      return Wrong(
          absl::StrCat("there is no tree ", Quote(trees), " to make writable"),
          absl::StrCat("the first argument names the writable trees, for none: "
                       "encapsulate '' ",
                       trees, command.empty() ? "" : " ..."));
    }
    if (command.empty()) {
      return Wrong(absl::StrCat("there is no command after the writable trees ",
                                Quote(trees)),
                   IsCommand(trees)
                       ? absl::StrCat("if it is the command, for no "
                                      "writable trees: encapsulate '' ",
                                      trees)
                       : "encapsulate 'writable|trees' command "
                         "args...");
    }
    return absl::OkStatus();
  }

  const std::vector<std::string>& arguments_;
  size_t next_ = 0;
  bool dashes_ = false;       // flags ended with "--"
  bool watches_off_ = false;  // by --violations=off
  std::map<const FlagEntry*, std::vector<std::string>> repeated_;
};

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(
    const std::vector<std::string>& arguments) {
  return Parser(arguments).Parse();
}

}  // namespace encapsulate::tool
