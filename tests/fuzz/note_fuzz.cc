// SPDX-License-Identifier: Apache-2.0
//
// A note of a sandbox inside, which anybody inside can forge.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/plan/outer_monitor.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view path(reinterpret_cast<const char*>(data), size);
  const absl::optional<encapsulate::Note> note = encapsulate::ParseNote(path);
  if (!note.has_value()) return 0;
  // What is read is written the same way again, numbers without their zeros.
  const absl::optional<encapsulate::Note> again =
      encapsulate::ParseNote(encapsulate::NotePath(*note));
  FUZZ_CHECK(again.has_value());
  FUZZ_CHECK(again->kind == note->kind && again->number == note->number &&
             again->rule == note->rule);
  FUZZ_CHECK(absl::StartsWith(note->text, again->text));
  return 0;
}
