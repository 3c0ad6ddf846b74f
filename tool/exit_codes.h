// What encapsulate's exit code says. Any other code is the command's own.
#ifndef TOOL_EXIT_CODES_H_
#define TOOL_EXIT_CODES_H_

namespace encapsulate::tool {

// With --violations=enforce: the command succeeded, and something in the
// sandbox tried to reach out.
inline constexpr int kExitViolations = 122;

// The command ran, and how it ended can't be known: the sandbox was torn down
// from outside.
inline constexpr int kExitLost = 123;

// --timeout passed. The same as timeout(1)'s.
inline constexpr int kExitTimeout = 124;

// The sandbox could not be made, or the command line is wrong: the command
// never ran.
inline constexpr int kExitFailed = 125;

// The command was found and can't be executed.
inline constexpr int kExitNotUsable = 126;

// There is no such command in the sandbox.
inline constexpr int kExitNotFound = 127;

// Signal N ended the command: kExitSignalBase + N.
inline constexpr int kExitSignalBase = 128;

// Of --check: sandboxes can be made, or not.
inline constexpr int kExitCheckPassed = 0;
inline constexpr int kExitCheckFailed = 1;

}  // namespace encapsulate::tool

#endif  // TOOL_EXIT_CODES_H_
