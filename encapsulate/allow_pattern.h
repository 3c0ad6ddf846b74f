// SPDX-License-Identifier: Apache-2.0
//
// What to offer as an exception for a violation.
#ifndef ENCAPSULATE_ALLOW_PATTERN_H_
#define ENCAPSULATE_ALLOW_PATTERN_H_

#include <string>

#include "absl/strings/string_view.h"
#include "encapsulate/violations.h"

namespace encapsulate {

// `target` as Allowed::target, with `*` for what the next run has otherwise: a
// number of a process, a time, or what was chosen at random. That is
//   - of a path, a whole component of digits, and digits at the end of a word
//     that ends in "pid" or after `-`, `_` or `.`, unless `_` or `.` and more
//     digits stand beside them as in a version;
//   - four digits in a row or more, with the digits behind them in a component
//     (a date); eight hexadecimal digits or more; a UUID;
//   - a word of eight characters or more, or six with letters of both cases,
//   that
//     has digits in two places.
// The rest stays, so that it matches little else: addresses, versions, names of
// devices. Random parts of letters alone can't be told from words.
std::string AllowPattern(Rule rule, absl::string_view target);

}  // namespace encapsulate

#endif  // ENCAPSULATE_ALLOW_PATTERN_H_
