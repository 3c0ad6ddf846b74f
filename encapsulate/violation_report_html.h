// SPDX-License-Identifier: Apache-2.0
//
// The report of violations as a page for a browser: see violation_report.h.
#ifndef ENCAPSULATE_VIOLATION_REPORT_HTML_H_
#define ENCAPSULATE_VIOLATION_REPORT_HTML_H_

#include <string>
#include <vector>

#include "encapsulate/violation_report.h"

namespace encapsulate {

// One page that loads nothing. `doubts` are sentences about what couldn't be
// seen.
std::string WriteHtml(const ViolationReport& report,
                      const std::vector<std::string>& doubts);

}  // namespace encapsulate

#endif  // ENCAPSULATE_VIOLATION_REPORT_HTML_H_
