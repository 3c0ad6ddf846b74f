// SPDX-License-Identifier: Apache-2.0
//
// What the tool says of a run: sentences on standard error, and one JSON
// object for programs.
#ifndef TOOL_REPORT_H_
#define TOOL_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "encapsulate/host_check.h"
#include "encapsulate/isolation.h"
#include "encapsulate/result.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/violations.h"

namespace encapsulate::tool {

// What a command that succeeded has failed for all the same.
struct Judgement {
  Violations violations = Violations::kOff;  // of the run
  bool leftovers_fail = false;
};

// See exit_codes.h.
int ExitCodeOf(const Result& result, const Judgement& judgement = {});
int ExitCodeOf(const absl::Status& failure);

// Whether the tool was started with one. Must be called before anything is
// opened, which may take its number.
bool HasStandardError();

// One line on standard error: "encapsulate: message".
void Print(absl::string_view message);
// The same, in red if a person watches.
void Complain(absl::string_view message);
// Of something that the tool can't do itself, as a Failure says it.
void Complain(std::string verb, std::string object, int error);

void PrintSteps(const std::vector<StepTime>& steps);
void PrintOutcome(const Result& result);
void PrintLimits(const Result& result);
void SayUnknownSockets(const Result& result);
void SayLeftovers(const Result& result);
void SayTemporaryFiles(const Result& result);
void PrintOverlayChanges(const Result& result);

// For standard output.
std::string HostReport(const std::vector<HostFeature>& features,
                       const std::vector<LevelSupport>& levels);

// One JSON object, without a line feed. Names that aren't valid UTF-8 have
// U+FFFD in place of each bad byte.
std::string ToJson(const Result& result, const Judgement& judgement = {});
std::string ToJson(const absl::Status& failure);

}  // namespace encapsulate::tool

#endif  // TOOL_REPORT_H_
