// SPDX-License-Identifier: Apache-2.0
//
// The types of flag values: how they are read, and what is said of bad ones.
#ifndef TOOL_FLAG_TYPES_H_
#define TOOL_FLAG_TYPES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/isolation.h"
#include "encapsulate/options.h"
#include "encapsulate/violations.h"

namespace encapsulate::tool {

// A flag that may be given more than once. Abseil's flags keep only the last
// occurrence, so the command line's parser hands all values over at once,
// separated by NUL, the one byte that no argument can hold.
struct Values {
  std::vector<std::string> values;
};
bool AbslParseFlag(absl::string_view text, Values* values, std::string* error);
std::string AbslUnparseFlag(const Values& values);
std::string JoinValues(const std::vector<std::string>& values);

// Bytes: "4096", "512K", "1G". Absent unless given.
struct Size {
  absl::optional<uint64_t> bytes;
};
bool AbslParseFlag(absl::string_view text, Size* size, std::string* error);
std::string AbslUnparseFlag(const Size& size);

// Absent unless given.
struct Count {
  absl::optional<uint64_t> number;
};
bool AbslParseFlag(absl::string_view text, Count* count, std::string* error);
std::string AbslUnparseFlag(const Count& count);

// "1m30s", "1.5h"; a plain number is in seconds. Absent unless given.
struct Time {
  absl::optional<absl::Duration> duration;
};
bool AbslParseFlag(absl::string_view text, Time* time, std::string* error);
std::string AbslUnparseFlag(const Time& time);

// A file descriptor's number; -1 unless given.
struct Descriptor {
  int number = -1;
};
bool AbslParseFlag(absl::string_view text, Descriptor* descriptor,
                   std::string* error);
std::string AbslUnparseFlag(const Descriptor& descriptor);

// The name of a level of isolation.
struct IsolationChoice {
  Isolation isolation = Isolation::kNamespaces;
};
bool AbslParseFlag(absl::string_view text, IsolationChoice* choice,
                   std::string* error);
std::string AbslUnparseFlag(const IsolationChoice& choice);

// "loopback", "none" or "host".
struct NetworkChoice {
  Network network = Network::kLoopback;
};
bool AbslParseFlag(absl::string_view text, NetworkChoice* choice,
                   std::string* error);
std::string AbslUnparseFlag(const NetworkChoice& choice);

// "off", "report" or "enforce".
struct ViolationsChoice {
  Violations violations = Violations::kOff;
};
bool AbslParseFlag(absl::string_view text, ViolationsChoice* choice,
                   std::string* error);
std::string AbslUnparseFlag(const ViolationsChoice& choice);

// "note" or "fail".
struct LeftoversChoice {
  bool fail = false;
};
bool AbslParseFlag(absl::string_view text, LeftoversChoice* choice,
                   std::string* error);
std::string AbslUnparseFlag(const LeftoversChoice& choice);

// What --learn may recommend: "true", nothing that gives away what belongs to
// the system or a person; "permit", whatever the caller may write to.
struct LearnChoice {
  bool learn = false;
  bool permit = false;
};
bool AbslParseFlag(absl::string_view text, LearnChoice* choice,
                   std::string* error);
std::string AbslUnparseFlag(const LearnChoice& choice);

// "1000" or "1000:1000". Absent unless given.
struct UserChoice {
  absl::optional<uint32_t> uid;
  absl::optional<uint32_t> gid;
};
bool AbslParseFlag(absl::string_view text, UserChoice* choice,
                   std::string* error);
std::string AbslUnparseFlag(const UserChoice& choice);

// "write:/usr/share/*"
bool ParseAllowed(absl::string_view text, Allowed* allowed, std::string* error);

// "/scratch" or "/scratch:64M".
bool ParseTmpfs(absl::string_view text, Tmpfs* tmpfs, std::string* error);

}  // namespace encapsulate::tool

#endif  // TOOL_FLAG_TYPES_H_
