#include "encapsulate/base/error.h"

#include <string.h>  // NOLINT: strerrorname_np is GNU's

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/types/optional.h"
#include "encapsulate/base/printable.h"

namespace encapsulate {
namespace {

constexpr char kPayload[] = "encapsulate/failure-kind";

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

absl::Status MakeFailure(FailureKind kind, absl::string_view message) {
  absl::Status status(CodeOf(kind), message);
  status.SetPayload(kPayload, absl::Cord(absl::StrCat(static_cast<int>(kind))));
  return status;
}

FailureKind FailureKindOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  int kind;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &kind)) {
    return FailureKind::kNone;
  }
  return static_cast<FailureKind>(kind);
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
