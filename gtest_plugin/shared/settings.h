// SPDX-License-Identifier: Apache-2.0
//
// The flags and variables of gtest_plugin/settings.h, as values.
#ifndef GTEST_PLUGIN_SHARED_SETTINGS_H_
#define GTEST_PLUGIN_SHARED_SETTINGS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/sandbox_pool.h"
#include "encapsulate/violation_report.h"
#include "gtest_plugin/test_options.h"

namespace encapsulate {

enum class Mode { kRequire, kOff };
enum class KeepScratch { kNever, kFailed };

// Absent: not asked for.
struct Settings {
  absl::optional<Mode> mode;
  absl::optional<absl::Duration> timeout;
  absl::optional<int> jobs;  // 0: as many as there are processors
  std::vector<std::string> alone;
  std::string durations;  // "": nothing is remembered
  std::vector<ReportTarget> reports;
  std::string inputs;  // "": none are recorded
  std::string trace;   // "": none is written
  absl::optional<bool> progress;
  absl::optional<absl::Duration> slow;
  absl::optional<KeepScratch> keep_scratch;
  absl::optional<Isolation> isolation;
  absl::optional<WorkingDirectory> working_directory;
  absl::optional<Network> network;
  absl::optional<Leftovers> leftovers;
  absl::optional<Violations> violations;
  absl::optional<ExposedExecutable> exposed_executable;
  std::vector<std::string> writable;
  absl::optional<Reuse> reuse;
  absl::optional<bool> verbose;
  bool help = false;       // besides GoogleTest's
  bool only_help = false;  // and nothing else

  // Whether Apply() changes anything.
  bool ChangeOptions() const;
};

// Sets what is called `name`, a flag's without "--encapsulate_". The error
// names `shown`, as the user wrote it.
absl::Status Set(absl::string_view name, absl::string_view value,
                 absl::string_view shown, Settings* settings);

// Reads the variables ENCAPSULATE_* of `environment` (NAME=VALUE).
absl::Status ReadEnvironment(const std::vector<std::string>& environment,
                             Settings* settings);

// Takes the flags --encapsulate_* out of argv and reads them. Arguments after
// "--" are left alone.
absl::Status TakeFlags(int* argc, char** argv, Settings* settings);

// `options` with what was asked for in their place.
TestOptions Apply(const Settings& settings, TestOptions options);

// What InitEncapsulate() does.
Settings ReadSettings(int* argc, char** argv);

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_SHARED_SETTINGS_H_
