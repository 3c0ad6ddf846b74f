// SPDX-License-Identifier: Apache-2.0
//
// Functions and lines of violations' stacks, in one run of a symbolizer for
// each object.
//
// An object may be the work of whoever was in the sandbox, and programs that
// read debug information have bugs: the symbolizer runs in a sandbox, too, and
// for a limited time.
#include "encapsulate/symbolize.h"

#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/debugging/symbolize.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "encapsulate/base/error.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/environment.h"
#include "encapsulate/inspect/symbolizer_output.h"
#include "encapsulate/sandbox.h"
#include "encapsulate/violations.h"

namespace encapsulate {
namespace {

using Places = std::vector<SymbolizedPlace>;
using Offsets = std::set<uint64_t>;
using Known = std::map<std::pair<std::string, uint64_t>, Places>;

constexpr size_t kMaxOffsetsOfOneRun = 1000;
constexpr absl::Duration kPatience = absl::Minutes(1);
// Of one run: kilobytes for each address. Whatever is longer is no answer.
constexpr size_t kMaxOutput = 8 << 20;
// The debug information of the largest programs takes a few gigabytes; forged,
// any number.
constexpr uint64_t kMaxMemory = uint64_t{8} << 30;
// That all stacks together get: one answer may be for many frames.
constexpr size_t kMaxTextOfAll = 64 << 20;

constexpr char kElfutils[] = "eu-addr2line";

// Nobody is shown lines of the C library's, and its separate debug information
// is large.
bool IsLibc(const std::string& object) {
  return absl::StrContains(object, "/libc.so.") ||
         absl::StrContains(object, "/ld-linux");
}

std::string ReadLink(const char* path) {
  char target[4096];
  const ssize_t size = readlink(path, target, sizeof(target));
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : "";
}

// How far this program's own image is from where it was linked to.
uint64_t OwnBias() {
  uint64_t bias = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* result) {
        *static_cast<uint64_t*>(result) = info->dlpi_addr;
        return 1;  // the program comes first
      },
      &bias);
  return bias;
}

// What `command` writes about `object`, run in a sandbox of its own; absent if
// it took too long.
absl::optional<std::string> Output(const std::string& object,
                                   const std::vector<std::string>& command,
                                   absl::Duration timeout) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "";
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  Options options;
  options.keep_descriptors = {writer.get()};
  options.limits.timeout = timeout;
  options.limits.grace = absl::Milliseconds(100);
  options.limits.address_space = kMaxMemory;
  // It would ask the network, which isn't there.
  options.environment = CurrentEnvironment();
  RemoveVariable("DEBUGINFOD_URLS", &*options.environment);
  // The path was chosen inside. Here it may name a FIFO, or lie below a mount
  // that doesn't answer: nothing but the sandbox touches it.
  constexpr char kScript[] =
      "test -f \"$1\" || exit; output=$2; shift 2\n"
      "exec \"$@\" >\"$output\" 2>/dev/null </dev/null";
  std::vector<std::string> shell = {
      "/bin/sh", "-c",   kScript,
      "sh",      object, absl::StrCat("/proc/self/fd/", writer.get())};
  shell.insert(shell.end(), command.begin(), command.end());
  absl::StatusOr<Process> process = Spawn(options, shell);
  writer.Reset();
  if (!process.ok()) return "";
  std::string output;
  char buffer[65536];
  for (;;) {
    const ssize_t size = read(reader.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    if (output.size() + static_cast<size_t>(size) > kMaxOutput) {
      process->Kill();
      return "";
    }
    output.append(buffer, static_cast<size_t>(size));
  }
  const Result result = process->Wait();
  if (result.outcome == Outcome::kTimedOut) return absl::nullopt;
  // 1 is elfutils' where one address has no line.
  return result.outcome == Outcome::kExited && result.exit_code <= 1 ? output
                                                                     : "";
}

// The first of the programs that is in PATH, or nothing. elfutils' maps files
// and reads the units that it needs; of a program of 50 MB that takes a quarter
// of what the others take.
const std::vector<std::string>& Symbolizer() {
  static const auto* const command = [] {
    const char* const path = getenv("PATH");
    const std::vector<std::string> directories =
        absl::StrSplit(path != nullptr ? path : "/usr/bin:/bin", ':');
    for (const auto& candidate :
         {std::vector<std::string>{kElfutils, "-i", "-S"},
          std::vector<std::string>{"llvm-symbolizer", "--output-style=GNU",
                                   "--inlines"},
          std::vector<std::string>{"addr2line", "-i"}}) {
      for (const std::string& directory : directories) {
        const std::string file = absl::StrCat(directory, "/", candidate[0]);
        if (access(file.c_str(), X_OK) != 0) continue;
        auto* found = new std::vector<std::string>(candidate);
        (*found)[0] = file;
        for (const char* option : {"-f", "-C", "-a", "-e"}) {
          found->push_back(option);
        }
        return found;
      }
    }
    return new std::vector<std::string>;
  }();
  return *command;
}

