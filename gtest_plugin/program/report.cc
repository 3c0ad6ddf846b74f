// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/report.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "encapsulate/base/printable.h"
#include "encapsulate/violation_text.h"
#include "encapsulate/violations.h"
#include "gtest_plugin/googletest/frames.h"
#include "gtest_plugin/googletest/internals.h"

namespace encapsulate {
namespace {

constexpr size_t kTailBytes = 4096;
constexpr ptrdiff_t kTailLines = 40;
// Of the processes inside, and of each one's command line.
constexpr size_t kMostThreads = 64;
constexpr size_t kCommandBytes = 200;
constexpr size_t kStepsShown = 4;
constexpr char kThreadHeading[] = "  thread ";
constexpr char kFramePrefix[] = "    @ ";

// "3.21": of milliseconds.
std::string InMilliseconds(absl::Duration time) {
  return absl::StrFormat("%.2f", absl::ToDoubleMilliseconds(time));
}

std::string OwnProgram() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error);
}

// Where an address of a test's process is. That is a copy of this one, and has
// what was loaded before in the same places.
Frame FrameAt(uint64_t address) {
  Frame frame;
  frame.address = address;
  Dl_info info;
  link_map* object = nullptr;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): it was a pointer in there.
  if (dladdr1(reinterpret_cast<void*>(address), &info,
              reinterpret_cast<void**>(&object), RTLD_DL_LINKMAP) == 0 ||
      object == nullptr) {
    return frame;
  }
  frame.object = *object->l_name != '\0' ? object->l_name : OwnProgram();
  frame.offset = address - object->l_addr;
  return frame;
}

// "    @ 0x4711  Function()": a call, or the instruction that the thread is at,
// which comes first.
bool ParseFrame(absl::string_view line, bool is_call, Frame* frame) {
  if (!absl::ConsumePrefix(&line, kFramePrefix)) return false;
  uint64_t address;
  if (!absl::SimpleHexAtoi(line.substr(0, line.find(' ')), &address)) {
    return false;
  }
  // What follows a call may be another line, or another function.
  *frame = FrameAt(is_call ? address - 1 : address);
  return true;
}

std::string FormatPlace(const Frame& frame) {
  return frame.file.empty() ? ""
                            : absl::StrCat(" at ", frame.file, ":", frame.line);
}

// One line, and one more for each function that is inlined there.
std::string FormatFrame(absl::string_view line,
                        const std::vector<Frame>& places) {
  const size_t name = line.find("  ", sizeof(kFramePrefix) - 1);
  std::string text;
  for (const Frame& place : places) {
    if (&place != &places.back()) {
      absl::StrAppend(&text, kFramePrefix, "(inlined)");
    } else {
      absl::StrAppend(&text, line.substr(0, name));
    }
    if (place.function.empty()) {
      absl::StrAppend(&text, line.substr(std::min(name, line.size())));
    } else {
      absl::StrAppend(&text, "  ", place.function);
    }
    absl::StrAppend(&text, FormatPlace(place), "\n");
  }
  return text;
}

std::string AddLines(absl::string_view stacks) {
  const std::vector<std::string> lines = absl::StrSplit(stacks, '\n');
  // One for each line; those that are no frame have no stack.
  std::vector<Violation> frames(lines.size());
  bool is_call = false;
  for (size_t i = 0; i < lines.size(); ++i) {
    Frame frame;
    if (ParseFrame(lines[i], is_call, &frame)) frames[i].stack = {frame};
    if (absl::StartsWith(lines[i], kThreadHeading)) {
      is_call = false;
    } else if (absl::StartsWith(lines[i], kFramePrefix)) {
      is_call = true;
    }
  }
  Symbolize(&frames);
  std::string text;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (frames[i].stack.empty()) {
      absl::StrAppend(&text, lines[i], "\n");
    } else {
      absl::StrAppend(&text, FormatFrame(lines[i], frames[i].stack));
    }
  }
  return std::string(absl::StripSuffix(text, "\n"));
}

// "waits in wait4", in the words for a state of proc_pid_stat(5).
std::string Describe(const SandboxedThread& thread) {
  switch (thread.state) {
    case 'R':
      return "runs";
    case 'Z':
      return "has ended, and its parent hasn't waited for it";
    case 'T':
      return "is stopped by a signal";
    case 't':
      return "is stopped by its tracer";
    default:
      return absl::StrCat(
          "waits", thread.state == 'D' ? ", deaf to signals," : "",
          thread.waits_in.empty() ? "" : " in ", thread.waits_in);
  }
}

