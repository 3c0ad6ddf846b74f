// SPDX-License-Identifier: Apache-2.0
//
// The flags of the plugin. Each is described once, in AllFlags(): values are
// read, options changed and --encapsulate_help is written by that. What else
// names flags (settings.h of the plugin, the macro encapsulated_cc_test, the
// manual) is compared with it by flags_test.
#ifndef GTEST_PLUGIN_SHARED_FLAGS_H_
#define GTEST_PLUGIN_SHARED_FLAGS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest_plugin/shared/settings.h"
#include "gtest_plugin/test_options.h"

namespace encapsulate {

struct Flag {
  absl::string_view name;   // "keep_scratch"
  absl::string_view value;  // "never|failed" for a choice, else "DURATION"
  absl::string_view help;   // sentences
  // Sets it. The error names `shown`, as the user wrote it.
  absl::Status (*set)(const Flag& flag, absl::string_view value,
                      absl::string_view shown, Settings* settings);
  // The member of TestOptions that it takes the place of, or adds to; and the
  // attribute of encapsulated_cc_test that sets it. "" for none.
  absl::string_view option;
  absl::string_view attribute;
  // Puts what is set, if it is, into that member of `options`, which may be
  // null. False if it isn't set. Null if there is no such member.
  bool (*apply)(const Settings& settings, TestOptions* options);
};

// In the order in which people are shown them. --encapsulate_help, which has no
// value, is none of them.
absl::Span<const Flag> AllFlags();

// Null if there is none of that name.
const Flag* FindFlag(absl::string_view name);

// "--encapsulate_keep_scratch", "ENCAPSULATE_KEEP_SCRATCH"
std::string FlagName(const Flag& flag);
std::string VariableName(const Flag& flag);

// What --encapsulate_help prints.
std::string HelpText();

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_SHARED_FLAGS_H_
