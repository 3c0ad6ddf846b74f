// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/environment.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace encapsulate {
namespace {

// Belongs to the test runner, whatever else it looks like.
constexpr absl::string_view kKeptPrefixes[] = {
    "TEST_",     "GTEST_",    "BAZEL_", "BUILD_",
    "RUNFILES_", "COVERAGE_", "GCOV_",  "LLVM_",
};
constexpr absl::string_view kKeptSuffixes[] = {"SAN_OPTIONS"};

// All of these are compared in upper case: proxies come in both.
constexpr absl::string_view kScrubbed[] = {
    // Agents and buses.
    "KRB5CCNAME", "KRB5_CONFIG", "SUDO_ASKPASS", "WINDOWID",
    // Display.
    "DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "XAUTHORITY",
    "DESKTOP_SESSION", "SESSION_MANAGER", "ICEAUTHORITY", "PULSE_SERVER",
    // Credentials and services behind them.
    "KUBECONFIG", "NETRC", "PGPASSFILE", "GH_CONFIG_DIR", "NOTIFY_SOCKET",
    "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "CONTAINER_HOST", "PASSWORD",
    "TOKEN", "SECRET", "API_KEY", "PGPASSWORD", "MYSQL_PWD",
    // Locale.
    "LANG", "LANGUAGE", "TZ", "LOCPATH", "NLSPATH",
    // Personal habits.
    "MAIL", "MAILCHECK", "EDITOR", "VISUAL", "PAGER", "MANPAGER", "BROWSER",
    "LESS", "LESSOPEN", "LESSCLOSE", "LS_COLORS", "GREP_COLORS", "HISTFILE",
    "HISTSIZE", "HISTCONTROL", "CDPATH", "BASH_ENV", "ENV", "PS1",
    "PROMPT_COMMAND", "INPUTRC", "PYTHONSTARTUP", "SCREENDIR", "TMUX", "STY",
    "HOSTALIASES", "RES_OPTIONS", "LOCALDOMAIN",
    // Places.
    "HOME", "TMP", "TEMP", "TMPDIR", "TEMPDIR", "TEST_TMPDIR", "OLDPWD"};
constexpr absl::string_view kScrubbedPrefixes[] = {
    "SSH_",   "GPG_",     "DBUS_",     "GNOME_",      "KDE_",
    "XDG_",   "LC_",      "AWS_",      "AZURE_",      "ARM_CLIENT_",
    "VAULT_", "DOCKER_",  "GITHUB_",   "GITLAB_",     "NPM_CONFIG_",
    "GIT_",   "SYSTEMD_", "VSCODE_",   "KONSOLE_",    "JOURNAL_",
    "GH_",    "TMUX_",    "ALACRITTY", "INVOCATION_", "CLOUDSDK_",
};
constexpr absl::string_view kScrubbedSuffixes[] = {
    "_PROXY",      "_TOKEN",       "_SECRET",     "_PASSWORD",   "_PASSWD",
    "_PASSPHRASE", "_API_KEY",     "_APIKEY",     "_CREDENTIAL", "_CREDENTIALS",
    "_SECRET_KEY", "_PRIVATE_KEY", "_ACCESS_KEY", "_AUTH",       "_SOCK",
};

// See Bazel's test encyclopedia, and its test-setup.sh and collect_coverage.sh.
struct BazelOutput {
  absl::string_view variable;
  OutputOf writer;
  bool is_file;  // and what is collected lies beside it
};
constexpr BazelOutput kBazelOutputs[] = {
    {"TEST_UNDECLARED_OUTPUTS_DIR", OutputOf::kTest, false},
    {"TEST_UNDECLARED_OUTPUTS_ANNOTATIONS_DIR", OutputOf::kTest, false},
    {"COVERAGE_DIR", OutputOf::kTest, false},
    {"GCOV_PREFIX", OutputOf::kTest, false},
    {"LLVM_PROFILE_FILE", OutputOf::kTest, true},
    {"TEST_TMPDIR", OutputOf::kProgram, false},
    {"XML_OUTPUT_FILE", OutputOf::kProgram, true},
    {"TEST_PREMATURE_EXIT_FILE", OutputOf::kProgram, true},
    {"TEST_SHARD_STATUS_FILE", OutputOf::kProgram, true},
    {"TEST_WARNINGS_OUTPUT_FILE", OutputOf::kProgram, true},
    {"TEST_UNUSED_RUNFILES_LOG_FILE", OutputOf::kProgram, true},
    {"TEST_INFRASTRUCTURE_FAILURE_FILE", OutputOf::kProgram, true},
};

absl::string_view NameOf(absl::string_view entry) {
  return entry.substr(0, entry.find('='));
}

}  // namespace

