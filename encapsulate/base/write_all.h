// SPDX-License-Identifier: Apache-2.0

#ifndef ENCAPSULATE_BASE_WRITE_ALL_H_
#define ENCAPSULATE_BASE_WRITE_ALL_H_

#include "absl/strings/string_view.h"

namespace encapsulate {

// Whether all of `text` was written; errno says why not. Waits where a
// descriptor doesn't block and its reader is slow: what another program made of
// a pipe or a terminal holds for all that share it.
bool WriteAll(int fd, absl::string_view text);

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_WRITE_ALL_H_
