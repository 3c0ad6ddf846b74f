// SPDX-License-Identifier: Apache-2.0
//
// Reads what a symbolizer says of addresses. What it read may be the work of
// whoever was in a sandbox, and so may its output.
#ifndef ENCAPSULATE_INSPECT_SYMBOLIZER_OUTPUT_H_
#define ENCAPSULATE_INSPECT_SYMBOLIZER_OUTPUT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace encapsulate {

struct SymbolizedPlace {
  std::string function;  // empty if unknown
  std::string file;      // the same
  int line = 0;
};

// The names of templates are long; these are cut off.
inline constexpr size_t kMaxSymbolName = 4096;
inline constexpr size_t kMaxPlacesOfAddress = 64;

// The output of `addr2line -a -f -i`, binutils' or elfutils': a line with the
// address, then for each function a line with its name, behind which elfutils'
// says where it is inlined, and one with file:line or file:line:column. By
// address: the function and those that it is inlined into. Addresses that
// weren't `asked` for are left out. With `has_symbols`, which is elfutils' -S,
// a line with the symbol and an offset comes behind the first name: it is that
// of the outermost function, with scopes and parameters, which debug
// information of local functions lacks.
std::map<uint64_t, std::vector<SymbolizedPlace>> ParseSymbolizerOutput(
    absl::string_view output, const std::set<uint64_t>& asked,
    bool has_symbols);

}  // namespace encapsulate

#endif  // ENCAPSULATE_INSPECT_SYMBOLIZER_OUTPUT_H_