Environment CurrentEnvironment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    environment.emplace_back(*entry);
  }
  return environment;
}

bool IsScrubbed(absl::string_view name) {
  const std::string upper = absl::AsciiStrToUpper(name);
  const auto begins = [&](absl::string_view prefix) {
    return absl::StartsWith(upper, prefix);
  };
  const auto ends = [&](absl::string_view suffix) {
    return absl::EndsWith(upper, suffix);
  };
  if (absl::c_linear_search(kScrubbed, upper)) return true;
  if (absl::c_any_of(kKeptPrefixes, begins) ||
      absl::c_any_of(kKeptSuffixes, ends)) {
    return false;
  }
  return absl::c_any_of(kScrubbedPrefixes, begins) ||
         absl::c_any_of(kScrubbedSuffixes, ends);
}

Environment HermeticEnvironment(const Environment& environment,
                                const HermeticDirectories& directories) {
  Environment result;
  for (const std::string& entry : environment) {
    if (!IsScrubbed(NameOf(entry))) result.push_back(entry);
  }
  SetVariable("TZ", "UTC", &result);
  SetVariable("LANG", "C.UTF-8", &result);
  SetVariable("LC_ALL", "C.UTF-8", &result);
  SetVariable("HOME", directories.home, &result);
  SetVariable("TMPDIR", directories.temporary, &result);
  SetVariable("TEST_TMPDIR", directories.test_temporary, &result);
  return result;
}

void SetVariable(absl::string_view name, absl::string_view value,
                 Environment* environment) {
  const auto first = absl::c_find_if(
      *environment,
      [name](absl::string_view entry) { return NameOf(entry) == name; });
  const std::string entry = absl::StrCat(name, "=", value);
  if (first == environment->end()) {
    environment->push_back(entry);
    return;
  }
  *first = entry;
  environment->erase(std::remove_if(first + 1, environment->end(),
                                    [name](absl::string_view other) {
                                      return NameOf(other) == name;
                                    }),
                     environment->end());
}

std::vector<std::string> BazelOutputs(const Environment& environment,
                                      OutputOf writer) {
  std::vector<std::string> directories;
  for (const BazelOutput& output : kBazelOutputs) {
    if (writer == OutputOf::kTest && output.writer != OutputOf::kTest) continue;
    std::string path = VariableOf(environment, output.variable);
    if (output.is_file) {
      const size_t slash = path.rfind('/');
      path.resize(slash == std::string::npos ? 0 : slash);
    }
    if (!path.empty()) directories.push_back(std::move(path));
  }
  return directories;
}

std::string VariableOf(const Environment& environment, absl::string_view name) {
  for (absl::string_view entry : environment) {
    if (NameOf(entry) != name) continue;
    const size_t equals = entry.find('=');
    return equals == absl::string_view::npos
               ? ""
               : std::string(entry.substr(equals + 1));
  }
  return "";
}

void RemoveVariable(absl::string_view name, Environment* environment) {
  environment->erase(std::remove_if(environment->begin(), environment->end(),
                                    [name](absl::string_view entry) {
                                      return NameOf(entry) == name;
                                    }),
                     environment->end());
}

}  // namespace encapsulate
