// SPDX-License-Identifier: Apache-2.0
//
// What encapsulate's exit code says. Any other code is the command's own.
#ifndef TOOL_EXIT_CODES_H_
#define TOOL_EXIT_CODES_H_

#include "absl/strings/string_view.h"

namespace encapsulate::tool {

inline constexpr int kExitLeftovers = 120;
inline constexpr int kExitVaries = 121;
inline constexpr int kExitViolations = 122;
inline constexpr int kExitLost = 123;
inline constexpr int kExitTimeout = 124;  // as timeout(1)'s
inline constexpr int kExitFailed = 125;
inline constexpr int kExitNotUsable = 126;
inline constexpr int kExitNotFound = 127;
inline constexpr int kExitSignalBase = 128;  // and the signal's number

struct ExitCode {
  int code;
  absl::string_view meaning;
};

// For help and man page, too.
inline constexpr ExitCode kExitCodes[] = {
    {kExitLeftovers,
     "the command succeeded, and --leftovers=fail found processes that it "
     "left running, or files that it left in a host's /tmp"},
    {kExitVaries,
     "--vary found a result that depends on where, or how, the "
     "command runs"},
    {kExitViolations,
     "the command succeeded, and --violations=enforce found that something "
     "tried to leave the sandbox"},
    {kExitLost,
     "how the command ended can't be known: the sandbox was torn down "
     "from outside"},
    {kExitTimeout, "--timeout ended the command"},
    {kExitFailed,
     "the sandbox could not be made, or the command line is wrong; the "
     "command never ran"},
    {kExitNotUsable, "the command can't be executed"},
    {kExitNotFound, "there is no such command"},
    {kExitSignalBase, "signal N ended the command"},
};

// Of --check: sandboxes can be made, or not.
inline constexpr int kExitCheckPassed = 0;
inline constexpr int kExitCheckFailed = 1;

}  // namespace encapsulate::tool

#endif  // TOOL_EXIT_CODES_H_
