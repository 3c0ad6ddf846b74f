// SPDX-License-Identifier: Apache-2.0
//
// The environment that a hermetic run sees.
//
//   options.environment = HermeticEnvironment(
//       CurrentEnvironment(), {"/tmp/home", "/tmp", "/tmp/test"});
//
// What ties a run to one person's session, machine or account is taken out:
//
//   proxies       http_proxy, NO_PROXY, ALL_PROXY ... in either case
//   agents        SSH_*, GPG_*, DBUS_*, GNOME_KEYRING_*, KRB5*
//   display       DISPLAY, WAYLAND_DISPLAY, XAUTHORITY, XDG_*, desktops
//   credentials   AWS_*, AZURE_*, GOOGLE_*CREDENTIALS*, KUBECONFIG, DOCKER_*,
//                 *_TOKEN, *_SECRET, *_PASSWORD, *_API_KEY, NETRC ...
//   locale        LANG, LANGUAGE, LC_*, TZ
//   personal      MAIL, EDITOR, VISUAL, PAGER, BROWSER, HISTFILE, CDPATH ...
//   places        HOME, TEMP, TMP, TEMPDIR, TMPDIR, TEST_TMPDIR
//
// and TZ=UTC, LANG=LC_ALL=C.UTF-8, HOME, TMPDIR and TEST_TMPDIR are set. All
// else stays, also what a name above would match, if it belongs to the test
// itself: TEST_*, GTEST_*, BAZEL_*, BUILD_*, RUNFILES_*, COVERAGE_*, GCOV_*,
// LLVM_* and *SAN_OPTIONS.
#ifndef ENCAPSULATE_ENVIRONMENT_H_
#define ENCAPSULATE_ENVIRONMENT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace encapsulate {

// Entries have the form NAME=VALUE. Of two with the same name, most programs
// see the first.
using Environment = std::vector<std::string>;

// Where a hermetic run may write: absolute paths that exist inside.
struct HermeticDirectories {
  std::string home;            // HOME
  std::string temporary;       // TMPDIR
  std::string test_temporary;  // TEST_TMPDIR
};

// A copy of this process's environment.
Environment CurrentEnvironment();

// `environment` without what is listed above, with what is set above. Entries
// that stay keep their order.
Environment HermeticEnvironment(const Environment& environment,
                                const HermeticDirectories& directories);

// Whether HermeticEnvironment() leaves out a variable called `name`.
bool IsScrubbed(absl::string_view name);

// Replaces the first entry called `name`, or adds one; others of that name go.
void SetVariable(absl::string_view name, absl::string_view value,
                 Environment* environment);

// Who writes into the places that BazelOutputs() returns.
enum class OutputOf {
  kTest,     // the code of a test: its files, its coverage
  kProgram,  // the whole program: its report and its scratch as well
};

// The directories for what `bazel test` and `bazel coverage` collect, or look
// at, afterwards, as variables of `environment` name them. They needn't exist.
std::vector<std::string> BazelOutputs(const Environment& environment,
                                      OutputOf writer);

// The value of the first entry called `name`, or "".
std::string VariableOf(const Environment& environment, absl::string_view name);

// Removes every entry called `name`.
void RemoveVariable(absl::string_view name, Environment* environment);

}  // namespace encapsulate

#endif  // ENCAPSULATE_ENVIRONMENT_H_
