// SPDX-License-Identifier: Apache-2.0
//
// What a command may not depend on: the one table of the ways in which two
// machines, or two runs on one, differ.
//
//   absl::StatusOr<Variations> chosen = ParseVariations("timezone,cpus");
//   for (const Variations& world : Worlds(*chosen)) ...
//
// No variation breaks a correct program: each stays within what POSIX, the C
// library's documentation or common practice lets a program meet.
#ifndef TOOL_VARY_VARIATIONS_H_
#define TOOL_VARY_VARIATIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace encapsulate::tool {

enum class VariationKind {
  kOneCpu,
  kBusy,
  kShuffled,
  kTimezoneEast,
  kTimezoneWest,
  kLocaleC,
  kLocaleComma,
  kUserRoot,
  kUmask077,
  kUmask000,
  kHostname,
  kHomeMissing,
  kPathsLong,
  kReaddir,
  kNoAslr,
  kMemory,
  kDescriptorsHigh,
  kDescriptorsFew,
  kStdinEmpty,
  kStdinClosed,
  kTerminal,
  kEnvironmentMinimal,
  kEnvironmentLarge,
};

struct Variation {
  VariationKind kind;
  absl::string_view name;     // "timezone-east"
  absl::string_view group;    // "timezone": of a group, one holds at a time
  absl::string_view does;     // what is different
  absl::string_view finds;    // which mistake depends on it
  absl::string_view example;  // such a mistake, in a line
};

using Variations = std::vector<const Variation*>;

// Whether a variation of that kind is among them.
bool Holds(const Variations& variations, VariationKind kind);

// In the order of --vary=help.
absl::Span<const Variation> AllVariations();

// Names of variations and groups, separated by commas, and "all". Each is in
// the result once, in the table's order. InvalidArgument for an unknown name,
// with the nearest as its hint, and for an empty one.
absl::StatusOr<Variations> ParseVariations(absl::string_view list);

// The fewest sets in which all of `chosen` hold, no two of one group in the
// same.
std::vector<Variations> Worlds(const Variations& chosen);

// "timezone-east,cpus"
std::string NamesOf(const Variations& variations);

// The table, for a terminal.
std::string VariationsHelp();

}  // namespace encapsulate::tool

#endif  // TOOL_VARY_VARIATIONS_H_
