// SPDX-License-Identifier: Apache-2.0
//
// The words of --help and of the man page.
#ifndef TOOL_HELP_H_
#define TOOL_HELP_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace encapsulate::tool {

inline constexpr char kVersion[] = "0.1.0";

inline constexpr char kSummary[] =
    "run a command in an isolated view of this machine";

// What `text` is an example or an explanation of.
struct Term {
  absl::string_view term;
  absl::string_view text;
};

absl::Span<const absl::string_view> Synopsis();
absl::Span<const absl::string_view> Description();  // paragraphs
absl::Span<const Term> Examples();
absl::Span<const Term> ExitCodes();
absl::Span<const Term> Notes();
// Of --allow, and what each says.
absl::Span<const Term> Rules();
// What TIME and SIZE mean.
absl::Span<const Term> Units();

std::string HelpText();

}  // namespace encapsulate::tool

#endif  // TOOL_HELP_H_
