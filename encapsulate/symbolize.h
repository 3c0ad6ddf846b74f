// SPDX-License-Identifier: Apache-2.0
//
// Symbolize() (violations.h) with a patience of the caller's.
#ifndef ENCAPSULATE_SYMBOLIZE_H_
#define ENCAPSULATE_SYMBOLIZE_H_

#include <vector>

#include "absl/time/time.h"
#include "encapsulate/violations.h"

namespace encapsulate {

// `patience` is for all objects together. A symbolizer that loses it isn't
// asked again by this process.
void SymbolizeWithin(absl::Duration patience,
                     std::vector<Violation>* violations);

}  // namespace encapsulate

#endif  // ENCAPSULATE_SYMBOLIZE_H_
