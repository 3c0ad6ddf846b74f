// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/shared/settings.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "encapsulate/base/error.h"
#include "encapsulate/environment.h"
#include "gtest_plugin/googletest/stdio.h"
#include "gtest_plugin/shared/flags.h"
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

}  // namespace

absl::Status Set(absl::string_view name, absl::string_view value,
                 absl::string_view shown, Settings* settings) {
  const Flag* const flag = FindFlag(name);
  if (flag != nullptr) return flag->set(*flag, value, shown, settings);
  return MakeFailure({FailureKind::kInvalidOptions, "set", std::string(shown),
                      "there is no such setting", 0,
                      "--encapsulate_help lists them"});
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
      status.Update(
          MakeFailure({FailureKind::kInvalidOptions, "set", std::string(flag),
                       "it has no value", 0, absl::StrCat(flag, "=VALUE")}));
    }
  }
  argv[kept] = nullptr;
  *argc = kept;
  return status;
}

bool Settings::ChangeOptions() const {
  return absl::c_any_of(AllFlags(), [this](const Flag& flag) {
    return flag.apply != nullptr && flag.apply(*this, nullptr);
  });
}

TestOptions Apply(const Settings& settings, TestOptions options) {
  for (const Flag& flag : AllFlags()) {
    if (flag.apply != nullptr) flag.apply(settings, &options);
  }
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
    fputs(HelpText().c_str(), stdout);
    FlushOutput();
  }
  if (settings.only_help) exit(0);
  return settings;
}

}  // namespace encapsulate
