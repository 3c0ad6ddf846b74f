// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/inspect/symbolizer_output.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace encapsulate {

std::map<uint64_t, std::vector<SymbolizedPlace>> ParseSymbolizerOutput(
    absl::string_view output, const std::set<uint64_t>& asked) {
  std::map<uint64_t, std::vector<SymbolizedPlace>> known;
  std::vector<SymbolizedPlace>* places = nullptr;
  std::string function;
  bool is_function = true;
  for (absl::string_view line : absl::StrSplit(output, '\n')) {
    uint64_t offset = 0;
    if (line.substr(0, 2) == "0x" && absl::SimpleHexAtoi(line, &offset)) {
      places = asked.count(offset) != 0 ? &known[offset] : nullptr;
      is_function = true;
    } else if (places == nullptr || line.empty()) {
      continue;
    } else if (is_function) {
      function = line == "??" ? "" : std::string(line);
      is_function = false;
    } else {
      is_function = true;
      SymbolizedPlace place;
      place.function = function.substr(0, kMaxSymbolName);
      // "file:12 (discriminator 3)"
      line = line.substr(0, line.find(" (discriminator"));
      const size_t colon = line.rfind(':');
      int number = 0;
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
  return known;
}

}  // namespace encapsulate