// False if it took too long.
bool AskSymbolizer(const std::string& object, const Offsets& offsets,
                   absl::Time deadline, Known* known) {
  // Others are of the kernel: [vdso], //anon, /memfd:name.
  if (Symbolizer().empty() || object[0] != '/' ||
      absl::StartsWith(object, "//") || absl::StartsWith(object, "/memfd:")) {
    return true;
  }
  for (auto offset = offsets.begin(); offset != offsets.end();) {
    std::vector<std::string> command = Symbolizer();
    const bool is_elfutils = absl::EndsWith(command[0], kElfutils);
    if (is_elfutils && IsLibc(object)) {
      command.insert(command.begin() + 1, "--debuginfo-path=");
    }
    command.push_back(object);
    for (size_t i = 0; i < kMaxOffsetsOfOneRun && offset != offsets.end();
         ++i, ++offset) {
      command.push_back(absl::StrCat("0x", absl::Hex(*offset)));
    }
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    const absl::optional<std::string> output = Output(object, command, left);
    if (!output.has_value()) return false;
    for (auto& places : ParseSymbolizerOutput(*output, offsets, is_elfutils)) {
      (*known)[{object, places.first}] = std::move(places.second);
    }
  }
  return true;
}

// This program's own functions, without lines.
void AskAbseil(const std::string& object, const Offsets& offsets,
               Known* known) {
  const uint64_t bias = OwnBias();
  for (uint64_t offset : offsets) {
    Places& places = (*known)[{object, offset}];
    char name[1024];
    if (places.empty() &&
        // NOLINTNEXTLINE(performance-no-int-to-ptr): an address in a report
        absl::Symbolize(reinterpret_cast<void*>(bias + offset), name,
                        sizeof(name))) {
      places.push_back({name, "", 0});
    }
  }
}

}  // namespace

void SymbolizeWithin(absl::Duration patience,
                     std::vector<Violation>* violations) {
  static auto* const mutex = new std::mutex;
  static auto* const known = new Known;
  static bool asks = true;
  const std::lock_guard<std::mutex> lock(*mutex);

  std::map<std::string, Offsets> wanted;
  for (const Violation& violation : *violations) {
    for (const Frame& frame : violation.stack) {
      if (frame.object.empty() || !frame.function.empty() ||
          known->count({frame.object, frame.offset}) != 0) {
        continue;
      }
      wanted[frame.object].insert(frame.offset);
    }
  }
  const std::string own = ReadLink("/proc/self/exe");
  const absl::Time deadline = absl::Now() + patience;
  for (const auto& object : wanted) {
    asks = asks && AskSymbolizer(object.first, object.second, deadline, known);
    if (object.first == own) AskAbseil(object.first, object.second, known);
    for (uint64_t offset : object.second) (*known)[{object.first, offset}];
  }
  size_t text = 0;
  for (Violation& violation : *violations) {
    std::vector<Frame> stack;
    for (Frame& frame : violation.stack) {
      const auto found = known->find({frame.object, frame.offset});
      if (!frame.function.empty() || found == known->end() ||
          found->second.empty() || text > kMaxTextOfAll) {
        stack.push_back(std::move(frame));
        continue;
      }
      for (const SymbolizedPlace& place : found->second) {
        stack.push_back(frame);
        text += frame.object.size() + place.function.size() + place.file.size();
        stack.back().function = place.function;
        stack.back().file = place.file;
        stack.back().line = place.line;
      }
    }
    violation.stack = std::move(stack);
  }
}

std::string WhyNoLines(const Violation& violation) {
  const std::string& program = violation.program;
  for (const char* tree : {"/usr", "/bin", "/sbin", "/lib", "/opt"}) {
    if (IsWithin(program, tree)) return "";
  }
  bool has_frame = false;
  for (const Frame& frame : violation.stack) {
    if (frame.object != program) continue;
    has_frame = true;
    if (!frame.file.empty()) return "";
  }
  if (program.empty() || !has_frame) return "";
  if (Symbolizer().empty()) {
    return "none: no eu-addr2line, llvm-symbolizer or addr2line is in PATH";
  }
  return absl::StrCat("none: ", Quote(program),
                      " has no debug information; hint: compile with -g1 and "
                      "don't strip it, with Bazel by --copt=-g1 --strip=never");
}

void Symbolize(std::vector<Violation>* violations) {
  SymbolizeWithin(kPatience, violations);
}

void Symbolize(Violation* violation) {
  std::vector<Violation> one;
  one.push_back(std::move(*violation));
  Symbolize(&one);
  *violation = std::move(one.front());
}

}  // namespace encapsulate
