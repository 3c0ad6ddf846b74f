// SPDX-License-Identifier: Apache-2.0
//
// What has to be removed when a sandbox without namespaces ends, in a file that
// outlives its caller: init removes it if the caller is killed. No heap, no
// locks.
#ifndef ENCAPSULATE_CHILD_LEDGER_H_
#define ENCAPSULATE_CHILD_LEDGER_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "encapsulate/kernel/file_identity.h"

namespace encapsulate {

// A record of the ledger. A file's is followed by its path, as long as `size`
// says.
struct LedgerRecord {
  enum class Kind : uint32_t {
    kFile,
    // System V objects, by their identifier.
    kMemory,
    kSemaphores,
    kMessages,
    // A POSIX queue; its name follows.
    kQueue,
  };
  Kind kind = Kind::kFile;
  uint32_t size = 0;
  int64_t number = 0;
  FileIdentity mark;
};

// Removes a file, or a directory with all that is in it, however deep and
// whatever modes it has. False if something is left.
bool RemoveTree(int directory, const char* name);

// Removes what the ledger names and is still what it was.
void RemoveAllOf(int ledger);

}  // namespace encapsulate

#endif  // ENCAPSULATE_CHILD_LEDGER_H_
