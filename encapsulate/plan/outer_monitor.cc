// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/plan/outer_monitor.h"

#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/base/stable_hash.h"
#include "encapsulate/plan/syscall_table.h"
#include "encapsulate/violations.h"

namespace encapsulate {
namespace {

constexpr absl::string_view kStart = "/.encapsulate/";
// In the order of Note::Kind.
constexpr absl::string_view kKinds[] = {"hello", "test", "begin-expected",
                                        "end-expected"};

uint64_t TableHash() {
  StableHash hash;
  for (size_t i = 0; i < kWatchedCallCount; ++i) {
    const WatchedCall& call = kWatchedCalls[i];
    for (int value :
         {call.native, call.compat, static_cast<int>(call.rule),
          static_cast<int>(call.when), call.argument, call.denied}) {
      hash.AddNumber(static_cast<uint32_t>(value));
    }
  }
  return hash.value();
}

}  // namespace

// /.encapsulate/KIND/NUMBER/RULE/TEXT
std::string NotePath(const Note& note) {
  std::string path =
      absl::StrCat(kStart, kKinds[static_cast<size_t>(note.kind)], "/",
                   note.number, "/", RuleName(note.rule), "/", note.text);
  if (path.size() >= PATH_MAX) path.resize(PATH_MAX - 1);
  return path;
}

absl::optional<Note> ParseNote(absl::string_view path) {
  if (!absl::StartsWith(path, kStart)) return absl::nullopt;
  path.remove_prefix(kStart.size());
  const std::vector<absl::string_view> parts =
      absl::StrSplit(path, absl::MaxSplits('/', 3));
  if (parts.size() != 4) return absl::nullopt;
  Note note;
  size_t kind = 0;
  while (kind < sizeof(kKinds) / sizeof(kKinds[0]) &&
         kKinds[kind] != parts[0]) {
    ++kind;
  }
  const absl::optional<Rule> rule = RuleOfName(parts[2]);
  if (kind == sizeof(kKinds) / sizeof(kKinds[0]) || !rule.has_value() ||
      !absl::SimpleAtoi(parts[1], &note.number)) {
    return absl::nullopt;
  }
  note.kind = static_cast<Note::Kind>(kind);
  note.rule = *rule;
  note.text = std::string(parts[3]);
  return note;
}

Note HelloNote() {
  static const uint64_t hash = TableHash();
  Note note;
  note.text = absl::StrCat(absl::Hex(hash));
  return note;
}

}  // namespace encapsulate
