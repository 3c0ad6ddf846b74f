// SPDX-License-Identifier: Apache-2.0
//
// What the tool says of violations: a summary for people.
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

}  // namespace encapsulate::tool

#endif  // TOOL_VIOLATION_REPORT_H_
