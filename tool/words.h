// SPDX-License-Identifier: Apache-2.0
//
// Words for people at a terminal.
#ifndef TOOL_WORDS_H_
#define TOOL_WORDS_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace encapsulate::tool {

// `text` and a line feed, in lines of at most 79 columns. It starts at
// `column`, and all lines but the first are indented.
void AppendWrapped(absl::string_view text, size_t column, size_t indent,
                   std::string* out);

// Which of `words` may have been meant by `word`; none if none is near.
absl::optional<size_t> NearestWord(absl::string_view word,
                                   absl::Span<const absl::string_view> words);

}  // namespace encapsulate::tool

#endif  // TOOL_WORDS_H_
