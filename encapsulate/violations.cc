// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/violations.h"

#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace encapsulate {
namespace {

struct NamedRule {
  Rule rule;
  const char* name;
};

constexpr NamedRule kRules[] = {
    {Rule::kWrite, "write"},
    {Rule::kNetwork, "network"},
    {Rule::kName, "name"},
    {Rule::kHostSocket, "host-socket"},
    {Rule::kFifo, "fifo"},
    {Rule::kDevice, "device"},
    {Rule::kSocketFamily, "socket-family"},
    {Rule::kSignal, "signal"},
    {Rule::kTrace, "trace"},
    {Rule::kPrivilege, "privilege"},
    {Rule::kKeyring, "keyring"},
    {Rule::kTerminal, "terminal"},
    {Rule::kIoUring, "io-uring"},
};

}  // namespace

const char* RuleName(Rule rule) {
  for (const NamedRule& named : kRules) {
    if (named.rule == rule) return named.name;
  }
  return "";
}

absl::optional<Rule> RuleOfName(absl::string_view name) {
  for (const NamedRule& named : kRules) {
    if (name == named.name) return named.rule;
  }
  return absl::nullopt;
}

std::vector<Rule> AllRules() {
  std::vector<Rule> rules;
  for (const NamedRule& named : kRules) rules.push_back(named.rule);
  return rules;
}

}  // namespace encapsulate