// "  process 5 (sh), child of 2, waits in wait4: sh -c true", with one more
// line for each further thread, and below each its stack.
std::string FormatProcesses(const std::vector<SandboxedProcess>& processes) {
  std::vector<Violation> stacks;  // one for each thread
  for (const SandboxedProcess& process : processes) {
    for (const SandboxedThread& thread : process.threads) {
      if (stacks.size() == kMostThreads) break;
      stacks.emplace_back();
      stacks.back().stack = thread.stack;
    }
  }
  Symbolize(&stacks);
  const std::string own = OwnProgram();
  std::string text;
  size_t shown = 0;
  size_t more = 0;
  for (const SandboxedProcess& process : processes) {
    for (const SandboxedThread& thread : process.threads) {
      if (shown == kMostThreads) {
        ++more;
        continue;
      }
      const bool is_first = &thread == &process.threads.front();
      absl::StrAppend(&text, "  process ", process.pid);
      if (!is_first) absl::StrAppend(&text, ", thread ", thread.tid);
      absl::StrAppend(&text, " (", Printable(thread.name), ")");
      if (is_first && process.parent != 0) {
        absl::StrAppend(&text, ", child of ", process.parent);
      }
      absl::StrAppend(&text, ", ", Printable(Describe(thread)));
      if (is_first && !process.command.empty()) {
        absl::StrAppend(&text, ": ",
                        Printable(process.command.substr(0, kCommandBytes)),
                        process.command.size() > kCommandBytes ? "..." : "");
      }
      absl::StrAppend(&text, "\n");
      for (const Frame& frame :
           FramesToShow(stacks[shown], gtest_internals::GoogleTestFrames())) {
        absl::StrAppend(
            &text, "    @ ",
            frame.object == own
                ? Printable(absl::StrCat(frame.function, FormatPlace(frame)))
                : DescribeFrame(frame),
            "\n");
      }
      ++shown;
    }
  }
  if (more > 0) absl::StrAppend(&text, "  ", more, " more threads\n");
  return text;
}

}  // namespace

// GoogleTest's heading keeps the stacks out of the summary of the failure.
std::string FormatReport(const std::string& report,
                         const std::vector<SandboxedProcess>& others) {
  const size_t trace =
      std::min(report.find(gtest_internals::kTraceHeading), report.size());
  absl::string_view stacks = absl::string_view(report).substr(0, trace);
  std::string text;
  if (trace < report.size()) {
    absl::StrAppend(&text, "\n", absl::StripSuffix(report.substr(trace), "\n"));
  }
  std::string standing = FormatProcesses(others);
  if (absl::ConsumeSuffix(&stacks, "\n")) {
    standing.insert(0, AddLines(stacks) + "\n");
  }
  if (!standing.empty()) {
    absl::StrAppend(&text, gtest_internals::StackTraceHeading(),
                    absl::StripSuffix(standing, "\n"));
  }
  return text;
}

std::string FormatSteps(const std::vector<StepTime>& steps) {
  std::map<std::string, absl::Duration> times;
  absl::Duration sum;
  for (const StepTime& step : steps) {
    times[step.step] += step.time;
    sum += step.time;
  }
  std::vector<std::pair<absl::Duration, std::string>> sorted;
  sorted.reserve(times.size());
  for (const auto& time : times) sorted.emplace_back(time.second, time.first);
  std::sort(sorted.rbegin(), sorted.rend());
  std::vector<std::string> shown;
  absl::Duration rest = sum;
  for (size_t i = 0; i < std::min(sorted.size(), kStepsShown); ++i) {
    shown.push_back(
        absl::StrCat(sorted[i].second, " ", InMilliseconds(sorted[i].first)));
    rest -= sorted[i].first;
  }
  if (sorted.size() > kStepsShown) {
    shown.push_back(absl::StrCat(sorted.size() - kStepsShown, " more steps ",
                                 InMilliseconds(rest)));
  }
  return absl::StrCat("sandbox made in ", InMilliseconds(sum),
                      " ms: ", absl::StrJoin(shown, ", "));
}

void OutputTail::Add(absl::string_view bytes) {
  absl::StrAppend(&bytes_, bytes);
  if (bytes_.size() <= 2 * kTailBytes) return;
  bytes_.erase(0, bytes_.size() - kTailBytes);
  cut_ = true;
}

std::string OutputTail::Format() const {
  absl::string_view tail = bytes_;
  bool cut = cut_;
  if (tail.size() > kTailBytes) {
    tail.remove_prefix(tail.size() - kTailBytes);
    cut = true;
  }
  absl::ConsumeSuffix(&tail, "\n");
  if (tail.empty()) return "";
  std::vector<std::string> lines = absl::StrSplit(tail, '\n');
  // The first one may have lost its start.
  ptrdiff_t skipped = cut && lines.size() > 1 ? 1 : 0;
  skipped = std::max<ptrdiff_t>(
      skipped, static_cast<ptrdiff_t>(lines.size()) - kTailLines);
  lines.erase(lines.begin(), lines.begin() + skipped);
  std::string text = "\nThe end of its output:";
  if (cut || skipped > 0) absl::StrAppend(&text, "\n    ...");
  for (const std::string& line : lines) {
    absl::StrAppend(&text, "\n    ", PrintableLines(line));
  }
  return text;
}

}  // namespace encapsulate
