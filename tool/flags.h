// SPDX-License-Identifier: Apache-2.0
//
// The flags of the tool. Each is declared once, with its help, in flags.cc,
// and listed once, with its section, in AllFlags(): --help, the man page, the
// completions and the parser are all made from that.
//
// Names have underscores here, as Abseil wants it, and dashes everywhere a
// person sees them; the parser takes both.
#ifndef TOOL_FLAGS_H_
#define TOOL_FLAGS_H_

#include <string>

#include "absl/flags/declare.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tool/flag_types.h"

ABSL_DECLARE_FLAG(encapsulate::tool::Values, writable);
ABSL_DECLARE_FLAG(encapsulate::tool::Values, overlay);
ABSL_DECLARE_FLAG(bool, overlay_changes);
ABSL_DECLARE_FLAG(encapsulate::tool::Values, tmpfs);
ABSL_DECLARE_FLAG(bool, tmp);
ABSL_DECLARE_FLAG(encapsulate::tool::Values, hide);
ABSL_DECLARE_FLAG(encapsulate::tool::Values, show);
ABSL_DECLARE_FLAG(std::string, chdir);
ABSL_DECLARE_FLAG(encapsulate::tool::IsolationChoice, isolation);
ABSL_DECLARE_FLAG(encapsulate::tool::NetworkChoice, network);
ABSL_DECLARE_FLAG(std::string, hostname);
ABSL_DECLARE_FLAG(bool, hermetic);
ABSL_DECLARE_FLAG(bool, clean_env);
ABSL_DECLARE_FLAG(encapsulate::tool::Values, setenv);
ABSL_DECLARE_FLAG(encapsulate::tool::Values, unsetenv);
ABSL_DECLARE_FLAG(encapsulate::tool::Values, keep_fd);
ABSL_DECLARE_FLAG(bool, default_path);
ABSL_DECLARE_FLAG(bool, map_root);
ABSL_DECLARE_FLAG(encapsulate::tool::UserChoice, map_user);
ABSL_DECLARE_FLAG(encapsulate::tool::Time, timeout);
ABSL_DECLARE_FLAG(encapsulate::tool::Time, grace);
ABSL_DECLARE_FLAG(encapsulate::tool::Time, cpu_time);
ABSL_DECLARE_FLAG(encapsulate::tool::Size, memory);
ABSL_DECLARE_FLAG(encapsulate::tool::Size, address_space);
ABSL_DECLARE_FLAG(encapsulate::tool::Count, processes);
ABSL_DECLARE_FLAG(encapsulate::tool::Size, file_size);
ABSL_DECLARE_FLAG(encapsulate::tool::Count, open_files);
ABSL_DECLARE_FLAG(encapsulate::tool::Size, core_size);
ABSL_DECLARE_FLAG(encapsulate::tool::ViolationsChoice, violations);
ABSL_DECLARE_FLAG(encapsulate::tool::Values, allow);
ABSL_DECLARE_FLAG(encapsulate::tool::Values, report);
ABSL_DECLARE_FLAG(std::string, baseline);
ABSL_DECLARE_FLAG(bool, update_baseline);
ABSL_DECLARE_FLAG(encapsulate::tool::LearnChoice, learn);
ABSL_DECLARE_FLAG(std::string, name);
ABSL_DECLARE_FLAG(std::string, vary);
ABSL_DECLARE_FLAG(encapsulate::tool::Values, vary_compare);
ABSL_DECLARE_FLAG(std::string, world);
ABSL_DECLARE_FLAG(bool, verbose);
ABSL_DECLARE_FLAG(encapsulate::tool::LeftoversChoice, leftovers);
ABSL_DECLARE_FLAG(bool, quiet_leftovers);
ABSL_DECLARE_FLAG(encapsulate::tool::Descriptor, status_fd);
ABSL_DECLARE_FLAG(std::string, inputs);
ABSL_DECLARE_FLAG(encapsulate::tool::Values, flagfile);
ABSL_DECLARE_FLAG(bool, check);
ABSL_DECLARE_FLAG(bool, help);
ABSL_DECLARE_FLAG(bool, version);

namespace encapsulate::tool {

enum class Section {
  kIsolation,
  kFilesystem,
  kNetwork,
  kCommand,
  kLimits,
  kViolations,
  kVariations,
  kReports,
  kAbout,
};

inline constexpr Section kSections[] = {
    Section::kIsolation,  Section::kFilesystem, Section::kNetwork,
    Section::kCommand,    Section::kLimits,     Section::kViolations,
    Section::kVariations, Section::kReports,    Section::kAbout,
};

// "Filesystem"
absl::string_view TitleOf(Section section);

// What a shell offers as the value of a flag.
enum class Completion { kNothing, kPath, kDirectory, kChoice };

struct FlagEntry {
  absl::string_view name;  // Abseil's: with underscores
  Section section;
  absl::string_view value;  // "PATH"; empty for flags that are on or off
  bool repeatable = false;
  Completion completion = Completion::kNothing;
  absl::string_view choices = "";  // of kChoice, separated by spaces
  // The value without one. Then a value stands behind '=' only.
  absl::string_view implied = "";
};

absl::Span<const FlagEntry> AllFlags();

// Takes names with dashes or underscores; null if there is no such flag.
const FlagEntry* FindFlag(absl::string_view name);

// "--keep-fd"
std::string Spelling(const FlagEntry& flag);

// "--keep-fd=N", "--learn[=permit]"
std::string Usage(const FlagEntry& flag);

std::string HelpOf(const FlagEntry& flag);

// Sets a flag, which the command line gave these values, in order.
bool SetFlag(const FlagEntry& flag, absl::string_view value,
             std::string* error);

// The spelling of the flag whose name is nearest to `name`; empty if none is
// near.
std::string NearestFlag(absl::string_view name);

}  // namespace encapsulate::tool

#endif  // TOOL_FLAGS_H_
