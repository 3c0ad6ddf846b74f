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

absl::string_view DescribeRule(Rule rule) {
  switch (rule) {
    case Rule::kWrite:
      return "nothing changes outside writable trees";
    case Rule::kNetwork:
      return "nothing is reached beyond loopback";
    case Rule::kName:
      return "only local names have addresses";
    case Rule::kHostSocket:
      return "sockets of processes outside are out of reach";
    case Rule::kFifo:
      return "FIFOs of processes outside are out of reach";
    case Rule::kDevice:
      return "devices are out of reach";
    case Rule::kSocketFamily:
      return "only sockets that a namespace isolates can be made";
    case Rule::kSignal:
      return "processes outside get no signals";
    case Rule::kTrace:
      return "processes outside aren't looked into";
    case Rule::kPrivilege:
      return "nothing has privileges";
    case Rule::kKeyring:
      return "the kernel's keys belong to everybody";
    case Rule::kTerminal:
      return "nothing types into the caller's terminal";
    case Rule::kIoUring:
      return "io_uring would pass the filter by";
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
