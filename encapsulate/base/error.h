// SPDX-License-Identifier: Apache-2.0
//
// Failures, and the one place that puts them into words:
//   cannot <verb> '<object>': <reason>: <errno's words> (<ERRNO>); hint: <hint>
// lower-case, without a full stop, with paths as the caller wrote them.
//
//   return MakeFailure({FailureKind::kHostRefused, "read", path, "", errno});
#ifndef ENCAPSULATE_BASE_ERROR_H_
#define ENCAPSULATE_BASE_ERROR_H_

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "encapsulate/failure.h"

namespace encapsulate {

struct Failure {
  Failure(FailureKind kind, std::string verb, std::string object = "",
          std::string reason = "", int error = 0, std::string hint = "")
      : kind(kind),
        verb(std::move(verb)),
        object(std::move(object)),
        reason(std::move(reason)),
        error(error),
        hint(std::move(hint)) {}

  FailureKind kind;
  // What could not be done. Without it, `reason` is a sentence of its own.
  std::string verb;
  // To what, before it is quoted; empty if `verb` has it or there is none.
  std::string object;
  std::string reason;  // empty if `error` or `verb` says all
  int error;           // errno, or 0
  std::string hint;    // one action, or empty
};

// The sentence.
std::string Words(const Failure& failure);

// What of it follows the colon, without the hint.
std::string WhyOf(const Failure& failure);

// A status with that sentence, from which FailureKindOf() and FailureOf() read
// the failure back.
absl::Status MakeFailure(const Failure& failure);

// What the status was made of. Of one that isn't from here the message is the
// `reason`.
Failure FailureOf(const absl::Status& status);

// 'a b', in which everything that Printable() escapes is escaped.
std::string Quote(absl::string_view text);

// The bytes of the UTF-8 character (RFC 3629) at the start of `text`, which
// isn't empty; 0 if there is none.
size_t Utf8Size(absl::string_view text);

// "no such file or directory (ENOENT)"
std::string Reason(int error);

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_ERROR_H_
