// Makes the statuses that this library returns: one sentence each,
//   cannot <verb> '<object>': <reason> (<ERRNO>); hint: <one action>
// lower-case, without a full stop, with paths as the caller wrote them.
#ifndef ENCAPSULATE_BASE_ERROR_H_
#define ENCAPSULATE_BASE_ERROR_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "encapsulate/failure.h"

namespace encapsulate {

// A status of `kind`, from which FailureKindOf() reads it back.
absl::Status MakeFailure(FailureKind kind, absl::string_view message);

// 'a b', in which everything that Printable() escapes is escaped.
std::string Quote(absl::string_view text);

// The bytes of the UTF-8 character (RFC 3629) at the start of `text`, which
// isn't empty; 0 if there is none.
size_t Utf8Size(absl::string_view text);

// "no such file or directory (ENOENT)"
std::string Reason(int error);

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_ERROR_H_
