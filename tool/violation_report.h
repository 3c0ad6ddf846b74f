// SPDX-License-Identifier: Apache-2.0
//
// What the tool says of violations: a summary for people, and the flags that
// would silence them.
#ifndef TOOL_VIOLATION_REPORT_H_
#define TOOL_VIOLATION_REPORT_H_

#include <string>
#include <vector>

#include "encapsulate/options.h"
#include "encapsulate/result.h"

namespace encapsulate::tool {

// Without the tool's name in front. By program and rule, what was tried most
// first; empty if there is nothing to tell. Of many alike, some are shown.
std::vector<std::string> SummaryOf(const Result& result,
                                   const Options& options);

// The summary, on standard error. False if it is empty.
bool PrintViolations(const Result& result, const Options& options);

// The exceptions that were used, on standard error.
void SayIgnored(const Result& result);

// The fewest flags with which a run like this one is silent. Trees are writable
// if the caller may write to them; all else is let fail.
std::vector<std::string> LearnedFlags(const std::vector<Violation>& violations);

// One line on standard error, of the flags `known` before and those learned,
// and one for each reason why that isn't all: what a command that failed would
// have done next is unknown.
void SayLearned(const Result& result, const std::vector<Violation>& violations,
                bool failed, const std::vector<std::string>& known);

}  // namespace encapsulate::tool

#endif  // TOOL_VIOLATION_REPORT_H_
