// SPDX-License-Identifier: Apache-2.0

#include "tool/words.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace encapsulate::tool {
namespace {

constexpr size_t kWidth = 79;

// Levenshtein's distance.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

void AppendWrapped(absl::string_view text, size_t column, size_t indent,
                   std::string* out) {
  bool first = true;
  for (absl::string_view word : absl::StrSplit(text, ' ')) {
    if (!first && column + 1 + word.size() > kWidth) {
      absl::StrAppend(out, "\n", std::string(indent, ' '));
      column = indent;
    } else if (!first) {
      absl::StrAppend(out, " ");
      ++column;
    }
    absl::StrAppend(out, word);
    column += word.size();
    first = false;
  }
  absl::StrAppend(out, "\n");
}

absl::optional<size_t> NearestWord(absl::string_view word,
                                   absl::Span<const absl::string_view> words) {
  absl::optional<size_t> nearest;
  size_t least = 0;
  for (size_t i = 0; i < words.size(); ++i) {
    const size_t distance = Distance(word, words[i]);
    if (nearest.has_value() && distance >= least) continue;
    nearest = i;
    least = distance;
  }
  const size_t most = std::max<size_t>(1, word.size() / 3);
  return least <= most ? nearest : absl::nullopt;
}

}  // namespace encapsulate::tool
