// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/types/optional.h"
#include "encapsulate/inspect/path_walk.h"
#include "encapsulate/inspect/thread_view.h"
#include "encapsulate/monitor/decode.h"
#include "encapsulate/plan/syscall_table.h"

namespace encapsulate {

bool IsOpen(const SyscallArgs& call) {
  return call.watched->verb == CallVerb::kOpen ||
         call.watched->verb == CallVerb::kCreate;
}

absl::optional<PathOperand> ReadPath(const ThreadView& thread,
                                     const SyscallArgs& call, size_t index) {
  const Operand* const operands = call.watched->operands;
  const Operand kind = operands[index];
  PathOperand path;
  switch (kind) {
    case Operand::kDescriptor:
      path.directory = call.Int(index);
      return path;
    case Operand::kPath:
    case Operand::kLinkPath:
    case Operand::kEntry:
    case Operand::kNewEntry:
    case Operand::kReplacedEntry:
      break;
    default:
      return absl::nullopt;
  }
  const bool relative = index > 0 && operands[index - 1] == Operand::kDirectory;
  if (relative) path.directory = call.Int(index - 1);
  const int at_flags = call.watched->IndexOf(Operand::kAtFlags);
  const uint32_t flags =
      at_flags >= 0 ? call.Unsigned(static_cast<size_t>(at_flags)) : 0;
  const uint64_t address = call.arguments[index];
  if (address != 0) {
    absl::optional<std::string> text = thread.ReadString(address);
    // Nor can the kernel read it, unless the memory is hidden.
    if (!text.has_value()) return absl::nullopt;
    path.text = *std::move(text);
  }
  if (path.text.size() >= PATH_MAX) return absl::nullopt;
  if (path.text.empty()) {
    // futimens(3), and what AT_EMPTY_PATH makes of the others.
    if (!relative || kind != Operand::kPath ||
        (address != 0 && (flags & AT_EMPTY_PATH) == 0) ||
        (address == 0 && path.directory == AT_FDCWD)) {
      return absl::nullopt;
    }
    return path;
  }
  const bool keeps_link =
      kind == Operand::kLinkPath ||
      (kind == Operand::kPath && (flags & AT_SYMLINK_NOFOLLOW) != 0);
  path.last = keeps_link               ? LastPart::kKeep
              : kind == Operand::kPath ? LastPart::kFollow
                                       : LastPart::kEntry;
  return path;
}

}  // namespace encapsulate
