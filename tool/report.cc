// SPDX-License-Identifier: Apache-2.0

#include "tool/report.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/json.h"
#include "encapsulate/base/printable.h"
#include "encapsulate/base/write_all.h"
#include "encapsulate/isolation.h"
#include "tool/exit_codes.h"

namespace encapsulate::tool {
namespace {

// https://no-color.org
bool UseColour() {
  const char* no_colour = getenv("NO_COLOR");
  const char* terminal = getenv("TERM");
  return isatty(STDERR_FILENO) && (no_colour == nullptr || *no_colour == 0) &&
         terminal != nullptr && absl::string_view(terminal) != "dumb";
}

// In one write, so that lines of several processes don't mix. Whatever others
// chose of the message, it is one line and moves no cursor.
void WriteLine(absl::string_view prefix, absl::string_view message) {
  // If it can't be written, there is nobody to tell.
  if (!HasStandardError()) return;
  WriteAll(STDERR_FILENO, absl::StrCat(prefix, " ", Printable(message), "\n"));
}

// "12.3 ms"
std::string Brief(absl::Duration time) {
  const double seconds = absl::ToDoubleSeconds(time);
  return seconds < 1 ? absl::StrFormat("%.1f ms", seconds * 1e3)
                     : absl::StrFormat("%.2f s", seconds);
}

std::string JsonSeconds(absl::Duration time) {
  return absl::StrFormat("%.6f", absl::ToDoubleSeconds(time));
}

const char* FailureName(FailureKind kind) {
  switch (kind) {
    case FailureKind::kInvalidOptions:
      return "invalid-options";
    case FailureKind::kHostRefused:
      return "host-refused";
    case FailureKind::kCommandNotFound:
      return "command-not-found";
    case FailureKind::kCommandNotUsable:
      return "command-not-usable";
    case FailureKind::kNone:
      break;
  }
  return "unknown";
}

const char* ChangeName(OverlayChange::Kind kind) {
  switch (kind) {
    case OverlayChange::Kind::kWritten:
      return "written";
    case OverlayChange::Kind::kMadeDirectory:
      return "made-directory";
    case OverlayChange::Kind::kDeleted:
      return "deleted";
    case OverlayChange::Kind::kChangedDirectory:
      return "changed-directory";
  }
  return "unknown";
}

const char* ChangeVerb(OverlayChange::Kind kind) {
  switch (kind) {
    case OverlayChange::Kind::kWritten:
      return "wrote";
    case OverlayChange::Kind::kMadeDirectory:
      return "made directory";
    case OverlayChange::Kind::kDeleted:
      return "deleted";
    case OverlayChange::Kind::kChangedDirectory:
      return "changed attributes of";
  }
  return "changed";
}

const char* SupportName(HostSupport support) {
  switch (support) {
    case HostSupport::kOk:
      return "ok";
    case HostSupport::kUnavailable:
      return "unavailable";
    case HostSupport::kRefused:
      return "refused";
  }
  return "unknown";
}

}  // namespace

bool HasStandardError() {
  static const bool has = fcntl(STDERR_FILENO, F_GETFD) >= 0;
  return has;
}

int ExitCodeOf(const Result& result, const Judgement& judgement) {
  switch (result.outcome) {
    case Outcome::kExited:
      if (result.exit_code != 0) return result.exit_code;
      if (judgement.violations == Violations::kEnforce && result.violated()) {
        return kExitViolations;
      }
      return judgement.leftovers_fail && (result.leftover_count > 0 ||
                                          !result.temporary_files.empty())
                 ? kExitLeftovers
                 : 0;
    case Outcome::kSignaled:
      return kExitSignalBase + result.signal;
    case Outcome::kTimedOut:
      return kExitTimeout;
    case Outcome::kLost:
      return kExitLost;
  }
  return kExitFailed;
}

int ExitCodeOf(const absl::Status& failure) {
  switch (FailureKindOf(failure)) {
    case FailureKind::kCommandNotFound:
      return kExitNotFound;
    case FailureKind::kCommandNotUsable:
      return kExitNotUsable;
    case FailureKind::kNone:
    case FailureKind::kInvalidOptions:
    case FailureKind::kHostRefused:
      break;
  }
  return kExitFailed;
}

void Print(absl::string_view message) { WriteLine("encapsulate:", message); }

void Complain(absl::string_view message) {
  WriteLine(UseColour() ? "\033[1;31mencapsulate:\033[0m" : "encapsulate:",
            message);
}

void Complain(std::string verb, std::string object, int error) {
  Complain(Words(
      {FailureKind::kNone, std::move(verb), std::move(object), "", error}));
}

void PrintSteps(const std::vector<StepTime>& steps) {
  absl::Duration total;
  for (const StepTime& step : steps) {
    total += step.time;
    Print(absl::StrFormat("%8d us  %s", absl::ToInt64Microseconds(step.time),
                          step.step));
  }
  Print(absl::StrFormat("%8d us  in all until the command started",
                        absl::ToInt64Microseconds(total)));
}

void PrintOutcome(const Result& result) {
  const std::string after = absl::StrCat(" after ", Brief(result.wall_time));
  switch (result.outcome) {
    case Outcome::kExited:
      Print(absl::StrCat("the command exited with ", result.exit_code, after));
      break;
    case Outcome::kSignaled:
      Print(absl::StrCat("the command was killed by ",
                         SignalName(result.signal), after));
      break;
    case Outcome::kTimedOut:  // PrintLimits() says so
    case Outcome::kLost:      // said whether asked or not
      break;
  }
}

void PrintLimits(const Result& result) {
  if (result.outcome == Outcome::kTimedOut) {
    Complain(absl::StrCat("the command was ended by --timeout after ",
                          Brief(result.wall_time)));
  }
  for (LimitHit limit : result.limits_hit) {
    Complain(absl::StrCat("the command ran into --", LimitName(limit)));
  }
}

void SayUnknownSockets(const Result& result) {
  for (const std::string& path : result.unknown_sockets) {
    Complain(
        Words({FailureKind::kNone, "keep the command from the host's socket",
               path, "its mount doesn't answer"}));
  }
}

void SayLeftovers(const Result& result) {
  for (const Leftover& leftover : result.leftovers) {
    Print(absl::StrCat(
        "killed ",
        Quote(leftover.command.empty() ? leftover.name : leftover.command),
        " (pid ", leftover.pid, "), still running when the command ended"));
  }
  const int more =
      result.leftover_count - static_cast<int>(result.leftovers.size());
  if (more > 0) Print(absl::StrCat("killed ", more, " more processes"));
}

void SayTemporaryFiles(const Result& result) {
  constexpr size_t kShown = 10;
  const std::vector<std::string>& files = result.temporary_files;
  for (size_t i = 0; i < files.size() && i < kShown; ++i) {
    Print(absl::StrCat("removed ", Quote(files[i]),
                       ", which the command had left"));
  }
  if (files.size() > kShown) {
    Print(absl::StrCat("removed ", files.size() - kShown,
                       " more such files and directories"));
  }
}

void PrintOverlayChanges(const Result& result) {
  for (const OverlayChange& change : result.overlay_changes) {
    Print(absl::StrCat("overlay: ", ChangeVerb(change.kind), " ",
                       Quote(change.path)));
  }
}

std::string HostReport(const std::vector<HostFeature>& features,
                       const std::vector<LevelSupport>& levels) {
  std::string report;
  const auto add = [&](const char* support, const std::string& name) {
    absl::StrAppendFormat(&report, "%-11s  %s\n", support, name);
  };
  const auto add_detail = [&](absl::string_view label,
                              const std::string& text) {
    if (text.empty()) return;
    absl::StrAppend(&report, "             ", label, text, "\n");
  };
  for (const HostFeature& feature : features) {
    add(SupportName(feature.support), feature.name);
    add_detail("", feature.reason);
    add_detail("hint: ", feature.hint);
  }
  for (const LevelSupport& level : levels) {
    add(SupportName(level.works ? HostSupport::kOk : HostSupport::kUnavailable),
        absl::StrCat("isolation level ", IsolationName(level.level)));
    add_detail("", level.reason);
    add_detail("hint: ", level.hint);
    if (!level.works) continue;
    add_detail("doesn't keep: ", level.missing);
    add_detail("for honest code only: ", level.honest_code);
  }
  absl::StrAppend(&report, CanSandbox(features)
                               ? "Sandboxes can be made on this host.\n"
                               : "No sandbox can be made on this host.\n");
  return report;
}

std::string ToJson(const Result& result, const Judgement& judgement) {
  const auto time = [](const struct timeval& value) {
    return JsonSeconds(absl::DurationFromTimeval(value));
  };
  const struct rusage& usage = result.usage;
  std::string json = absl::StrCat(
      "{\"outcome\":", JsonString(OutcomeName(result.outcome)),
      result.lost.empty()
          ? ""
          : absl::StrCat(",\"message\":", JsonString(result.lost)),
      ",\"exit_code\":",
      result.signal != 0 || result.outcome == Outcome::kLost
          ? "null"
          : absl::StrCat(result.exit_code),
      ",\"signal\":",
      result.signal == 0 ? "null" : JsonString(SignalName(result.signal)),
      ",\"status\":", ExitCodeOf(result, judgement),
      ",\"wall_seconds\":", JsonSeconds(result.wall_time),
      ",\"user_seconds\":", time(usage.ru_utime),
      ",\"system_seconds\":", time(usage.ru_stime));
  // ru_maxrss is in KiB (getrusage(2)).
  absl::StrAppend(&json, ",\"max_resident_bytes\":",
                  static_cast<int64_t>(usage.ru_maxrss) * 1024,
                  ",\"minor_faults\":", usage.ru_minflt,
                  ",\"major_faults\":", usage.ru_majflt,
                  ",\"blocks_read\":", usage.ru_inblock,
                  ",\"blocks_written\":", usage.ru_oublock,
                  ",\"voluntary_switches\":", usage.ru_nvcsw,
                  ",\"involuntary_switches\":", usage.ru_nivcsw);
  absl::StrAppend(
      &json, ",\"limits_hit\":[",
      absl::StrJoin(result.limits_hit, ",",
                    [](std::string* out, LimitHit limit) {
                      absl::StrAppend(out, JsonString(LimitName(limit)));
                    }),
      "],\"leftover_count\":", result.leftover_count, ",\"leftovers\":[",
      absl::StrJoin(result.leftovers, ",",
                    [](std::string* out, const Leftover& leftover) {
                      absl::StrAppend(
                          out, "{\"pid\":", leftover.pid,
                          ",\"name\":", JsonString(leftover.name),
                          ",\"command\":", JsonString(leftover.command), "}");
                    }),
      "],\"violations\":", result.record.violations.size(),
      ",\"violations_beyond\":", result.record.beyond,
      ",\"violations_unseen\":", result.record.unseen,
      ",\"isolation\":", JsonString(IsolationName(result.isolation)),
      ",\"temporary_files\":[",
      absl::StrJoin(result.temporary_files, ",",
                    [](std::string* out, const std::string& path) {
                      absl::StrAppend(out, JsonString(path));
                    }),
      "],\"overlay_changes\":[",
      absl::StrJoin(result.overlay_changes, ",",
                    [](std::string* out, const OverlayChange& change) {
                      absl::StrAppend(
                          out,
                          "{\"kind\":", JsonString(ChangeName(change.kind)),
                          ",\"path\":", JsonString(change.path), "}");
                    }),
      "]}");
  return json;
}

std::string ToJson(const absl::Status& failure) {
  return absl::StrCat(
      "{\"outcome\":\"failed\",\"failure\":",
      JsonString(FailureName(FailureKindOf(failure))),
      ",\"message\":", JsonString(std::string(failure.message())),
      ",\"status\":", ExitCodeOf(failure), "}");
}

}  // namespace encapsulate::tool
