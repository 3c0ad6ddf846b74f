// SPDX-License-Identifier: Apache-2.0
//
// Symbolize() (violations.h) with a patience of the caller's, and what it
// lacked.
#ifndef ENCAPSULATE_SYMBOLIZE_H_
#define ENCAPSULATE_SYMBOLIZE_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "encapsulate/violations.h"

namespace encapsulate {

// `patience` is for all objects together. A symbolizer that loses it isn't
// asked again by this process.
void SymbolizeWithin(absl::Duration patience,
                     std::vector<Violation>* violations);

// Why no frame of the violation's own program has a line, and what to do: one
// sentence, of a violation that was symbolized. Empty if one has, if there is
// no stack, and for a program of the system's, which has no lines anywhere.
std::string WhyNoLines(const Violation& violation);

}  // namespace encapsulate

#endif  // ENCAPSULATE_SYMBOLIZE_H_
