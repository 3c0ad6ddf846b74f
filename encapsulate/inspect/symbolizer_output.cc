// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/symbolizer_output.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace encapsulate {
namespace {

// "file:12", unlike a symbol.
bool IsFileLine(absl::string_view line) {
  const size_t colon = line.rfind(':');
  int number = 0;
  return colon != absl::string_view::npos &&
         absl::SimpleAtoi(line.substr(colon + 1), &number);
}

// "f(int)" of "f(int)+0x12"; empty of "()+0x12", which is of none.
std::string WithoutOffset(absl::string_view symbol) {
  symbol = symbol.substr(0, std::min(symbol.rfind("+0x"), kMaxSymbolName));
  return symbol == "()" ? "" : std::string(symbol);
}

}  // namespace

std::map<uint64_t, std::vector<SymbolizedPlace>> ParseSymbolizerOutput(
    absl::string_view output, const std::set<uint64_t>& asked,
    bool has_symbols) {
  std::map<uint64_t, std::vector<SymbolizedPlace>> known;
  std::vector<SymbolizedPlace>* places = nullptr;
  std::string function;
  std::string symbol;
  bool is_function = true;
  bool is_symbol = false;
  const auto name_outermost = [&] {
    if (places != nullptr && !places->empty() && !symbol.empty()) {
      places->back().function = symbol;
    }
    symbol.clear();
  };
  for (absl::string_view line : absl::StrSplit(output, '\n')) {
    uint64_t offset = 0;
    if (line.substr(0, 2) == "0x" && absl::SimpleHexAtoi(line, &offset)) {
      name_outermost();
      places = asked.count(offset) != 0 ? &known[offset] : nullptr;
      is_function = true;
      is_symbol = has_symbols;
    } else if (places == nullptr || line.empty()) {
      continue;
    } else if (is_function) {
      line = line.substr(0, line.find(" inlined at "));
      function = line == "??" ? "" : std::string(line);
      // Of a function without debug information there is the symbol alone.
      if (is_symbol && absl::StrContains(line, "+0x")) {
        function = WithoutOffset(line);
        is_symbol = false;
      }
      is_function = false;
    } else if (std::exchange(is_symbol, false) && !IsFileLine(line)) {
      symbol = WithoutOffset(line);
    } else {
      is_function = true;
      SymbolizedPlace place;
      place.function = function.substr(0, kMaxSymbolName);
      // "file:12 (discriminator 3)"
      line = line.substr(0, line.find(" (discriminator"));
      size_t colon = line.rfind(':');
      int number = 0;
      // Behind a column, there is the line.
      const size_t before = line.substr(0, colon).rfind(':');
      if (before != absl::string_view::npos &&
          absl::SimpleAtoi(line.substr(before + 1, colon - before - 1),
                           &number)) {
        line = line.substr(0, colon);
        colon = before;
      }
      if (colon != absl::string_view::npos && line.substr(0, 2) != "??" &&
          absl::SimpleAtoi(line.substr(colon + 1), &number) && number > 0) {
        line = line.substr(0, colon);
        // Bazel's compilers take the place of a project for this.
        absl::ConsumePrefix(&line, "/proc/self/cwd/");
        absl::ConsumePrefix(&line, "./");
        place.file = std::string(line.substr(0, kMaxSymbolName));
        if (!place.file.empty()) place.line = number;
      }
      if ((!place.function.empty() || !place.file.empty()) &&
          places->size() < kMaxPlacesOfAddress) {
        places->push_back(std::move(place));
      }
    }
  }
  name_outermost();
  return known;
}

}  // namespace encapsulate
