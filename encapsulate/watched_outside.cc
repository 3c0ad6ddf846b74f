// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/watched_outside.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "encapsulate/plan/outer_monitor.h"
#include "encapsulate/violations.h"

namespace encapsulate {
namespace {

int Send(const Note& note) { return SendNote(NotePath(note).c_str()); }

}  // namespace

bool IsWatchedOutside() { return Send(HelloNote()) >= 0; }

bool NameTestOutside(const std::string& name) {
  return Send({Note::Kind::kTest, 0, Rule::kWrite, name}) == 0;
}

bool BeginExpectedOutside(int64_t number, Rule rule,
                          const std::string& target) {
  return Send({Note::Kind::kBeginExpected, number, rule, target}) == 0;
}

int EndExpectedOutside(int64_t number) {
  return std::max(Send({Note::Kind::kEndExpected, number, Rule::kWrite, ""}),
                  0);
}

}  // namespace encapsulate
