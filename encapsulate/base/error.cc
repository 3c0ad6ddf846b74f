// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/base/error.h"

#include <string.h>  // NOLINT: strerrorname_np is GNU's

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/types/optional.h"
#include "encapsulate/base/printable.h"

namespace encapsulate {
namespace {

constexpr char kPayload[] = "encapsulate/failure";
// Between the parts of a payload. With one in a part, only the kind comes back.
constexpr char kSeparator = '\0';

absl::StatusCode CodeOf(FailureKind kind) {
  switch (kind) {
    case FailureKind::kInvalidOptions:
      return absl::StatusCode::kInvalidArgument;
    case FailureKind::kHostRefused:
      return absl::StatusCode::kFailedPrecondition;
    case FailureKind::kCommandNotFound:
      return absl::StatusCode::kNotFound;
    case FailureKind::kCommandNotUsable:
      return absl::StatusCode::kPermissionDenied;
    case FailureKind::kNone:
      break;
  }
  return absl::StatusCode::kUnknown;
}

}  // namespace

std::string WhyOf(const Failure& failure) {
  if (failure.error == 0) return failure.reason;
  return absl::StrCat(failure.reason, failure.reason.empty() ? "" : ": ",
                      Reason(failure.error));
}

std::string Words(const Failure& failure) {
  std::string words;
  if (!failure.verb.empty()) words = absl::StrCat("cannot ", failure.verb);
  if (!failure.object.empty()) {
    absl::StrAppend(&words, " ", Quote(failure.object));
  }
  const std::string why = WhyOf(failure);
  absl::StrAppend(&words, words.empty() || why.empty() ? "" : ": ", why);
  if (!failure.hint.empty()) absl::StrAppend(&words, "; hint: ", failure.hint);
  return words;
}

absl::Status MakeFailure(const Failure& failure) {
  absl::Status status(CodeOf(failure.kind), Words(failure));
  const char separator[] = {kSeparator};
  status.SetPayload(
      kPayload, absl::Cord(absl::StrJoin(
                    {absl::StrCat(static_cast<int>(failure.kind)), failure.verb,
                     failure.object, failure.reason,
                     absl::StrCat(failure.error), failure.hint},
                    absl::string_view(separator, sizeof(separator)))));
  return status;
}

Failure FailureOf(const absl::Status& status) {
  Failure failure{FailureKind::kNone, "", "", std::string(status.message())};
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  if (!payload.has_value()) return failure;
  const std::vector<std::string> parts =
      absl::StrSplit(std::string(*payload), kSeparator);
  int kind;
  if (!absl::SimpleAtoi(parts[0], &kind)) return failure;
  failure.kind = static_cast<FailureKind>(kind);
  int error;
  if (parts.size() != 6 || !absl::SimpleAtoi(parts[4], &error)) return failure;
  return {failure.kind, parts[1], parts[2], parts[3], error, parts[5]};
}

FailureKind FailureKindOf(const absl::Status& status) {
  return FailureOf(status).kind;
}

std::string Quote(absl::string_view text) {
  // What ends the quotation, or starts an escape sequence, comes first.
  return absl::StrCat(
      "'", Printable(absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}})),
      "'");
}

size_t Utf8Size(absl::string_view text) {
  const auto byte = [&](size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  size_t size = 0;
  unsigned char least = 0x80;
  unsigned char most = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    size = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    size = 3;
    if (first == 0xe0) least = 0xa0;
    if (first == 0xed) most = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    size = 4;
    if (first == 0xf0) least = 0x90;
    if (first == 0xf4) most = 0x8f;
  }
  if (size == 0 || text.size() < size) return 0;
  if (byte(1) < least || byte(1) > most) return 0;
  for (size_t i = 2; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return size;
}

std::string Reason(int error) {
  std::string text = strerror(error);
  if (text.size() > 1 && absl::ascii_islower(text[1])) {
    text[0] = absl::ascii_tolower(text[0]);
  }
  const char* name = strerrorname_np(error);
  return absl::StrCat(text, " (", name != nullptr ? name : "unknown", ")");
}

}  // namespace encapsulate
